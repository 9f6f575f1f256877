//! What a server itself reports: each of its words has one cause, and people answer it, not a runbook.

use incident::RootCause;

use super::{Assessment, Case, ruled, signal};
use crate::telemetry::{Risk, Seen, Session, Telemetry};
use crate::thresholds::Thresholds;

/// What the server says, and how sure it makes of the cause when it calls it critical, and when a warning.
const WORDS: [(&str, RootCause, u8, u8); 6] = [
    ("checksum_failures", RootCause::Corruption, 95, 95),
    ("archiver_failing", RootCause::BackupFailure, 75, 65),
    ("sequence_near_end", RootCause::IntegerKeyExhaustion, 80, 60),
    ("checkpoints_requested", RootCause::CheckpointStorm, 60, 55),
    ("multixact_age", RootCause::TransactionIdWraparound, 90, 0),
    ("deadlocks", RootCause::DeadlockStorm, 60, 0),
];

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Vec<Assessment> {
    let mut assessments = vec![
        synchronous_standby(telemetry, thresholds),
        replay(telemetry, thresholds),
    ];
    let Some(overview) = &telemetry.overview else {
        return assessments;
    };
    for (word, cause, critical, warning) in WORDS {
        let risks = overview.value.risks.iter().enumerate();
        let said = risks.into_iter().find(|(_, risk)| risk.code == word);
        let Some((at, risk)) = said else {
            continue;
        };
        let confidence_pct = match risk.severity.as_str() {
            "critical" => critical,
            _ if is_storm(risk, thresholds) => thresholds.storm_pct,
            "warning" => warning,
            _ => 0,
        };
        assessments.push(
            case(
                cause,
                overview.id.as_str(),
                risk,
                confidence_pct,
                format!("/risks/{at}"),
            )
            .weigh(thresholds),
        );
    }
    assessments
}

/// The counter says how often since when: an hour's average hides a storm of the last minutes.
fn is_storm(risk: &Risk, thresholds: &Thresholds) -> bool {
    let number = |name: &str| risk.evidence.get(name).and_then(serde_json::Value::as_f64);
    let total = number("total").unwrap_or(0.0);
    let per_min = total * 60.0 / number("window_s").unwrap_or(60.0).max(60.0);
    risk.code == "deadlocks" && per_min >= thresholds.deadlocks_per_min
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

fn replay(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::ReplicaQueryBlocksReplay;
    let Some(overview) = &telemetry.overview else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "overview",
        };
    };
    let mut risks = overview.value.risks.iter().enumerate();
    let behind = risks.find(|(_, risk)| risk.code == "replication_lag" && risk.severity != "info");
    let Some((at, risk)) = behind.filter(|_| overview.value.in_recovery) else {
        return ruled(CAUSE, &overview.id, "this is not a standby that falls behind");
    };
    let slow = telemetry.at_work(thresholds.slow_statement_s);
    let busy = slow.filter(|slow| !slow.value.is_empty());
    let mut found = case(
        CAUSE,
        &overview.id,
        risk,
        if busy.is_some() { 75 } else { 0 },
        format!("/risks/{at}"),
    );
    if let Some(busy) = busy {
        found.signals_for.push(signal(
            &busy.id,
            format!("{} statements run for long here", busy.value.len()),
        ));
    }
    found.weigh(thresholds)
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
