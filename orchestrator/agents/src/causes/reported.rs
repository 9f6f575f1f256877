//! What a server itself reports: each of its words has one cause, and people answer it, not a runbook.

use incident::{RootCause, Signal};

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Risk, Seen, Session, Telemetry, name, whole_s};
use crate::thresholds::Thresholds;

/// What the server says, and how sure it makes of the cause when it calls it critical, and when a warning.
const WORDS: [(&str, RootCause, u8, u8); 5] = [
    ("checksum_failures", RootCause::Corruption, 95, 95),
    ("archiver_failing", RootCause::BackupFailure, 75, 65),
    ("archiver_stands_still", RootCause::BackupFailure, 75, 60),
    ("sequence_near_end", RootCause::IntegerKeyExhaustion, 80, 60),
    ("multixact_age", RootCause::TransactionIdWraparound, 90, 0),
];

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Vec<Assessment> {
    let mut assessments = vec![
        synchronous_standby(telemetry, thresholds),
        replay(telemetry, thresholds),
        deadlocks(telemetry, thresholds),
        checkpoints(telemetry, thresholds),
        pending(telemetry, thresholds),
    ];
    for (word, cause, critical, warning) in WORDS {
        let Some((evidence, risk, pointer)) = said(telemetry, word) else {
            continue;
        };
        let confidence_pct = match risk.severity.as_str() {
            "critical" => critical,
            "warning" => warning,
            _ => 0,
        };
        assessments.push(case(cause, evidence, risk, confidence_pct, pointer).weigh(thresholds));
    }
    assessments
}

/// What a server says of itself at large, or of what is copied from it; and where that stands.
fn said<'a>(telemetry: &'a Telemetry, word: &str) -> Option<(&'a str, &'a Risk, String)> {
    let find = |risks: &'a [Risk]| risks.iter().enumerate().find(|(_, risk)| risk.code == word);
    let at_large = telemetry.overview.as_ref().and_then(|overview| {
        let (at, risk) = find(&overview.value.risks)?;
        Some((overview.id.as_str(), risk, format!("/risks/{at}")))
    });
    at_large.or_else(|| {
        let replication = telemetry.replication.as_ref()?;
        let (at, risk) = find(&replication.value.findings)?;
        Some((replication.id.as_str(), risk, format!("/findings/{at}")))
    })
}

/// Deadlocks between two looks, a second apart, are a storm; so is what the server counted since its statistics began.
fn deadlocks(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::DeadlockStorm;
    let Some(overview) = &telemetry.overview else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "overview",
        };
    };
    let rose = telemetry.rose(|database| database.deadlocks).unwrap_or(0);
    let said = overview.value.risks.iter().find(|risk| risk.code == "deadlocks");
    let per_min = said.map_or(0.0, |risk| {
        let number = |name: &str| risk.evidence.get(name).and_then(serde_json::Value::as_f64);
        number("total").unwrap_or(0.0) * 60.0 / number("window_s").unwrap_or(60.0).max(60.0)
    });
    // What was counted before may be over: a storm that goes on has somebody waiting for a lock.
    let waits = telemetry
        .blocking
        .as_ref()
        .is_none_or(|blocking| blocking.value.waiters_total > 0);
    let is_storm = per_min >= thresholds.deadlocks_per_min && (rose > 0 || waits);
    if rose == 0 && !is_storm {
        return ruled(
            CAUSE,
            &overview.id,
            "no deadlock was counted between two looks, and few before, or nobody waits for a lock any more",
        );
    }
    let says = match (rose, said) {
        (0, Some(risk)) => risk.what.clone(),
        _ => format!("{rose} deadlocks were counted between two looks"),
    };
    Case {
        cause: CAUSE,
        evidence: &overview.id,
        confidence_pct: confidence(
            60,
            &[(rose > 0, 10), (rose >= thresholds.many_deadlocks, 10), (is_storm, 10)],
        ),
        explanation:
            "Transactions take the same rows in opposite orders, and the server ends one of each two. It recovers by \
                      itself; the order of locks is the application's to mend."
                .to_owned(),
        signals_for: vec![signal(&overview.id, says)],
        signals_against: Vec::new(),
        object: None,
    }
    .weigh(thresholds)
}

/// The server counts checkpoints that WAL forced; before it has counted many, the rate of WAL tells.
fn checkpoints(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::CheckpointStorm;
    let (Some(overview), Some(replication), Some(storage)) =
        (&telemetry.overview, &telemetry.replication, &telemetry.storage)
    else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "replication",
        };
    };
    let mut risks = overview.value.risks.iter();
    let forced = risks.find(|risk| risk.code == "checkpoints_requested" && risk.severity != "info");
    let bytes_per_s = replication
        .value
        .wal
        .as_ref()
        .and_then(|wal| wal.bytes_per_s)
        .unwrap_or(0);
    let max_wal_bytes = storage.value.max_wal_bytes();
    let every_s = max_wal_bytes.map_or(i64::MAX, |max| max.checked_div(bytes_per_s).unwrap_or(i64::MAX));
    let outgrows = every_s < thresholds.checkpoint_every_s;
    let rate = format!("{bytes_per_s} bytes of WAL a second reach max_wal_size every {every_s} s");
    if forced.is_none() && !outgrows {
        return ruled(CAUSE, &replication.id, "WAL does not outgrow max_wal_size");
    }
    // Both are means over all the time that is counted: whether it goes on, the sessions tell.
    if !telemetry.is_under_load(thresholds.busy_commits) {
        return ruled(
            CAUSE,
            &replication.id,
            "WAL outgrew max_wal_size, but hardly anybody is at work now",
        );
    }
    let mut signals_for: Vec<Signal> = forced
        .map(|risk| signal(&overview.id, risk.what.clone()))
        .into_iter()
        .collect();
    if outgrows {
        signals_for.push(signal(&replication.id, rate));
    }
    Case {
        cause: CAUSE,
        evidence: &overview.id,
        confidence_pct: confidence(50, &[(forced.is_some(), 5), (outgrows, 5)]),
        explanation:
            "WAL outgrows max_wal_size, and each time forces a checkpoint: pages are written again and again, and \
                      whole pages go into WAL after each. Throttle what writes, or raise max_wal_size."
                .to_owned(),
        signals_for,
        signals_against: Vec::new(),
        object: None,
    }
    .weigh(thresholds)
}

/// Nothing is broken, but somebody changed something that is not in force.
fn pending(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::PendingMaintenance;
    let Some(settings) = &telemetry.settings else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "settings",
        };
    };
    let waiting = &settings.value.pending_restart;
    if waiting.is_empty() {
        return ruled(CAUSE, &settings.id, "no changed setting waits for a restart");
    }
    let says = format!("{} wait for a restart", waiting.join(", "));
    Case {
        cause: CAUSE,
        evidence: &settings.id,
        confidence_pct: confidence(50, &[]),
        explanation: format!("{says}: what was changed is not in force. A restart is planned, in a window."),
        signals_for: vec![signal(&settings.id, says)],
        signals_against: Vec::new(),
        object: None,
    }
    .weigh(thresholds)
}

fn synchronous_standby(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::SynchronousStandbyMissing;
    let Some(replication) = &telemetry.replication else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "replication",
        };
    };
    let mut findings = replication.value.findings.iter().enumerate();
    let Some((at, risk)) = findings.find(|(_, risk)| risk.code == "no_synchronous_standby") else {
        return ruled(
            CAUSE,
            &replication.id,
            "commits do not wait for a standby that is missing",
        );
    };
    let waits = |session: &Session| session.wait_event.as_deref() == Some("SyncRep");
    let waiting = telemetry
        .sessions
        .as_ref()
        .map_or(0, |seen| seen.value.iter().filter(|session| waits(session)).count());
    let mut found = case(
        CAUSE,
        &replication.id,
        risk,
        if waiting > 0 { 94 } else { 65 },
        format!("/findings/{at}"),
    );
    if let Some(Seen { id, .. }) = telemetry.sessions.as_ref().filter(|_| waiting > 0) {
        found.signals_for.push(signal(
            id,
            format!("{waiting} sessions wait for it to confirm their commit"),
        ));
    }
    found.weigh(thresholds)
}

/// Replay itself says what it waits for; who is in its way is who has looked longest at old rows.
fn replay(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::ReplicaQueryBlocksReplay;
    let (Some(overview), Some(sessions)) = (&telemetry.overview, &telemetry.sessions) else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "overview",
        };
    };
    if !overview.value.in_recovery {
        return ruled(CAUSE, &overview.id, "this is no standby");
    }
    let conflict = sessions.value.iter().find(|session| session.is_replay_in_conflict());
    let mut risks = overview.value.risks.iter();
    let behind = risks.find(|risk| risk.code == "replication_lag" && risk.severity != "info");
    // The oldest transaction comes first.
    let in_the_way = sessions.value.iter().enumerate().find(|(_, session)| {
        session.is_client()
            && session.xmin_age.is_some()
            && session
                .xact_age_s
                .is_some_and(|age| whole_s(age) >= thresholds.min_statement_s)
            && session.usename != overview.value.current_role
    });
    let (Some((at, session)), true) = (in_the_way, conflict.is_some() || behind.is_some()) else {
        return ruled(CAUSE, &overview.id, "replay waits for no session of this standby");
    };
    let who = format!(
        "session {} of `{}` (application `{}`)",
        session.pid,
        name(session.usename.as_ref()),
        name(session.application_name.as_ref())
    );
    let mut signals_for = Vec::new();
    if let Some(conflict) = conflict {
        let waits = name(conflict.wait_event.as_ref());
        signals_for.push(signal(&sessions.id, format!("replay waits: `{waits}`")));
    }
    signals_for.extend(behind.map(|risk| signal(&overview.id, risk.what.clone())));
    let age_s = session.xact_age_s.map_or(0, whole_s);
    signals_for.push(signal(&sessions.id, format!("{who} has kept a snapshot for {age_s} s")));
    Case {
        cause: CAUSE,
        evidence: &sessions.id,
        confidence_pct: confidence(55, &[(conflict.is_some(), 35), (behind.is_some(), 10)]),
        explanation: format!(
            "On this standby {who} looks at rows that the primary has already removed. Replay waits until it ends, and what \
             the standby shows grows old. A standby runs none of our changes: end it there, or let \
             `max_standby_streaming_delay` do so.",
        ),
        signals_for,
        signals_against: Vec::new(),
        object: Some(("session", format!("/sessions/{at}"))),
    }
    .weigh(thresholds)
}

fn case<'a>(cause: RootCause, evidence: &'a str, risk: &Risk, confidence_pct: u8, pointer: String) -> Case<'a> {
    Case {
        cause,
        evidence,
        confidence_pct,
        explanation: risk.what.clone(),
        signals_for: vec![signal(evidence, risk.what.clone())],
        signals_against: Vec::new(),
        object: Some(("reported", pointer)),
    }
}
