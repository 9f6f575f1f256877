# The two set-up commands: `make demo` and `make test`. Each installs what a fresh Debian machine lacks, builds, and runs.

.PHONY: demo test build deps

demo: deps
	cargo build --locked --bins
	target/debug/orchestrator demo $(DEMO_ARGS)

test: deps
	cargo build --locked --workspace --all-targets
	cargo test --locked --workspace

build: deps
	cargo build --locked --release --bins

deps:
	@./.ci/deps
