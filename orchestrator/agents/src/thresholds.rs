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
    /// A module that is less sure than a coin has ruled its cause out.
    pub likely_pct: u8,
    /// From here on a second look would not change the answer.
    pub sure_pct: u8,
    /// Between two looks: three of them stay within a second.
    pub between_looks_ms: u64,
    /// GitLab's and CloudNativePG's alerts on a transaction that is open for so long, whatever it does.
    pub old_transaction_s: i64,
    /// A holder of the vacuum horizon that is younger is a transaction of the day's work.
    pub holder_min_s: i64,
    /// One that does nothing for longer has forgotten its transaction; a client's round trip takes no seconds.
    pub holder_forgotten_s: i64,
    /// It has held back so many transactions at least; a busy server makes as many in a second.
    pub holder_min_xids: i64,
    /// So many dead rows of a table are more than HOT pruning and a snapshot of the day's work leave.
    pub kept_dead_rows: i64,
    /// Dead rows that are ordinary: autovacuum comes once a minute (`autovacuum_naptime`) and takes its time.
    pub dead_rows: i64,
    /// The same where autovacuum will not come. It is also the least that the runbook vacuums for.
    pub dead_rows_left_alone: i64,
    /// awesome-prometheus-alerts: more than 10 % dead rows; twice `autovacuum_vacuum_scale_factor` is beyond its reach.
    pub dead_pct: f64,
    /// More dead than alive: each scan reads at least twice what it needs.
    pub mostly_dead_pct: f64,
    /// Smaller tables have the same plan whatever their statistics say.
    pub stale_min_rows: i64,
    /// Twice `autovacuum_analyze_scale_factor`, 10 %.
    pub stale_changed_pct: f64,
    /// A wrong estimate of this size is one that changes join orders.
    pub misjudged_rows_factor: f64,
    /// Commits between two looks, a second or two apart, that are a load. PostgreSQL on two small cores makes ten times as many.
    pub busy_commits: i64,
    /// Of an OLTP database, a statement this long is one that people notice.
    pub slow_statement_s: i64,
    /// A statement that runs for less is gone before anybody could do something about it.
    pub min_statement_s: i64,
    /// `autovacuum_freeze_max_age` and the table's own: from here on a vacuum is forced.
    pub forced_vacuum_pct: f64,
    /// The documentation's warnings start at 40 million left; AWS acts at 1 of 2.1 billion.
    pub near_wraparound_pct: f64,
    /// Two segments of WAL: a consumer that reconnects leaves that much.
    pub slot_keeps_bytes: i64,
    /// As of `postgres-readonly`'s own warning, 1 GiB, which is PostgreSQL's default `max_wal_size`.
    pub slot_keeps_much_bytes: i64,
    /// Reads of a whole table that are a habit and not a report.
    pub seq_scans: i64,
    /// Rows read so in all: a second of one core, roughly.
    pub rows_read: i64,
    /// Rows of a table that is worth an index; the same as `index_health` tells of.
    pub scanned_rows: f64,
    /// Temporary files that lie there at once; work_mem is 4 MB.
    pub temp_bytes_now: i64,
    /// As of `postgres-readonly`'s own limit.
    pub temp_bytes_many: i64,
    /// So many at the same wait in each look are a crowd, if they are a large enough share of those at work.
    pub crowd: usize,
    /// A look finds who waits for the disk in the instant of waiting alone; the rest of the time it works on what came.
    pub io_pct: usize,
    /// Of the lock tables nobody should be seen to wait at all: GitLab's and AWS's advice calls a tenth of the load a problem.
    pub lock_manager_pct: usize,
    /// A server is usually given a quarter of the memory as shared_buffers; a statement that may take as much is a danger,
    /// but for servers so small that this says nothing.
    pub generous_work_mem_bytes: i64,
    /// So many of them at once take more than shared_buffers leaves of a machine, if each is given a quarter of it.
    pub greedy_together: usize,
    /// `checkpoint_warning` complains below 30 s; a third of it over a server's whole life is no passing load.
    pub checkpoint_every_s: i64,
    /// awesome-prometheus-alerts: PostgresqlHighRateOfDeadlocks above 5 in a minute.
    pub deadlocks_per_min: f64,
    /// So many within the second between two looks are no chance meeting.
    pub many_deadlocks: i64,
    /// A tenth of the smallest volume that RDS makes, 20 GiB; its own event of low storage comes at 10 %.
    pub storage_low_bytes: f64,
    /// The same as a share.
    pub storage_used_pct: f64,
    /// Enlarging a volume takes minutes, and whoever does it has to be found first.
    pub storage_ends_within_min: f64,
    /// Below this an instance of RDS has nothing left to give; the smallest class in use has 1 GiB.
    pub memory_low_bytes: f64,
    /// Some swap is in use on every instance. That it grows is what tells.
    pub swap_grown_bytes: f64,
    /// gp3 and io2 answer within single milliseconds; from here on people notice.
    pub io_latency_s: f64,
    /// And it is slower than before by so much: some volumes are always slow.
    pub io_latency_factor: f64,
    /// The share of a change of load that makes its wait the main one.
    pub main_wait_pct: f64,
    /// Of credits, or of percent of them: at nothing the instance or its volume falls to its baseline.
    pub credits_low: f64,
    /// A CPU with no room.
    pub cpu_busy_pct: f64,
    /// So many deadlocks within half an hour in the log; `deadlocks_per_min` over the two minutes of a fresh storm.
    pub logged_deadlocks: u64,
    /// So many refused logins within half an hour: a client that tries again every minute or two, or many.
    pub failed_logins: u64,
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
    likely_pct: 50,
    sure_pct: 70,
    between_looks_ms: 250,
    old_transaction_s: 300,
    holder_min_s: 3,
    holder_forgotten_s: 10,
    holder_min_xids: 100,
    kept_dead_rows: 250,
    dead_rows: 10_000,
    dead_rows_left_alone: 1_000,
    dead_pct: 20.0,
    mostly_dead_pct: 50.0,
    stale_min_rows: 10_000,
    stale_changed_pct: 20.0,
    misjudged_rows_factor: 3.0,
    busy_commits: 200,
    slow_statement_s: 2,
    min_statement_s: 1,
    forced_vacuum_pct: 100.0,
    near_wraparound_pct: 40.0,
    slot_keeps_bytes: 32 << 20,
    slot_keeps_much_bytes: 1 << 30,
    seq_scans: 20,
    rows_read: 5_000_000,
    scanned_rows: 10_000.0,
    temp_bytes_now: 32 << 20,
    temp_bytes_many: 1 << 30,
    crowd: 2,
    io_pct: 40,
    lock_manager_pct: 25,
    generous_work_mem_bytes: 64 << 20,
    greedy_together: 3,
    checkpoint_every_s: 10,
    deadlocks_per_min: 5.0,
    many_deadlocks: 3,
    storage_low_bytes: 2_147_483_648.0,
    storage_used_pct: 90.0,
    storage_ends_within_min: 60.0,
    memory_low_bytes: 134_217_728.0,
    swap_grown_bytes: 268_435_456.0,
    io_latency_s: 0.01,
    io_latency_factor: 3.0,
    main_wait_pct: 50.0,
    credits_low: 5.0,
    cpu_busy_pct: 95.0,
    logged_deadlocks: 10,
    failed_logins: 20,
    indistinct_pct: 15,
    stale_evidence_s: 60,
};
