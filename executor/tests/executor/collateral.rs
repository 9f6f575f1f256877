//! A symptom that is gone together with something else is no recovery, whoever took it away.

use serde_json::json;

use crate::catalog;
use crate::faults;
use crate::guards::run_held;
use crate::hooks::kill_at;
use crate::postgres::Server;
use crate::scene::{Ran, Scene, nonce, set};

async fn impatient(server: &Server) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/interval_ms", json!(100));
    })
    .await
}

fn assert_harmed(ran: &Ran, harm: &[&str]) {
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("collateral_damage", Some(5)),
        "{}: {}",
        ran.message,
        ran.stderr
    );
    for part in harm {
        assert!(ran.message.contains(part), "{}", ran.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_harmed_beyond_the_plan_is_named_and_the_plan_taken_back() {
    let server = catalog::server().await;
    let scene = impatient(&server).await;
    let fault = faults::memory(&server, &scene).await;
    let before = server.image().await;
    let bystander = server.connect("quiet", "bystander").await;
    let harm = async || {
        for statement in [
            "ALTER ROLE quiet CONNECTION LIMIT 3",
            "ALTER DATABASE orders SET work_mem = '64kB'",
            "DROP INDEX others_n",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bystander'",
        ] {
            server.admin.batch_execute(statement).await.unwrap();
        }
        server
            .wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'bystander'")
            .await;
    };
    let ran = run_held(&scene, &fault.plan, "verification_started", harm, async || {}).await;
    assert_harmed(
        &ran,
        &[
            "the CONNECTION LIMIT of role `quiet` changed",
            "role setting `* work_mem in orders` is new",
            "index `public.others_n` is gone",
            "1 more sessions were ended by force",
        ],
    );
    assert!(ran.message.starts_with("rolled back"), "{}", ran.message);
    // What others did stays done: only the plan's own is taken back.
    let after = server.image().await;
    assert!(!after.iter().any(|line| line.starts_with("role setting 0 app work_mem")));
    assert!(before.iter().any(|line| line.contains("others_n")) && !after.iter().any(|line| line.contains("others_n")));
    drop(bystander);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_by_itself_is_no_harm() {
    let server = catalog::server().await;
    let scene = impatient(&server).await;
    server
        .admin
        .batch_execute(
            "CREATE ROLE lease LOGIN VALID UNTIL '2100-01-01'; CREATE TABLE partition_1 (id int PRIMARY KEY)",
        )
        .await
        .unwrap();
    let fault = faults::blocked(&server, &scene).await;
    let leaving = server.connect("quiet", "leaving").await;
    let come_and_go = async || {
        drop(leaving);
        server
            .admin
            .batch_execute(
                "DROP ROLE lease; CREATE ROLE newcomer; DROP TABLE partition_1; CREATE TABLE partition_2 (id int PRIMARY KEY);
                 CREATE TEMP TABLE scratch (id int PRIMARY KEY); UPDATE others SET n = n + 1",
            )
            .await
            .unwrap();
    };
    let ran = run_held(&scene, &fault.plan, "verification_started", come_and_go, async || {}).await;
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("done", Some(0)),
        "{}: {}",
        ran.message,
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_that_a_crash_lies_before_is_found_all_the_same() {
    let server = catalog::server().await;
    let scene = impatient(&server).await;
    let fault = faults::stale(&server, &scene).await;
    let state = nonce();
    // 0 admitted, 1 checked, 2 the intent, 3 done, 4 the verification.
    let killed = scene.run(
        &scene.config(&state, &kill_at(scene.dir.path(), 4)),
        &scene.order(&fault.plan),
    );
    assert_eq!(killed.code, None, "{killed:?}");
    server.admin.batch_execute("ALTER ROLE app NOLOGIN").await.unwrap();
    let ran = scene.recover(&scene.config(&state, ""));
    assert_harmed(&ran, &["role `app` changed"]);
}
