# Two commands matter: `make demo` and `make test`. Everything they need is set up by themselves.

.DEFAULT_GOAL := help
SHELL := /bin/bash
TOOLS := $(CURDIR)/.tools
PYTHON ?= python3
# Length of the demo in seconds; empty: until interrupted. (bash's own SECONDS is not exported.)
SECONDS ?=
# Kills of a soak.
ROUNDS ?= 200
# Length of fuzzing in minutes.
MINUTES ?= 10

export DEX_NATS_SERVER := $(shell tools/nats-server-path)
export CARGO_TERM_COLOR ?= auto
# A faster linker where there is one; the same flags for every target, so that nothing is built twice.
export RUSTFLAGS := $(shell tools/linker-flags)

.PHONY: help
help: ## Shows this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: nats-server ## Runs the exchange with a simulated ecosystem (make demo SECONDS=20 ends by itself)
	cargo build --release --bin dex
	DEX_NATS_SERVER="$$(tools/nats-server-path)" $(or $(CARGO_TARGET_DIR),target)/release/dex demo $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: test
test: ## Runs everything that CI runs
	tools/ci

.PHONY: check
check: ## The inner loop: format, lints, unit tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	tools/run-tests --lib

.PHONY: clients
clients: tools ## Checks and tests the TypeScript and the Python client against the program
	cargo build --bin dex
	tools/test-clients typescript
	tools/test-clients python

.PHONY: soak
soak: nats-server ## Kills daemon and broker under load, ROUNDS times (200): nothing that was told may be lost
	cargo build --release --bin dex
	DEX_NATS_SERVER="$$(tools/nats-server-path)" $(or $(CARGO_TARGET_DIR),target)/release/dex soak --rounds $(ROUNDS)

.PHONY: bench
bench: nats-server ## Measures each step of the path, then an exchange end to end (absolute figures; quiet machine)
	cargo bench
	cargo build --release --bin dex
	DEX_NATS_SERVER="$$(tools/nats-server-path)" $(or $(CARGO_TARGET_DIR),target)/release/dex bench

.PHONY: fuzz
fuzz: ## Runs mutated bundles over mutated records for MINUTES (10), beside a second evaluator
	DEX_FUZZ_MINUTES=$(MINUTES) cargo test --test all -- --ignored --exact --nocapture bundle_fuzz::fuzzing_for_minutes

.PHONY: dashboards
dashboards: ## Writes the dashboards of grafana/dashboards/ from grafana/panels/
	$(PYTHON) grafana/build.py

.PHONY: pictures
pictures: nats-server debian ## Draws the dashboards into docs/images/ from a run of the simulation
	DEX_PICTURES=$(CURDIR)/docs/images cargo test --test all -- --exact grafana::every_panel_is_filled_by_a_real_exchange

.PHONY: fmt
fmt: ## Formats the code
	cargo fmt

.PHONY: tools
tools: nats-server python node ## Fetches nats-server and Node.js and makes the Python environment

.PHONY: nats-server
nats-server: ## Fetches nats-server into .tools/ when none new enough is there
	@tools/fetch-nats-server

.PHONY: python
python: ## Makes .tools/venv with what the Python client, the examples and the REST tests need
	@tools/make-venv

.PHONY: node
node: ## Fetches Node.js into .tools/ when none new enough is there
	@tools/fetch-node

.PHONY: debian
debian: ## Installs the Debian packages that tests of the systemd unit, the dashboard and the docs page need
	@tools/install-debian systemd prometheus postgresql chromium

.PHONY: clean-tools
clean-tools: ## Removes .tools/
	rm -rf $(TOOLS)
