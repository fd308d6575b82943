#!/usr/bin/env bash
# Builds all benches and runs one after the other. Each prints lines of: name value unit floor ratio.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PWD/.tools/python/bin:$PATH" # scripts/deps.sh keeps PESQ there
cargo build --release --workspace --locked --bins
for source in benches/src/bin/*.rs; do
    "${CARGO_TARGET_DIR:-target}/release/$(basename "$source" .rs)" "$@"
done | if command -v column >/dev/null; then column -t; else cat; fi
