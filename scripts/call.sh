#!/usr/bin/env bash
# Dials the demo conference of a running `make run` with baresip, as a person would: the access number, the conference ID, the PIN. What
# the caller hears in about 15 s of conference is left as heard.wav.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly HOST=127.0.0.1
readonly SIP_PORT=${SIP_PORT:-5060} HTTP_PORT=${HTTP_PORT:-8080}
readonly CONFERENCE=${CONFERENCE:-1001} PIN=${PIN:-2001}
# What the caller's phone offers, in baresip's words; CODECS=g722/16000/1 calls as a desk phone would.
readonly CODECS=${CODECS:-opus/48000/1,g722/16000/1,pcmu/8000/1}
readonly OUT=${CARGO_TARGET_DIR:-target}/call

say() { printf 'call: %s\n' "$*"; }
fail() { printf 'call: %s\n' "$*" >&2; exit 1; }

(exec 3<>"/dev/tcp/$HOST/$SIP_PORT") 2>/dev/null ||
    fail "nothing answers at sip:$HOST:$SIP_PORT: start the server with \`make run\` in another terminal"

folder=$(mktemp -d)
baresip_pid=
finish() {
    [[ -z $baresip_pid ]] || kill "$baresip_pid" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

say 'preparing what the caller says'
text='Hello. This is the soft phone that make call has started. Can you hear me? '
flite -voice slt -o "$folder/voice.wav" -t "$(for _ in {1..30}; do printf '%s' "$text"; done)"

# Two ports that nobody listens on; baresip takes the one after its SIP port for TLS.
port=$((20000 + RANDOM % 10000 / 4 * 4))
while (exec 3<>"/dev/tcp/$HOST/$((port + 3))") 2>/dev/null; do port=$((port + 4)); done
control=$((port + 3))
cat >"$folder/config" <<CONFIG
poll_method epoll
sip_listen $HOST:$port
audio_player aubridge,sink
audio_alert aubridge,alert
audio_source aufile,$folder/voice.wav
ausrc_srate 16000
auplay_srate 48000
ausrc_channels 1
auplay_channels 1
snd_path $folder
module_path /usr/lib/baresip/modules
module opus.so
module g722.so
module g711.so
module aubridge.so
module aufile.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen $HOST:$control
CONFIG
echo "<sip:caller@$HOST>;regint=0;dtmfmode=rtpevent;audio_codecs=$CODECS" >"$folder/accounts"
: >"$folder/contacts"

baresip -n "$HOST" -f "$folder" >"$folder/log" 2>&1 </dev/null &
baresip_pid=$!
for _ in {1..100}; do
    if (exec 3<>"/dev/tcp/$HOST/$control") 2>/dev/null; then break; fi
    kill -0 "$baresip_pid" 2>/dev/null || fail "baresip did not start: $(tail -5 "$folder/log")"
    sleep 0.1
done
exec 3<>"/dev/tcp/$HOST/$control" || fail 'baresip does not open its control port'

command() {
    local json="{\"command\":\"$1\",\"params\":\"${2:-}\"}"
    printf '%d:%s,' ${#json} "$json" >&3
}
established() { grep -aq 'Call established' "$folder/log"; }
ended() { grep -aqE 'session closed|terminated \(duration' "$folder/log"; }
key() {
    local digits=$1 i
    for ((i = 0; i < ${#digits}; i++)); do
        command sndcode "${digits:i:1}"
        sleep 0.4
    done
}

say "dialling sip:plenum@$HOST:$SIP_PORT"
command dial "sip:plenum@$HOST:$SIP_PORT"
for _ in {1..100}; do
    if established; then break; fi
    if ended; then fail "the call was refused: $(tail -3 "$folder/log")"; fi
    sleep 0.1
done
established || fail "no answer within 10 s: $(tail -5 "$folder/log")"
say "agreed on $(grep -aoE 'audio encoder: .*' "$folder/log" | tail -1 | cut -d' ' -f3-)"
sleep 2
say "keying the conference ID $CONFERENCE#"
key "$CONFERENCE#"
sleep 2
say "keying the PIN $PIN#"
key "$PIN#"
say "in the conference for 15 s; look at http://$HOST:$HTTP_PORT/join/$CONFERENCE"
for _ in {1..15}; do
    sleep 1
    if ended; then fail "the server has hung up: $(tail -3 "$folder/log")"; fi
done
command hangup
sleep 0.5
command quit
wait "$baresip_pid" || true
baresip_pid=

mkdir -p "$OUT"
heard=$(find "$folder" -name '*-dec.wav' | head -1)
[[ -s $heard ]] || fail "baresip has recorded nothing: $(tail -5 "$folder/log")"
cp "$heard" "$OUT/heard.wav"
say "what the caller heard: $OUT/heard.wav"
