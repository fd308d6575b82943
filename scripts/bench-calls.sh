#!/usr/bin/env bash
# Phones that call, are answered and hang up, again and again: how long they wait for the answer at 200 calls a second, what a call set-up costs,
# what 40,000 of them leave behind. sipp is the phones, their scenario that of the tests. Prints lines of: name value unit floor ratio.
# CALLS is how many call in all (40,000), CALLS_PER_SECOND how fast (200), CALLS_MS how long each stays after its answer (500; 0: set-up alone).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CALLS=${CALLS:-40000} RATE=${CALLS_PER_SECOND:-200} STAY=${CALLS_MS:-500}
readonly ROUND=2000
readonly ROUNDS=$((CALLS / ROUND))

plenum=${CARGO_TARGET_DIR:-target}/release/plenum
folder=$(mktemp -d)
asks=true # the attendant answers
# shellcheck source=scripts/serve_bench.sh
source scripts/serve_bench.sh
build_bare
trap 'stop_server; rm -rf "$folder"' EXIT

cpu_ticks() { sed 's/.*) //' "/proc/$server_pid/stat" | awk '{ print $12 + $13 }'; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status"; }
gauge() { curl -s "$page/metrics" | awk -v name="$1" '$1 ~ "^" name "({|$)" { sum += $2 } END { print sum + 0 }'; }

# call COUNT MS: the calls; sipp's table of waits is added to $folder/waits.
call() {
    (cd "$folder" && sipp "$sip" -sf "$OLDPWD/tests/src/sipp/rush.xml" -s plenum -i 127.0.0.1 -nostdin \
        -m "$1" -l $((RATE * 10)) -r "$RATE" -d "$2" -timeout $(($1 / RATE + 60))s \
        -trace_rtt -rtt_freq 1 -trace_err -error_file "$folder/errors" >"$folder/sipp.out" 2>&1) || {
        printf 'calls failed:\n' >&2
        head -c 3000 "$folder/errors" >&2
        return 1
    }
    grep -h 'answer$' "$folder"/rush_*_rtt.csv | cut -d';' -f2 >>"$folder/waits"
    rm -f "$folder"/rush_*_rtt.csv
}

serve
: >"$folder/waits"
call $ROUND 0
before=$(bare)
ticks=$(cpu_ticks)
call $ROUND 0
setup=$(($(cpu_ticks) - ticks))
slower=$(slower "$before" "$(bare)")
: >"$folder/waits"
for ((round = 0; round < ROUNDS; round++)); do
    call $ROUND "$STAY"
    sleep 1
    printf '%s %s\n' $(((round + 1) * ROUND)) "$(resident)" >>"$folder/samples"
done
sleep 3
for name in plenum_calls plenum_media_legs plenum_media_rooms; do
    left=$(gauge $name)
    if [[ $left != 0 ]]; then
        printf '%s is %s after the last call\n' "$name" "$left" >&2
        exit 1
    fi
done
sort -n "$folder/waits" | python3 scripts/calls_rows.py "$folder/samples" "$((setup * 10))" "$ROUND" "$slower"
