//! What autovacuum is told to do with one table: the server's settings, overridden by the table's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TableFact;

/// How autovacuum is set for the whole server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    pub enabled: bool,
    pub max_workers: i64,
    vacuum_threshold: i64,
    vacuum_scale_factor: f64,
    /// From PostgreSQL 18.
    #[serde(skip_serializing_if = "Option::is_none")]
    vacuum_max_threshold: Option<i64>,
    vacuum_insert_threshold: i64,
    vacuum_insert_scale_factor: f64,
    analyze_threshold: i64,
    analyze_scale_factor: f64,
    freeze_max_age: i64,
    multixact_freeze_max_age: i64,
    cost_delay_ms: f64,
    cost_limit: i64,
}

/// What holds for one table.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Effective {
    pub enabled: bool,
    /// Dead rows at which it vacuums.
    pub vacuum_at_dead_tup: i64,
    /// Inserted rows at which it vacuums; none when that is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vacuum_at_ins_tup: Option<i64>,
    /// Modified rows at which it analyzes.
    pub analyze_at_mod_tup: i64,
    pub freeze_max_age: i64,
    pub multixact_freeze_max_age: i64,
    cost_delay_ms: f64,
    cost_limit: i64,
    /// The table's storage parameters, which override the server's settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reloptions: Vec<String>,
}

impl Settings {
    pub fn for_table(&self, table: &TableFact) -> Effective {
        let own = Own(table.reloptions.as_deref().unwrap_or_default());
        let rows = table.reltuples.max(0.0);
        let at = |base: i64, factor: f64, of: f64| base.saturating_add(whole_rows(factor * of));
        let vacuum_at = at(
            own.number("autovacuum_vacuum_threshold")
                .unwrap_or(self.vacuum_threshold),
            own.real("autovacuum_vacuum_scale_factor")
                .unwrap_or(self.vacuum_scale_factor),
            rows,
        );
        let cap = own
            .number("autovacuum_vacuum_max_threshold")
            .or(self.vacuum_max_threshold)
            .filter(|cap| *cap >= 0);
        let insert_base = own
            .number("autovacuum_vacuum_insert_threshold")
            .unwrap_or(self.vacuum_insert_threshold);
        let insert_factor = own
            .real("autovacuum_vacuum_insert_scale_factor")
            .unwrap_or(self.vacuum_insert_scale_factor);
        Effective {
            // To prevent wraparound it runs all the same.
            enabled: self.enabled && own.switch("autovacuum_enabled").unwrap_or(true),
            vacuum_at_dead_tup: cap.map_or(vacuum_at, |cap| vacuum_at.min(cap)),
            vacuum_at_ins_tup: (insert_base >= 0).then(|| at(insert_base, insert_factor, rows * unfrozen(table))),
            analyze_at_mod_tup: at(
                own.number("autovacuum_analyze_threshold")
                    .unwrap_or(self.analyze_threshold),
                own.real("autovacuum_analyze_scale_factor")
                    .unwrap_or(self.analyze_scale_factor),
                rows,
            ),
            freeze_max_age: own
                .number("autovacuum_freeze_max_age")
                .map_or(self.freeze_max_age, |age| age.min(self.freeze_max_age)),
            multixact_freeze_max_age: own
                .number("autovacuum_multixact_freeze_max_age")
                .map_or(self.multixact_freeze_max_age, |age| {
                    age.min(self.multixact_freeze_max_age)
                }),
            cost_delay_ms: own
                .real("autovacuum_vacuum_cost_delay")
                .filter(|delay| *delay >= 0.0)
                .unwrap_or(self.cost_delay_ms),
            cost_limit: own
                .number("autovacuum_vacuum_cost_limit")
                .filter(|limit| *limit > 0)
                .unwrap_or(self.cost_limit),
            reloptions: own.0.to_vec(),
        }
    }
}

/// A table's storage parameters, as `name=value`.
pub struct Own<'a>(pub &'a [String]);

impl Own<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter().filter_map(|option| option.split_once('='));
        pairs.find(|(option, _)| *option == name).map(|(_, value)| value)
    }

    pub fn real(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Reads what PostgreSQL's own reader of booleans takes: any beginning of true, false, yes, no, and on, off, 1, 0.
    fn switch(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?.to_ascii_lowercase();
        let begins = |word: &str| !text.is_empty() && word.starts_with(text.as_str());
        match text.as_str() {
            "1" | "on" => Some(true),
            "0" | "of" | "off" => Some(false),
            _ if begins("true") || begins("yes") => Some(true),
            _ if begins("false") || begins("no") => Some(false),
            _ => None,
        }
    }
}

/// From PostgreSQL 18, only what is not frozen counts for the insert threshold.
#[expect(clippy::cast_precision_loss, reason = "a table has at most 2^32 pages")]
fn unfrozen(table: &TableFact) -> f64 {
    let frozen = table.all_frozen_pages.filter(|_| table.pages > 0);
    frozen.map_or(1.0, |frozen| (1.0 - frozen as f64 / table.pages as f64).clamp(0.0, 1.0))
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn whole_rows(rows: f64) -> i64 {
    rows.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            enabled: true,
            max_workers: 3,
            vacuum_threshold: 50,
            vacuum_scale_factor: 0.2,
            vacuum_max_threshold: None,
            vacuum_insert_threshold: 1000,
            vacuum_insert_scale_factor: 0.2,
            analyze_threshold: 50,
            analyze_scale_factor: 0.1,
            freeze_max_age: 200_000_000,
            multixact_freeze_max_age: 400_000_000,
            cost_delay_ms: 2.0,
            cost_limit: 200,
        }
    }

    fn table(options: &[&str]) -> TableFact {
        TableFact {
            reltuples: 1000.0,
            reloptions: Some(options.iter().map(|option| (*option).to_owned()).collect()),
            ..TableFact::default()
        }
    }

    #[test]
    fn a_table_s_own_settings_win() {
        let plain = settings().for_table(&table(&[]));
        assert_eq!(
            (
                plain.vacuum_at_dead_tup,
                plain.vacuum_at_ins_tup,
                plain.analyze_at_mod_tup
            ),
            (250, Some(1200), 150)
        );
        let own = settings().for_table(&table(&[
            "autovacuum_enabled=off",
            "autovacuum_vacuum_threshold=10",
            "autovacuum_vacuum_scale_factor=0",
            "autovacuum_vacuum_insert_threshold=-1",
            "autovacuum_freeze_max_age=900000000",
        ]));
        assert!(!own.enabled);
        assert_eq!(
            (own.vacuum_at_dead_tup, own.vacuum_at_ins_tup, own.freeze_max_age),
            (10, None, 200_000_000)
        );
    }

    #[test]
    fn a_cap_and_frozen_pages_count_where_the_version_has_them() {
        let capped = Settings {
            vacuum_max_threshold: Some(100),
            ..settings()
        };
        let frozen = TableFact {
            pages: 10,
            all_frozen_pages: Some(5),
            ..table(&[])
        };
        let effective = capped.for_table(&frozen);
        assert_eq!(
            (effective.vacuum_at_dead_tup, effective.vacuum_at_ins_tup),
            (100, Some(1100))
        );
    }
}
