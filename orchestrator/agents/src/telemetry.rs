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
    /// All looks at the sessions, the newest last.
    pub samples: Vec<Seen<Vec<Session>>>,
    pub horizon: Option<Seen<Horizon>>,
    pub by_dead_rows: Option<Seen<Tables>>,
    pub by_changes: Option<Seen<Tables>>,
    pub indexes: Option<Seen<Indexes>>,
    pub replication: Option<Seen<Replication>>,
    pub storage: Option<Seen<Storage>>,
    pub settings: Option<Seen<Settings>>,
    pub overview: Option<Seen<Overview>>,
    /// The first of several, for what counters rose by meanwhile.
    pub overview_before: Option<Seen<Overview>>,
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
    pub pid: i64,
    #[serde(default)]
    pub leader_pid: Option<i64>,
    #[serde(default)]
    pub backend_type: Option<String>,
    #[serde(default)]
    pub datname: Option<String>,
    #[serde(default)]
    pub usename: Option<String>,
    #[serde(default)]
    pub application_name: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub query_age_s: Option<f64>,
    #[serde(default)]
    pub xact_age_s: Option<f64>,
    #[serde(default)]
    pub xmin_age: Option<i64>,
    #[serde(default)]
    pub wait_event_type: Option<String>,
    #[serde(default)]
    pub wait_event: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Horizon {
    pub holders: Vec<Holder>,
    pub tables: Vec<AgedTable>,
    /// At work now.
    #[serde(default)]
    pub vacuums: Vec<RunningVacuum>,
}

#[derive(Deserialize)]
pub(crate) struct RunningVacuum {
    /// As `schema.table`; of another database its oid.
    #[serde(default)]
    pub table: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Holder {
    pub kind: String,
    #[serde(default)]
    holds_horizon: bool,
    /// `tables`, or only the `catalogs`.
    #[serde(default)]
    holds: Option<String>,
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
    /// When it began; a timestamp as the server writes all of them.
    #[serde(default)]
    pub since: Option<String>,
    #[serde(default)]
    pub age_s: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct AgedTable {
    pub schema: String,
    pub table: String,
    #[serde(default)]
    pub toast_of: Option<String>,
    #[serde(default)]
    pub bytes: i64,
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
    #[serde(default)]
    pub last_vacuum: Option<String>,
    #[serde(default)]
    pub last_autovacuum: Option<String>,
    #[serde(default)]
    pub autovacuum: Option<TableAutovacuum>,
}

#[derive(Deserialize)]
pub(crate) struct TableAutovacuum {
    /// It comes at so many dead rows.
    pub vacuum_at_dead_tup: i64,
}

#[derive(Deserialize)]
pub(crate) struct Finding {
    pub code: String,
}

#[derive(Deserialize)]
pub(crate) struct Indexes {
    #[serde(default)]
    pub foreign_keys_without_index: Rows<ForeignKey>,
    pub invalid: Rows<InvalidIndex>,
    pub seq_scanned_tables: Rows<ScannedTable>,
    #[serde(default)]
    pub advice: Option<Advice>,
}

#[derive(Deserialize)]
pub(crate) struct Rows<T> {
    pub rows: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
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
pub(crate) struct ForeignKey {
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
    pub referenced: String,
    #[serde(default)]
    pub referenced_deletes: i64,
    #[serde(default)]
    pub referenced_updates: i64,
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
    #[serde(default)]
    pub wal: Option<Wal>,
    pub slots: Vec<Slot>,
    #[serde(default)]
    subscriptions: Vec<Subscription>,
    pub findings: Vec<Risk>,
}

#[derive(Deserialize)]
struct Subscription {
    subscription: String,
    enabled: bool,
    /// Of its worker, which comes again every few seconds where it fails.
    #[serde(default)]
    pid: Option<i64>,
}

/// What ALTER ROLE and ALTER DATABASE say.
#[derive(Deserialize)]
struct Override {
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    role: Option<String>,
    name: String,
    value: String,
}

/// A setting that is not as PostgreSQL comes; its value is in its unit.
#[derive(Deserialize)]
struct Deviating {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    unit: Option<String>,
}

impl Settings {
    /// What a sort or a hash of this role in this database may take, before hash_mem_multiplier.
    pub fn work_mem_bytes(&self, role: Option<&str>, database: Option<&str>) -> i64 {
        const DEFAULT: i64 = 4 << 20;
        let fits = |own: &Override| {
            own.name == "work_mem"
                && own.role.as_deref().is_none_or(|of| Some(of) == role)
                && own.database.as_deref().is_none_or(|of| Some(of) == database)
        };
        // A role's word in a database goes before a role's, and that before a database's.
        let own = self.overrides.iter().filter(|own| fits(own));
        let nearest = own.max_by_key(|own| (own.role.is_some(), own.database.is_some()));
        let own = nearest.and_then(|own| bytes(&own.value, "kB"));
        own.or_else(|| self.deviating_bytes("work_mem")).unwrap_or(DEFAULT)
    }

    pub fn shared_buffers_bytes(&self) -> i64 {
        const DEFAULT: i64 = 128 << 20;
        self.deviating_bytes("shared_buffers").unwrap_or(DEFAULT)
    }

    fn deviating_bytes(&self, name: &str) -> Option<i64> {
        let setting = self.deviating.iter().find(|setting| setting.name == name)?;
        bytes(setting.value.as_deref()?, setting.unit.as_deref().unwrap_or("kB"))
    }
}

/// A size as PostgreSQL writes it: `64MB`, or a number in the setting's own unit, as `8kB`.
fn bytes(text: &str, own_unit: &str) -> Option<i64> {
    let (number, unit) = split(text);
    let number = number.parse::<i64>().ok()?;
    if !unit.is_empty() {
        return number.checked_mul(unit_bytes(unit)?);
    }
    let (times, unit) = split(own_unit);
    let times = if times.is_empty() {
        1
    } else {
        times.parse::<i64>().ok()?
    };
    number.checked_mul(times)?.checked_mul(unit_bytes(unit)?)
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    (digits.trim_end(), text.get(digits.len()..).unwrap_or(""))
}

fn unit_bytes(unit: &str) -> Option<i64> {
    match unit {
        "B" => Some(1),
        "kB" => Some(1 << 10),
        "MB" => Some(1 << 20),
        "GB" => Some(1 << 30),
        "TB" => Some(1 << 40),
        _ => None,
    }
}

/// Since the server's statistics began.
#[derive(Deserialize)]
pub(crate) struct Wal {
    #[serde(default)]
    pub bytes_per_s: Option<i64>,
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
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

impl Storage {
    /// `max_wal_size`, which the server gives as `1GB`.
    pub fn max_wal_bytes(&self) -> Option<i64> {
        bytes(self.settings.get("max_wal_size")?, "MB")
    }
}

#[derive(Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    pub pending_restart: Vec<String>,
    #[serde(default)]
    overrides: Vec<Override>,
    #[serde(default)]
    deviating: Vec<Deviating>,
}

#[derive(Deserialize)]
pub(crate) struct Directory {
    pub files: i64,
    pub bytes: i64,
}

#[derive(Deserialize)]
pub(crate) struct Overview {
    /// The role that looks: our own.
    #[serde(default)]
    pub current_role: Option<String>,
    #[serde(default)]
    pub databases: Vec<DatabaseCounters>,
    /// What our role may not see.
    #[serde(default)]
    pub hidden: Vec<String>,
    #[serde(default)]
    pub in_recovery: bool,
    pub risks: Vec<Risk>,
}

#[derive(Deserialize)]
pub(crate) struct DatabaseCounters {
    #[serde(default)]
    pub commits: i64,
    #[serde(default)]
    pub deadlocks: i64,
    #[serde(default)]
    pub temp_bytes: i64,
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
    /// Kept for superusers.
    #[serde(default)]
    pub reserved: i64,
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
    pub idle_in_transaction: i64,
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
            samples: read_all::<Sessions>(evidence, "sessions")
                .map(|seen| Seen {
                    id: seen.id,
                    value: seen.value.sessions,
                })
                .collect(),
            horizon: read_tool(evidence, "vacuum_horizon"),
            by_dead_rows: tables_by(BY_DEAD_ROWS),
            by_changes: tables_by(BY_CHANGES),
            indexes: read_tool(evidence, "index_health"),
            replication: read_tool(evidence, "replication"),
            storage: read_tool(evidence, "storage"),
            settings: read_tool(evidence, "settings"),
            overview: read_tool(evidence, "overview"),
            overview_before: {
                let mut all: Vec<Seen<Overview>> = read_all(evidence, "overview").collect();
                (all.len() > 1).then(|| all.swap_remove(0))
            },
        }
    }

    /// Statements of clients at work now for at least so long, that wait for no lock: who could be busy with something.
    pub fn at_work(&self, min_age_s: i64) -> Option<Seen<Vec<(usize, Session)>>> {
        let seen = self.sessions.as_ref()?;
        let sessions = seen.value.iter().enumerate();
        let old_enough =
            |session: &Session| session.query_age_s.is_some_and(|age| whole_s(age) >= min_age_s) && session.is_client();
        Some(Seen {
            id: seen.id.clone(),
            value: sessions
                .filter(|(_, session)| self.is_at_work(session) && old_enough(session))
                .map(|(at, session)| (at, session.clone()))
                .collect(),
        })
    }

    /// At work on the data: neither waiting for a lock nor one of our own looks. Parallel workers count.
    pub fn is_at_work(&self, session: &Session) -> bool {
        let own = self
            .overview
            .as_ref()
            .and_then(|overview| overview.value.current_role.as_ref());
        session.state.as_deref() == Some("active")
            && session.wait_event_type.as_deref() != Some("Lock")
            && (session.is_client() || session.leader_pid.is_some())
            && !(own.is_some() && session.usename.as_ref() == own)
    }

    /// Whether there is a load now: most counters are years old, and what they tell of may be over. Clients of fast statements
    /// are hardly ever caught at work; their commits are counted. After one look alone nothing is known to be over.
    pub fn is_under_load(&self, busy_commits: i64) -> bool {
        let Some(commits) = self.rose(|database| database.commits) else {
            return true;
        };
        let is_busy = |look: &&Seen<Vec<Session>>| look.value.iter().any(|session| self.is_at_work(session));
        let busy = self.samples.iter().filter(is_busy).count();
        commits >= busy_commits || busy.saturating_mul(2) >= self.samples.len()
    }

    /// By how much a counter of the databases rose between the first look and the last.
    pub fn rose(&self, counter: impl Fn(&DatabaseCounters) -> i64) -> Option<i64> {
        let (before, after) = (self.overview_before.as_ref()?, self.overview.as_ref()?);
        let sum = |overview: &Overview| overview.databases.iter().map(&counter).sum::<i64>();
        Some(sum(&after.value).saturating_sub(sum(&before.value)))
    }

    /// What is wrong with replication and is the fault of no session and no slot that is left over: no cause has a word for
    /// it. A slot that is in use and keeps much WAL has a consumer that does not follow.
    pub fn replication_troubles(&self) -> impl Iterator<Item = (&str, String)> {
        const CODES: [&str; 4] = [
            "replay_paused",
            "no_wal_receiver",
            "replication_lag",
            "slot_retains_wal",
        ];
        self.replication.iter().flat_map(|seen| {
            let findings = seen.value.findings.iter();
            let told = findings
                .filter(|finding| finding.severity != "info" && CODES.contains(&finding.code.as_str()))
                .map(|finding| finding.what.clone());
            let subscriptions = seen.value.subscriptions.iter();
            let stopped = subscriptions.filter(|one| one.enabled && one.pid.is_none()).map(|one| {
                format!(
                    "subscription `{}` is enabled, and no worker runs for it",
                    one.subscription
                )
            });
            told.chain(stopped).map(|what| (seen.id.as_str(), what))
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

impl ConnectionUse {
    /// Of what ordinary clients may have, the share that is taken.
    pub fn used_pct(&self) -> f64 {
        percent_of(self.used, self.max_connections.saturating_sub(self.reserved))
    }
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "the error is far below a percent")]
pub(crate) fn percent_of(part: i64, whole: i64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

impl Session {
    /// A client's own process. Where a role may not see the kind, it is one.
    pub fn is_client(&self) -> bool {
        self.backend_type.as_deref().is_none_or(|kind| kind == "client backend")
    }

    pub fn is_replay_in_conflict(&self) -> bool {
        self.backend_type.as_deref() == Some("startup")
            && (self.wait_event_type.as_deref() == Some("Lock")
                || self
                    .wait_event
                    .as_deref()
                    .is_some_and(|event| event.starts_with("RecoveryConflict") || event == "BufferPin"))
    }
}

impl Holder {
    /// Whether it is the oldest that keeps dead rows of tables from vacuum.
    pub fn holds_tables_back(&self) -> bool {
        self.holds_horizon && self.holds.as_deref() != Some("catalogs")
    }

    /// A standby that is connected, with a slot of its own or without.
    pub fn is_on_a_standby(&self) -> bool {
        match self.kind.as_str() {
            "standby_feedback" => true,
            "replication_slot" => self.state.as_deref() == Some("active"),
            _ => false,
        }
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

    /// Whether a vacuum came while this held rows back, and left dead ones behind.
    pub fn was_vacuumed_in_vain(&self, holder: &Holder) -> bool {
        let last = self.last_vacuum.as_ref().max(self.last_autovacuum.as_ref());
        let came_later = matches!((last, &holder.since), (Some(last), Some(since)) if last > since);
        came_later && self.has("vacuum_ineffective")
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

/// Every answer of the tool, oldest first.
fn read_all<T: DeserializeOwned>(evidence: &[Evidence], tool: &str) -> impl Iterator<Item = Seen<T>> {
    let of_tool = evidence
        .iter()
        .filter(move |piece| piece.server == POSTGRES && piece.tool == tool);
    of_tool.filter_map(|piece| {
        Some(Seen {
            id: piece.id.clone(),
            value: T::deserialize(&piece.result).ok()?,
        })
    })
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_roles_own_work_mem_goes_before_the_databases_and_that_before_the_servers() {
        let settings = Settings::deserialize(json!({
            "deviating": [{"name": "work_mem", "value": "16384", "unit": "kB"}, {"name": "shared_buffers", "value": "1024", "unit": "8kB"}],
            "overrides": [
                {"database": "orders", "role": null, "name": "work_mem", "value": "1GB"},
                {"database": null, "role": "etl", "name": "work_mem", "value": "2GB"},
                {"database": "orders", "role": "etl", "name": "work_mem", "value": "65536"},
            ],
        }))
        .unwrap();
        let of = |role, database| settings.work_mem_bytes(Some(role), Some(database)) >> 20;
        assert_eq!(of("app", "other"), 16);
        assert_eq!(of("app", "orders"), 1024);
        assert_eq!(of("etl", "other"), 2048);
        assert_eq!(of("etl", "orders"), 64);
        assert_eq!(settings.shared_buffers_bytes(), 8 << 20);
    }

    #[test]
    fn a_server_that_deviates_in_nothing_has_the_defaults() {
        let settings = Settings::deserialize(json!({})).unwrap();
        assert_eq!(settings.work_mem_bytes(None, None), 4 << 20);
        assert_eq!(settings.shared_buffers_bytes(), 128 << 20);
    }

    #[test]
    fn a_vacuum_was_in_vain_only_if_it_came_after_the_holder_and_left_rows() {
        let table = |last: &str, code: &str| {
            Table::deserialize(json!({
                "schema": "s", "table": "t", "findings": [{"code": code}], "n_live_tup": 1, "n_dead_tup": 9, "dead_pct": 90.0,
                "n_mod_since_analyze": 0, "last_vacuum": last, "last_autovacuum": "2026-01-01 00:00:00.000000+00",
            }))
            .unwrap()
        };
        let holder =
            Holder::deserialize(json!({"kind": "session", "xmin_age": 1, "since": "2026-01-02 10:00:00.500000+00"}))
                .unwrap();
        assert!(table("2026-01-02 10:00:01.000000+00", "vacuum_ineffective").was_vacuumed_in_vain(&holder));
        assert!(!table("2026-01-02 09:59:59.000000+00", "vacuum_ineffective").was_vacuumed_in_vain(&holder));
        assert!(!table("2026-01-02 10:00:01.000000+00", "bloated").was_vacuumed_in_vain(&holder));
    }
}
