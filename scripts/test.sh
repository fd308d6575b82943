#!/usr/bin/env bash
# `make test`: builds everything once, then runs every class of test on it, each to its end even when an earlier one failed.
# The last line is the sum: "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LOGS=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$LOGS"
passed=0 failed=0
report=()

# step NAME COMMAND…: runs it, adds up the tests it reports; one that reports none counts as one test.
step() { run_step 1 "$@"; }
# tests NAME COMMAND…: the same, but a run without a single test is a failure.
tests() { run_step 0 "$@"; }

run_step() {
    local without=$1 name=$2 log start=$SECONDS status=0 good bad
    shift 2
    log=$LOGS/$name.log
    printf '\n── %s: %s\n' "$name" "$*"
    "$@" </dev/null 2>&1 | tee "$log" || status=$?
    read -r good bad < <(count "$log")
    if ((good + bad == 0)); then
        if ((without && status == 0)); then good=1; else bad=1; fi
    fi
    if ((status != 0 && bad == 0)); then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad))
    report+=("$(printf '%-14s %5d passed %3d failed %5d s' "$name" "$good" "$bad" $((SECONDS - start)))")
    return $((status != 0 || bad != 0))
}

# cargo says "test result: ok. 3 passed; 0 failed", vitest "Tests  3 passed | 1 failed (4)".
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
        /^ *Tests +[0-9]/ { for (i = 2; i <= NF; i++) { if ($i == "passed") p += $(i-1); if ($i == "failed") f += $(i-1) } }
        /^e2e result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
        END { print p + 0, f + 0 }'
}

finish() {
    printf '\n'
    printf '%s\n' "${report[@]}"
    printf 'total %d s\n%d passed, %d failed\n' "$SECONDS" "$passed" "$failed"
    ((failed == 0)) || exit 1
    exit 0
}

readonly CARGO=(--release --workspace --locked)
# Real time and both cores are theirs while they run: one test after the other, but of those that mostly wait several at once.
readonly ALONE=(interop attendees recording garbage callers load)
# Of the real clients those without a browser: they talk slowly and cost little.
readonly PHONES=(languages:: linphone:: numbers:: transfer:: trunks:: tools::sipp)
together=()
for source in tests/*/main.rs; do
    name=$(basename "$(dirname "$source")")
    [[ " ${ALONE[*]} " == *" $name "* ]] || together+=("$name")
done

# The bins of benches are checked by clippy alone: no test drives them.
step build cargo build "${CARGO[@]}" --bin plenum --tests || finish
step format cargo fmt --all --check || true
step clippy cargo clippy "${CARGO[@]}" --all-targets -- -D warnings || true
tests unit cargo test "${CARGO[@]}" --no-fail-fast --lib --bins || true
tests crates cargo test "${CARGO[@]}" --no-fail-fast --test control --test shell --test talk_off || true
step doc cargo test "${CARGO[@]}" --no-fail-fast --doc || true
for name in "${together[@]}"; do
    tests "$name" cargo test "${CARGO[@]}" --test "$name" || true
done
tests web npm --prefix web test || true
tests web-e2e npm --prefix web run e2e || true
tests people-e2e npm --prefix web run e2e-server || true
tests interop-phones cargo test "${CARGO[@]}" --test interop -- --test-threads=3 "${PHONES[@]}" || true
for name in "${ALONE[@]}"; do
    options=(--test-threads=1)
    case $name in
    attendees) options=(--test-threads=3) ;;
    interop) options+=("${PHONES[@]/#/--skip=}") ;;
    esac
    tests "$name" cargo test "${CARGO[@]}" --test "$name" -- "${options[@]}" || true
done
finish
