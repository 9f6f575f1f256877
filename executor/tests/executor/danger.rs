//! The negative control: with the guard off, the same oracle sees the harm.

use crate::incidents::Blocked;
use crate::postgres::Server;
use crate::scene::{Scene, text};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_guard_an_unsigned_order_ends_the_session() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let unsigned = scene.sign(&scene.forge(text(&incident.plan), ""));

    let ran = scene.run(&scene.config("guarded", ""), &unsigned);
    assert_eq!((ran.result.as_str(), ran.code), ("no_token", Some(4)));
    incident.assert_untouched(&server).await;

    let config = executor::Config::load(&scene.config("state", ""), None).unwrap();
    let executor = executor::Executor::open(config).unwrap();
    let ended = executor::danger::run_order_without_approval(&executor, &unsigned)
        .await
        .unwrap();
    assert_eq!(ended.code(), "done");
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", incident.blocker);
    assert_eq!(server.number(&there).await, 0, "the oracle must see it");
    assert_eq!(
        server.number("SELECT count(*) FROM countersign.executed_steps").await,
        1
    );
}
