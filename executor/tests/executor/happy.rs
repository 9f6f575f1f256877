//! What was signed is done, and nothing else.

use crate::incidents::{Blocked, Saturated, limit};
use crate::postgres::Server;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn the_blocker_is_ended_and_the_bystander_goes_on() {
    let server = Server::start(100).await;
    // The shipped catalog as it is, with its five seconds of hold time.
    let scene = Scene::with_catalog(&server, |_| {}).await;
    assert_eq!(scene.catalog().digest(), runbooks::Catalog::shipped().unwrap().digest());
    let incident = Blocked::new(&server, &scene).await;
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    incident.assert_resolved(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_is_capped_with_its_marker_and_its_idle_sessions_are_ended() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let config = scene.config("state", "");
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    assert_eq!(limit(&server).await, 10);
    assert_eq!(incident.idle(&server).await, 0);
    incident.assert_bystanders().await;
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
    // Marker and effect are one transaction: the database says so.
    let same = "SELECT count(*) FROM countersign.executed_steps m, pg_authid r
                WHERE m.step_id = 'cap_role' AND r.rolname = 'app' AND m.xmin = r.xmin";
    assert_eq!(server.number(same).await, 1);

    let ran = scene.run(&config, &scene.rollback_order(&incident.plan));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    assert_eq!(limit(&server).await, 18);
    assert_eq!(
        incident.marks(&server).await,
        ["cap_role do", "end_idle_sessions do", "cap_role undo"]
    );
    let ran = scene.run(&config, &scene.rollback_order(&incident.plan));
    assert_eq!((ran.code, ran.result.as_str()), (Some(4), "already_executed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_changes_its_key_without_a_pause() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let config = scene.config("state", "");
    let text = std::fs::read_to_string(&config).unwrap();
    let (new, old) = (scene.gate.public_key(), approval::GateKey::generate().unwrap());
    let line = |name: &str, key: &approval::PublicKey| format!("{name} = \"{key}\"\n");
    let before = text.replace(&line("public_key", new), &line("public_key", old.public_key()));
    assert_ne!(before, text);
    std::fs::write(&config, &before).unwrap();
    let order = scene.order(&incident.plan);
    let ran = scene.run(&config, &order);
    assert_eq!((ran.code, ran.result.as_str()), (Some(4), "order_bad_signature"));
    let both = before.replace("bearer_file", &format!("{}bearer_file", line("next_public_key", new)));
    std::fs::write(&config, both).unwrap();
    let ran = scene.run(&config, &order);
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    incident.assert_resolved(&server).await;
}
