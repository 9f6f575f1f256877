//! The closed vocabulary of root causes, and the two answers that are not a cause.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a hypothesis may say is wrong. A word outside this list cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootCause {
    /// A session sits in an open transaction, does nothing, and others wait for its locks.
    IdleInTransactionBlocker,
    /// A DDL statement waits behind a long transaction, and everyone else queues behind the DDL.
    DdlLockQueue,
    /// A session that is at work holds locks that others wait for.
    ActiveBlocker,
    /// A session outside any transaction holds an advisory lock that others wait for.
    AdvisoryLockHolder,
    /// A prepared transaction that nobody ends holds locks, or rows back from vacuum.
    PreparedTransaction,
    /// One client holds so many sessions that the server has few or none left.
    ConnectionSaturation,
    /// An old transaction or snapshot keeps vacuum from removing dead rows.
    LongTransactionHoldsXmin,
    /// A replication slot that nobody reads keeps WAL.
    InactiveReplicationSlot,
    /// Commits wait for a synchronous standby that does not answer.
    SynchronousStandbyMissing,
    /// A query on a standby holds replay back.
    ReplicaQueryBlocksReplay,
    /// Dead rows pile up in a table because autovacuum does not come, or not fast enough.
    AutovacuumBehind,
    /// A table changed much since it was analyzed: the planner guesses.
    StaleStatistics,
    /// Transaction or multixact ids grow old towards a forced stop.
    TransactionIdWraparound,
    /// An index was left invalid: written to and never read.
    InvalidIndex,
    /// Statements read a large table for want of an index.
    MissingIndex,
    /// A statement writes temporary files until space runs out.
    TempFileSpill,
    /// A statement or a role takes more memory than the server has.
    MemoryPressure,
    /// Statements wait for the disk, and one of them keeps it busy.
    IoSaturation,
    /// So many sessions take so many locks that they wait for the lock tables themselves.
    LockManagerContention,
    /// The disk is nearly full.
    StorageNearlyFull,
    /// WAL outgrows its bound, and checkpoints come too often.
    CheckpointStorm,
    /// Transactions take locks in opposite orders, and the server ends them.
    DeadlockStorm,
    /// A key is running out of numbers.
    IntegerKeyExhaustion,
    /// Archiving or backups fail.
    BackupFailure,
    /// Data on disk is damaged.
    Corruption,
    /// Clients are refused for their credentials.
    AuthenticationFailure,
    /// The server failed over or restarted without a plan.
    UnplannedFailover,
    /// The instance's burst or capacity limit is reached.
    CapacityCeiling,
    /// A parameter, maintenance or certificate waits to be applied.
    PendingMaintenance,
    /// The evidence shows a healthy database: the cause lies elsewhere, or is over.
    NoDatabaseAction,
    /// Something is wrong, or could not be seen, and no cause fits: a human is needed.
    Unexplained,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a root cause of this vocabulary")]
pub struct UnknownCause(String);

impl RootCause {
    pub const ALL: [Self; 31] = [
        Self::IdleInTransactionBlocker,
        Self::DdlLockQueue,
        Self::ActiveBlocker,
        Self::AdvisoryLockHolder,
        Self::PreparedTransaction,
        Self::ConnectionSaturation,
        Self::LongTransactionHoldsXmin,
        Self::InactiveReplicationSlot,
        Self::SynchronousStandbyMissing,
        Self::ReplicaQueryBlocksReplay,
        Self::AutovacuumBehind,
        Self::StaleStatistics,
        Self::TransactionIdWraparound,
        Self::InvalidIndex,
        Self::MissingIndex,
        Self::TempFileSpill,
        Self::MemoryPressure,
        Self::IoSaturation,
        Self::LockManagerContention,
        Self::StorageNearlyFull,
        Self::CheckpointStorm,
        Self::DeadlockStorm,
        Self::IntegerKeyExhaustion,
        Self::BackupFailure,
        Self::Corruption,
        Self::AuthenticationFailure,
        Self::UnplannedFailover,
        Self::CapacityCeiling,
        Self::PendingMaintenance,
        Self::NoDatabaseAction,
        Self::Unexplained,
    ];

    /// Whether it names something that is wrong, and is neither "healthy" nor "unexplained".
    #[must_use]
    pub const fn is_found(self) -> bool {
        !matches!(self, Self::NoDatabaseAction | Self::Unexplained)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdleInTransactionBlocker => "idle_in_transaction_blocker",
            Self::DdlLockQueue => "ddl_lock_queue",
            Self::ActiveBlocker => "active_blocker",
            Self::AdvisoryLockHolder => "advisory_lock_holder",
            Self::PreparedTransaction => "prepared_transaction",
            Self::ConnectionSaturation => "connection_saturation",
            Self::LongTransactionHoldsXmin => "long_transaction_holds_xmin",
            Self::InactiveReplicationSlot => "inactive_replication_slot",
            Self::SynchronousStandbyMissing => "synchronous_standby_missing",
            Self::ReplicaQueryBlocksReplay => "replica_query_blocks_replay",
            Self::AutovacuumBehind => "autovacuum_behind",
            Self::StaleStatistics => "stale_statistics",
            Self::TransactionIdWraparound => "transaction_id_wraparound",
            Self::InvalidIndex => "invalid_index",
            Self::MissingIndex => "missing_index",
            Self::TempFileSpill => "temp_file_spill",
            Self::MemoryPressure => "memory_pressure",
            Self::IoSaturation => "io_saturation",
            Self::LockManagerContention => "lock_manager_contention",
            Self::StorageNearlyFull => "storage_nearly_full",
            Self::CheckpointStorm => "checkpoint_storm",
            Self::DeadlockStorm => "deadlock_storm",
            Self::IntegerKeyExhaustion => "integer_key_exhaustion",
            Self::BackupFailure => "backup_failure",
            Self::Corruption => "corruption",
            Self::AuthenticationFailure => "authentication_failure",
            Self::UnplannedFailover => "unplanned_failover",
            Self::CapacityCeiling => "capacity_ceiling",
            Self::PendingMaintenance => "pending_maintenance",
            Self::NoDatabaseAction => "no_database_action",
            Self::Unexplained => "unexplained",
        }
    }

    /// Whether a runbook could answer it.
    #[must_use]
    pub const fn is_actionable(self) -> bool {
        !matches!(self, Self::NoDatabaseAction | Self::Unexplained)
    }
}

impl fmt::Display for RootCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RootCause {
    type Err = UnknownCause;

    fn from_str(word: &str) -> Result<Self, UnknownCause> {
        Self::ALL
            .into_iter()
            .find(|cause| cause.as_str() == word)
            .ok_or_else(|| UnknownCause(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn the_spoken_and_the_written_word_are_the_same() {
        for cause in RootCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
            assert_eq!(cause.as_str().parse::<RootCause>().unwrap(), cause);
        }
    }

    #[test]
    fn a_word_outside_the_vocabulary_is_no_cause() {
        assert_eq!(
            "drop_everything".parse::<RootCause>(),
            Err(UnknownCause("drop_everything".to_owned()))
        );
    }
}
