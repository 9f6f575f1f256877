//! Risks of what grows old or full unless somebody looks after it: ids, sequences, indexes, the vacuum horizon.

use serde_json::json;

use super::{Risk, Severity, duration, limits};
use crate::facts::freeze::Ages;

/// An index that is kept up and never used.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct InvalidIndex {
    pub schema: String,
    pub index: String,
    pub bytes: i64,
    pub total: u64,
}

/// A sequence that has used up much of its range.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct UsedSequence {
    pub schema: String,
    pub sequence: String,
    pub last_value: String,
    pub limit: String,
    pub used_pct: f64,
}

/// Judges the oldest database by transaction ids and by multixacts.
pub fn judge_ages(ages: &Ages) -> Vec<Risk> {
    let oldest = |age: fn(&crate::facts::freeze::DatabaseAge) -> i64| ages.databases.iter().max_by_key(|of| age(of));
    let xid = oldest(|of| of.xid_age).and_then(|of| {
        judge_age(
            ("xid_age", "transaction ids", "autovacuum_freeze_max_age"),
            (&of.database, of.xid_age, of.xid_forced_pct, of.xid_wraparound_pct),
        )
    });
    let mxid = oldest(|of| of.mxid_age).and_then(|of| {
        judge_age(
            ("multixact_age", "multixact ids", "autovacuum_multixact_freeze_max_age"),
            (&of.database, of.mxid_age, of.mxid_forced_pct, of.mxid_wraparound_pct),
        )
    });
    xid.into_iter().chain(mxid).collect()
}

fn judge_age(
    (code, ids, limit): (&'static str, &str, &str),
    (database, age, forced_pct, wraparound_pct): (&str, i64, f64, f64),
) -> Option<Risk> {
    let by_forced = limits::FREEZE_MAX_AGE_PCT.judge(forced_pct);
    let by_wraparound = limits::WRAPAROUND_PCT.judge(wraparound_pct);
    let severity = by_forced.into_iter().chain(by_wraparound).min()?;
    let what = format!(
        "the oldest {ids} of database `{database}` are {age} old: {forced_pct} % of {limit}, {wraparound_pct} % of the way to wraparound"
    );
    let evidence =
        json!({"database": database, "age": age, "forced_pct": forced_pct, "wraparound_pct": wraparound_pct});
    Some(Risk::new(code, severity, what, evidence, "vacuum_horizon"))
}

pub fn judge_indexes(invalid: &[InvalidIndex]) -> Option<Risk> {
    let total = invalid.first()?.total;
    let severity = limits::INVALID_INDEXES.judge(total as f64)?;
    let names: Vec<String> = invalid.iter().map(|of| format!("{}.{}", of.schema, of.index)).collect();
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let what = format!("{total} index(es) are invalid: written to and never read ({shown})");
    let evidence = json!({
        "total": total,
        "indexes": names,
        "bytes": invalid.iter().map(|of| of.bytes).sum::<i64>(),
    });
    Some(Risk::new("invalid_indexes", severity, what, evidence, "index_health"))
}

pub fn judge_sequence(sequence: &UsedSequence) -> Option<Risk> {
    let severity = limits::SEQUENCE_USED_PCT.judge(sequence.used_pct)?;
    let name = format!("{}.{}", sequence.schema, sequence.sequence);
    let what = format!(
        "sequence `{name}` has used {} % of its range: {} of {}",
        sequence.used_pct, sequence.last_value, sequence.limit
    );
    let evidence = json!({
        "sequence": name,
        "used_pct": sequence.used_pct,
        "last_value": sequence.last_value,
        "limit": sequence.limit,
    });
    Some(Risk::new("sequence_near_end", severity, what, evidence, "overview"))
}

/// Judges who holds the vacuum horizon of this database's tables; `holder` names it as a reader would.
pub fn judge_horizon(holder: &str, xmin_age: i64, age_s: Option<i64>) -> Option<Risk> {
    let severity = limits::HORIZON_XIDS.judge(xmin_age as f64)?;
    let since = age_s
        .map(|age_s| format!(" for {}", duration(age_s)))
        .unwrap_or_default();
    let what = format!("{holder} has held back the last {xmin_age} transactions from vacuum{since}");
    let evidence = json!({"holder": holder, "xmin_age": xmin_age, "age_s": age_s});
    Some(Risk::new(
        "horizon_held_back",
        severity,
        what,
        evidence,
        "vacuum_horizon",
    ))
}

/// Judges a vacuum that somebody switched off for a table that will be vacuumed by force.
pub fn judge_switched_off(table: &str, forced_pct: f64) -> Option<Risk> {
    let severity = limits::FREEZE_MAX_AGE_PCT.judge(forced_pct)?.min(Severity::Warning);
    let what = format!("autovacuum is off for `{table}`, which is at {forced_pct} % of its forced vacuum");
    let evidence = json!({"table": table, "forced_pct": forced_pct});
    Some(Risk::new(
        "autovacuum_off_for_table",
        severity,
        what,
        evidence,
        "vacuum_horizon",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::freeze::Row;

    fn aged(xid_age: i64, mxid_age: i64) -> Vec<(&'static str, Severity)> {
        let row = Row {
            database: "shop".to_owned(),
            xid_age,
            mxid_age,
            freeze_max_age: 200_000_000,
            multixact_freeze_max_age: 400_000_000,
            total: 1,
        };
        let risks = judge_ages(&Ages::of(vec![row]));
        risks.iter().map(|risk| (risk.code, risk.severity)).collect()
    }

    #[test]
    fn ids_grow_from_normal_over_forced_to_wraparound() {
        assert_eq!(aged(199_000_000, 399_000_000), []);
        assert_eq!(aged(200_000_000, 0), [("xid_age", Severity::Info)]);
        assert_eq!(aged(250_000_000, 0), [("xid_age", Severity::Warning)]);
        assert_eq!(aged(1_600_000_000, 0), [("xid_age", Severity::Critical)]);
        assert_eq!(aged(0, 900_000_000), [("multixact_age", Severity::Warning)]);
    }

    #[test]
    fn who_holds_ten_million_transactions_back_is_named() {
        assert_eq!(
            judge_horizon("session 7", 999_999, None).map(|risk| risk.severity),
            None
        );
        let risk = judge_horizon("session 7", 10_000_000, Some(7200));
        assert_eq!(
            risk.map(|risk| (risk.severity, risk.what)),
            Some((
                Severity::Warning,
                "session 7 has held back the last 10000000 transactions from vacuum for 2 h".to_owned()
            ))
        );
    }
}
