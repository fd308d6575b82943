#!/usr/bin/env bash
# How far one server goes: rooms of growing size on the loopback, the generator (`plenum load`) on the same machine, a fresh server for
# each row. Under 12 minutes as it is. SCALE_SECONDS measures each row longer (10). SCALE_PHONES, SCALE_BROWSERS, SCALE_CONTINUOUS (browsers whose
# silence is 50 packets a second) and SCALE_TALKING are the sizes of the four kinds of room; SCALE="100 500" stands for the first two. SCALE_ROOMS is
# how many rooms of ten callers are held at once. Goals are of the design's machine, on which a bare G.711 frame there and back took 9.5 us: before and
# after each row it is measured what it takes of this one. An empty list leaves a kind out. SCALE_JOIN_RATE is how many join per second.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_EACH=${SCALE_SECONDS:-10}
readonly PHONES=${SCALE_PHONES-${SCALE-50 100 200 400 800}}
readonly BROWSERS=${SCALE_BROWSERS-${SCALE-100 500 1000 2000}}
readonly CONTINUOUS=${SCALE_CONTINUOUS-500 1000}
readonly TALKING=${SCALE_TALKING-50 100 200}
readonly ROOMS=${SCALE_ROOMS-100}
# Per cent of one core per leg.
readonly GOAL_G711=0.12 GOAL_OPUS=0.13 GOAL_TALKING=0.25

plenum=${CARGO_TARGET_DIR:-target}/release/plenum
folder=$(mktemp -d)
# shellcheck source=scripts/serve_bench.sh
source scripts/serve_bench.sh
build_bare
trap 'stop_server; rm -rf "$folder"' EXIT

# row LABEL GOAL LEGS OPTION…
row() {
    local label=$1 goal=$2 count=$3 rate=50 before
    shift 3
    before=$(bare)
    # A join's DTLS handshake takes its time of a media worker, which in large rooms has little to spare.
    if ((count > 500)); then rate=25; fi
    serve
    if "$plenum" load --url "$page" --sip "$sip" --api-key-file "$key" --direct --server-pid "$server_pid" \
        --seconds "$SECONDS_EACH" --join-rate "${SCALE_JOIN_RATE:-$rate}" --solo 0 --json "$@" >"$folder/report.json" 2>"$folder/load.log"; then
        python3 scripts/load_row.py "$label" "$goal" "$(slower "$before" "$(bare)")" <"$folder/report.json"
    else
        printf '%s: %s\n' "$label" "$(tail -1 "$folder/load.log")"
    fi
    stop_server
}

printf '%s cores, %s s each; CPU in %% of one core, goals in %% of one core per leg on the machine of the design; gen.: the generator itself, late: its own lateness\n' \
    "$(nproc)" "$SECONDS_EACH"
python3 scripts/load_row.py --head
for count in $PHONES; do
    row "$count G.711 callers, 3 talk" $GOAL_G711 "$count" --browsers 0 --phones "$count" --codec pcmu
done
for count in $ROOMS; do
    row "$((10 * count)) G.711 callers, $count rooms, 3 talk" - $((10 * count)) --browsers 0 --phones $((10 * count)) --conferences "$count" --codec pcmu
done
for count in $BROWSERS; do
    row "$count browsers, 3 talk" $GOAL_OPUS "$count" --browsers "$count"
done
for count in $CONTINUOUS; do
    row "$count browsers, 3 talk, no DTX" $GOAL_OPUS "$count" --browsers "$count" --continuous
done
for count in $TALKING; do
    row "$count browsers, all talk" $GOAL_TALKING "$count" --browsers "$count" --talkers "$count"
done
printf 'goal for 2000 browsers: 65 %% of two cores, 130 CPU %%\n'
