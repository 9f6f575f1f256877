//! Every number that the offline diagnosis judges by, each with its source. There are none elsewhere.

/// When an observation counts as a symptom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// A session idle in transaction for less is a client between two statements. GitLab's and CloudNativePG's alerts fire
    /// far later (300 s), on transactions that block nobody; here somebody already waits for it.
    pub idle_blocker_min_idle_s: i64,
    /// A lock wait shorter than this is ordinary contention. PostgreSQL logs waits after its `deadlock_timeout`, 1 s.
    pub min_lock_wait_s: i64,
    /// From here on a blocker is idle for so long that its client has most likely forgotten it. PgBouncer, Heroku and
    /// RDS advice on `idle_in_transaction_session_timeout` start at this order of magnitude.
    pub abandoned_idle_s: i64,
    /// So many victims make an incident of a lock wait.
    pub many_victims: i64,
    /// DDL that waits longer than the lock timeout good migrations use (2 s, strong_migrations and GitLab's
    /// `with_lock_retries` stay below) was sent without one.
    pub ddl_min_wait_s: i64,
    /// awesome-prometheus-alerts: PostgresqlTooManyConnections above 80 % of `max_connections`.
    pub saturated_used_pct: f64,
    /// Above this the server is about to refuse ordinary clients: `superuser_reserved_connections` starts (3 of 100).
    pub full_used_pct: f64,
    /// The share of all used connections that one client has to hold to be the cause, rather than a share of the load.
    pub hoarder_share_pct: f64,
    /// The share of its own sessions that has to sit idle: a client that works needs a bigger server, not fewer sessions.
    pub hoarder_idle_pct: f64,
    /// Poolers keep a session idle for seconds between two uses; HikariCP's and pgx's idle timeouts are minutes, but a
    /// pool under load hands each session out again within this time.
    pub hoarder_oldest_idle_s: i64,
    /// When this share of the used connections waits for locks, saturation is the symptom of the blocker.
    pub saturation_by_locks_pct: f64,
    /// Two hypotheses this close cannot be told apart, and the reviewer says so.
    pub indistinct_pct: u8,
    /// Evidence older than this when the plan is made may describe another world. Our first sweep takes about a second.
    pub stale_evidence_s: i64,
}

pub const THRESHOLDS: Thresholds = Thresholds {
    idle_blocker_min_idle_s: 3,
    min_lock_wait_s: 1,
    abandoned_idle_s: 60,
    many_victims: 3,
    ddl_min_wait_s: 2,
    saturated_used_pct: 80.0,
    full_used_pct: 95.0,
    hoarder_share_pct: 40.0,
    hoarder_idle_pct: 80.0,
    hoarder_oldest_idle_s: 5,
    saturation_by_locks_pct: 40.0,
    indistinct_pct: 15,
    stale_evidence_s: 60,
};
