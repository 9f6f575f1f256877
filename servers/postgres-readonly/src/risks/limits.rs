//! From where on something is a risk: every threshold of every judging tool, in this one table.

use super::Severity;

/// From which value on a measure is worth being told, and how loudly.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    info: f64,
    warning: f64,
    critical: f64,
}

const NEVER: f64 = f64::INFINITY;
const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;

const fn limit(info: f64, warning: f64, critical: f64) -> Limit {
    Limit {
        info,
        warning,
        critical,
    }
}

impl Limit {
    /// Returns what `value` is worth, if anything.
    pub fn judge(&self, value: f64) -> Option<Severity> {
        let steps = [
            (self.critical, Severity::Critical),
            (self.warning, Severity::Warning),
            (self.info, Severity::Info),
        ];
        steps
            .into_iter()
            .find(|(from, _)| value >= *from)
            .map(|(_, worth)| worth)
    }
}

// Sources: [doc] follows from PostgreSQL's documentation or source, [house] is a rule of thumb of ours that leaves an
// operator time to act. Each is "from this value on", in the order info, warning, critical.

/// Sessions in percent of max_connections. [house] Beyond 95 the reserved places are all that is left on small servers.
pub const CONNECTIONS_USED_PCT: Limit = limit(NEVER, 80.0, 95.0);
/// [house] Nobody works for 5 minutes between two statements of one transaction; for an hour it stops vacuum everywhere.
pub const IDLE_IN_TRANSACTION_S: Limit = limit(NEVER, 300.0, 3600.0);
/// Longest wait for a lock. [house] Any wait is told; 30 s is what most clients' own timeouts are.
pub const LOCK_WAIT_S: Limit = limit(0.0, 30.0, 300.0);
/// [house] A transaction manager commits what it prepared within seconds; what is older was forgotten.
pub const PREPARED_S: Limit = limit(NEVER, 300.0, 86_400.0);
/// [house]
pub const RUNNING_QUERY_S: Limit = limit(NEVER, 600.0, 86_400.0);
/// Age in percent of autovacuum_freeze_max_age. [doc] At 100 a vacuum is forced; well beyond it, that vacuum does not succeed.
pub const FREEZE_MAX_AGE_PCT: Limit = limit(100.0, 125.0, NEVER);
/// Age in percent of 2^31. [doc] vacuum_failsafe_age is 1.6 billion (74.5); at about 99.8 nothing can be written any more.
pub const WRAPAROUND_PCT: Limit = limit(NEVER, 40.0, 74.5);
/// XIDs that somebody holds back from vacuum. [house] 10 million are hours of dead rows on a busy server.
pub const HORIZON_XIDS: Limit = limit(1e6, 1e7, 2e8);
/// WAL that a slot keeps. [house] A slot in use that lags as much is as dangerous for the disk as one that is not.
pub const SLOT_RETAINED_BYTES: Limit = limit(NEVER, GIB, 20.0 * GIB);
/// [house]
pub const REPLAY_LAG_S: Limit = limit(NEVER, 30.0, 600.0);
/// [house]
pub const REPLAY_LAG_BYTES: Limit = limit(NEVER, 256.0 * MIB, 4.0 * GIB);
/// Since the archiver last succeeded while it fails. [house] Any failure is told; in an hour WAL piles up.
pub const ARCHIVER_FAILING_S: Limit = limit(NEVER, 0.0, 3600.0);
/// That finished WAL waits and none of it is archived. [house] Copying 16 MB takes a second or two; in an hour WAL piles up.
pub const ARCHIVER_STILL_S: Limit = limit(NEVER, 5.0, 3600.0);
/// [doc] An invalid index is written to and never read.
pub const INVALID_INDEXES: Limit = limit(NEVER, 1.0, NEVER);
/// [house]
pub const SEQUENCE_USED_PCT: Limit = limit(NEVER, 80.0, 95.0);
/// [house] Deadlocks are resolved; that they happen is a fact about the application.
pub const DEADLOCKS: Limit = limit(1.0, NEVER, NEVER);
/// Per hour since the statistics were reset. [house]
pub const DEADLOCKS_PER_H: Limit = limit(NEVER, 1.0, NEVER);
/// [doc] One is a damaged page.
pub const CHECKSUM_FAILURES: Limit = limit(NEVER, NEVER, 1.0);
/// Requested ones in percent of all checkpoints. [doc] "increase max_wal_size" is the server's own hint for it.
pub const CHECKPOINTS_REQUESTED_PCT: Limit = limit(NEVER, 50.0, NEVER);
/// Fewer checkpoints than these prove nothing: a start, a backup and a few by hand are requested ones. [house]
pub const CHECKPOINTS_MIN: i64 = 20;
/// Written to temporary files since the statistics were reset. [house]
pub const TEMP_BYTES: Limit = limit(GIB, NEVER, NEVER);
/// The same per hour. [house]
pub const TEMP_BYTES_PER_H: Limit = limit(NEVER, 10.0 * GIB, NEVER);
/// Statements of a standby that replay cancelled. [house]
pub const STANDBY_CONFLICTS: Limit = limit(1.0, 100.0, NEVER);
/// A rate over less than this is chance. [house]
pub const MIN_WINDOW_S: i64 = 3600;

/// work_mem times max_connections in percent of shared_buffers. [house] On common machines shared_buffers is a quarter of
/// the memory, so 400 is all of it.
pub const WORK_MEM_PCT: Limit = limit(NEVER, 400.0, 1600.0);
/// [house] Each is a process; snapshots and lock tables grow with them. A pooler serves more clients with fewer.
pub const MAX_CONNECTIONS: Limit = limit(500.0, 1000.0, NEVER);
/// Settings that wait for a restart. [house]
pub const PENDING_RESTART: Limit = limit(1.0, NEVER, NEVER);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_worth_the_loudest_step_that_it_reaches() {
        assert_eq!(CONNECTIONS_USED_PCT.judge(79.9), None);
        assert_eq!(CONNECTIONS_USED_PCT.judge(80.0), Some(Severity::Warning));
        assert_eq!(CONNECTIONS_USED_PCT.judge(95.0), Some(Severity::Critical));
        assert_eq!(LOCK_WAIT_S.judge(0.0), Some(Severity::Info));
    }
}
