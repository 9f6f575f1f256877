# The two set-up commands: `make demo` and `make test`. Each installs what a fresh Debian machine lacks, builds, and runs.

.PHONY: demo test build deps

# What CI lets run beside the tests.
BESIDE = true

demo: deps
	cargo build --locked --bins
	target/debug/orchestrator demo $(DEMO_ARGS)

# PostgreSQL's own regression suite is a part of the tests where it can be had; without it they say so and go on.
# Most tests wait more than they compute. So the two longest (executor, real_postgres) run beside the others, told apart by
# their first letters; so does damaged_input, which does nothing but compute, and what CI puts into BESIDE, once the tests hold
# no lock of cargo's any more. The crash grid comes last, all three processes side by side with the table of wrong tokens.
# What the vendors' stand-ins need is fetched while the build goes on.
# The negative control comes first: it builds an executor whose guard is off, and the build after it replaces that one.
test: deps
	-./servers/postgres-readonly/tests/fetch-regression-suite
	-./orchestrator/model/tests/stand_in/prepare >/dev/null &
	-./servers/approval-gate/tests/vendors/prepare >/dev/null &
	cargo test --locked --workspace --features executor/danger --test executor danger::
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --no-run
	{ sleep 20; $(BESIDE); } & beside=$$!; \
	nice -n 10 cargo test --locked --workspace --test policy damaged_input:: -- --test-threads 1 & damage=$$!; \
	cargo test --locked --workspace --no-fail-fast --test '[er]*' >target/apart.log 2>&1 & apart=$$!; \
	cargo test --locked --workspace --no-fail-fast --lib --bins --test '[!er]*' -- \
	    --skip crash::the_ --skip damaged_input:: --skip token_matrix::; tests=$$?; \
	wait $$apart; apart=$$?; cat target/apart.log; \
	wait $$beside && wait $$damage && [ $$apart = 0 ] && exit $$tests
	cargo test --locked --workspace --doc
	cargo test --locked --workspace --test whole_path -- crash::the_ token_matrix:: --test-threads 4

build: deps
	cargo build --locked --release --bins

deps:
	@./.ci/deps
