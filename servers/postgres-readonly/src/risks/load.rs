//! Risks of what clients do now and of what the counters say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Risk, Severity, bytes, duration, limits};
use crate::facts::activity::{Checkpoints, Counters, Load, NamedSession};

pub fn judge(load: &Load) -> Vec<Risk> {
    let risks = [
        judge_connections(load),
        judge_lock_waits(load),
        judge_session(
            "idle_in_transaction",
            limits::IDLE_IN_TRANSACTION_S,
            load.longest_idle_in_transaction.as_ref(),
            "has been idle in its transaction",
        ),
        judge_session(
            "long_running_query",
            limits::RUNNING_QUERY_S,
            load.longest_query.as_ref(),
            "has been running one statement",
        ),
        judge_prepared(load),
    ];
    risks.into_iter().flatten().collect()
}

fn judge_connections(load: &Load) -> Option<Risk> {
    let connections = &load.connections;
    let pct = 100.0 * connections.used as f64 / connections.max_connections.max(1) as f64;
    let severity = limits::CONNECTIONS_USED_PCT.judge(pct)?;
    let what = format!(
        "{} of {} connections are used ({} %), {} of them reserved",
        connections.used, connections.max_connections, connections.used_pct, connections.reserved
    );
    let evidence = json!({
        "used": connections.used,
        "max_connections": connections.max_connections,
        "reserved": connections.reserved,
        "used_pct": connections.used_pct,
    });
    Some(Risk::new("connections_near_max", severity, what, evidence, "sessions"))
}

fn judge_lock_waits(load: &Load) -> Option<Risk> {
    let waiting = load.waiting_on_locks;
    let longest = load.longest_lock_wait_s.unwrap_or(0);
    let severity = (waiting > 0).then(|| limits::LOCK_WAIT_S.judge(longest as f64))??;
    let what = format!(
        "{waiting} session(s) wait for a lock, the longest for {}",
        duration(longest)
    );
    let evidence = json!({"waiting_on_locks": waiting, "longest_lock_wait_s": longest});
    Some(Risk::new("sessions_blocked", severity, what, evidence, "blocking_tree"))
}

fn judge_session(code: &'static str, limit: limits::Limit, session: Option<&NamedSession>, does: &str) -> Option<Risk> {
    let session = session?;
    let age_s = session.age_s?;
    let severity = limit.judge(age_s as f64)?;
    let what = format!(
        "session {} of role `{}` {does} for {}",
        session.pid,
        session.usename.as_deref().unwrap_or("?"),
        duration(age_s)
    );
    let evidence = json!({"pid": session.pid, "backend_start": session.backend_start, "age_s": age_s});
    Some(Risk::new(code, severity, what, evidence, "sessions"))
}

fn judge_prepared(load: &Load) -> Option<Risk> {
    let oldest = load.oldest_prepared.as_ref()?;
    let age_s = oldest.age_s?;
    let severity = limits::PREPARED_S.judge(age_s as f64)?;
    let what = format!(
        "prepared transaction `{}` has been open for {}: it holds its locks and stops vacuum until somebody ends it",
        oldest.gid,
        duration(age_s)
    );
    let evidence = json!({"gid": oldest.gid, "age_s": age_s, "prepared_transactions": load.prepared_transactions});
    Some(Risk::new(
        "prepared_transaction_old",
        severity,
        what,
        evidence,
        "vacuum_horizon",
    ))
}

/// Judges what the databases' counters have counted.
pub fn judge_counters(counters: &Counters) -> Vec<Risk> {
    let since = counters.window_s.map_or_else(
        || "since their statistics began".to_owned(),
        |window| format!("in {}", duration(window)),
    );
    let judged = |code, total: i64, limit: limits::Limit, per_h: Option<limits::Limit>, what: String, look_at| {
        let rate = counters
            .window_s
            .filter(|window| *window >= limits::MIN_WINDOW_S)
            .map(|window| total as f64 * 3600.0 / window as f64);
        let by_rate = per_h.and_then(|limit| limit.judge(rate?));
        let severity = limit.judge(total as f64).into_iter().chain(by_rate).min()?;
        let evidence = json!({"total": total, "window_s": counters.window_s, "per_h": rate.map(super::rounded)});
        Some(Risk::new(code, severity, what, evidence, look_at))
    };
    let risks = [
        judged(
            "checksum_failures",
            counters.checksum_failures,
            limits::CHECKSUM_FAILURES,
            None,
            format!(
                "{} page(s) failed their checksum: data on disk is damaged",
                counters.checksum_failures
            ),
            "overview",
        ),
        judged(
            "deadlocks",
            counters.deadlocks,
            limits::DEADLOCKS,
            Some(limits::DEADLOCKS_PER_H),
            format!("{} deadlock(s) {since}", counters.deadlocks),
            "blocking_tree",
        ),
        judged(
            "temp_files",
            counters.temp_bytes,
            limits::TEMP_BYTES,
            Some(limits::TEMP_BYTES_PER_H),
            format!("{} went through temporary files {since}", bytes(counters.temp_bytes)),
            "storage",
        ),
        judged(
            "standby_conflicts",
            counters.conflicts,
            limits::STANDBY_CONFLICTS,
            None,
            format!(
                "replay cancelled {} statement(s) on this standby {since}",
                counters.conflicts
            ),
            "replication",
        ),
    ];
    risks.into_iter().flatten().collect()
}

/// Judges whether WAL forces checkpoints that the clock would not.
pub fn judge_checkpoints(checkpoints: Checkpoints) -> Option<Risk> {
    let Checkpoints { timed, requested } = checkpoints;
    let all = timed + requested;
    let pct = 100.0 * requested as f64 / all.max(1) as f64;
    let severity = (all >= limits::CHECKPOINTS_MIN).then(|| limits::CHECKPOINTS_REQUESTED_PCT.judge(pct))??;
    let what = format!("{requested} of {all} checkpoints were requested, not timed: WAL outgrows max_wal_size");
    Some(Risk::new(
        "checkpoints_requested",
        severity,
        what,
        json!({"timed": timed, "requested": requested, "requested_pct": super::rounded(pct)}),
        "settings",
    ))
}

/// Judges the switches that must never be off. On Aurora, storage does what fsync and full_page_writes do elsewhere.
pub fn judge_switches(switches: &BTreeMap<String, Option<String>>, aurora: bool) -> Vec<Risk> {
    let rules: [(&str, &'static str, Severity, &str); 4] = [
        (
            "fsync",
            "fsync_off",
            Severity::Critical,
            "a crash of the machine can destroy the whole cluster",
        ),
        (
            "full_page_writes",
            "full_page_writes_off",
            Severity::Critical,
            "a crash in the middle of a write can leave damaged pages that nothing repairs",
        ),
        (
            "autovacuum",
            "autovacuum_off",
            Severity::Warning,
            "dead rows and old transaction ids pile up until a vacuum is forced",
        ),
        (
            "track_counts",
            "track_counts_off",
            Severity::Warning,
            "autovacuum does not learn what to do, and usage statistics stand still",
        ),
    ];
    let off = |name: &str| switches.get(name).and_then(Option::as_deref) == Some("off");
    rules
        .into_iter()
        .filter(|(name, ..)| off(name) && !(aurora && matches!(*name, "fsync" | "full_page_writes")))
        .map(|(name, code, severity, why)| {
            let evidence = Value::Object([(name.to_owned(), "off".into())].into_iter().collect());
            Risk::new(code, severity, format!("{name} is off: {why}"), evidence, "settings")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn load(changed: Value) -> Load {
        let mut all = json!({
            "connections": {"max_connections": 100, "reserved": 3, "used": 10, "used_pct": 10, "by_state": {}},
            "active": 0, "waiting_on_locks": 0, "idle_in_transaction": 0, "prepared_transactions": 0,
        });
        all.as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn codes(risks: &[Risk]) -> Vec<(&str, Severity)> {
        risks.iter().map(|risk| (risk.code, risk.severity)).collect()
    }

    #[test]
    fn a_quiet_server_has_no_risk() {
        assert_eq!(codes(&judge(&load(json!({})))), []);
    }

    #[test]
    fn ages_become_risks_at_their_limits_and_not_before() {
        let session = |age_s: i64| json!({"pid": 7, "backend_start": "x", "usename": "app", "age_s": age_s});
        for (member, code, warning, critical) in [
            ("longest_idle_in_transaction", "idle_in_transaction", 300, 3600),
            ("longest_query", "long_running_query", 600, 86_400),
        ] {
            for (age_s, expected) in [
                (warning - 1, None),
                (warning, Some(Severity::Warning)),
                (critical, Some(Severity::Critical)),
            ] {
                let risks = judge(&load(json!({member: session(age_s)})));
                assert_eq!(
                    codes(&risks),
                    expected
                        .map(|severity| (code, severity))
                        .into_iter()
                        .collect::<Vec<_>>()
                );
            }
        }
        for (age_s, expected) in [
            (299, vec![]),
            (300, vec![("prepared_transaction_old", Severity::Warning)]),
        ] {
            let prepared = json!({"prepared_transactions": 1, "oldest_prepared": {"gid": "g", "age_s": age_s}});
            assert_eq!(codes(&judge(&load(prepared))), expected);
        }
        for (wait, severity) in [(0, Severity::Info), (30, Severity::Warning), (300, Severity::Critical)] {
            let waits = json!({"waiting_on_locks": 2, "longest_lock_wait_s": wait});
            assert_eq!(codes(&judge(&load(waits))), [("sessions_blocked", severity)]);
        }
    }

    #[test]
    fn connections_are_judged_by_share() {
        for (used, expected) in [
            (79, None),
            (80, Some(Severity::Warning)),
            (95, Some(Severity::Critical)),
        ] {
            let full = json!({"connections": {"max_connections": 100, "reserved": 3, "used": used, "used_pct": used, "by_state": {}}});
            assert_eq!(judge(&load(full)).first().map(|risk| risk.severity), expected);
        }
    }

    #[test]
    fn counters_are_judged_by_total_and_by_rate() {
        let counted = |deadlocks, window_s| Counters {
            deadlocks,
            window_s,
            ..Counters::default()
        };
        assert_eq!(codes(&judge_counters(&counted(0, None))), []);
        assert_eq!(
            codes(&judge_counters(&counted(5, None))),
            [("deadlocks", Severity::Info)]
        );
        assert_eq!(
            codes(&judge_counters(&counted(5, Some(60)))),
            [("deadlocks", Severity::Info)]
        );
        assert_eq!(
            codes(&judge_counters(&counted(5, Some(3600)))),
            [("deadlocks", Severity::Warning)]
        );
        let damaged = Counters {
            checksum_failures: 1,
            ..Counters::default()
        };
        assert_eq!(
            codes(&judge_counters(&damaged)),
            [("checksum_failures", Severity::Critical)]
        );
    }

    #[test]
    fn a_few_requested_checkpoints_prove_nothing() {
        let requested =
            |timed, requested| judge_checkpoints(Checkpoints { timed, requested }).map(|risk| risk.severity);
        assert_eq!(requested(0, 19), None);
        assert_eq!(requested(10, 10), Some(Severity::Warning));
        assert_eq!(requested(90, 10), None);
    }

    #[test]
    fn aurora_needs_no_full_page_writes() {
        let off: BTreeMap<String, Option<String>> = ["fsync", "full_page_writes", "autovacuum"]
            .map(|name| (name.to_owned(), Some("off".to_owned())))
            .into();
        assert_eq!(judge_switches(&off, false).len(), 3);
        assert_eq!(
            codes(&judge_switches(&off, true)),
            [("autovacuum_off", Severity::Warning)]
        );
    }
}
