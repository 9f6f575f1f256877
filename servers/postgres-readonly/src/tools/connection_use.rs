//! `connection_use`: how full the server is, and who fills it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, bounded_rows},
    state::{MAX_RESULT_BYTES, State, misshapen},
    tools::Target,
};

const MAX_GROUPS: u32 = 100;

pub struct ConnectionUse;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    #[serde(flatten)]
    totals: Totals,
    /// Biggest first, at most 100.
    groups: Vec<Group>,
    /// There are more groups than are shown; the totals count them all.
    truncated: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    max_connections: u64,
    /// Places within max_connections that ordinary roles cannot take.
    reserved: u64,
    /// Client sessions now, this server's own among them.
    used: u64,
    /// `used` in percent of `max_connections`, rounded down.
    used_pct: u64,
    by_state: BTreeMap<String, u64>,
}

/// The sessions of one role and application.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    usename: Option<String>,
    application_name: Option<String>,
    total: u64,
    active: u64,
    idle: u64,
    /// Aborted transactions among them.
    idle_in_transaction: u64,
    oldest_idle_s: Option<i64>,
    /// The role's CONNECTION LIMIT; -1 is none.
    rolconnlimit: Option<i64>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    group: Group,
}

#[async_trait]
impl Tool for ConnectionUse {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "connection_use";
    const TITLE: &'static str = "Connection use";
    const DESCRIPTION: &'static str = "How many of max_connections are used, by state, and which role and application hold them: active, idle, idle in transaction, \
        how long the oldest has been idle, and the role's connection limit. Biggest group first. Use it when connections run out.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/connection_use.sql"), vec![], MAX_GROUPS, call)
            .await?;
        let rows: Vec<Row> = reading.decode().map_err(misshapen)?;
        let totals = rows.first().map(|row| row.totals.clone());
        let totals = totals
            .ok_or_else(|| ToolError::new("internal", "the server shows no client session, not even this one"))?;
        let (groups, cut) = bounded_rows(rows.into_iter().map(|row| row.group).collect(), MAX_RESULT_BYTES);
        Ok(reading.answer(Output {
            totals,
            groups,
            truncated: cut || reading.truncated(),
        }))
    }
}
