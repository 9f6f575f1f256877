//! The offline diagnosis: rules over evidence.

use std::cmp::Reverse;

use incident::{
    Author, Diagnosis, DiagnosisError, Findings, Hypothesis, MAX_HYPOTHESES, MissingEvidence, Rejection, RootCause,
};
use runbooks::Evidence;

use crate::causes::{
    Assessment, assess_all, assess_cloud, assess_healthy, bear_witness, explain_unexplained, for_healthy,
    for_unexplained,
};
use crate::cloud::Cloud;
use crate::telemetry::Telemetry;
use crate::thresholds::THRESHOLDS;

/// The offline diagnosis. It sees evidence alone: not the alert, not its name.
pub fn diagnose(evidence: &[Evidence]) -> Result<Diagnosis, DiagnosisError> {
    diagnose_with(evidence, &[])
}

/// The same, told also which questions got no answer.
pub fn diagnose_with(evidence: &[Evidence], missing: &[MissingEvidence]) -> Result<Diagnosis, DiagnosisError> {
    let telemetry = Telemetry::read(evidence);
    let cloud = Cloud::read(evidence, missing);
    let (mut hypotheses, mut rejected) = (Vec::new(), Vec::new());
    for assessment in assess_all(&telemetry, &THRESHOLDS) {
        sort_in(assessment, evidence, &mut hypotheses, &mut rejected);
    }
    if let Some(cloud) = &cloud {
        let assessments = assess_cloud(cloud, &THRESHOLDS);
        for hypothesis in &mut hypotheses {
            let own = assessments.iter().find(|own| own.cause() == hypothesis.root_cause);
            bear_witness(hypothesis, own, cloud, evidence, &THRESHOLDS);
        }
        // What both see is SQL's to name: it knows the sessions. And what one of them sees the other does not rule out.
        for assessment in assessments {
            if !is_among(&hypotheses, assessment.cause()) {
                sort_in(assessment, evidence, &mut hypotheses, &mut rejected);
            }
        }
        rejected.retain(|rejection: &Rejection| !is_among(&hypotheses, rejection.root_cause));
    }
    if hypotheses.is_empty() {
        hypotheses.extend(no_cause(&telemetry, cloud.as_ref(), evidence));
    }
    hypotheses.sort_by_key(|hypothesis| Reverse(hypothesis.confidence_pct));
    // One cause may be found on two ways; the surer one speaks for it.
    let mut named = Vec::new();
    hypotheses.retain(|hypothesis: &Hypothesis| {
        let first = !named.contains(&hypothesis.root_cause);
        named.push(hypothesis.root_cause);
        first
    });
    hypotheses.truncate(MAX_HYPOTHESES);
    Diagnosis::admit(
        Findings {
            author: Author::Offline,
            hypotheses,
            rejected,
        },
        evidence,
    )
}

fn is_among(hypotheses: &[Hypothesis], cause: RootCause) -> bool {
    hypotheses.iter().any(|hypothesis| hypothesis.root_cause == cause)
}

fn sort_in(
    assessment: Assessment,
    evidence: &[Evidence],
    hypotheses: &mut Vec<Hypothesis>,
    rejected: &mut Vec<Rejection>,
) {
    match assessment {
        Assessment::Likely(hypothesis) => hypotheses.push(*hypothesis),
        Assessment::Ruled { out, because } => rejected.push(Rejection {
            root_cause: out,
            because,
        }),
        Assessment::Blind { cause, tool } => {
            let says = format!("not judged: `{tool}` gave no answer");
            let because = evidence
                .first()
                .map(|any| crate::causes::signal(&any.id, says))
                .into_iter()
                .collect();
            rejected.push(Rejection {
                root_cause: cause,
                because,
            });
        }
    }
}

/// Healthy, or not to be explained.
fn no_cause(telemetry: &Telemetry, cloud: Option<&Cloud>, evidence: &[Evidence]) -> Option<Hypothesis> {
    let healthy = assess_healthy(telemetry, &THRESHOLDS);
    let (mut answer, adds): (_, fn(&mut Hypothesis, &Cloud)) = match healthy {
        Some(healthy) => (healthy, for_healthy),
        None => (explain_unexplained(telemetry, evidence)?, for_unexplained),
    };
    if let Some(cloud) = cloud {
        adds(&mut answer, cloud);
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use incident::RootCause;
    use serde_json::json;

    use super::*;
    use crate::test_evidence::{blocking_tree, ddl_queue, healthy, idle_blocker, record, saturated, sessions, without};

    fn best(evidence: &[Evidence]) -> RootCause {
        diagnose(evidence).unwrap().best().root_cause
    }

    #[test]
    fn an_idle_session_that_others_wait_for_is_the_blocker() {
        let evidence = idle_blocker();
        let diagnosis = diagnose(&evidence).unwrap();
        let best = diagnosis.best();
        assert_eq!(best.root_cause, RootCause::IdleInTransactionBlocker);
        let blocker = best.objects.get("blocker").unwrap().resolve(&evidence).unwrap();
        assert_eq!(blocker.get("pid"), Some(&json!(501)));
        // The others are told why not.
        let ruled_out: Vec<RootCause> = diagnosis.findings().rejected.iter().map(|r| r.root_cause).collect();
        assert_eq!(
            ruled_out.get(..2),
            Some(&[RootCause::DdlLockQueue, RootCause::ConnectionSaturation][..])
        );
    }

    #[test]
    fn who_waits_behind_a_victim_is_a_victim_too() {
        let mut evidence = idle_blocker();
        let mut tree = blocking_tree("session", Some("idle in transaction"), 42.5, 3);
        // One row, three who want it: the second and third queue behind the first.
        for later in [1, 2] {
            *tree
                .pointer_mut(&format!("/trees/0/waiters/{later}/blocked_by"))
                .unwrap() = json!([510]);
        }
        evidence.push(record("E9", "blocking_tree", tree));
        let diagnosis = diagnose(&evidence).unwrap();
        let counted = diagnosis
            .best()
            .signals_for
            .iter()
            .any(|signal| signal.says.starts_with("3 sessions wait for it"));
        assert!(counted, "{:?}", diagnosis.best());
    }

    #[test]
    fn ddl_behind_an_idle_reader_is_a_ddl_queue_and_not_the_readers_fault() {
        let evidence = ddl_queue("idle in transaction");
        assert_eq!(best(&evidence), RootCause::DdlLockQueue);
        assert_eq!(best(&ddl_queue("active")), RootCause::DdlLockQueue);
    }

    #[test]
    fn an_idle_session_that_blocks_others_beside_the_ddl_is_where_it_begins() {
        let mut evidence = ddl_queue("idle in transaction");
        let mut tree = evidence.pop().unwrap().result;
        let direct = json!({"pid": 609, "blocked_by": [601], "wait_age_s": 12.0, "is_ddl": false});
        let waiters = tree.pointer_mut("/trees/0/waiters").and_then(|of| of.as_array_mut());
        waiters.unwrap().push(direct);
        evidence.push(record("E2", "blocking_tree", tree));
        let diagnosis = diagnose(&evidence).unwrap();
        let named: Vec<RootCause> = diagnosis.findings().hypotheses.iter().map(|h| h.root_cause).collect();
        assert_eq!(
            named,
            [RootCause::IdleInTransactionBlocker, RootCause::DdlLockQueue],
            "two readers queue behind the DDL, and one update would wait without it"
        );
    }

    #[test]
    fn ddl_behind_a_prepared_transaction_begins_with_that() {
        let mut evidence = ddl_queue("idle in transaction");
        let mut tree = evidence.pop().unwrap().result;
        *tree.pointer_mut("/trees/0/root").unwrap() =
            json!({"pid": null, "gid": "xa-1", "kind": "prepared_transaction"});
        evidence.push(record("E2", "blocking_tree", tree));
        assert_eq!(best(&evidence), RootCause::PreparedTransaction);
    }

    #[test]
    fn a_client_that_forgets_its_transactions_saturates_the_server_and_ending_its_idle_sessions_would_not_help() {
        let mut evidence = healthy();
        let forgetful = json!([{"usename": "app", "application_name": "mobile", "total": 30, "idle": 6, "idle_in_transaction": 24, "oldest_idle_s": 9}]);
        evidence.push(record("E9", "sessions", sessions(38, &forgetful)));
        let diagnosis = diagnose(&evidence).unwrap();
        assert_eq!(diagnosis.best().root_cause, RootCause::ConnectionSaturation);
        assert_eq!(diagnosis.best().objects.len(), 0);
    }

    #[test]
    fn a_role_that_hoards_under_many_names_is_named_and_no_one_name_is_ended_for_it() {
        let pod = |n: i64| json!({"usename": "workers", "application_name": format!("pod-{n}"), "total": 3, "idle": 3, "oldest_idle_s": 40});
        let groups: Vec<serde_json::Value> = (0..11).map(pod).collect();
        let mut seen = sessions(38, &json!(groups));
        let listed =
            json!([{"pid": 71, "usename": "app", "state": "idle"}, {"pid": 72, "usename": "workers", "state": "idle"}]);
        seen.as_object_mut().unwrap().insert("sessions".to_owned(), listed);
        let mut evidence = healthy();
        evidence.push(record("E9", "sessions", seen));
        let diagnosis = diagnose(&evidence).unwrap();
        assert_eq!(diagnosis.best().root_cause, RootCause::ConnectionSaturation);
        let objects: Vec<&str> = diagnosis
            .best()
            .objects
            .values()
            .map(|object| object.pointer.as_str())
            .collect();
        assert_eq!(
            objects,
            ["/sessions/1"],
            "not a group of clients, which the runbook would take"
        );
    }

    #[test]
    fn a_storm_that_only_old_counters_show_is_over() {
        let risks = json!([
            {"code": "deadlocks", "severity": "warning", "what": "12 deadlocks", "evidence": {"total": 12, "window_s": 60}},
            {"code": "checkpoints_requested", "severity": "warning", "what": "9 of 10 checkpoints were requested"},
        ]);
        let mut evidence = healthy();
        evidence.push(record("E9", "overview", json!({"in_recovery": false, "risks": risks})));
        assert_eq!(best(&evidence), RootCause::NoDatabaseAction);
        // Somebody writes, and somebody waits for a lock: both go on.
        let mut writing = sessions(10, &json!([]));
        let writer = json!([{"pid": 71, "usename": "app", "state": "active", "backend_type": "client backend"}]);
        writing.as_object_mut().unwrap().insert("sessions".to_owned(), writer);
        evidence.push(record("E20", "sessions", writing));
        assert_eq!(best(&evidence), RootCause::CheckpointStorm);
        evidence.push(record(
            "E21",
            "blocking_tree",
            blocking_tree("session", Some("disabled"), 0.1, 1),
        ));
        assert_eq!(best(&evidence), RootCause::DeadlockStorm);
    }

    #[test]
    fn a_subscription_without_a_worker_is_not_healthy() {
        let with = |enabled: bool, pid: Option<i64>| {
            let mut evidence = without(healthy(), "replication");
            let subscription = json!({"subscription": "from_hq", "enabled": enabled, "pid": pid});
            evidence.push(record(
                "E9",
                "replication",
                json!({"slots": [], "findings": [], "subscriptions": [subscription]}),
            ));
            best(&evidence)
        };
        assert_eq!(with(true, None), RootCause::Unexplained);
        assert_eq!(with(true, Some(7)), RootCause::NoDatabaseAction);
        assert_eq!(with(false, None), RootCause::NoDatabaseAction);
    }

    #[test]
    fn a_slot_in_use_whose_consumer_does_not_follow_is_not_healthy() {
        let mut evidence = without(healthy(), "replication");
        let finding = json!({"code": "slot_retains_wal", "severity": "warning", "what": "slot `s` keeps 2 GB of WAL and is in use"});
        evidence.push(record("E9", "replication", json!({"slots": [], "findings": [finding]})));
        assert_eq!(best(&evidence), RootCause::Unexplained);
    }

    #[test]
    fn an_archiver_that_stands_still_is_a_failing_backup_though_it_counts_no_failure() {
        let mut evidence = without(healthy(), "replication");
        let finding =
            json!({"code": "archiver_stands_still", "severity": "warning", "what": "3 finished WAL segments wait"});
        evidence.push(record("E9", "replication", json!({"slots": [], "findings": [finding]})));
        assert_eq!(best(&evidence), RootCause::BackupFailure);
    }

    #[test]
    fn a_client_that_hoards_idle_sessions_saturates_the_server() {
        let evidence = saturated();
        let diagnosis = diagnose(&evidence).unwrap();
        let client = diagnosis
            .best()
            .objects
            .get("client")
            .unwrap()
            .resolve(&evidence)
            .unwrap();
        assert_eq!(diagnosis.best().root_cause, RootCause::ConnectionSaturation);
        assert_eq!(client.get("application_name"), Some(&json!("report-worker")));
    }

    #[test]
    fn saturation_by_sessions_that_work_is_not_blamed_on_one_client() {
        let mut evidence = healthy();
        let busy = json!([{"usename": "app", "application_name": "web", "total": 36, "idle": 2, "active": 34, "oldest_idle_s": 1}]);
        evidence.push(record("E9", "sessions", sessions(38, &busy)));
        assert_eq!(best(&evidence), RootCause::Unexplained);
    }

    #[test]
    fn a_healthy_database_needs_no_action() {
        assert_eq!(best(&healthy()), RootCause::NoDatabaseAction);
    }

    #[test]
    fn nothing_is_healthy_while_something_is_blocked() {
        let mut evidence = healthy();
        evidence.push(record(
            "E9",
            "blocking_tree",
            blocking_tree("session", Some("disabled"), 30.0, 2),
        ));
        assert_eq!(best(&evidence), RootCause::Unexplained);
    }

    #[test]
    fn the_root_may_be_at_work_hold_an_advisory_lock_or_be_no_session_at_all() {
        let with = |kind: &str, state: Option<&str>, locktype: &str| {
            let mut tree = blocking_tree(kind, state, 30.0, 2);
            *tree.pointer_mut("/trees/0/root").unwrap().get_mut("holds").unwrap() = json!([{"locktype": locktype}]);
            let mut evidence = healthy();
            evidence.push(record("E9", "blocking_tree", tree));
            best(&evidence)
        };
        assert_eq!(
            with("session", Some("active"), "transactionid"),
            RootCause::ActiveBlocker
        );
        assert_eq!(with("session", Some("idle"), "advisory"), RootCause::AdvisoryLockHolder);
        assert_eq!(
            with("session", Some("idle in transaction"), "advisory"),
            RootCause::IdleInTransactionBlocker
        );
        assert_eq!(
            with("prepared_transaction", None, "transactionid"),
            RootCause::PreparedTransaction
        );
    }

    #[test]
    fn what_was_not_seen_is_not_called_healthy() {
        let tools = healthy().into_iter().map(|piece| piece.tool);
        for tool in tools.collect::<Vec<_>>().iter().map(String::as_str) {
            assert_eq!(best(&without(healthy(), tool)), RootCause::Unexplained, "{tool}");
        }
        // A server that does not say which schema changes wait has not said that none does.
        let mut evidence = without(healthy(), "blocking_tree");
        evidence.push(record("E2", "blocking_tree", json!({"waiters_total": 0, "trees": []})));
        assert_eq!(best(&evidence), RootCause::Unexplained);
    }

    #[test]
    fn partial_evidence_still_names_the_cause_it_shows() {
        let evidence = without(idle_blocker(), "sessions");
        assert_eq!(best(&evidence), RootCause::IdleInTransactionBlocker);
    }

    #[test]
    fn a_client_between_two_statements_is_no_blocker() {
        let mut evidence = healthy();
        evidence.push(record(
            "E9",
            "blocking_tree",
            blocking_tree("session", Some("idle in transaction"), 0.4, 1),
        ));
        assert_eq!(best(&evidence), RootCause::Unexplained);
    }

    #[test]
    fn two_independent_causes_are_both_named() {
        let mut evidence = idle_blocker();
        let hoarder = saturated().into_iter().find(|piece| piece.tool == "sessions").unwrap();
        evidence.push(record("E9", "sessions", hoarder.result));
        let diagnosis = diagnose(&evidence).unwrap();
        let mut causes: Vec<RootCause> = diagnosis.findings().hypotheses.iter().map(|h| h.root_cause).collect();
        causes.sort();
        assert_eq!(
            causes,
            [RootCause::IdleInTransactionBlocker, RootCause::ConnectionSaturation]
        );
    }
}
