//! The state of tables, judged from what the statistics and the catalog say. Pure.

mod autovacuum;
mod bloat;
mod facts;
mod findings;

pub use autovacuum::{Effective, Settings};
pub use bloat::{Bloat, SOURCE as BLOAT_SOURCE};
pub use facts::{Run, TableFact};
pub use findings::{Finding, findings};
