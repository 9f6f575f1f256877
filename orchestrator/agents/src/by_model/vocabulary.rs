//! The root causes in words, for a model. A cause without words does not compile.

use std::fmt::Write as _;

use incident::RootCause;

/// One line for each cause of the vocabulary.
pub(super) fn list() -> String {
    RootCause::ALL.into_iter().fold(String::new(), |mut list, cause| {
        let _written = writeln!(list, "- `{cause}`: {}", describe(cause));
        list
    })
}

const fn describe(cause: RootCause) -> &'static str {
    match cause {
        RootCause::IdleInTransactionBlocker => {
            "a session idle in an open transaction is the root of a blocking tree. Object `blocker`: that root, as `/trees/0/root`."
        }
        RootCause::DdlLockQueue => {
            "a DDL statement waits behind an open transaction and others queue behind the DDL; withdrawing it would free them. \
             Object `ddl`: as `/ddl_queues/0/ddl`."
        }
        RootCause::ActiveBlocker => {
            "a session that is at work is the root of a blocking tree. Object `blocker`: that root."
        }
        RootCause::AdvisoryLockHolder => {
            "a session outside any transaction holds an advisory lock that others wait for. Object `blocker`: that root."
        }
        RootCause::PreparedTransaction => {
            "a prepared transaction that nobody ends holds locks, or rows back from vacuum. Object: it, where it is listed."
        }
        RootCause::ConnectionSaturation => {
            "connections are nearly used up and one client holds most of them idle. Object `client`: its group, as \
             `/connections/groups/0`."
        }
        RootCause::LongTransactionHoldsXmin => {
            "an old transaction or snapshot keeps vacuum from removing dead rows. Object: its entry among the holders."
        }
        RootCause::InactiveReplicationSlot => "a replication slot that nobody reads keeps WAL. Object: the slot.",
        RootCause::SynchronousStandbyMissing => "commits wait for a synchronous standby that does not answer.",
        RootCause::ReplicaQueryBlocksReplay => "a query on a standby holds replay back. Object: the query's session.",
        RootCause::AutovacuumBehind => {
            "dead rows pile up because autovacuum does not come, or not fast enough. Object: the table."
        }
        RootCause::StaleStatistics => "a table changed much since it was analyzed. Object: the table.",
        RootCause::TransactionIdWraparound => {
            "transaction or multixact ids grow old towards a forced stop. Object: the oldest table."
        }
        RootCause::InvalidIndex => "an index was left invalid. Object: the index.",
        RootCause::MissingIndex => "statements read a large table for want of an index. Object: the table.",
        RootCause::TempFileSpill => {
            "a statement writes temporary files until space runs out. Object: the session or role."
        }
        RootCause::MemoryPressure => "a statement or a role takes more memory than the server has.",
        RootCause::IoSaturation => "statements wait for the disk, and one of them keeps it busy. Object: its session.",
        RootCause::LockManagerContention => {
            "so many sessions take so many locks that they wait for the lock tables themselves."
        }
        RootCause::StorageNearlyFull => "the disk is nearly full.",
        RootCause::CheckpointStorm => "WAL outgrows its bound, and checkpoints come too often.",
        RootCause::DeadlockStorm => "transactions take locks in opposite orders, and the server ends them.",
        RootCause::IntegerKeyExhaustion => "a key is running out of numbers. Object: the sequence or column.",
        RootCause::BackupFailure => "archiving or backups fail.",
        RootCause::Corruption => "data on disk is damaged.",
        RootCause::AuthenticationFailure => "clients are refused for their credentials.",
        RootCause::UnplannedFailover => "the server failed over or restarted without a plan.",
        RootCause::CapacityCeiling => "the instance's burst or capacity limit is reached.",
        RootCause::PendingMaintenance => "a parameter, maintenance or certificate waits to be applied.",
        RootCause::NoDatabaseAction => {
            "the evidence shows a healthy database: the cause lies elsewhere, or is over. Never while anything is blocked or \
             full, or was not seen."
        }
        RootCause::Unexplained => {
            "something is wrong and no cause fits, or the evidence is not enough. This is a good answer when it is true."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told_once() {
        let list = list();
        assert_eq!(list.lines().count(), RootCause::ALL.len());
        assert!(
            RootCause::ALL
                .iter()
                .all(|cause| list.contains(&format!("- `{cause}`: ")))
        );
    }
}
