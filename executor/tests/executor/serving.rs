//! Pulled from a gate: claimed, asked before each step, told at least once.

use std::process::{Command, Stdio};

use approval::GateKey;

use crate::gate::FakeGate;
use crate::incidents::{Blocked, Saturated, limit};
use crate::postgres::Server;
use crate::scene::{Scene, finish};

async fn gate_of(scene: &Scene) -> FakeGate {
    let path = scene.dir.path().join("gate_key");
    scene.gate.save(&path).unwrap();
    FakeGate::start(GateKey::load_or_create(&path).unwrap()).await
}

fn serve(scene: &Scene, gate: &FakeGate, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_executor"));
    command
        .args(arguments)
        .args(["--gate", &gate.url, "--config"])
        .arg(scene.config("state", ""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_claimed_run_and_told_in_order() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let incident = Blocked::new(&server, &scene).await;
    gate.book.lock().unwrap().orders.push(scene.order(&incident.plan));
    let ran = finish(serve(&scene, &gate, &["serve", "--once"]));
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    incident.assert_resolved(&server).await;
    assert_eq!(
        gate.kinds(),
        [
            "order_admitted",
            "target_checked",
            "step_started",
            "step_done",
            "verification_started",
            "recovery_verified",
            "done"
        ]
    );
    let book = gate.book.lock().unwrap();
    assert_eq!(
        book.standings, 3,
        "before the checks, before the step's intent, and right before its effect"
    );
    assert!(
        book.bearers.iter().all(|bearer| bearer == "bearer the bearer"),
        "{:?}",
        book.bearers
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_between_two_steps_takes_the_first_one_back() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    {
        let mut book = gate.book.lock().unwrap();
        book.orders.push(scene.order(&incident.plan));
        book.frozen_from = Some(4);
    }
    let ran = finish(serve(&scene, &gate, &["serve", "--once"]));
    assert_eq!((ran.result.as_str(), ran.code), ("frozen", Some(5)), "{}", ran.stderr);
    assert_eq!(limit(&server).await, 18);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "cap_role undo"]);
    assert!(incident.idle(&server).await > 0, "the second step did not run");
    assert_eq!(gate.kinds().last().map(String::as_str), Some("rolled_back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_between_intent_and_effect_leaves_nothing_changed() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    {
        let mut book = gate.book.lock().unwrap();
        book.orders.push(scene.order(&incident.plan));
        book.frozen_from = Some(3);
    }
    let ran = finish(serve(&scene, &gate, &["serve", "--once"]));
    assert_eq!((ran.result.as_str(), ran.code), ("frozen", Some(4)), "{}", ran.stderr);
    assert_eq!(limit(&server).await, 18);
    assert!(incident.marks(&server).await.is_empty());
    assert!(gate.kinds().contains(&"step_failed".to_owned()), "{:?}", gate.kinds());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gate_did_not_hear_it_hears_after_a_restart() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let incident = Blocked::new(&server, &scene).await;
    {
        let mut book = gate.book.lock().unwrap();
        book.orders.push(scene.order(&incident.plan));
        book.deaf = true;
    }
    let ran = finish(serve(&scene, &gate, &["serve", "--once"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(gate.kinds().is_empty());
    gate.book.lock().unwrap().deaf = false;
    let ran = finish(serve(&scene, &gate, &["recover"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(gate.kinds().last().map(String::as_str), Some("done"));
    assert_eq!(gate.kinds().len(), 7, "{:?}", gate.kinds());
    incident.assert_resolved(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_orders_it_says_what_it_could_run() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let incident = Blocked::new(&server, &scene).await;
    {
        let mut book = gate.book.lock().unwrap();
        let plan = crate::scene::text(&incident.plan).to_owned();
        book.preflights = vec![plan.clone(), "no plan".to_owned(), plan];
    }
    let child = serve(&scene, &gate, &["serve"]).spawn().unwrap();
    while gate.book.lock().unwrap().found.len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let found = std::mem::take(&mut gate.book.lock().unwrap().found);
    for (number, report) in found.iter().enumerate() {
        assert_eq!(report["executor"], "executor-1");
        if number == 1 {
            assert_eq!(report["findings"][0]["code"], "not_a_plan", "{report}");
        } else {
            assert_eq!(report["plan_digest"], incident.plan.digest().to_string());
            assert_eq!(report["findings"], serde_json::json!([]), "{report}");
        }
    }
    incident.assert_untouched(&server).await;
    assert!(gate.kinds().is_empty(), "nothing is told of it as of an execution");
    // What was looked at is still to be run.
    gate.book.lock().unwrap().orders.push(scene.order(&incident.plan));
    while gate.kinds().last().is_none_or(|kind| kind != "done") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    incident.assert_resolved(&server).await;
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_it_ends_at_once_when_asked() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let gate = gate_of(&scene).await;
    let mut command = serve(&scene, &gate, &["serve"]);
    let child = command.spawn().unwrap();
    while gate.book.lock().unwrap().bearers.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
