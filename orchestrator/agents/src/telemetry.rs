//! The evidence as the rules read it: typed, lenient about fields they do not need, and each part with its evidence id.

use std::collections::BTreeMap;

use runbooks::Evidence;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sweep::{BY_CHANGES, BY_DEAD_ROWS, POSTGRES};

/// What the first sweep saw. A part that was not taken, or could not be read, is `None`: unknown, not healthy.
pub(crate) struct Telemetry {
    pub blocking: Option<Seen<Blocking>>,
    pub ddl: Option<Seen<DdlQueues>>,
    pub connections: Option<Seen<ConnectionUse>>,
    pub sessions: Option<Seen<Vec<Session>>>,
    pub horizon: Option<Seen<Horizon>>,
    pub by_dead_rows: Option<Seen<Tables>>,
    pub by_changes: Option<Seen<Tables>>,
    pub indexes: Option<Seen<Indexes>>,
    pub replication: Option<Seen<Replication>>,
    pub storage: Option<Seen<Storage>>,
    pub settings: Option<Seen<Settings>>,
    pub overview: Option<Seen<Overview>>,
}

/// A reading and the evidence it was read from.
pub(crate) struct Seen<T> {
    pub id: String,
    pub value: T,
}

#[derive(Deserialize)]
pub(crate) struct Blocking {
    pub waiters_total: i64,
    pub trees: Vec<Tree>,
    #[serde(default)]
    pub prepared_transactions: Vec<Prepared>,
}

#[derive(Deserialize)]
pub(crate) struct Prepared {
    pub gid: String,
    #[serde(default)]
    pub age_s: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Tree {
    pub root: Root,
    pub waiters: Vec<Waiter>,
    pub victims_count: i64,
}

#[derive(Deserialize)]
pub(crate) struct Root {
    /// Absent for a prepared transaction: there is no session to end.
    pub pid: Option<i64>,
    pub state: Option<String>,
    #[serde(default)]
    pub state_age_s: Option<f64>,
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    #[serde(default)]
    pub wait_event: Option<String>,
    #[serde(default)]
    pub gid: Option<String>,
    #[serde(default)]
    pub holds: Vec<Hold>,
    pub kind: String,
}

#[derive(Deserialize)]
pub(crate) struct Hold {
    pub locktype: String,
}

#[derive(Deserialize)]
pub(crate) struct Waiter {
    pub pid: i64,
    pub blocked_by: Vec<i64>,
    #[serde(default)]
    pub wait_age_s: Option<f64>,
    #[serde(default)]
    pub is_ddl: bool,
}

#[derive(Deserialize)]
pub(crate) struct DdlQueues {
    pub ddl_queues: Vec<DdlQueue>,
}

#[derive(Deserialize)]
pub(crate) struct DdlQueue {
    pub relation: String,
    pub ddl: DdlSession,
    pub blocked_by: Vec<serde_json::Value>,
    pub queued_behind: i64,
}

#[derive(Deserialize)]
pub(crate) struct DdlSession {
    pub pid: i64,
    #[serde(default)]
    pub wait_age_s: Option<f64>,
    #[serde(default)]
    pub mode: Option<String>,
}

#[derive(Deserialize)]
struct Sessions {
    connections: ConnectionUse,
    #[serde(default)]
    sessions: Vec<Session>,
}

#[derive(Deserialize, Clone)]
pub(crate) struct Session {
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub query_age_s: Option<f64>,
    #[serde(default)]
    pub wait_event_type: Option<String>,
    #[serde(default)]
    pub wait_event: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Horizon {
    pub holders: Vec<Holder>,
    pub tables: Vec<AgedTable>,
}

#[derive(Deserialize)]
pub(crate) struct Holder {
    pub kind: String,
    #[serde(default)]
    pub holds_horizon: bool,
    #[serde(default)]
    pub pid: Option<i64>,
    #[serde(default)]
    pub gid: Option<String>,
    #[serde(default)]
    pub slot_name: Option<String>,
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    pub xmin_age: i64,
    #[serde(default)]
    pub age_s: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct AgedTable {
    pub schema: String,
    pub table: String,
    #[serde(default)]
    pub toast_of: Option<String>,
    pub xid_age: i64,
    pub xid_forced_pct: f64,
    pub mxid_forced_pct: f64,
    pub wraparound_pct: f64,
}

#[derive(Deserialize)]
pub(crate) struct Tables {
    pub tables: Vec<Table>,
    #[serde(default)]
    pub running: Vec<MaintenanceRun>,
}

#[derive(Deserialize)]
pub(crate) struct MaintenanceRun {
    #[serde(default)]
    pub schema: Option<String>,
    #[serde(default)]
    pub table: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Table {
    pub schema: String,
    pub table: String,
    pub findings: Vec<Finding>,
    #[serde(default)]
    pub estimated_rows: Option<f64>,
    pub n_live_tup: i64,
    pub n_dead_tup: i64,
    pub dead_pct: f64,
    pub n_mod_since_analyze: i64,
}

#[derive(Deserialize)]
pub(crate) struct Finding {
    pub code: String,
}

#[derive(Deserialize)]
pub(crate) struct Indexes {
    pub invalid: Rows<InvalidIndex>,
    pub seq_scanned_tables: Rows<ScannedTable>,
    #[serde(default)]
    pub advice: Option<Advice>,
}

#[derive(Deserialize)]
pub(crate) struct Rows<T> {
    pub rows: Vec<T>,
}

#[derive(Deserialize)]
pub(crate) struct InvalidIndex {
    pub schema: String,
    pub index: String,
    pub table: String,
    #[serde(default)]
    pub build_phase: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ScannedTable {
    pub schema: String,
    pub table: String,
    pub table_rows: f64,
    pub seq_scan: i64,
    pub rows_per_seq_scan: i64,
    pub idx_scan: i64,
}

#[derive(Deserialize)]
pub(crate) struct Advice {
    pub suggestions: Vec<Suggestion>,
}

#[derive(Deserialize)]
pub(crate) struct Suggestion {
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Replication {
    pub slots: Vec<Slot>,
    pub findings: Vec<Risk>,
}

#[derive(Deserialize)]
pub(crate) struct Slot {
    pub slot_name: String,
    pub active: bool,
    #[serde(default)]
    pub temporary: bool,
    #[serde(default)]
    pub retained_wal_bytes: Option<i64>,
    #[serde(default)]
    pub wal_status: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Storage {
    /// Absent where the role may not list it.
    #[serde(default)]
    pub temp_directory: Option<Directory>,
}

#[derive(Deserialize)]
pub(crate) struct Settings {
    pub findings: Vec<Risk>,
}

#[derive(Deserialize)]
pub(crate) struct Directory {
    pub files: i64,
    pub bytes: i64,
}

#[derive(Deserialize)]
pub(crate) struct Overview {
    #[serde(default)]
    pub in_recovery: bool,
    pub risks: Vec<Risk>,
}

/// What a server itself found wrong.
#[derive(Deserialize)]
pub(crate) struct Risk {
    pub code: String,
    pub severity: String,
    pub what: String,
    #[serde(default)]
    pub evidence: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct ConnectionUse {
    pub max_connections: i64,
    pub used: i64,
    pub used_pct: f64,
    #[serde(default)]
    pub by_state: BTreeMap<String, i64>,
    pub groups: Vec<Client>,
}

#[derive(Deserialize)]
pub(crate) struct Client {
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    pub total: i64,
    pub idle: i64,
    #[serde(default)]
    pub oldest_idle_s: Option<f64>,
}

impl Telemetry {
    pub fn read(evidence: &[Evidence]) -> Self {
        let (connections, sessions) = match read_tool::<Sessions>(evidence, "sessions") {
            Some(Seen { id, value }) => (
                Some(Seen {
                    id: id.clone(),
                    value: value.connections,
                }),
                Some(Seen {
                    id,
                    value: value.sessions,
                }),
            ),
            None => (None, None),
        };
        let tables_by = |order: &str| {
            read_where(evidence, "table_health", |piece| {
                piece.arguments.get("order_by").and_then(serde_json::Value::as_str) == Some(order)
            })
        };
        Self {
            blocking: read_tool(evidence, "blocking_tree"),
            ddl: read_tool(evidence, "blocking_tree"),
            connections,
            sessions,
            horizon: read_tool(evidence, "vacuum_horizon"),
            by_dead_rows: tables_by(BY_DEAD_ROWS),
            by_changes: tables_by(BY_CHANGES),
            indexes: read_tool(evidence, "index_health"),
            replication: read_tool(evidence, "replication"),
            storage: read_tool(evidence, "storage"),
            settings: read_tool(evidence, "settings"),
            overview: read_tool(evidence, "overview"),
        }
    }

    /// Statements at work now, on their own for at least so long, that wait for no lock: who could be busy with something.
    pub fn at_work(&self, min_age_s: i64) -> Option<Seen<Vec<(usize, Session)>>> {
        let seen = self.sessions.as_ref()?;
        let at_work = |session: &&Session| {
            session.state.as_deref() == Some("active")
                && session.wait_event_type.as_deref() != Some("Lock")
                && session.query_age_s.is_some_and(|age| whole_s(age) >= min_age_s)
        };
        let sessions = seen.value.iter().enumerate();
        Some(Seen {
            id: seen.id.clone(),
            value: sessions
                .filter(|(_, session)| at_work(session))
                .map(|(at, session)| (at, session.clone()))
                .collect(),
        })
    }

    /// The tools whose answers are needed to call a database healthy, and are not there.
    pub fn unseen(&self) -> Vec<&'static str> {
        let seen = [
            ("blocking_tree", self.blocking.is_some() && self.ddl.is_some()),
            ("sessions", self.connections.is_some()),
            ("vacuum_horizon", self.horizon.is_some()),
            ("table_health", self.by_dead_rows.is_some() && self.by_changes.is_some()),
            ("index_health", self.indexes.is_some()),
            ("replication", self.replication.is_some()),
            ("storage", self.storage.is_some()),
            ("settings", self.settings.is_some()),
            ("overview", self.overview.is_some()),
        ];
        seen.into_iter()
            .filter(|(_, seen)| !seen)
            .map(|(tool, _)| tool)
            .collect()
    }
}

impl Table {
    pub fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    pub fn is_left_alone(&self) -> bool {
        self.has("autovacuum_disabled")
    }

    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

impl Tables {
    pub fn is_tended(&self, table: &Table) -> bool {
        let same = |run: &MaintenanceRun| {
            run.schema.as_ref() == Some(&table.schema) && run.table.as_ref() == Some(&table.table)
        };
        self.running.iter().any(same)
    }
}

impl Tree {
    /// Waiters that the root blocks, directly or through one another, and that would not go on if some DDL in between
    /// were withdrawn. Of three sessions that want one row, only the first waits for the root itself.
    pub fn blocked_by_root(&self) -> usize {
        let Some(root) = self.root.pid else {
            return self.waiters.len();
        };
        let waiters: Vec<&Waiter> = self.waiters.iter().filter(|waiter| !waiter.is_ddl).collect();
        reached_from(&[root], &waiters)
    }

    /// Waiters that queue behind a DDL statement which itself waits.
    pub fn blocked_by_ddl(&self) -> usize {
        let ddl: Vec<i64> = self
            .waiters
            .iter()
            .filter(|waiter| waiter.is_ddl)
            .map(|waiter| waiter.pid)
            .collect();
        let waiters: Vec<&Waiter> = self.waiters.iter().filter(|waiter| !waiter.is_ddl).collect();
        reached_from(&ddl, &waiters)
    }

    pub fn longest_wait_s(&self) -> i64 {
        self.waiters
            .iter()
            .filter_map(|waiter| waiter.wait_age_s)
            .map(whole_s)
            .max()
            .unwrap_or(0)
    }
}

/// How many of these wait for one of the roots, over any number of others of these.
fn reached_from(roots: &[i64], waiters: &[&Waiter]) -> usize {
    let mut reached: Vec<i64> = roots.to_vec();
    loop {
        let next = |waiter: &&&Waiter| {
            !reached.contains(&waiter.pid) && waiter.blocked_by.iter().any(|pid| reached.contains(pid))
        };
        let Some(pid) = waiters.iter().find(next).map(|waiter| waiter.pid) else {
            break;
        };
        reached.push(pid);
    }
    reached.len().saturating_sub(roots.len())
}

/// Whole seconds, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates; ages are far below its bounds"
)]
pub(crate) fn whole_s(age_s: f64) -> i64 {
    age_s.floor() as i64
}

/// A name that may be missing, for a sentence.
pub(crate) fn name(of: Option<&String>) -> &str {
    of.map(String::as_str)
        .filter(|name| !name.is_empty())
        .unwrap_or("(no name)")
}

/// The newest answer of the tool. A later take is listed later.
fn read_tool<T: DeserializeOwned>(evidence: &[Evidence], tool: &str) -> Option<Seen<T>> {
    read_where(evidence, tool, |_| true)
}

fn read_where<T: DeserializeOwned>(
    evidence: &[Evidence],
    tool: &str,
    fits: impl Fn(&Evidence) -> bool,
) -> Option<Seen<T>> {
    let piece = evidence
        .iter()
        .rev()
        .find(|piece| piece.server == POSTGRES && piece.tool == tool && fits(piece))?;
    let value = T::deserialize(&piece.result).ok()?;
    Some(Seen {
        id: piece.id.clone(),
        value,
    })
}
