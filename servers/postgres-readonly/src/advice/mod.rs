//! Which indexes would pay: candidates by the columns of costly statements, judged by the planner itself.
//!
//! A statement is planned with all its candidates at once, so the planner picks among them and one plan does the work of a
//! search through their subsets; what it picks is then narrowed, merged over all statements, and planned once more.

mod candidates;
mod search;
mod tables;
mod workload;

use std::time::Duration;

use kit::{CallContext, ToolError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{db::Reading, extensions::Surroundings, hypothetical::Method, state::Source};

pub use tables::Tables;
pub use workload::Origin;

/// What bounds the work, and below what nothing is suggested.
pub struct Limits {
    pub deadline: Duration,
    pub plans: usize,
    /// Statements read from pg_stat_statements, and planned out of those.
    pub workload_statements: usize,
    pub planned_statements: usize,
    pub statement_chars: usize,
    pub suggestions: usize,
    /// A smaller table is read whole faster than an index helps: 64 pages are 512 KiB.
    pub table_pages: i64,
    /// A cheaper plan is not worth an index.
    pub plan_cost: f64,
    /// The cost after, as a part of the cost before, that an index must reach for some statement.
    pub cost_after: f64,
    /// How much worse a narrower index may be and still be preferred.
    pub narrower: f64,
    /// Without hypothetical plans: the most of a table that a condition may keep.
    pub selectivity: f64,
}

pub const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(3),
    plans: 30,
    workload_statements: 25,
    planned_statements: 10,
    statement_chars: 16_384,
    suggestions: 10,
    table_pages: 64,
    plan_cost: 100.0,
    cost_after: 0.8,
    narrower: 1.1,
    selectivity: 0.05,
};

#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Advice {
    /// Most time saved first, at most 10.
    pub suggestions: Vec<Suggestion>,
    /// Statements that were planned.
    pub statements_planned: usize,
    pub plans: usize,
    /// Why the work was cut short: there may be more to suggest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// Statements that could not be judged, at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Suggestion {
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
    pub method: Method,
    /// A suggestion for people; nothing here runs it.
    pub ddl: String,
    /// The planner itself used it in a hypothetical plan; otherwise costs after are estimated from statistics.
    pub verified: bool,
    /// About how large it will be.
    pub size_bytes: i64,
    pub table_rows: f64,
    /// Rows written to the table since its statistics began: each insert, and each update that is not HOT, writes to the
    /// index as well.
    pub table_writes: Writes,
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Writes {
    pub n_tup_ins: i64,
    pub n_tup_upd: i64,
    pub n_tup_del: i64,
}

/// A statement that gains.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Evidence {
    #[serde(flatten)]
    pub origin: Origin,
    /// The planner's cost now, and with all suggested indexes that it uses.
    pub cost_before: f64,
    pub cost_after: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Skipped {
    #[serde(flatten)]
    pub origin: Origin,
    pub reason: String,
}

impl Skipped {
    pub fn of(origin: &Origin, reason: &str) -> Self {
        Self {
            origin: origin.clone(),
            reason: kit::text::clean(reason, 300),
        }
    }
}

/// Advises on the statements that the caller names and on those that cost most. The readings are what it all cost; plans
/// are counted apart.
pub async fn advise(
    source: &Source,
    around: &Surroundings,
    queries: &[String],
    call: &CallContext,
) -> Result<(Advice, Vec<Reading>, f64), ToolError> {
    let mut planner = search::Planner::new(source, around, call);
    let mut advice = Advice::default();
    let mut readings = Vec::new();
    let mut texts = workload::given(queries);
    if let Ok(extension) = around.statements() {
        let (top, reading) = workload::top(source, extension, &LIMITS, call).await?;
        texts.extend(top);
        readings.push(reading);
    }
    let parsed = workload::parse(texts, &mut advice.skipped);
    let names = workload::table_names(&parsed);
    if !names.is_empty() {
        let (tables, reading) = Tables::load(source, &names, call).await?;
        readings.push(reading);
        let asked = workload::qualify(parsed, &tables, &LIMITS, &mut advice.skipped);
        search::search(&mut planner, &asked, &tables, &mut advice).await?;
    }
    advice.skipped.truncate(10);
    advice.plans = planner.plans;
    advice.cut = planner.cut.clone();
    Ok((advice, readings, planner.cost_ms))
}
