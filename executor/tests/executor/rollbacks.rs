//! What did not help is undone, exactly; and what cannot be undone is said.

use serde_json::json;

use crate::hooks::Hold;
use crate::incidents::{Blocked, Saturated, limit};
use crate::postgres::{EXECUTOR_ROLE, Server};
use crate::scene::{Scene, finish, set};

/// Bystanders alone keep the server too full for recovery to be seen.
const TOO_MANY: usize = 13;

async fn impatient(server: &Server) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/deadline_s", json!(2));
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_verification_restores_the_limit_exactly() {
    let server = Server::start(20).await;
    let scene = impatient(&server).await;
    let incident = Saturated::new(&server, &scene, TOO_MANY).await;
    let before = roles(&server).await;
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("not_recovered", Some(5)),
        "{}",
        ran.stderr
    );
    assert!(
        ran.message.starts_with("rolled back but for end_idle_sessions"),
        "{}",
        ran.message
    );
    assert_eq!(roles(&server).await, before);
    assert_eq!(
        incident.marks(&server).await,
        ["cap_role do", "end_idle_sessions do", "cap_role undo"]
    );
    incident.assert_bystanders().await;
}

async fn roles(server: &Server) -> String {
    server
        .text("SELECT string_agg(r::text, ',' ORDER BY oid) FROM pg_roles r")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_needs_a_person_and_is_not_tried_again() {
    let server = Server::start(20).await;
    let scene = impatient(&server).await;
    let incident = Saturated::new(&server, &scene, TOO_MANY).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config("state", &hold.at("turned_back"));
    let order = scene.order(&incident.plan);
    let child = scene.command(&config, Some(&order)).spawn().unwrap();
    hold.wait().await;
    server
        .admin
        .batch_execute(&format!("ALTER ROLE {EXECUTOR_ROLE} NOCREATEROLE"))
        .await
        .unwrap();
    hold.let_go();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(6),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("permission_denied"));
    assert_eq!(limit(&server).await, 10);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);

    let config = scene.config("state", "");
    assert_eq!(
        scene.recover(&config).result,
        "",
        "there is nothing that recovers from this in silence"
    );
    let ran = scene.run(&config, &order);
    assert_eq!((ran.result.as_str(), ran.code), ("already_executed", Some(4)));
    assert_eq!(limit(&server).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rollback_is_finished_and_undoes_once() {
    let server = Server::start(20).await;
    let scene = impatient(&server).await;
    for kind in ["turned_back", "undo_impossible", "undo_started", "undo_done"] {
        let incident = Saturated::new(&server, &scene, TOO_MANY).await;
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::new(dir.path());
        let config = scene.config(kind, &hold.at(kind));
        let mut child = scene
            .command(&config, Some(&scene.order(&incident.plan)))
            .spawn()
            .unwrap();
        hold.wait().await;
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = scene.recover(&scene.config(kind, ""));
        assert_eq!(
            (ran.result.as_str(), ran.code),
            ("not_recovered", Some(5)),
            "{kind}: {}",
            ran.stderr
        );
        assert_eq!(limit(&server).await, 18, "{kind}");
        assert_eq!(
            incident.marks(&server).await,
            ["cap_role do", "end_idle_sessions do", "cap_role undo"],
            "{kind}"
        );
        hold.let_go();
    }
    assert_eq!(server.ran("ALTER ROLE app WITH CONNECTION LIMIT 18"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_came_back_to_work_is_left_alone() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;

    // Between the last check and the statement.
    let incident = Blocked::new(&server, &scene).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config("late", &hold.at("step_started"));
    let child = scene
        .command(&config, Some(&scene.order(&incident.plan)))
        .spawn()
        .unwrap();
    hold.wait().await;
    incident.come_back().await;
    hold.let_go();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("precondition_changed"));
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", incident.blocker);
    assert_eq!(server.number(&there).await, 1);
    drop(incident);

    // Before the first check.
    let incident = Blocked::new(&server, &scene).await;
    incident.come_back().await;
    let ran = finish(scene.command(&scene.config("early", ""), Some(&scene.order(&incident.plan))));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("precondition_changed", Some(1)),
        "{}",
        ran.stderr
    );
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", incident.blocker);
    assert_eq!(server.number(&there).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_had_in_time_leaves_nothing_behind() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let holder = server.connect("postgres", "holder").await;
    holder
        .batch_execute("BEGIN; ALTER ROLE app CONNECTION LIMIT 17")
        .await
        .unwrap();
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("lock_timeout", Some(1)),
        "{}",
        ran.stderr
    );
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(limit(&server).await, 18);
    assert!(
        incident.marks(&server).await.is_empty(),
        "the marker went with the effect"
    );
    assert!(incident.idle(&server).await > 0);
}
