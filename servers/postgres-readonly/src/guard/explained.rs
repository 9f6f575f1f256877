//! The one place where an admitted statement is written into an EXPLAIN.

use super::Admitted;

/// The name that a statement with parameters is prepared under.
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
    /// The search path that the statement was judged under.
    path: String,
    /// Goes before it, inside its transaction.
    setup: String,
    statement: String,
    /// Takes away what ROLLBACK leaves.
    epilogue: &'static str,
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
        let path = admitted.path().to_owned();
        let canonical = admitted.into_canonical();
        let (setup, statement, epilogue) = match parameters {
            Parameters { count: 0, .. } => (String::new(), format!("{PLANNED}) {canonical}"), ""),
            Parameters { major, .. } if major >= HAS_GENERIC_PLAN => {
                (String::new(), format!("{PLANNED}, GENERIC_PLAN) {canonical}"), "")
            }
            Parameters { count, .. } => (
                format!("; SET LOCAL plan_cache_mode = force_generic_plan; PREPARE {PREPARED} AS {canonical}"),
                format!("{PLANNED}) EXECUTE {PREPARED} ({})", vec!["NULL"; count].join(", ")),
                "DEALLOCATE ALL",
            ),
        };
        Self {
            path,
            setup: format!("{AS_EVERYBODY}{setup}"),
            statement,
            epilogue,
        }
    }

    /// Returns the EXPLAIN of which the first line alone is wanted, for the cost that stands in it.
    pub fn costed(admitted: Admitted) -> Self {
        Self {
            path: admitted.path().to_owned(),
            setup: String::new(),
            statement: format!("EXPLAIN {}", admitted.into_canonical()),
            epilogue: "",
        }
    }

    /// Returns the EXPLAIN that executes. What is not a read must never get here.
    pub fn run(admitted: Admitted) -> Self {
        Self {
            path: admitted.path().to_owned(),
            setup: String::new(),
            statement: format!("{RUN} {}", admitted.into_canonical()),
            epilogue: "",
        }
    }

    /// Returns the search path, what goes before the statement, the statement, and what goes after the transaction.
    pub fn into_parts(self) -> (String, String, String, &'static str) {
        (self.path, self.setup, self.statement, self.epilogue)
    }
}
