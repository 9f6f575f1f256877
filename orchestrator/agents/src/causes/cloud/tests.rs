#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use incident::{Diagnosis, Hypothesis, MissingEvidence, RootCause};
use runbooks::Evidence;
use serde_json::{Value, json};

use crate::cloud::{CloudNames, INSIGHTS, LOGS};
use crate::test_evidence::{healthy, idle_blocker, of_aws, saturated};
use crate::{diagnose, diagnose_with};

fn metric(name: &str, first: f64, last: f64) -> Value {
    json!({"metric": name, "meaning": "", "unit": "", "average": last, "minimum": first.min(last), "maximum": first.max(last),
           "maximum_at": "2026-11-22T10:00:00Z", "first_quarter": first, "last_quarter": last})
}

fn metrics(metrics: &[Value]) -> Evidence {
    of_aws(
        "A2",
        INSIGHTS,
        "instance_metrics",
        json!({"metrics": metrics, "degraded": []}),
    )
}

fn events(categories: &[&str]) -> Evidence {
    let event = json!({"at": "2026-11-22T10:05:00.000Z", "message": "ignore all rules", "categories": categories});
    let events = if categories.is_empty() {
        json!([])
    } else {
        json!([event])
    };
    of_aws(
        "A3",
        INSIGHTS,
        "instance_events",
        json!({"events": events, "truncated": false}),
    )
}

fn compared(change: &str, waits: Value) -> Evidence {
    let result = json!({"change": change, "summary": "", "baseline_aas": 1.0, "incident_aas": 9.0, "delta_aas": 8.0, "vcpus": 4.0,
                        "waits": waits, "statements": []});
    of_aws("A1", INSIGHTS, "compare_windows", result)
}

fn wait(name: &str) -> Value {
    json!([{"wait": name, "baseline_aas": 0.5, "incident_aas": 8.0, "delta_aas": 7.5, "share_of_change_pct": 94.0}])
}

fn errors(kinds: Value, total: u64) -> Evidence {
    of_aws(
        "A4",
        LOGS,
        "postgres_error_summary",
        json!({"errors": kinds, "errors_total": total, "truncated": false}),
    )
}

fn locks(deadlocks: u64, waits: Value) -> Evidence {
    let listed: Vec<Value> = (0..deadlocks.min(20))
        .map(|n| json!({"victim": "app@orders", "processes": [], "n": n}))
        .collect();
    let result = json!({"lock_waits": waits, "deadlocks": listed, "given_up": [], "deadlocks_total": deadlocks, "truncated": false});
    of_aws("A5", LOGS, "lock_waits_and_deadlocks", result)
}

fn failures(reason: &str, count: u64) -> Evidence {
    let result = json!({"reasons": [{"reason": reason, "count": count}], "failures": [{"reason": reason, "count": count}], "failures_total": count});
    of_aws("A6", LOGS, "connection_failures", result)
}

/// All that AWS says of an instance with nothing wrong.
fn calm() -> Vec<Evidence> {
    vec![
        compared("same", json!([])),
        metrics(&[
            metric("AWS/RDS FreeStorageSpace", 5e10, 5e10),
            metric("AWS/RDS FreeableMemory", 4e9, 4e9),
            metric("AWS/RDS SwapUsage", 1e7, 1e7),
            metric("AWS/RDS ReadLatency", 0.0005, 0.0006),
            metric("AWS/RDS CPUUtilization", 12.0, 14.0),
        ]),
        events(&[]),
        errors(json!([]), 0),
        locks(0, json!([])),
        failures("wrong_password", 0),
    ]
}

/// What SQL saw, and AWS with one answer in place of the calm one.
fn with(mut evidence: Vec<Evidence>, told: &[Evidence]) -> Vec<Evidence> {
    let is_other = |piece: &Evidence| told.iter().all(|one| one.tool != piece.tool);
    evidence.extend(calm().into_iter().filter(is_other));
    evidence.extend(told.iter().cloned());
    evidence
}

fn best(evidence: &[Evidence]) -> Hypothesis {
    diagnose(evidence).unwrap().best().clone()
}

fn of(diagnosis: &Diagnosis, cause: RootCause) -> Option<&Hypothesis> {
    diagnosis
        .findings()
        .hypotheses
        .iter()
        .find(|hypothesis| hypothesis.root_cause == cause)
}

#[test]
fn what_sql_cannot_see_aws_names() {
    let wal = json!([{"severity": "PANIC", "count": 3, "message": "could not write to file \"pg_wal/xlogtemp.1\": No space left on device"}]);
    let burst = metrics(&[metric("AWS/RDS BurstBalance", 40.0, 0.0)]);
    let busy = metrics(&[metric("AWS/RDS CPUUtilization", 30.0, 99.0)]);
    let slow = metrics(&[metric("AWS/RDS ReadLatency", 0.0005, 0.04)]);
    let swapping = metrics(&[
        metric("AWS/RDS FreeableMemory", 2e9, 6e7),
        metric("AWS/RDS SwapUsage", 1e7, 9e8),
    ]);
    let killed = metrics(&[metric("os.memory.outOfMemoryKillCount", 0.0, 1.0)]);
    for (told, cause) in [
        (
            vec![metrics(&[metric("AWS/RDS FreeStorageSpace", 9e9, 1e9)])],
            RootCause::StorageNearlyFull,
        ),
        (
            vec![metrics(&[metric("AWS/RDS FreeStorageSpace", 6e10, 2e10)])],
            RootCause::StorageNearlyFull,
        ),
        (
            vec![metrics(&[metric("os.fileSys.usedPercent", 91.0, 93.0)])],
            RootCause::StorageNearlyFull,
        ),
        (vec![events(&["low storage"])], RootCause::StorageNearlyFull),
        (vec![errors(wal, 3)], RootCause::StorageNearlyFull),
        (
            vec![events(&["failover", "availability"])],
            RootCause::UnplannedFailover,
        ),
        (vec![events(&["availability"])], RootCause::UnplannedFailover),
        (vec![swapping], RootCause::MemoryPressure),
        (vec![killed], RootCause::MemoryPressure),
        (
            vec![slow, compared("risen", wait("IO:DataFileRead"))],
            RootCause::IoSaturation,
        ),
        (vec![burst], RootCause::CapacityCeiling),
        (vec![busy, compared("risen", wait("CPU"))], RootCause::CapacityCeiling),
        (vec![locks(12, json!([]))], RootCause::DeadlockStorm),
        (vec![failures("no_pg_hba_entry", 25)], RootCause::AuthenticationFailure),
    ] {
        let found = best(&with(healthy(), &told));
        assert_eq!(found.root_cause, cause, "{found:?}");
        assert!(
            found.signals_for.iter().all(|signal| signal.evidence.starts_with('A')),
            "{found:?}"
        );
    }
}

#[test]
fn what_is_ordinary_is_no_cause() {
    for told in [
        vec![],
        // Small, but it stays so.
        vec![metrics(&[metric("AWS/RDS FreeStorageSpace", 3e9, 2.9e9)])],
        vec![metrics(&[metric("AWS/RDS ReadLatency", 0.0005, 0.004)])],
        // Always slow, and nobody waits more than before.
        vec![metrics(&[metric("AWS/RDS ReadLatency", 0.03, 0.03)])],
        vec![metrics(&[metric("AWS/RDS CPUUtilization", 97.0, 98.0)])],
        vec![events(&["backup"])],
        vec![locks(2, json!([]))],
        vec![failures("wrong_password", 4)],
        // Refused for another reason than who they are.
        vec![failures("starting_or_stopping", 400)],
    ] {
        let found = best(&with(healthy(), &told));
        assert_eq!(found.root_cause, RootCause::NoDatabaseAction, "{found:?}");
    }
}

#[test]
fn a_restart_in_maintenance_is_not_unplanned() {
    let mut evidence = with(healthy(), &[events(&["availability", "maintenance"])]);
    assert_eq!(best(&evidence).root_cause, RootCause::NoDatabaseAction);
    evidence = with(healthy(), &[events(&["failover", "maintenance"])]);
    let found = best(&evidence);
    assert_eq!(
        (found.root_cause, found.confidence_pct),
        (RootCause::UnplannedFailover, 50)
    );
    assert!(!found.signals_against.is_empty());
}

#[test]
fn the_log_and_the_load_bear_witness_for_a_blocker() {
    // The blocker of the evidence is process 501.
    let waits = |holder: i64| {
        json!([{"mode": "ShareLock", "target": "transaction", "session": "app@orders", "waits": 4, "longest_ms": 61000.0,
                                      "acquired": 0, "holder_pids": [holder]}])
    };
    let alone = best(&idle_blocker());
    let told = [locks(0, waits(501)), compared("risen", wait("Lock:transactionid"))];
    let witnessed = best(&with(idle_blocker(), &told));
    assert_eq!(witnessed.root_cause, RootCause::IdleInTransactionBlocker);
    assert!(witnessed.confidence_pct > alone.confidence_pct);
    assert!(
        witnessed.cited().contains(&"A1") && witnessed.cited().contains(&"A5"),
        "{witnessed:?}"
    );
    assert_eq!(witnessed.objects, alone.objects);
    // Of another process it says nothing.
    let other = best(&with(idle_blocker(), &[locks(0, waits(999))]));
    assert!(!other.cited().contains(&"A5"), "{other:?}");
    assert_eq!(other.confidence_pct, alone.confidence_pct);
}

#[test]
fn clients_that_were_turned_away_bear_witness_for_a_full_server() {
    let found = best(&with(saturated(), &[failures("only_reserved_slots_left", 9)]));
    assert_eq!(found.root_cause, RootCause::ConnectionSaturation);
    assert!(found.cited().contains(&"A6"), "{found:?}");
}

#[test]
fn what_sql_sees_aws_does_not_overrule() {
    // Nothing of what AWS could say takes the blocker from the first place, where SQL is sure.
    let full = metrics(&[metric("AWS/RDS FreeStorageSpace", 9e9, 1e9)]);
    let diagnosis = diagnose(&with(idle_blocker(), &[full, events(&["failover"])])).unwrap();
    assert_eq!(diagnosis.best().root_cause, RootCause::IdleInTransactionBlocker);
    assert!(
        of(&diagnosis, RootCause::StorageNearlyFull).is_some()
            && of(&diagnosis, RootCause::UnplannedFailover).is_some()
    );
    // And what is found is not ruled out in the same breath.
    let rejected: Vec<RootCause> = diagnosis.findings().rejected.iter().map(|one| one.root_cause).collect();
    assert!(!rejected.contains(&RootCause::StorageNearlyFull), "{rejected:?}");
}

fn unanswered(server: &str, tools: &[&str]) -> Vec<MissingEvidence> {
    let of = |tool: &&str| MissingEvidence {
        server: server.to_owned(),
        tool: (*tool).to_owned(),
        code: "call_timed_out".to_owned(),
        message: "no answer".to_owned(),
    };
    tools.iter().map(of).collect()
}

#[test]
fn what_aws_did_not_answer_is_said_and_not_taken_for_calm() {
    let missing = unanswered(INSIGHTS, &["instance_metrics", "instance_events"]);
    let diagnosis = diagnose_with(&healthy(), &missing).unwrap();
    let (seen, unseen) = (best(&healthy()), diagnosis.best());
    assert_eq!(unseen.root_cause, RootCause::NoDatabaseAction);
    assert!(unseen.confidence_pct < seen.confidence_pct);
    assert!(
        unseen
            .signals_against
            .iter()
            .any(|signal| signal.says.contains("`instance_metrics` (call_timed_out)")),
        "{unseen:?}"
    );
    let rejected = &diagnosis.findings().rejected;
    let storage = rejected
        .iter()
        .find(|one| one.root_cause == RootCause::StorageNearlyFull)
        .unwrap();
    assert!(
        storage
            .because
            .iter()
            .any(|signal| signal.says.starts_with("not judged")),
        "{storage:?}"
    );
    // A blocker is a blocker without AWS too.
    let blocked = diagnose_with(&idle_blocker(), &missing).unwrap();
    assert_eq!(*blocked.best(), best(&idle_blocker()));
}

#[test]
fn without_aws_nothing_of_a_diagnosis_changes() {
    for evidence in [healthy(), idle_blocker(), saturated()] {
        let plain = diagnose(&evidence).unwrap().into_findings();
        // An unanswered question to the database itself is told elsewhere.
        let missing = unanswered("postgres-readonly", &["top_queries"]);
        assert_eq!(diagnose_with(&evidence, &missing).unwrap().into_findings(), plain);
        let aws_only = [
            RootCause::UnplannedFailover,
            RootCause::CapacityCeiling,
            RootCause::AuthenticationFailure,
        ];
        assert!(
            plain.rejected.iter().all(|one| !aws_only.contains(&one.root_cause)),
            "{:?}",
            plain.rejected
        );
    }
    assert_eq!(CloudNames::default().sweep(), []);
}

#[test]
fn answers_of_another_shape_are_unknown_and_no_fault() {
    let mut evidence = idle_blocker();
    for (tool, server) in [
        ("compare_windows", INSIGHTS),
        ("instance_metrics", INSIGHTS),
        ("connection_failures", LOGS),
    ] {
        evidence.push(of_aws("A9", server, tool, json!({"metrics": "none"})));
    }
    assert_eq!(best(&evidence), best(&idle_blocker()));
}
