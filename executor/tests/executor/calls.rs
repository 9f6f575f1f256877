//! Plans whose step is no SQL: a runbook of its own, with any step, and recovery when the test says so.

use runbooks::Plan;
use serde_json::{Value, json};

use crate::postgres::Server;
use crate::scene::{Ran, Scene, draft, set};

/// The runbook whose content is replaced.
pub const RUNBOOK: &str = "idle-in-transaction-blocker";

/// A scene whose catalog has a runbook of these steps. Recovery is the absence of a row in `trouble`.
pub async fn scene(server: &Server, risk: &str, steps: &Value) -> Scene {
    scene_with(server, risk, steps, &json!({})).await
}

pub async fn scene_with(server: &Server, risk: &str, steps: &Value, parameters: &Value) -> Scene {
    server
        .admin
        .batch_execute("CREATE ROLE trouble; COMMENT ON ROLE trouble IS 'without it, recovery is not seen'")
        .await
        .unwrap();
    Scene::with_catalog(server, |runbook| {
        if runbook["id"] == RUNBOOK {
            set(runbook, "/risk", json!(risk));
            set(runbook, "/parameters", parameters.clone());
            set(runbook, "/steps", steps.clone());
            set(runbook, "/stop_if", json!([]));
            set(runbook, "/prechecks", json!([check("primary", "SELECT pg_is_in_recovery()", &json!({"equals": false}))]));
            set(
                runbook,
                "/blast_radius",
                json!([{"id": "instances", "unit": "instances", "query": "SELECT 1", "limit": 1, "why": "one"}]),
            );
            set(
                runbook,
                "/verification",
                json!({"signal": "trouble is there", "query": TROUBLE, "expect": {"equals": 1}, "hold_s": 1, "deadline_s": 2,
                    "interval_ms": 100, "collateral": [check("primary_still", "SELECT pg_is_in_recovery()", &json!({"equals": false}))]}),
            );
        }
    })
    .await
}

fn check(id: &str, query: &str, expect: &Value) -> Value {
    json!({"id": id, "query": query, "expect": expect, "why": "the test says so"})
}

/// Whether a plan of this scene recovers from now on.
pub async fn recovers(server: &Server, whether: bool) {
    let statement = if whether {
        "CREATE ROLE trouble"
    } else {
        "DROP ROLE trouble"
    };
    server.admin.batch_execute(statement).await.unwrap();
}

/// A new plan of the scene's runbook, with a nonce of its own.
pub fn plan(scene: &Scene) -> Plan {
    scene.plan(&draft(RUNBOOK, &[], &[]), &[])
}

pub fn step(id: &str, action: &Value, rollback: &Value) -> Value {
    json!({"id": id, "summary": "Calls a service", "action": action, "assert": [], "max_wait_s": 20, "irreversible": false,
        "rollback": rollback})
}

pub fn no_way_back() -> Value {
    json!({"class": "none", "reason": "the test needs none"})
}

/// How often the journal of this state says each kind of event.
pub fn events(scene: &Scene, state: &str, kind: &str) -> usize {
    let journal = scene.dir.path().join(state).join("journal.sqlite");
    let database = rusqlite::Connection::open(journal).unwrap();
    let count = "SELECT count(*) FROM journal_events WHERE kind = ?1";
    let count: i64 = database.query_row(count, [kind], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

pub fn assert_ended(ran: &Ran, result: &str, code: i32) {
    assert_eq!(
        (ran.result.as_str(), ran.code),
        (result, Some(code)),
        "{}\n{}",
        ran.message,
        ran.stderr
    );
}

const TROUBLE: &str = "SELECT count(*) FROM pg_catalog.pg_roles r WHERE r.rolname = 'trouble'";
