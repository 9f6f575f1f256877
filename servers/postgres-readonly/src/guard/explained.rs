//! The one place where an admitted statement is written into an EXPLAIN.

use super::Admitted;

/// The name that a statement with parameters is prepared under; DISCARD ALL takes it away with everything else.
const PREPARED: &str = "countersign_plan";
/// From here on EXPLAIN itself plans a statement whose parameters have no values.
const HAS_GENERIC_PLAN: u32 = 16;
/// VERBOSE for the schemas; the server's own version decides what BUFFERS adds to a plan that is not run.
const PLANNED: &str = "EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS, SUMMARY";
const RUN: &str = "EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS, SUMMARY, ANALYZE, BUFFERS)";
/// A plan that is not run needs no workers, so it may be the plan that an ordinary session gets.
const AS_EVERYBODY: &str = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT";

/// An EXPLAIN of a statement that was admitted. Only its makers write one.
#[derive(Debug)]
#[must_use]
pub struct Explained {
    setup: String,
    statement: String,
}

/// What stands where a statement has values in its place: none, or `$1` to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    pub count: usize,
    /// The server's major version.
    pub major: u32,
}

impl Explained {
    /// Returns the EXPLAIN that plans and does not execute. With parameters it asks for the generic plan.
    pub fn planned(admitted: Admitted, parameters: Parameters) -> Self {
        let path = path_of(&admitted);
        let canonical = admitted.into_canonical();
        let (setup, statement) = match parameters {
            Parameters { count: 0, .. } => (String::new(), format!("{PLANNED}) {canonical}")),
            Parameters { major, .. } if major >= HAS_GENERIC_PLAN => {
                (String::new(), format!("{PLANNED}, GENERIC_PLAN) {canonical}"))
            }
            Parameters { count, .. } => (
                format!("; SET LOCAL plan_cache_mode = force_generic_plan; PREPARE {PREPARED} AS {canonical}"),
                format!("{PLANNED}) EXECUTE {PREPARED} ({})", vec!["NULL"; count].join(", ")),
            ),
        };
        Self {
            setup: format!("{path}; {AS_EVERYBODY}{setup}"),
            statement,
        }
    }

    /// Returns the EXPLAIN of which the first line alone is wanted, for the cost that stands in it.
    pub fn costed(admitted: Admitted) -> Self {
        Self {
            setup: path_of(&admitted),
            statement: format!("EXPLAIN {}", admitted.into_canonical()),
        }
    }

    /// Returns the EXPLAIN that executes. What is not a read must never get here.
    pub fn run(admitted: Admitted) -> Self {
        Self {
            setup: path_of(&admitted),
            statement: format!("{RUN} {}", admitted.into_canonical()),
        }
    }

    /// Returns what goes before it inside its transaction, and the statement itself.
    pub fn into_parts(self) -> (String, String) {
        (self.setup, self.statement)
    }
}

/// The path that the statement was judged under is the one that it is planned under.
fn path_of(admitted: &Admitted) -> String {
    format!("SET LOCAL search_path = {}", admitted.path())
}
