#!/usr/bin/env bash
# What a join through the front door leaves behind: browsers by WebSocket and phones by SIP come, talk and go, again and again, each time
# into a conference that is made and deleted for them. Prints the server's resident memory as it goes and the slope of its later two thirds,
# in bytes per join. GROWTH_JOINS is how many join (2,400), 40 at a time; GROWTH_SECONDS how long they stay (2).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly JOINS=${GROWTH_JOINS:-2400} STAY=${GROWTH_SECONDS:-2}
readonly BROWSERS=20 PHONES=20
readonly GOAL=100

plenum=${CARGO_TARGET_DIR:-target}/release/plenum
folder=$(mktemp -d)
# shellcheck source=scripts/serve_bench.sh
source scripts/serve_bench.sh
trap 'stop_server; rm -rf "$folder"' EXIT

serve
began=$SECONDS
for ((joined = BROWSERS + PHONES; joined <= JOINS; joined += BROWSERS + PHONES)); do
    "$plenum" load --url "$page" --sip "$sip" --api-key-file "$key" --direct --server-pid "$server_pid" --seconds "$STAY" --solo 0 \
        --browsers $BROWSERS --phones $PHONES --json >"$folder/report.json" 2>"$folder/load.log" || {
        cat "$folder/load.log" >&2
        exit 1
    }
    # Calls end and rooms close a moment after the generator has gone.
    sleep 1
    resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status")
    printf '%s %s\n' "$joined" "$resident" >>"$folder/samples"
    if ((joined % 400 == 0)); then printf '%s joins, %s s: %s KiB resident\n' "$joined" $((SECONDS - began)) "$resident"; fi
done
python3 - "$folder/samples" "$GOAL" <<'PYTHON'
import sys

samples = [tuple(map(float, line.split())) for line in open(sys.argv[1])]
later = samples[len(samples) // 3 :]
mean_x = sum(x for x, _ in later) / len(later)
mean_y = sum(y for _, y in later) / len(later)
slope = sum((x - mean_x) * (y - mean_y) for x, y in later) / sum((x - mean_x) ** 2 for x, _ in later)
print(f"growth_signalled_joins {slope * 1024:.0f} bytes_per_join, goal {sys.argv[2]}")
PYTHON
