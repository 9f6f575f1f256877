//! What survives kill -9, what keeps the gate shut, and who may change the list of approvers.

use std::fs;
use std::sync::Arc;

use runbooks::Plan;
use serde_json::json;

use crate::world::{Gate, World, plan, plan_with, text};

#[tokio::test(flavor = "multi_thread")]
async fn kill_at_any_point_loses_nothing_and_doubles_nothing() {
    let world = World::new();
    let plan = plan();
    let gate = world.start().await;
    let request = gate.execute(text(&plan), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    gate.kill().await;

    let gate = world.start().await;
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        (&asked["request_id"], &asked["status"]),
        (&json!(request), &json!("pending")),
        "{asked}"
    );
    assert_eq!(gate.requests().await, 1);
    let before = gate
        .statement(&world, &request, "ana", "approve")
        .await
        .bytes()
        .await
        .unwrap();
    gate.kill().await;

    // What was downloaded before the crash is still what is signed after it.
    let gate = world.start().await;
    let signature = world.sign("ana", "approval@countersign", &before);
    assert_eq!(
        gate.send_decision(&request, "ana", signature.clone()).await["status"],
        "approved"
    );
    gate.kill().await;

    let gate = world.start().await;
    let repeated = gate.send_decision(&request, "ana", signature).await;
    assert_eq!(
        (&repeated["status"], &repeated["already"]),
        (&json!("approved"), &json!(true)),
        "{repeated}"
    );
    let token = gate.execute(text(&plan), None).await["approval_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let execution = gate.execute(text(&plan), Some(&token)).await["execution_id"].clone();
    assert!(execution.is_string());
    gate.kill().await;

    let gate = world.start().await;
    let replayed = gate.execute(text(&plan), Some(&token)).await;
    assert_eq!(
        (&replayed["code"], &replayed["execution_id"]),
        (&json!("already_used"), &execution)
    );
    assert!(gate.claim().await.is_some());
    gate.kill().await;

    let gate = world.start().await;
    assert!(
        gate.claim().await.is_some(),
        "an order whose answer was lost is handed out again"
    );
    assert_eq!(gate.report(execution.as_str().unwrap(), "done").await, 200);
    gate.kill().await;

    let gate = world.start().await;
    assert!(gate.claim().await.is_none());
    let seen = gate
        .resource(&format!("approval://executions/{}", execution.as_str().unwrap()))
        .await;
    assert_eq!(seen["status"], "done", "{seen}");
    assert_eq!(gate.requests().await, 1);
}

/// The checkpoint of each event is "published" by a command that kills the gate, once: the event is durable, and nobody
/// has been answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_right_after_each_event_ends_in_the_same_state() {
    for kind in [
        "request_opened",
        "request_approved",
        "order_queued",
        "order_claimed",
        "execution_reported",
    ] {
        let world = Arc::new(World::new());
        let script = format!("case $COUNTERSIGN_EVENT_KIND in {kind}) mkdir crashed && kill -9 $PPID;; esac; true");
        let config = fs::read_to_string(world.path("gate.toml")).unwrap();
        let journal = format!("[journal]\npublish_command = ['sh', '-c', '{script}']\n");
        fs::write(world.path("gate.toml"), format!("{config}\n{journal}")).unwrap();

        let plan = Arc::new(plan());
        let mut starts = 0;
        let execution = loop {
            starts += 1;
            assert!(starts <= 2, "{kind}: it crashed more than once");
            let gate = world.start().await;
            // A crash shows as a broken connection, which ends this task; a real failure shows again on the next start.
            let driven = tokio::spawn(drive(world.clone(), plan.clone(), gate)).await;
            if let Ok(execution) = driven {
                break execution;
            }
        };
        assert_eq!(starts, 2, "{kind}: it did not crash");
        for (event, times) in [
            ("request_opened", 1),
            ("request_approved", 1),
            ("request_used", 1),
            ("order_queued", 1),
        ] {
            assert_eq!(world.journal(event).len(), times, "{kind}: {event}");
        }
        assert_eq!(world.journal("execution_reported").len(), 1, "{kind}");
        assert!(execution.starts_with("exe-"));
    }
}

/// The whole way, as clients that know nothing of an earlier attempt repeat it.
async fn drive(world: Arc<World>, plan: Arc<Plan>, gate: Gate) -> String {
    let mut asked = gate.execute(text(&plan), None).await;
    if asked["status"] == "pending" {
        gate.decide(&world, asked["request_id"].as_str().unwrap(), "ana", "approve")
            .await;
        asked = gate.execute(text(&plan), None).await;
    }
    if let Some(token) = asked["approval_token"].as_str() {
        asked = gate.execute(text(&plan), Some(token)).await;
    }
    let execution = asked["execution_id"].as_str().unwrap().to_owned();
    gate.claim().await;
    assert_eq!(gate.report(&execution, "done").await, 200);
    let seen = gate.resource(&format!("approval://executions/{execution}")).await;
    assert_eq!(seen["outcome"], "done");
    assert_eq!(gate.requests().await, 1);
    gate.kill().await;
    execution
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_behind_the_journal_keeps_the_gate_shut() {
    let world = World::new();
    let gate = world.start().await;
    gate.execute(text(&plan()), None).await;
    gate.kill().await;
    let sql = rusqlite::Connection::open(world.path("state/gate.db")).unwrap();
    let state: String = sql
        .query_row("SELECT state FROM requests", [], |row| row.get(0))
        .unwrap();
    let forged = state.replace(r#""status":{"is":"pending"}"#, r#""status":{"is":"approved"}"#);
    assert_ne!(forged, state);
    sql.execute("UPDATE requests SET state = ?1, status = 'approved'", [forged])
        .unwrap();
    drop(sql);
    let said = world.refused_start().await;
    assert!(said.contains("is not what the journal says"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_missing_keeps_the_gate_shut() {
    let cases = [
        ("approvers.json", None, "approver list"),
        ("approvers.json", Some("{}"), "approver list"),
        ("bearer", None, "bearer"),
        ("bearer", Some("short"), "bearer"),
        ("gate.toml", None, "configuration"),
        ("gate.toml", Some("[gate]\nid = 'x'"), "configuration"),
    ];
    let world = World::new();
    for (file, content, word) in cases {
        let path = world.path(file);
        let whole = fs::read(&path).unwrap();
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let said = world.refused_start().await;
        assert!(
            said.contains(word) && said.trim_end().lines().count() <= 6,
            "{file}: {said}"
        );
        fs::write(&path, whole).unwrap();
    }
    let config = fs::read_to_string(world.path("gate.toml")).unwrap();
    for section in ["[catalog]", "[policy]", "[journal]"] {
        let key = if section == "[journal]" { "publish_dir" } else { "dir" };
        fs::write(
            world.path("gate.toml"),
            format!("{config}\n{section}\n{key} = \"absent/x\"\n"),
        )
        .unwrap();
        let said = world.refused_start().await;
        assert!(said.contains(section.trim_matches(['[', ']'])), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_approver_list_only_moves_forward() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let request = gate.execute(text(&plan), None).await["request_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let second = world.approvers(2, &["ben"]);
    assert_eq!(gate.post("/v1/approvers", second.clone()).await, json!({"version": 2}));
    // Taken off the list, ana approves nothing from now on.
    assert_eq!(
        gate.decide(&world, &request, "ana", "approve").await["code"],
        "unknown_key"
    );
    assert_eq!(gate.post("/v1/approvers", second).await, json!({"version": 2}));
    let first = world.approvers(1, &["ana", "ben"]);
    assert_eq!(
        gate.post("/v1/approvers", first.clone()).await["code"],
        "approvers_rolled_back"
    );
    let twin = world.approvers(2, &["ana"]);
    assert_eq!(gate.post("/v1/approvers", twin).await["code"], "approvers_rolled_back");
    gate.kill().await;

    // The gate kept its own copy, and refuses the older file at start.
    let gate = world.start().await;
    assert_eq!(
        gate.decide(&world, &request, "ben", "approve").await["status"],
        "approved"
    );
    gate.kill().await;
    fs::write(world.path("approvers.json"), first).unwrap();
    let said = world.refused_start().await;
    assert!(said.contains("approvers_rolled_back"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_who_was_taken_off_after_signing_does_not_count() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan_with(|context| context.incident = "inc-9".into());
    let (_, token) = gate.approved(&world, &plan).await;
    gate.post("/v1/approvers", world.approvers(2, &["ben"])).await;
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["code"], "unknown_key");
    assert!(gate.claim().await.is_none());
    // Somebody else may sign in her place, and after a restart with another list too.
    let asked = gate.execute(text(&plan), None).await;
    assert_eq!(
        (&asked["status"], &asked["approvals"]["have"]),
        (&json!("pending"), &json!(0)),
        "{asked}"
    );
    let request = asked["request_id"].as_str().unwrap();
    assert_eq!(
        gate.decide(&world, request, "ben", "approve").await["status"],
        "approved"
    );
    gate.kill().await;
    world.write_approvers(3, &["ana"]);
    let gate = world.start().await;
    assert_eq!(gate.execute(text(&plan), None).await["status"], "pending");
    assert_eq!(
        gate.decide(&world, request, "ana", "approve").await["status"],
        "approved"
    );
    let token = gate.execute(text(&plan), None).await["approval_token"].clone();
    assert_eq!(gate.execute(text(&plan), token.as_str()).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_edits_the_database_of_a_running_gate_does_not_thaw_it() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let (_, token) = gate.approved(&world, &plan).await;
    assert_eq!(gate.execute(text(&plan), Some(&token)).await["status"], "queued");
    let key = crate::world::shown(&world.key("ana"));
    let frozen = world
        .run(&["freeze", "--gate", &gate.url, "--key", &key, "--reason", "stop"])
        .await;
    assert!(frozen.status.success(), "{frozen:?}");
    assert!(gate.claim().await.is_none());
    for edit in [
        "DELETE FROM marks WHERE name = 'freeze'",
        "INSERT INTO marks VALUES ('freeze', '{\"is\":\"never\"}')",
    ] {
        let sql = rusqlite::Connection::open(world.path("state/gate.db")).unwrap();
        sql.execute(edit, []).unwrap();
        drop(sql);
        let refused = gate.claim_as("executor-1", crate::world::BEARER, 0).await;
        assert_eq!(refused.status().as_u16(), 500, "{edit}");
        assert!(refused.text().await.unwrap().contains("state_changed"), "{edit}");
        assert!(gate.standing(&plan).await.contains("state_changed"), "{edit}");
    }
    // Nor does it give back what somebody took.
    let sql = rusqlite::Connection::open(world.path("state/gate.db")).unwrap();
    let other = "UPDATE requests SET state = replace(state, '\"need\":1', '\"need\":2')";
    assert_eq!(sql.execute(other, []).unwrap(), 1);
    drop(sql);
    let list = gate.json("/v1/requests").await;
    assert_eq!(list["code"], "state_changed", "{list}");
    gate.kill().await;
    assert!(world.refused_start().await.contains("not what the journal says"));
}

/// What could not be published is in the rows: the gate must go on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_whose_checkpoint_could_not_be_published_holds_all_the_same() {
    let world = World::new();
    let script = "case $COUNTERSIGN_EVENT_KIND in gate_frozen) mkdir failed && exit 1;; esac; true";
    let config = fs::read_to_string(world.path("gate.toml")).unwrap();
    let journal = format!("[journal]\npublish_command = ['sh', '-c', '{script}']\n");
    fs::write(world.path("gate.toml"), format!("{config}\n{journal}")).unwrap();
    let gate = world.start().await;
    let key = crate::world::shown(&world.key("ana"));
    let say = async |what: &str| {
        world
            .run(&[what, "--gate", &gate.url, "--key", &key, "--reason", "stop"])
            .await
    };
    assert!(!say("freeze").await.status.success());
    assert_eq!(gate.json("/v1/gate").await["freeze"]["is"], "frozen");
    assert!(say("thaw").await.status.success());
    assert_eq!(gate.json("/v1/gate").await["freeze"]["is"], "thawed");
}
