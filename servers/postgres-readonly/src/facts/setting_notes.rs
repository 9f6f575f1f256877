//! Why a setting matters, for those that do; and which deviations tell nobody anything.

/// Sorted by name.
const NOTES: &[(&str, &str)] = &[
    ("archive_command", "its failure stops WAL from being recycled"),
    (
        "archive_mode",
        "WAL is kept until it is archived; point-in-time recovery needs it",
    ),
    ("autovacuum", "off: dead rows and old ids pile up"),
    (
        "autovacuum_freeze_max_age",
        "the age at which a vacuum is forced on a table",
    ),
    (
        "autovacuum_max_workers",
        "how many tables are vacuumed at once; they share one cost limit",
    ),
    ("autovacuum_naptime", "how often each database is looked at"),
    ("autovacuum_vacuum_cost_delay", "how much vacuum is slowed down"),
    (
        "autovacuum_vacuum_cost_limit",
        "how much vacuum may do between two pauses",
    ),
    (
        "autovacuum_vacuum_scale_factor",
        "the share of dead rows at which a table is vacuumed",
    ),
    (
        "checkpoint_completion_target",
        "how evenly checkpoint writes are spread",
    ),
    ("checkpoint_timeout", "longer: less WAL, longer recovery"),
    (
        "deadlock_timeout",
        "how long a wait lasts before it is logged and looked at",
    ),
    ("default_statistics_target", "how well the planner knows the columns"),
    (
        "default_transaction_isolation",
        "stricter levels abort transactions that others let pass",
    ),
    (
        "effective_cache_size",
        "what the planner believes is cached; no memory is taken",
    ),
    ("effective_io_concurrency", "how much is read ahead in bitmap scans"),
    ("enable_bitmapscan", "off: the planner avoids it everywhere"),
    ("enable_hashjoin", "off: the planner avoids it everywhere"),
    ("enable_indexonlyscan", "off: the planner avoids it everywhere"),
    ("enable_indexscan", "off: the planner avoids it everywhere"),
    ("enable_mergejoin", "off: the planner avoids it everywhere"),
    ("enable_nestloop", "off: the planner avoids it everywhere"),
    ("enable_seqscan", "off: the planner avoids it everywhere"),
    ("fsync", "off: a crash can destroy the cluster"),
    ("full_page_writes", "off: a crash can leave torn pages"),
    (
        "hot_standby_feedback",
        "on: a standby's statements hold back vacuum on the primary",
    ),
    ("huge_pages", "try: falls back in silence to small pages"),
    ("idle_in_transaction_session_timeout", "ends forgotten transactions"),
    ("idle_session_timeout", "ends idle sessions; poolers do not expect it"),
    ("jit", "compiling can cost more than it saves in short statements"),
    ("listen_addresses", "from where the server can be reached"),
    ("lock_timeout", "ends waits for locks, also of migrations"),
    ("log_lock_waits", "logs who waited longer than deadlock_timeout"),
    ("log_min_duration_statement", "logs slow statements, with their values"),
    ("log_statement", "all: the log holds every statement and its values"),
    ("maintenance_work_mem", "memory for each VACUUM and CREATE INDEX"),
    ("max_connections", "each is a process with its own memory"),
    (
        "max_locks_per_transaction",
        "size of the shared lock table; a standby needs as much as its primary",
    ),
    ("max_parallel_workers", "bound on parallel workers of all statements"),
    ("max_parallel_workers_per_gather", "each worker takes its own work_mem"),
    (
        "max_prepared_transactions",
        "above 0: prepared transactions can be left behind",
    ),
    ("max_replication_slots", "each slot can keep WAL"),
    ("max_slot_wal_keep_size", "-1: one forgotten slot can fill the disk"),
    (
        "max_standby_streaming_delay",
        "how long replay waits for a standby's statements",
    ),
    ("max_wal_senders", "bound on standbys and base backups"),
    ("max_wal_size", "too low: checkpoints are forced by WAL volume"),
    ("max_worker_processes", "bound on parallel and background workers"),
    ("password_encryption", "md5 hashes are as good as the password"),
    ("primary_conninfo", "whom this standby follows"),
    ("random_page_cost", "4 suits spinning disks; lower favours indexes"),
    ("recovery_min_apply_delay", "this standby is late on purpose"),
    ("restore_command", "where recovery takes WAL from"),
    ("row_security", "off: statements that row security would filter fail"),
    ("seq_page_cost", "base of all planner costs"),
    (
        "session_replication_role",
        "replica: triggers and foreign keys do not fire",
    ),
    ("shared_buffers", "the server's own cache"),
    ("shared_preload_libraries", "code that runs in every process"),
    ("ssl", "off: passwords and data travel in the clear"),
    ("statement_timeout", "ends statements, also dumps and migrations"),
    ("synchronous_commit", "off: the last commits can be lost in a crash"),
    ("synchronous_standby_names", "commits wait for these standbys"),
    ("temp_buffers", "memory of each session for temporary tables"),
    ("temp_file_limit", "-1: one statement can fill the disk"),
    ("track_activities", "off: nobody sees what sessions do"),
    ("track_activity_query_size", "longer statements are shown cut"),
    ("track_counts", "off: autovacuum is blind"),
    ("track_io_timing", "without it nobody sees time spent on reads"),
    ("vacuum_cost_limit", "how much vacuum may do between two pauses"),
    ("vacuum_defer_cleanup_age", "keeps dead rows for standbys"),
    ("wal_compression", "less WAL for CPU"),
    ("wal_keep_size", "WAL that is kept for standbys without slots"),
    ("wal_level", "minimal: no standby, no archive; logical: more WAL"),
    ("wal_log_hints", "more WAL; pg_rewind needs it where checksums are off"),
    ("wal_sender_timeout", "0: dead standbys are never noticed"),
    (
        "work_mem",
        "memory of each sort and hash, several per statement and session",
    ),
    ("zero_damaged_pages", "on: damaged pages are replaced by nothing"),
];

/// Names whose deviation is a matter of place or taste.
const NOISE: &[&str] = &[
    "client_encoding",
    "cluster_name",
    "config_file",
    "data_directory",
    "DateStyle",
    "default_text_search_config",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "IntervalStyle",
    "log_directory",
    "log_file_mode",
    "log_filename",
    "log_line_prefix",
    "log_timezone",
    "max_stack_depth",
    "port",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "stats_temp_directory",
    "TimeZone",
    "timezone_abbreviations",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
];

/// Returns why the setting matters, where it does.
pub fn why(name: &str) -> Option<&'static str> {
    let found = NOTES.binary_search_by(|(noted, _)| (*noted).cmp(name)).ok()?;
    NOTES.get(found).map(|(_, why)| *why)
}

/// Returns whether a deviation of the setting tells nobody anything.
pub fn is_noise(name: &str) -> bool {
    NOISE.contains(&name) || name.starts_with("lc_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_sorted_so_each_is_found() {
        assert!(NOTES.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(why("fsync"), Some("off: a crash can destroy the cluster"));
        assert_eq!(why("port"), None);
        assert!(is_noise("lc_messages"));
    }
}
