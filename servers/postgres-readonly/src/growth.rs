//! How fast something stored grows: each look is measured against one before it, which this process remembers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A look is measured against until it is so old; then the newest takes its place.
const BASE_HOLDS: Duration = Duration::from_secs(300);
/// Less time than this says nothing about a rate.
const MIN_WINDOW: Duration = Duration::from_millis(100);

/// How much of each thing there was at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    pub taken_at: String,
    pub at: Instant,
    pub amounts: BTreeMap<Thing, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    DatabaseBytes,
    WalBytes,
    TempBytes,
    /// A relation's bytes, by the oid of its table.
    Relation(i64),
}

/// The look that later ones are measured against.
#[derive(Debug, Default)]
pub struct StoredBefore(Mutex<Option<Look>>);

/// What changed between two looks.
#[derive(Debug)]
pub struct Growth {
    before: Look,
    now: BTreeMap<Thing, i64>,
    pub over_s: f64,
}

impl StoredBefore {
    /// Measures `now` against what is remembered; None where nothing is yet.
    pub fn measure(&self, now: Look) -> Option<Growth> {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let base = before.get_or_insert_with(|| now.clone()).clone();
        let window = now.at.saturating_duration_since(base.at);
        if window >= BASE_HOLDS {
            *before = Some(now.clone());
        }
        (window >= MIN_WINDOW).then_some(Growth {
            before: base,
            now: now.amounts,
            over_s: window.as_secs_f64(),
        })
    }
}

impl Growth {
    pub fn since(&self) -> &str {
        &self.before.taken_at
    }

    /// Returns bytes per second; None where one of the looks does not have it, or a counter was reset in between.
    pub fn per_s(&self, thing: &Thing) -> Option<i64> {
        let difference = self.now.get(thing)? - self.before.amounts.get(thing)?;
        let counts_up = matches!(thing, Thing::WalBytes | Thing::TempBytes);
        (difference >= 0 || !counts_up).then(|| (difference as f64 / self.over_s).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_against_a_look_that_holds_for_a_while() {
        let stored = StoredBefore::default();
        let start = Instant::now();
        let look = |after_s: u64, table: i64, wal: i64| Look {
            taken_at: format!("{after_s}"),
            at: start + Duration::from_secs(after_s),
            amounts: BTreeMap::from([(Thing::Relation(7), table), (Thing::WalBytes, wal)]),
        };
        assert!(stored.measure(look(0, 100, 1000)).is_none());
        let rates = |growth: Option<Growth>| {
            growth.map(|g| {
                (
                    g.since().to_owned(),
                    g.per_s(&Thing::Relation(7)),
                    g.per_s(&Thing::WalBytes),
                )
            })
        };
        assert_eq!(
            rates(stored.measure(look(10, 50, 1500))),
            Some(("0".to_owned(), Some(-5), Some(50)))
        );
        assert_eq!(
            rates(stored.measure(look(300, 100, 900))),
            Some(("0".to_owned(), Some(0), None))
        );
        assert_eq!(
            rates(stored.measure(look(301, 110, 901))),
            Some(("300".to_owned(), Some(10), Some(1)))
        );
    }
}
