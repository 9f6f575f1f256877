# The two set-up commands: `make demo` and `make test`. Each installs what a fresh Debian machine lacks, builds, and runs.

.PHONY: demo test soak build deps

# What CI lets run beside the tests.
BESIDE = true

demo: deps
	cargo build --locked --bins
	target/debug/orchestrator demo $(DEMO_ARGS)

# PostgreSQL's own regression suite is a part of the tests where it can be had; without it they say so and go on.
# Most tests wait more than they compute. So damaged_input, which does nothing but compute, runs beside them, and what CI puts
# into BESIDE: it begins once the tests hold no lock of cargo's any more. More at once makes those late that measure time. The
# crash grid comes last, all three processes side by side with the table of wrong tokens. What the vendors' stand-ins need is
# fetched while the build goes on.
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
	cargo test --locked --workspace --no-fail-fast -- --skip crash::the_ --skip damaged_input:: --skip token_matrix::; \
	tests=$$?; wait $$beside && wait $$damage && exit $$tests
	cargo test --locked --workspace --test whole_path -- crash::the_ token_matrix:: --test-threads 4

# What takes longer than each change can wait for: every runbook on its real fault, forward and back, what else is ignored, and
# RUNS=1000 executions that are killed at random (SEED=n for the same again, SERVERS=3 of them side by side).
soak: deps
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --test executor -- --ignored --skip fuzz:: --skip soak::
	cargo test --locked --workspace --test executor -- --ignored --nocapture soak::

build: deps
	cargo build --locked --release --bins

deps:
	@./.ci/deps
