//! kill -9 of each process at every event that it journals, then a restart: the same end, and nothing twice.

use serde_json::Value;

use crate::fault::{IdleBlocker, terminations};
use crate::suite::{Role, Suite, alert};

/// Runs one incident from alert to post-mortem; whoever dies is started again.
pub async fn incident(suite: &mut Suite, number: usize) {
    let mut alert = alert("PostgresIdleInTransaction", "firing");
    alert["alerts"][0]["startsAt"] = Value::from(format!("2026-11-23T10:{:02}:{:02}Z", number / 60, number % 60));
    alert["alerts"][0]["fingerprint"] = Value::from(format!("{number:016x}"));
    suite
        .until("the alert is taken", async |suite| {
            suite.revive();
            matches!(suite.post_alert(&alert).await, Some(200..=202)).then_some(())
        })
        .await;
    suite
        .until("the incident is closed", async |suite| {
            suite.revive();
            suite.approve_what_waits().await;
            suite.closed_incidents(number + 1)
        })
        .await;
}

async fn every_crash_of(role: Role) {
    let mut suite = Suite::new(&[("log_statement", "none")]).await;
    suite.start_all();
    let fault = IdleBlocker::provoke(&suite.cluster).await;
    let before = suite.journalled(role).len();
    incident(&mut suite, 0).await;
    fault.assert_mended(&suite.cluster).await;
    let kinds = suite.journalled(role).split_off(before);
    assert!(kinds.len() >= 3, "{role:?} journalled only {kinds:?}");

    for (number, kind) in kinds.iter().enumerate() {
        let fault = IdleBlocker::provoke(&suite.cluster).await;
        suite.crash_at(role, suite.journalled(role).len() + number + 1);
        incident(&mut suite, number + 1).await;
        assert!(suite.crashed(role), "{role:?} did not crash at event {number} ({kind})");
        fault.assert_mended(&suite.cluster).await;
        assert_eq!(
            terminations(&suite.cluster),
            number + 2,
            "one session ended for each incident, after {kind}"
        );
    }
    eprintln!("{role:?}: killed at each of {} events: {kinds:?}", kinds.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_killed_at_every_event_ends_the_incident_all_the_same() {
    every_crash_of(Role::Orchestrator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_killed_at_every_event_ends_the_incident_all_the_same() {
    every_crash_of(Role::Gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_executor_killed_at_every_event_ends_the_incident_all_the_same() {
    every_crash_of(Role::Executor).await;
}
