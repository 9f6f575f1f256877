//! Which lock a statement takes on its table, and which locks of others it waits for.
//!
//! Modes and conflicts: <https://www.postgresql.org/docs/current/explicit-locking.html>, table 13.2. The statements' own
//! pages say which mode each takes: sql-vacuum, sql-analyze, sql-reindex, sql-dropindex.

/// What a statement does to its table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// The mode that it holds while it works.
    pub(super) mode: &'static str,
    /// The modes of others that it waits for, as `pg_locks.mode` spells them.
    pub(super) waits_for: &'static [&'static str],
}

/// VACUUM without FULL, and ANALYZE.
pub(super) const VACUUM: Lock = Lock {
    mode: "SHARE UPDATE EXCLUSIVE",
    waits_for: STRONGER_THAN_WRITES,
};
pub(super) const VACUUM_FULL: Lock = Lock {
    mode: "ACCESS EXCLUSIVE",
    waits_for: ALL,
};
/// DROP INDEX and REINDEX CONCURRENTLY: they block no reader and no writer, and wait until every transaction is over that
/// uses the table; `lock_timeout` counts there as well.
pub(super) const CONCURRENTLY: Lock = Lock {
    mode: "SHARE UPDATE EXCLUSIVE",
    waits_for: ALL,
};
pub(super) const DROP_INDEX: Lock = Lock {
    mode: "ACCESS EXCLUSIVE",
    waits_for: ALL,
};
/// It locks the table against writes, and the index against all use: a reader that plans with the index waits as well.
pub(super) const REINDEX: Lock = Lock {
    mode: "SHARE",
    waits_for: &[
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ],
};
/// Any row that is written: the marker, and the catalog that ALTER ROLE changes.
pub(super) const WRITE: Lock = Lock {
    mode: "ROW EXCLUSIVE",
    waits_for: &[
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ],
};

const STRONGER_THAN_WRITES: &[&str] = &[
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];
const ALL: &[&str] = &[
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];
