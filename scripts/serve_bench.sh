# Sourced by bench-scale.sh, bench-peers.sh and bench-calls.sh: starts a `plenum serve` of its own on the loopback, and ends it; and says how fast
# this machine is now.
#
# Needs: $folder, a scratch folder, and $plenum, the binary; with $asks set, callers meet the attendant. Gives: $server_pid, $page, $sip, $key.

serve() {
    mkdir -p "$folder/plenum"
    cat >"$folder/plenum/plenum.toml" <<CONFIG
[server]
bind = "127.0.0.1"
data_dir = "$folder/plenum/data"

[http]
port = 0

[media]
udp_port = 0

[sip]
port = 0
max_calls = 2000

[[sip.trunks]]
name = "load"
addresses = ["127.0.0.1"]
direct = $([[ -n ${asks:-} ]] && echo false || echo true)

[conference]
max_participants = 10000

[demo]
enabled = false

[log]
level = "warn"
CONFIG
    "$plenum" serve --config "$folder/plenum/plenum.toml" >"$folder/plenum/out" 2>"$folder/plenum/log" </dev/null &
    server_pid=$!
    for _ in {1..100}; do
        if grep -qs 'API key' "$folder/plenum/out"; then break; fi
        kill -0 "$server_pid" 2>/dev/null || { cat "$folder/plenum/log" >&2; return 1; }
        sleep 0.1
    done
    page=$(sed -n 's/^ *Page *//p' "$folder/plenum/out")
    sip=$(sed -n 's/^ *Phones *sip:\([^ ]*\).*/\1/p' "$folder/plenum/out")
    key=$(sed -n 's/^ *API key *//p' "$folder/plenum/out")
}

stop_server() {
    if [[ -n ${server_pid:-} ]]; then
        kill "$server_pid" 2>/dev/null || true
        wait "$server_pid" 2>/dev/null || true
        server_pid=
    fi
    rm -rf "$folder/plenum"
}

# Goals are of the design's machine, on which a bare G.711 frame there and back took 9.5 us. Virtual machines are slower, and not always as much.
readonly BARE_DESIGN=9.5
build_bare() { cargo build --quiet --release --workspace --locked --bin leg; }
# What it takes of this one now, in us.
bare() { "${CARGO_TARGET_DIR:-target}/release/leg" bare | awk '{ print $2 }'; }
# How many times slower this machine is by these measurements.
slower() { printf '%s\n' "$@" | awk -v design=$BARE_DESIGN '{ sum += $1 } END { print sum / NR / design }'; }
