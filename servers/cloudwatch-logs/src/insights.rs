//! Logs Insights: one query from its estimate to its last row, stopped on every way out.

mod estimate;
mod open;
mod query;
mod running;

pub use estimate::{estimate, is_of_the_estimate};
pub use query::{Insights, Query, QueryAnswer, Row, StopReason};
