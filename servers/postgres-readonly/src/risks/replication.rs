//! Risks of being copied, and of being a copy.

use serde_json::json;

use super::{Risk, Severity, bytes, duration, limits};
use crate::facts::replication::{ArchiveWaiting, Archiver, Receiver, Server, Slot, Standby, is_synchronous_satisfied};

const LOOK_AT: &str = "replication";

pub fn judge(server: &Server, standbys: &[Standby], slots: &[Slot], receiver: Option<&Receiver>) -> Vec<Risk> {
    let mut risks: Vec<Risk> = slots.iter().filter_map(|slot| judge_slot(slot, server)).collect();
    risks.extend(standbys.iter().filter_map(judge_standby));
    risks.extend(receiver.into_iter().flat_map(judge_receiver));
    risks.extend(judge_synchronous(server, standbys));
    risks.extend(judge_archiver(&server.archiver));
    risks
}

fn judge_slot(slot: &Slot, server: &Server) -> Option<Risk> {
    let name = &slot.slot_name;
    let retained = slot.retained_wal_bytes.unwrap_or(0);
    let by_size = limits::SLOT_RETAINED_BYTES.judge(retained as f64);
    let unbounded = server.max_slot_wal_keep_size == "-1";
    let evidence = json!({
        "slot_name": name,
        "active": slot.active,
        "retained_wal_bytes": slot.retained_wal_bytes,
        "wal_status": slot.wal_status,
        "max_slot_wal_keep_size": server.max_slot_wal_keep_size,
    });
    let (code, severity, what) = if slot.is_lost() {
        let reason = slot.invalidation_reason.as_deref().unwrap_or("its WAL was removed");
        (
            "slot_lost",
            Severity::Critical,
            format!("replication slot `{name}` is lost ({reason}): what follows it must be built anew"),
        )
    } else if slot.wal_status.as_deref() == Some("unreserved") {
        (
            "slot_unreserved",
            Severity::Critical,
            format!(
                "replication slot `{name}` is about to lose its WAL: it keeps {} of it",
                bytes(retained)
            ),
        )
    } else if !slot.active && !slot.temporary {
        let bound = if unbounded { " without bound" } else { "" };
        (
            "slot_inactive",
            by_size.unwrap_or(Severity::Warning),
            format!(
                "replication slot `{name}` is used by nobody and keeps WAL{bound}: {} so far",
                bytes(retained)
            ),
        )
    } else {
        (
            "slot_retains_wal",
            by_size?,
            format!(
                "replication slot `{name}` is in use but keeps {} of WAL",
                bytes(retained)
            ),
        )
    };
    Some(Risk::new(code, severity, what, evidence, LOOK_AT))
}

fn judge_standby(standby: &Standby) -> Option<Risk> {
    let by_time = standby.replay_lag_s.and_then(|lag| limits::REPLAY_LAG_S.judge(lag));
    let by_bytes = standby
        .replay_lag_bytes
        .and_then(|lag| limits::REPLAY_LAG_BYTES.judge(lag as f64));
    let severity = by_time.into_iter().chain(by_bytes).min()?;
    let what = format!(
        "standby `{}` replays {} behind ({})",
        standby.application_name.as_deref().unwrap_or("?"),
        bytes(standby.replay_lag_bytes.unwrap_or(0)),
        duration(standby.replay_lag_s.unwrap_or(0.0) as i64),
    );
    let evidence = json!({
        "pid": standby.pid,
        "backend_start": standby.backend_start,
        "replay_lag_s": standby.replay_lag_s,
        "replay_lag_bytes": standby.replay_lag_bytes,
    });
    Some(Risk::new("replication_lag", severity, what, evidence, LOOK_AT))
}

fn judge_receiver(receiver: &Receiver) -> Vec<Risk> {
    let mut risks = Vec::new();
    let evidence = json!({
        "status": receiver.status,
        "replay_lag_s": receiver.replay_lag_s,
        "replay_lag_bytes": receiver.replay_lag_bytes,
    });
    if receiver.replay_paused {
        let what = "replay is paused on this standby: it falls behind until somebody resumes it";
        risks.push(Risk::new(
            "replay_paused",
            Severity::Warning,
            what,
            evidence.clone(),
            LOOK_AT,
        ));
    }
    if receiver.pid.is_none() {
        let what = "no WAL receiver runs on this standby: it follows the archive at best";
        risks.push(Risk::new(
            "no_wal_receiver",
            Severity::Warning,
            what,
            evidence.clone(),
            LOOK_AT,
        ));
    }
    let by_time = receiver.replay_lag_s.and_then(|lag| limits::REPLAY_LAG_S.judge(lag));
    let by_bytes = receiver
        .replay_lag_bytes
        .and_then(|lag| limits::REPLAY_LAG_BYTES.judge(lag as f64));
    if let Some(severity) = by_time.into_iter().chain(by_bytes).min() {
        let what = format!(
            "this standby last replayed a commit {} ago and has {} of received WAL to replay",
            duration(receiver.replay_lag_s.unwrap_or(0.0) as i64),
            bytes(receiver.replay_lag_bytes.unwrap_or(0)),
        );
        risks.push(Risk::new("replication_lag", severity, what, evidence, LOOK_AT));
    }
    risks
}

fn judge_synchronous(server: &Server, standbys: &[Standby]) -> Option<Risk> {
    if is_synchronous_satisfied(server, standbys)? {
        return None;
    }
    let names = &server.synchronous_standby_names;
    let what =
        format!("synchronous_standby_names is `{names}`, but too few such standbys stream: commits wait for them");
    let evidence = json!({"synchronous_standby_names": names, "synchronous_commit": server.synchronous_commit, "standbys": standbys.len()});
    Some(Risk::new(
        "no_synchronous_standby",
        Severity::Critical,
        what,
        evidence,
        LOOK_AT,
    ))
}

fn judge_archiver(archiver: &Archiver) -> Option<Risk> {
    let since = archiver.since_success_s.unwrap_or(0);
    let severity = archiver
        .failing
        .then(|| limits::ARCHIVER_FAILING_S.judge(since as f64))??;
    let last = match &archiver.last_archived_at {
        Some(at) => format!("the last success was {} ago, at {at}", duration(since)),
        None => "it has never succeeded since its counters were reset".to_owned(),
    };
    let what = format!(
        "archiving fails ({} failures), and WAL piles up: {last}",
        archiver.failed_count
    );
    let evidence = json!({
        "failed_count": archiver.failed_count,
        "last_failed_wal": archiver.last_failed_wal,
        "last_failed_at": archiver.last_failed_at,
        "last_archived_at": archiver.last_archived_at,
        "since_success_s": archiver.since_success_s,
    });
    Some(Risk::new("archiver_failing", severity, what, evidence, LOOK_AT))
}

/// An archiver that neither succeeds nor fails: its command hangs, or cannot be started at all, which ends the archiver
/// before it counts a failure.
pub fn judge_waiting(server: &Server, waiting: Option<&ArchiveWaiting>) -> Option<Risk> {
    let (archiver, waiting) = (&server.archiver, waiting.filter(|_| !server.archiver.failing)?);
    // What succeeded meanwhile was older: a queue that moves is only long.
    let still_for = waiting.oldest_age_s?.min(archiver.since_success_s.unwrap_or(i64::MAX));
    let severity = limits::ARCHIVER_STILL_S.judge(still_for as f64)?;
    let what = format!(
        "{} finished WAL segments wait for the archiver, and none was archived for {}: its command hangs or cannot run",
        waiting.segments,
        duration(still_for)
    );
    let evidence = json!({
        "segments": waiting.segments,
        "oldest_age_s": waiting.oldest_age_s,
        "last_archived_at": archiver.last_archived_at,
        "since_success_s": archiver.since_success_s,
    });
    Some(Risk::new("archiver_stands_still", severity, what, evidence, LOOK_AT))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::{Value, json};

    use super::*;

    fn server(changed: Value) -> Server {
        let mut all = json!({
            "in_recovery": false, "server_version_num": 150_000, "wal_level": "replica", "synchronous_standby_names": "",
            "synchronous_commit": "on", "hot_standby_feedback": false, "max_wal_senders": 10, "max_replication_slots": 10,
            "max_slot_wal_keep_size": "-1", "publications": 0,
            "archiver": {"mode": "on", "archived_count": 1, "failed_count": 0, "failing": false, "since_success_s": 1},
        });
        let members = all.as_object_mut().unwrap();
        members.extend(changed.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn standby(state: &str, sync_state: &str, lag_s: f64) -> Standby {
        serde_json::from_value(json!({"pid": 7, "state": state, "sync_state": sync_state, "replay_lag_s": lag_s}))
            .unwrap()
    }

    fn slot(active: bool, retained: i64, status: &str) -> Slot {
        serde_json::from_value(json!({
            "slot_name": "s", "slot_type": "physical", "temporary": false, "active": active,
            "retained_wal_bytes": retained, "wal_status": status,
        }))
        .unwrap()
    }

    fn codes(risks: &[Risk]) -> Vec<(&str, Severity)> {
        risks.iter().map(|risk| (risk.code, risk.severity)).collect()
    }

    #[test]
    fn a_slot_is_judged_by_its_use_and_by_what_it_keeps() {
        let slots = [
            slot(true, 100, "reserved"),
            slot(true, 2 << 30, "extended"),
            slot(false, 100, "reserved"),
            slot(false, 30 << 30, "extended"),
            slot(false, 100, "unreserved"),
            slot(false, 0, "lost"),
        ];
        assert_eq!(
            codes(&judge(&server(json!({})), &[], &slots, None)),
            [
                ("slot_retains_wal", Severity::Warning),
                ("slot_inactive", Severity::Warning),
                ("slot_inactive", Severity::Critical),
                ("slot_unreserved", Severity::Critical),
                ("slot_lost", Severity::Critical),
            ]
        );
    }

    #[test]
    fn commits_that_wait_for_nobody_are_critical_and_lag_grows_worse() {
        let wants = server(json!({"synchronous_standby_names": "2 (a, b)"}));
        let one = [standby("streaming", "sync", 1.0)];
        assert_eq!(
            codes(&judge(&wants, &one, &[], None)),
            [("no_synchronous_standby", Severity::Critical)]
        );
        let two = [standby("streaming", "sync", 31.0), standby("streaming", "sync", 700.0)];
        assert_eq!(
            codes(&judge(&wants, &two, &[], None)),
            [
                ("replication_lag", Severity::Warning),
                ("replication_lag", Severity::Critical)
            ]
        );
        let local = server(json!({"synchronous_standby_names": "a", "synchronous_commit": "local"}));
        assert_eq!(codes(&judge(&local, &[], &[], None)), []);
    }

    #[test]
    fn an_archiver_that_stands_still_is_told_though_it_counts_no_failure() {
        let judged = |archiver: Value, oldest_age_s: Option<i64>| {
            let waiting = ArchiveWaiting {
                segments: 3,
                oldest_age_s,
            };
            judge_waiting(&server(json!({ "archiver": archiver })), Some(&waiting)).map(|risk| risk.severity)
        };
        let archiver = |since_success_s: i64, failing: bool| json!({"mode": "on", "archived_count": 0, "failed_count": 0, "failing": failing, "since_success_s": since_success_s});
        assert_eq!(judged(archiver(7200, false), Some(6)), Some(Severity::Warning));
        assert_eq!(judged(archiver(7200, false), Some(3600)), Some(Severity::Critical));
        // It archives one after another, or nothing is left to archive, or the failures say it already.
        assert_eq!(judged(archiver(1, false), Some(600)), None);
        assert_eq!(judged(archiver(7200, false), None), None);
        assert_eq!(judged(archiver(7200, true), Some(600)), None);
    }

    #[test]
    fn an_archiver_that_fails_for_an_hour_is_critical() {
        for (since, severity) in [(5, Severity::Warning), (3600, Severity::Critical)] {
            let failing = server(json!({"archiver": {
                "mode": "on", "archived_count": 0, "failed_count": 3, "failing": true, "since_success_s": since}}));
            assert_eq!(
                codes(&judge(&failing, &[], &[], None)),
                [("archiver_failing", severity)]
            );
        }
    }
}
