//! Which table-level lock modes conflict: the table of the manual's chapter on explicit locking.

/// In the order of their strength.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// Per mode, the modes that it conflicts with, as bits in the order of `MODES`.
const CONFLICTS: [u8; 8] = [
    0b1000_0000,
    0b1100_0000,
    0b1111_0000,
    0b1111_1000,
    0b1110_1100,
    0b1111_1100,
    0b1111_1110,
    0b1111_1111,
];

/// Returns whether a lock of one mode must wait for one of the other. An unknown mode conflicts with nothing.
pub fn conflict(held: &str, wanted: &str) -> bool {
    let place = |mode: &str| MODES.iter().position(|known| *known == mode);
    let (Some(held), Some(wanted)) = (place(held), place(wanted)) else {
        return false;
    };
    CONFLICTS.get(held).is_some_and(|with| with & (1 << wanted) != 0)
}

/// Returns whether the lock is one that schema changes and maintenance ask for, stronger than any that rows need.
pub fn is_strong(mode: &str) -> bool {
    MODES.iter().skip(3).any(|strong| *strong == mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_mutual_and_as_the_manual_says() {
        for held in MODES {
            for wanted in MODES {
                assert_eq!(conflict(held, wanted), conflict(wanted, held), "{held} {wanted}");
            }
            assert!(conflict(held, "AccessExclusiveLock"));
        }
        assert!(!conflict("AccessShareLock", "ExclusiveLock"));
        assert!(conflict("RowShareLock", "ExclusiveLock"));
        assert!(!conflict("ShareLock", "ShareLock"));
        assert!(conflict("RowExclusiveLock", "ShareLock"));
        assert!(!conflict("RowExclusiveLock", "ShareUpdateExclusiveLock"));
        assert!(conflict("ShareUpdateExclusiveLock", "ShareUpdateExclusiveLock"));
        assert!(!conflict("SIReadLock", "AccessExclusiveLock"));
    }

    #[test]
    fn strong_begins_where_row_work_ends() {
        assert!(is_strong("ShareUpdateExclusiveLock") && is_strong("AccessExclusiveLock"));
        assert!(!is_strong("RowExclusiveLock") && !is_strong("unknown"));
    }
}
