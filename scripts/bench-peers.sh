#!/usr/bin/env bash
# The same work through Plenum and through Debian's Janus AudioBridge, one after the other in one run: WebRTC legs at 48 kHz from the
# same generator, ICE-lite on both sides, 3 talking and all talking. Prints what a member costs, and the ratio. Then one talker and two
# listeners on worse and worse lines from the talker to the server: what PESQ says of it, and how late it comes.
# PEERS_LEGS (50) is the size of the room, PEERS_SECONDS (15) the length of each measurement, PEERS_SOLO (24) that of the speech for PESQ.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LEGS=${PEERS_LEGS:-50} SECONDS_EACH=${PEERS_SECONDS:-15} SOLO=${PEERS_SOLO:-24}
# Ratios that Plenum is to reach.
readonly GOAL_LISTENING=8 GOAL_TALKING=4
readonly ROOM=1
export PATH="$PWD/.tools/python/bin:$PATH" # scripts/deps.sh keeps PESQ there

plenum=${CARGO_TARGET_DIR:-target}/release/plenum
folder=$(mktemp -d)
janus_pid=
# shellcheck source=scripts/serve_bench.sh
source scripts/serve_bench.sh
stop_janus() {
    if [[ -n $janus_pid ]]; then
        kill "$janus_pid" 2>/dev/null || true
        wait "$janus_pid" 2>/dev/null || true
        janus_pid=
    fi
}
trap 'stop_server; stop_janus; rm -rf "$folder"' EXIT
fail() { printf 'bench-peers: %s\n' "$*" >&2; exit 1; }

# A port that nobody listens on.
free_port() {
    local port=$((20000 + RANDOM % 10000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    printf '%d' "$port"
}

# Janus offers no candidate on the loopback: its media takes this machine's own address, which does not leave the machine either.
address=$(hostname -I | tr ' ' '\n' | grep -m1 -E '^[0-9]+(\.[0-9]+){3}$') || fail 'this machine has no IPv4 address beside the loopback'

# Nothing but the AudioBridge, and the WebSocket API on the loopback.
start_janus() {
    local port=$1
    mkdir -p "$folder/janus"
    cat >"$folder/janus/janus.jcfg" <<CONFIG
general: { configs_folder = "$folder/janus"; debug_level = 2; debug_colors = false; }
nat: { ice_lite = true; ice_enforce_list = "$address"; ignore_mdns = true; }
media: { rtp_port_range = "30000-39999"; }
plugins: { disable = "libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_videoroom.so,libjanus_voicemail.so"; }
transports: { disable = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so"; }
loggers: { disable = "libjanus_jsonlog.so"; }
events: { broadcast = false; }
CONFIG
    cat >"$folder/janus/janus.transport.websockets.jcfg" <<CONFIG
general: { json = "compact"; ws = true; ws_ip = "127.0.0.1"; ws_port = $port; wss = false; }
admin: { admin_ws = false; admin_wss = false; }
CONFIG
    cat >"$folder/janus/janus.plugin.audiobridge.jcfg" <<CONFIG
room-$ROOM: { description = "bench"; sampling_rate = 48000; audiolevel_ext = true; record = false; }
CONFIG
    janus -F "$folder/janus" -C "$folder/janus/janus.jcfg" >"$folder/janus/log" 2>&1 </dev/null &
    janus_pid=$!
    for _ in {1..100}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
        kill -0 "$janus_pid" 2>/dev/null || fail "Janus did not start: $(tail -3 "$folder/janus/log")"
        sleep 0.1
    done
    fail "Janus does not open port $port: $(tail -3 "$folder/janus/log")"
}

# measure NAME OPTION…: leaves NAME.json.
measure() {
    local name=$1
    shift
    "$plenum" load --continuous --seconds "$SECONDS_EACH" --json "$@" >"$folder/$name.json" 2>"$folder/$name.log" ||
        fail "$name: $(tail -1 "$folder/$name.log")"
}

# both OPTION…: leaves plenum.json and janus.json.
both() {
    local port
    serve
    measure plenum --url "$page" --api-key-file "$key" --server-pid "$server_pid" "$@"
    stop_server
    port=$(free_port)
    start_janus "$port"
    measure janus --url "ws://127.0.0.1:$port" --bind "$address" --janus $ROOM --server-pid "$janus_pid" "$@"
    stop_janus
}

# compare TITLE GOAL TALKERS
compare() {
    local title=$1 goal=$2 talkers=$3
    both --browsers "$LEGS" --solo 0 --talkers "$talkers"
    python3 scripts/load_row.py "Plenum, $title" - <"$folder/plenum.json"
    python3 scripts/load_row.py "Janus, $title" - <"$folder/janus.json"
    python3 - "$folder/plenum.json" "$folder/janus.json" "$goal" <<'SCRIPT'
import json, sys
ours, theirs = (json.load(open(path))["server"]["cpu_percent_per_leg"] for path in sys.argv[1:3])
print(f"ratio {theirs / max(ours, 1e-6):.1f}, goal {sys.argv[3]}")
SCRIPT
}

printf '%s cores, %s browsers, %s s each; Janus %s; CPU in %% of one core\n' \
    "$(nproc)" "$LEGS" "$SECONDS_EACH" "$(dpkg-query -W -f='${Version}' janus)"
python3 scripts/load_row.py --head
compare "3 of $LEGS talk" $GOAL_LISTENING 3
compare "all $LEGS talk" $GOAL_TALKING "$LEGS"

# line TITLE LOSS JITTER GOAL: two listeners hear one talker who loses LOSS per cent on the way to the server, JITTER ms of jitter.
line() {
    local title=$1 loss=$2 jitter=$3 goal=$4
    both --browsers 3 --talkers 1 --solo "$SOLO" --loss "$loss" --jitter "$jitter"
    python3 - "$folder" "$title" "$goal" <<'SCRIPT'
import json, sys
folder, title, goal = sys.argv[1:]
for name in ("plenum", "janus"):
    report = json.load(open(f"{folder}/{name}.json"))
    scores, delay = [score for _, _, score in report["pesq"]], report["delay_ms"]
    pesq = f"{sum(scores) / len(scores):.2f}" if scores else "-"
    late = f"{delay['p50']:.0f}/{delay['p95']:.0f} ms" if delay else "-"
    print(f"{name.capitalize() + ', ' + title:<34}  {pesq:>5}  {goal if name == 'plenum' else '-':>5}  {late:>13}", flush=True)
SCRIPT
}

printf '\n%-34s  %5s  %5s  %13s\n' 'from the talker to the server' PESQ goal 'delay p50/p95'
line 'clean' 0 0 4.2
line '5 % loss' 5 0 3.6
line '10 % loss' 10 0 3.3
line '5 % loss, 30 ms jitter' 5 30 3.4
