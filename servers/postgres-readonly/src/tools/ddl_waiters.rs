//! `ddl_waiters`: schema changes that wait for a lock, and the queues behind them.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, bounded_rows},
    state::{MAX_RESULT_BYTES, State, misshapen},
    tools::Target,
};

const MAX_RELATIONS: u32 = 50;

pub struct DdlWaiters;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Longest queue first, at most 50.
    relations: Vec<Waiting>,
    /// There are more than are shown.
    truncated: bool,
}

/// One statement that waits for a strong lock on one relation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Waiting {
    relation: String,
    schema: Option<String>,
    ddl: Ddl,
    /// Whom it waits for, oldest transaction first, at most 20; pid 0 is a prepared transaction.
    blocked_by: Vec<Blocker>,
    /// Sessions that wait behind this statement, as pg_blocking_pids says.
    queued_behind: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ddl {
    pid: i32,
    backend_start: Option<String>,
    query_start: Option<String>,
    usename: Option<String>,
    application_name: Option<String>,
    /// The lock that it asks for.
    mode: String,
    wait_age_s: Option<i64>,
    query: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    pid: i32,
    backend_start: Option<String>,
    state: Option<String>,
    xact_age_s: Option<i64>,
    usename: Option<String>,
    application_name: Option<String>,
    query: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    relation: String,
    schema: Option<String>,
    #[serde(flatten)]
    ddl: Ddl,
    blocked_by: Option<Vec<Blocker>>,
    queued_behind: u64,
}

#[async_trait]
impl Tool for DdlWaiters {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "ddl_waiters";
    const TITLE: &'static str = "Waiting schema changes";
    const DESCRIPTION: &'static str = "Statements of this database that wait for a strong lock on a table (ALTER TABLE, CREATE INDEX, VACUUM FULL, LOCK TABLE …), whom each waits for, \
        and how many sessions queue behind it: while it waits, it stops everybody who comes later. An empty list means that no schema change waits. At most 50, longest queue first.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/ddl_waiters.sql"), vec![], MAX_RELATIONS, call)
            .await?;
        let rows: Vec<Row> = reading.decode().map_err(misshapen)?;
        let relations = rows.into_iter().map(|row| Waiting {
            relation: row.relation,
            schema: row.schema,
            ddl: row.ddl,
            blocked_by: row.blocked_by.unwrap_or_default(),
            queued_behind: row.queued_behind,
        });
        let (relations, cut) = bounded_rows(relations.collect(), MAX_RESULT_BYTES);
        Ok(reading.answer(Output {
            relations,
            truncated: cut || reading.truncated(),
        }))
    }
}
