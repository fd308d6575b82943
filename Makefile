# Every target installs what it needs first (scripts/deps.sh says what it is doing) and works from a clean clone.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build run voices call test lint bench bench-calls bench-scale bench-peers bench-growth fuzz deps clean

# A Node.js of our own, which scripts/deps.sh puts here when the system's is too old for the bundler.
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Cargo unites the features of the packages it is asked for: always asking for the whole workspace makes `make run` start the very
# binary that `make test` drives.
BUILD := cargo build --release --workspace --locked

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the server, with its page and prompts embedded
	@scripts/deps.sh build
	$(BUILD) --bin plenum

voices: build ## Make the voices of the languages in use in ./data, once
	@scripts/deps.sh voices
	@$(TARGET)/release/plenum prompts build

run: voices ## Build and start the server with the demo conference
	exec $(TARGET)/release/plenum serve

call: ## Dial the demo conference of a running server with baresip; leaves heard.wav
	@scripts/deps.sh call
	@scripts/call.sh

test: ## Everything: formatting, lints, unit to interop with real browsers and phones
	@scripts/deps.sh build voices test
	@scripts/test.sh

lint: ## Formatting and clippy, as `make test` checks them
	@scripts/deps.sh build
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	cd web && npm run typecheck && npm run lint

bench: ## Figures against the floors of the design: name value unit floor ratio (VIDEO_CLIPS, real cameras' Y4M files with : between)
	@scripts/deps.sh build bench
	@scripts/bench.sh
	@scripts/bench-calls.sh

bench-calls: build ## Phones at 200 calls a second: wait for the answer, CPU of a set-up, what 40,000 leave behind (CALLS, CALLS_PER_SECOND, CALLS_MS)
	@scripts/deps.sh bench
	@scripts/bench-calls.sh

bench-scale: build ## Rooms of growing size under `plenum load`: CPU, memory, loss and delay per leg (SCALE, SCALE_SECONDS)
	@scripts/deps.sh scale
	@scripts/bench-scale.sh

bench-peers: build ## The same work through Plenum and Debian's Janus AudioBridge, with the ratio (PEERS_LEGS, PEERS_SECONDS)
	@scripts/deps.sh scale peers bench
	@scripts/bench-peers.sh

bench-growth: build ## What thousands of joins and leaves through signalling leave in the server's memory (GROWTH_JOINS)
	@scripts/deps.sh scale
	@scripts/bench-growth.sh

fuzz: ## Each fuzz target for 60 s under libFuzzer (FUZZ_SECONDS changes that)
	@scripts/deps.sh build fuzz
	@scripts/fuzz.sh

deps: ## Install everything that any target needs
	@scripts/deps.sh build voices call test bench fuzz

clean: ## Remove what was built
	cargo clean
	rm -rf web/node_modules .tools fuzz/target
