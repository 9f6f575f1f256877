//! `sessions`: who is connected and what each session is doing.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, bounded_rows},
    facts::activity::Connections,
    inquiry::Inquiry,
    state::{MAX_RESULT_BYTES, State, misshapen},
};

const DEFAULT_ROWS: u32 = 100;
const MAX_GROUPS: u32 = 100;
/// The groups' part of a result.
const MAX_GROUP_BYTES: usize = 40 * 1024;

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
    /// Only the connections by role and application, no single session
    groups_only: Option<bool>,
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
    connections: ConnectionUse,
}

/// How full the server is and who fills it, whatever the filters say.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConnectionUse {
    #[serde(flatten)]
    totals: Connections,
    /// Biggest first, at most 100.
    groups: Vec<Group>,
    /// There are more groups than are shown; the totals count them all.
    truncated: bool,
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
struct GroupRow {
    #[serde(flatten)]
    totals: Connections,
    #[serde(flatten)]
    group: Group,
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
    /// Of a parallel worker: the session that it works for.
    leader_pid: Option<i32>,
    datname: Option<String>,
    /// Transactions since the one that it is: it has written.
    backend_xid_age: Option<i64>,
    /// Transactions that its snapshot holds back from vacuum.
    xmin_age: Option<i64>,
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
    const DESCRIPTION: &'static str = "Who is connected and what each session does: role, application, state, ages of transaction and statement, what it waits for, its last statement; \
        and `connections`: how many of max_connections are used and which role and application hold them, biggest first. \
        Oldest open transaction first. Filter by state, role, application or age. At most 300 sessions; `total` says how many there are. \
        When connections run out: `groups_only`. For who blocks whom: `blocking_tree`.";

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
        let mut asked = Inquiry::of(state.source(input.target.as_deref())?, call);
        let (connections, left) = connection_use(&mut asked).await?;
        let (total, sessions, cut) = if input.groups_only.unwrap_or(false) {
            (connections.totals.used, Vec::new(), false)
        } else {
            let sql = include_str!("../queries/sessions.sql");
            let rows: Vec<Row> = asked.rows(sql, parameters, max_rows).await?;
            let total = rows.first().map_or(0, |row| row.total);
            let (sessions, _) = bounded_rows(rows.into_iter().map(|row| row.session).collect(), left);
            let cut = (sessions.len() as u64) < total;
            (total, sessions, cut)
        };
        asked.answer(Output {
            total,
            truncated: cut,
            sessions,
            connections,
        })
    }
}

/// Reads who fills the server, and returns how many bytes that leaves for sessions.
async fn connection_use(asked: &mut Inquiry<'_>) -> Result<(ConnectionUse, usize), ToolError> {
    let sql = include_str!("../queries/sessions_connections.sql");
    // One more than is shown tells that there are more.
    let rows: Vec<GroupRow> = asked.rows(sql, vec![], MAX_GROUPS + 1).await?;
    let totals = rows.first().map(|row| row.totals.clone());
    let totals =
        totals.ok_or_else(|| ToolError::new("internal", "the server shows no client session, not even this one"))?;
    let all = rows.len();
    let groups = rows.into_iter().map(|row| row.group).take(MAX_GROUPS as usize);
    let (groups, _) = bounded_rows(groups.collect(), MAX_GROUP_BYTES);
    let truncated = groups.len() < all;
    let left = MAX_RESULT_BYTES - MAX_GROUP_BYTES;
    Ok((
        ConnectionUse {
            totals,
            groups,
            truncated,
        },
        left,
    ))
}
