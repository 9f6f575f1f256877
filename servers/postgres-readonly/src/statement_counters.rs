//! The counters of pg_stat_statements at one moment, and what happened between two.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What names a statement in pg_stat_statements. Ordered so that equal rows come in the same order each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub userid: u32,
    pub dbid: u32,
    pub queryid: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Counters {
    pub calls: u64,
    pub total_ms: f64,
    pub mean_ms: f64,
    pub rows: u64,
    pub shared_blks_hit: u64,
    pub shared_blks_read: u64,
    pub shared_blks_dirtied: u64,
    /// Read and written.
    pub temp_blks: u64,
    pub wal_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    #[default]
    TotalTime,
    MeanTime,
    Calls,
    Rows,
    SharedBlksRead,
    SharedBlksDirtied,
    TempBlks,
    WalBytes,
}

/// All counters at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The database's clock.
    pub taken_at: String,
    pub at: Instant,
    pub stats_reset: Option<String>,
    pub all: HashMap<Key, Counters>,
}

impl Counters {
    /// Reads `calls total_ms rows hit read dirtied temp wal`; what is missing is zero.
    fn parse<'t>(mut words: impl Iterator<Item = &'t str>) -> Self {
        let calls = whole(words.next());
        let total_ms = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let mut next = || whole(words.next());
        Self {
            calls,
            total_ms,
            mean_ms: 0.0,
            rows: next(),
            shared_blks_hit: next(),
            shared_blks_read: next(),
            shared_blks_dirtied: next(),
            temp_blks: next(),
            wal_bytes: next(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            total_ms: self.total_ms + other.total_ms,
            mean_ms: 0.0,
            rows: self.rows.saturating_add(other.rows),
            shared_blks_hit: self.shared_blks_hit.saturating_add(other.shared_blks_hit),
            shared_blks_read: self.shared_blks_read.saturating_add(other.shared_blks_read),
            shared_blks_dirtied: self.shared_blks_dirtied.saturating_add(other.shared_blks_dirtied),
            temp_blks: self.temp_blks.saturating_add(other.temp_blks),
            wal_bytes: self.wal_bytes.saturating_add(other.wal_bytes),
        }
    }

    fn minus(self, earlier: Self) -> Self {
        // Fewer calls than before: the statement was thrown away and came back, so all that it has is new.
        if self.calls < earlier.calls {
            return self;
        }
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            total_ms: (self.total_ms - earlier.total_ms).max(0.0),
            mean_ms: 0.0,
            rows: self.rows.saturating_sub(earlier.rows),
            shared_blks_hit: self.shared_blks_hit.saturating_sub(earlier.shared_blks_hit),
            shared_blks_read: self.shared_blks_read.saturating_sub(earlier.shared_blks_read),
            shared_blks_dirtied: self.shared_blks_dirtied.saturating_sub(earlier.shared_blks_dirtied),
            temp_blks: self.temp_blks.saturating_sub(earlier.temp_blks),
            wal_bytes: self.wal_bytes.saturating_sub(earlier.wal_bytes),
        }
    }

    /// Returns the same with the mean worked out and times rounded to microseconds.
    fn told(self) -> Self {
        let mean = if self.calls == 0 {
            0.0
        } else {
            self.total_ms / self.calls as f64
        };
        Self {
            total_ms: rounded(self.total_ms),
            mean_ms: rounded(mean),
            ..self
        }
    }

    fn rank(&self, by: OrderBy) -> f64 {
        match by {
            OrderBy::TotalTime => self.total_ms,
            OrderBy::MeanTime => self.mean_ms,
            OrderBy::Calls => self.calls as f64,
            OrderBy::Rows => self.rows as f64,
            OrderBy::SharedBlksRead => self.shared_blks_read as f64,
            OrderBy::SharedBlksDirtied => self.shared_blks_dirtied as f64,
            OrderBy::TempBlks => self.temp_blks as f64,
            OrderBy::WalBytes => self.wal_bytes as f64,
        }
    }
}

impl Snapshot {
    /// Reads rows of `top_queries_counters.sql`.
    pub fn parse<'t>(taken_at: String, stats_reset: Option<String>, rows: impl Iterator<Item = &'t str>) -> Self {
        let mut all: HashMap<Key, Counters> = HashMap::new();
        for row in rows {
            let mut words = row.split(' ');
            let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
            let (Some(userid), Some(dbid), Some(queryid)) = (number(), number(), number()) else {
                continue;
            };
            let key = Key {
                userid: u32::try_from(userid).unwrap_or(0),
                dbid: u32::try_from(dbid).unwrap_or(0),
                queryid,
            };
            let entry = all.entry(key).or_default();
            *entry = entry.plus(Counters::parse(words));
        }
        Self {
            taken_at,
            at: Instant::now(),
            stats_reset,
            all,
        }
    }

    /// Returns what was counted after `earlier`; statements that did not run are left out.
    pub fn since(&self, earlier: &Self) -> BTreeMap<Key, Counters> {
        let was_reset = self.stats_reset != earlier.stats_reset;
        let changed = self.all.iter().filter_map(|(key, now)| {
            let before = earlier.all.get(key).filter(|_| !was_reset);
            let delta = now.minus(before.copied().unwrap_or_default());
            (delta.calls > 0).then_some((*key, delta.told()))
        });
        changed.collect()
    }

    /// Returns the counters of all statements, means worked out.
    pub fn cumulative(&self) -> BTreeMap<Key, Counters> {
        self.all.iter().map(|(key, counters)| (*key, counters.told())).collect()
    }
}

/// Returns the first `limit` statements by `order`.
pub fn top(all: &BTreeMap<Key, Counters>, order: OrderBy, limit: usize) -> Vec<Key> {
    let mut ranked: Vec<(&Key, f64)> = all.iter().map(|(key, counters)| (key, counters.rank(order))).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.into_iter().take(limit).map(|(key, _)| *key).collect()
}

/// Returns the time that all of them took together.
pub fn total_ms(all: &BTreeMap<Key, Counters>) -> f64 {
    all.values().map(|counters| counters.total_ms).sum()
}

pub fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

fn whole(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a failed set-up is a failed test")]
    use super::*;

    fn at(rows: &[&str]) -> Snapshot {
        Snapshot::parse(String::new(), None, rows.iter().copied())
    }

    #[test]
    fn two_moments_give_what_happened_between_them() {
        let before = at(&["10 5 -7 2 10.5 4 1 1 1 0 100", "10 5 8 1 1 1 0 0 0 0 0"]);
        let after = at(&[
            "10 5 -7 5 40.5 10 4 2 1 3 400",
            "10 5 8 1 1 1 0 0 0 0 0",
            "10 5 9 1 2 0 0 0 0 0 0",
        ]);
        let delta = after.since(&before);
        let key = |queryid| Key {
            userid: 10,
            dbid: 5,
            queryid,
        };
        assert_eq!(delta.keys().copied().collect::<Vec<_>>(), [key(-7), key(9)]);
        let first = delta[&key(-7)];
        assert_eq!(
            (
                first.calls,
                first.total_ms,
                first.mean_ms,
                first.rows,
                first.temp_blks,
                first.wal_bytes
            ),
            (3, 30.0, 10.0, 6, 3, 300)
        );
        assert_eq!(top(&delta, OrderBy::TotalTime, 1), [key(-7)]);
    }

    #[test]
    fn what_was_thrown_away_and_came_back_is_all_new() {
        let before = at(&["1 1 1 10 100 10"]);
        let after = at(&["1 1 1 2 3 2"]);
        let delta = after.since(&before);
        assert_eq!(
            delta.values().next().map(|new| (new.calls, new.total_ms)),
            Some((2, 3.0))
        );
    }
}
