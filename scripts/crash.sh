#!/usr/bin/env bash
# Kills the companion under load, 200 times on each database or as often as the argument says, and looks for what was lost or doubled.
set -euo pipefail
cd "$(dirname "$0")/.."

export PLENUM_CRASH_CYCLES="${1:-200}"
exec cargo test --release -p plenum-companion --test shell --locked -- survives --nocapture
