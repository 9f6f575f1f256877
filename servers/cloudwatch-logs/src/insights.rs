//! Logs Insights: one query from its estimate to its last row, within the budget, stopped on every way out.

mod estimate;
mod open;
mod priced;
mod proof;
mod query;
mod running;

pub use priced::{Cost, run, selecting};
pub use query::{Insights, Query, QueryAnswer, Row, StopReason};
