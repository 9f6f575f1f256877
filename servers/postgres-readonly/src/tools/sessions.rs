//! `sessions`: who is connected and what each session is doing.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, bounded_rows},
    state::{MAX_RESULT_BYTES, State, misshapen},
};

const DEFAULT_ROWS: u32 = 100;

pub struct Sessions;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// Only sessions in this state
    state: Option<SessionState>,
    /// Only sessions of this role
    usename: Option<String>,
    /// Only sessions with exactly this application_name
    application_name: Option<String>,
    /// Only sessions that have been in their state for at least so many seconds
    #[schemars(range(min = 0, max = 31_536_000))]
    min_state_age_s: Option<u32>,
    /// Background processes too (autovacuum, walsender, checkpointer); by default only clients
    include_background: Option<bool>,
    /// How many sessions are shown; 100 by default
    #[schemars(range(min = 1, max = 300))]
    max_rows: Option<u32>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub enum SessionState {
    #[serde(rename = "active")]
    Active,
    #[serde(rename = "idle")]
    Idle,
    #[serde(rename = "idle in transaction")]
    IdleInTransaction,
    #[serde(rename = "idle in transaction (aborted)")]
    IdleInAbortedTransaction,
    #[serde(rename = "fastpath function call")]
    Fastpath,
    #[serde(rename = "disabled")]
    Disabled,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Sessions that fit the filters, shown or not.
    total: u64,
    truncated: bool,
    sessions: Vec<Session>,
}

/// One row of pg_stat_activity. Ages are in whole seconds. `query` and `application_name` are the client's own text.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    pid: i32,
    /// With the pid it names one session for ever: pids are used again.
    backend_start: Option<String>,
    usename: Option<String>,
    application_name: Option<String>,
    client_addr: Option<String>,
    state: Option<String>,
    state_age_s: Option<i64>,
    xact_start: Option<String>,
    xact_age_s: Option<i64>,
    query_start: Option<String>,
    query_age_s: Option<i64>,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
    backend_type: Option<String>,
    datname: Option<String>,
    query: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    session: Session,
    total: u64,
}

#[async_trait]
impl Tool for Sessions {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "sessions";
    const TITLE: &'static str = "Sessions";
    const DESCRIPTION: &'static str = "Who is connected and what each session does: role, application, state, ages of transaction and statement, what it waits for, its last statement. \
        Oldest open transaction first. Filter by state, role, application or age. At most 300 sessions; `total` says how many there are. \
        For who blocks whom use `blocking_tree`; for counts by application `connection_use`.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let wanted_state = input
            .state
            .map(|state| serde_json::to_value(state).map(|name| name.as_str().map(str::to_owned)));
        let parameters = vec![
            wanted_state.transpose().map_err(misshapen)?.flatten(),
            input.usename,
            input.application_name,
            input.min_state_age_s.map(|seconds| seconds.to_string()),
            Some(input.include_background.unwrap_or(false).to_string()),
        ];
        let max_rows = input.max_rows.unwrap_or(DEFAULT_ROWS);
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/sessions.sql"), parameters, max_rows, call)
            .await?;
        let rows: Vec<Row> = reading.decode().map_err(misshapen)?;
        let total = rows.first().map_or(0, |row| row.total);
        let (sessions, cut) = bounded_rows(rows.into_iter().map(|row| row.session).collect(), MAX_RESULT_BYTES);
        Ok(reading.answer(Output {
            total,
            truncated: cut || reading.truncated(),
            sessions,
        }))
    }
}
