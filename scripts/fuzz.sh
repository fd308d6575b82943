#!/usr/bin/env bash
# Runs each fuzz target under libFuzzer, FUZZ_SECONDS each (60), from the committed seeds. What it finds new stays in fuzz/corpus-grown.
set -euo pipefail
cd "$(dirname "$0")/.."

# libFuzzer's instrumentation is a compiler flag that stable Rust keeps behind this.
export RUSTC_BOOTSTRAP=1
failed=()
for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    printf '\n── %s for %s s\n' "$target" "${FUZZ_SECONDS:-60}"
    mkdir -p "fuzz/corpus-grown/$target"
    cargo fuzz run "$target" "fuzz/corpus-grown/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || failed+=("$target")
done
if [[ ${#failed[@]} -gt 0 ]]; then
    printf '\nfound faults in: %s (see fuzz/artifacts)\n' "${failed[*]}" >&2
    exit 1
fi
