//! What was approved and is not there any more is left alone, with one code, whenever it changed: before the executor first
//! looks, between its look and the effect, and while the effect waits.

use std::future::Future;
use std::pin::Pin;
use std::process::Stdio;

use runbooks::Plan;
use serde_json::json;

use crate::faults::{self, Fault};
use crate::hooks::Hold;
use crate::incidents::{Saturated, limit};
use crate::postgres::{Server, bindir};
use crate::scene::{Ran, Scene, ended, nonce, set};

const CHANGED: (&str, Option<i32>) = ("precondition_changed", Some(1));

type Make = for<'a> fn(&'a Server, &'a Scene) -> Pin<Box<dyn Future<Output = Fault> + 'a>>;

/// The runbooks that reach a session by its pid, each with its fault.
const SIGNALS: [(&str, Make); 6] = [
    ("blocked", |server, scene| Box::pin(faults::blocked(server, scene))),
    ("ddl_queue", |server, scene| Box::pin(faults::ddl_queue(server, scene))),
    ("long_transaction", |server, scene| {
        Box::pin(faults::long_transaction(server, scene))
    }),
    ("memory", |server, scene| Box::pin(faults::memory(server, scene))),
    ("spill", |server, scene| Box::pin(faults::spill(server, scene))),
    ("io", |server, scene| Box::pin(faults::io(server, scene))),
];

async fn server() -> Server {
    let server = Server::start_with(60, |_| {
        vec!["wal_level=replica".to_owned(), "autovacuum=off".to_owned()]
    })
    .await;
    faults::prepare(&server).await;
    server
}

/// With nothing in the way of the statement but what stands in it.
async fn guard_alone(server: &Server) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        let always =
            json!({"id": "always", "query": "SELECT true", "expect": "is_true", "why": "The guard is on trial."});
        set(runbook, "/prechecks", json!([always]));
    })
    .await
}

/// Where a step may wait for its lock while the test changes the world.
async fn patient(server: &Server) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/steps/0/action/lock_timeout_ms", json!(5000));
    })
    .await
}

/// Runs the plan, and changes the world when the step's intent is written.
async fn run_late(scene: &Scene, plan: &Plan, change: impl AsyncFnOnce()) -> Ran {
    run_held(scene, plan, "step_started", change, async || {}).await
}

/// Runs the plan, and changes the world while the step waits to write its marker: every check that comes before the step's
/// own transaction has been passed.
async fn run_in_the_middle(server: &Server, scene: &Scene, plan: &Plan, change: impl AsyncFnOnce()) -> Ran {
    let holder = server.connect("postgres", "holder").await;
    let lock = async || {
        holder
            .batch_execute("BEGIN; LOCK TABLE countersign.executed_steps IN EXCLUSIVE MODE")
            .await
            .unwrap();
    };
    let then = async || {
        server
            .wait_until(
                "SELECT count(*) = 1 FROM pg_stat_activity
                 WHERE application_name LIKE 'countersign/%/1' AND wait_event_type = 'Lock'",
            )
            .await;
        change().await;
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    run_held(scene, plan, "step_started", lock, then).await
}

/// Runs the plan, holds it at the first event of that kind while `held` runs, and goes on beside `then`.
pub async fn run_held(
    scene: &Scene,
    plan: &Plan,
    event: &str,
    held: impl AsyncFnOnce(),
    then: impl AsyncFnOnce(),
) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let mut child = scene
        .command(&scene.config(&nonce(), &hold.at(event)), Some(&scene.order(plan)))
        .spawn()
        .unwrap();
    hold.wait_or(|| child.try_wait().unwrap().is_some()).await;
    held().await;
    hold.let_go();
    then().await;
    ended(child.wait_with_output().unwrap())
}

async fn is_at_it(server: &Server, pid: i32, state: &str) -> bool {
    let query = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = '{state}'");
    server.number(&query).await == 1
}

/// The plan is about a session of the same pid that connected before: it ended, and its pid was given to another, which
/// happens to do the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_pid_that_was_given_to_another_session_is_left_alone() {
    let server = server().await;
    let scene = guard_alone(&server).await;
    for case in &SIGNALS[..3] {
        pid_reused(&server, &scene, case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute: cargo test -p executor --test executor -- --ignored guards::"]
async fn a_pid_that_was_given_to_another_session_is_left_alone_by_every_runbook() {
    let server = server().await;
    for scene in [Scene::new(&server).await, guard_alone(&server).await] {
        for case in &SIGNALS {
            pid_reused(&server, &scene, case).await;
        }
    }
}

async fn pid_reused(server: &Server, scene: &Scene, (name, make): &(&str, Make)) {
    let fault = make(server, scene).await;
    let state = server
        .text(&format!("SELECT state FROM pg_stat_activity WHERE pid = {}", fault.pid))
        .await;
    let before = server.image().await;
    let plan = earlier(scene, &fault);
    let ran = scene.run(&scene.config(&nonce(), ""), &scene.order(&plan));
    // Of two steps the first was done, and is undone.
    let wanted = if ran.code == Some(5) {
        assert!(ran.message.starts_with("rolled back: "), "{name}: {}", ran.message);
        ("precondition_changed", Some(5))
    } else {
        CHANGED
    };
    assert_eq!((ran.result.as_str(), ran.code), wanted, "{name}: {}", ran.stderr);
    assert!(is_at_it(server, fault.pid, &state).await, "{name}");
    assert_eq!(server.image().await, before, "{name}");
    end(server, fault).await;
}

/// The same plan about the session that had this pid before.
fn earlier(scene: &Scene, fault: &Fault) -> Plan {
    let mut facts = fault.facts.clone();
    for (name, value) in &mut facts {
        if name.ends_with("backend_start") {
            *value = json!(value.as_str().unwrap().replacen("20", "19", 1));
        }
    }
    faults::plan(scene, fault.runbook, &facts)
}

/// Ends what the test itself began.
async fn end(server: &Server, fault: Fault) {
    drop(fault);
    let others = "usename IN ('app', 'batch') AND application_name <> 'oracle'";
    server
        .admin
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        ))
        .await
        .unwrap();
    server
        .wait_until(&format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE {others}"))
        .await;
}

/// The client connected again, to a server that was restarted, and does the same as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_connected_again_after_a_restart_is_left_alone() {
    let mut server = server().await;
    let scene = Scene::new(&server).await;
    let before = faults::blocked(&server, &scene).await;
    let order = scene.order(&before.plan);
    drop(before);
    server.restart(|_| {}).await;
    let after = faults::blocked(&server, &scene).await;
    let ran = scene.run(&scene.config("state", ""), &order);
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert!(is_at_it(&server, after.pid, "idle in transaction").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_somebody_else_changed_meanwhile_is_left_as_they_set_it() {
    let server = Server::start(20).await;
    let scene = patient(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let idle = incident.idle(&server).await;
    let ran = run_in_the_middle(&server, &scene, &incident.plan, async || {
        server
            .admin
            .batch_execute("ALTER ROLE app CONNECTION LIMIT 17")
            .await
            .unwrap();
    })
    .await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert_eq!(limit(&server).await, 17);
    assert_eq!(incident.idle(&server).await, idle);
    assert!(
        incident.marks(&server).await.is_empty(),
        "the marker went with the effect"
    );
}

/// What came back to work while the signal waited to be sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_on_in_the_last_moment_is_left_alone() {
    let server = server().await;
    let scene = patient(&server).await;
    let fault = faults::blocked(&server, &scene).await;
    let ran = run_in_the_middle(&server, &scene, &fault.plan, async || {
        fault.sessions[0]
            .batch_execute("COMMIT; BEGIN; SELECT 1")
            .await
            .unwrap();
    })
    .await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert!(is_at_it(&server, fault.pid, "idle in transaction").await);
}

/// What no precheck asks: the function says no, and that is as if the session were not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_guarded_function_spares_counts_as_not_there() {
    let server = server().await;
    let scene = Scene::new(&server).await;
    let fault = faults::blocked(&server, &scene).await;
    let ran = run_late(&scene, &fault.plan, async || {
        server
            .admin
            .batch_execute("ALTER ROLE batch REPLICATION")
            .await
            .unwrap();
    })
    .await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert!(ran.message.contains("met 0 rows"), "{}", ran.message);
    assert!(is_at_it(&server, fault.pid, "idle in transaction").await);
}

/// The second step is skipped, and the first one taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_ended_by_itself_is_not_cancelled_and_its_role_keeps_its_settings() {
    let server = server().await;
    let scene = Scene::new(&server).await;
    let fault = faults::memory(&server, &scene).await;
    let before = server.image().await;
    let pid = fault.pid;
    let cancel = async || {
        let cancel = format!("SELECT pg_cancel_backend({pid})");
        server.admin.batch_execute(&cancel).await.unwrap();
        server
            .wait_until(&format!(
                "SELECT state <> 'active' FROM pg_stat_activity WHERE pid = {pid}"
            ))
            .await;
    };
    let ran = run_held(&scene, &fault.plan, "step_done", cancel, async || {}).await;
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("precondition_changed", Some(5)),
        "{}",
        ran.stderr
    );
    assert!(ran.message.starts_with("rolled back: "), "{}", ran.message);
    assert_eq!(server.image().await, before);
}

/// A table of another kind has taken the name: VACUUM and ANALYZE go by the name alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_took_the_name_of_another_is_left_alone() {
    let server = server().await;
    let scene = Scene::new(&server).await;
    let makes: [(&str, Make); 3] = [
        ("stale", |server, scene| Box::pin(faults::stale(server, scene))),
        ("dead", |server, scene| Box::pin(faults::dead_rows(server, scene))),
        ("ledger", |server, scene| Box::pin(faults::old_rows(server, scene))),
    ];
    for (table, make) in makes {
        let fault = make(&server, &scene).await;
        let ran = run_late(&scene, &fault.plan, async || {
            server
                .admin
                .batch_execute(&format!(
                    "ALTER TABLE {table} RENAME TO {table}_old; CREATE TABLE {table} (id int); ALTER TABLE {table} OWNER TO owner"
                ))
                .await
                .unwrap();
        })
        .await;
        assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{table}: {}", ran.stderr);
        let touched = format!(
            "SELECT count(*) FROM pg_stat_user_tables
             WHERE relname = '{table}' AND (vacuum_count > 0 OR analyze_count > 0)
                OR relname = '{table}_old' AND (vacuum_count > 1 OR analyze_count > 1)"
        );
        assert_eq!(server.number(&touched).await, 0, "{table}");
    }

    // And where no table has the name.
    let fault = faults::stale(&server, &scene).await;
    let ran = run_late(&scene, &fault.plan, async || {
        let rename = "ALTER TABLE stale RENAME TO stale_older";
        server.admin.batch_execute(rename).await.unwrap();
    })
    .await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    let touched = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'stale_older' AND (vacuum_count > 1 OR analyze_count > 1)";
    assert_eq!(server.number(touched).await, 0);
}

/// Somebody mended it: DROP INDEX goes by the name alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_valid_now_is_not_dropped() {
    let server = server().await;
    let scene = patient(&server).await;
    let mend = async || {
        for statement in ["UPDATE doubled SET kind = id::text", "REINDEX INDEX doubled_kind"] {
            server.admin.batch_execute(statement).await.unwrap();
        }
    };
    let valid = "SELECT count(*) FROM pg_index WHERE indexrelid = 'doubled_kind'::regclass AND indisvalid";

    let fault = faults::invalid_index(&server, &scene).await;
    mend().await;
    let ran = scene.run(&scene.config("early", ""), &scene.order(&fault.plan));
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert_eq!(server.number(valid).await, 1);

    let fault = faults::invalid_index(&server, &scene).await;
    let ran = run_late(&scene, &fault.plan, mend).await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert_eq!(server.number(valid).await, 1);

    let fault = faults::invalid_index(&server, &scene).await;
    let ran = run_in_the_middle(&server, &scene, &fault.plan, mend).await;
    assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
    assert_eq!(server.number(valid).await, 1);
}

/// The standby is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_read_again_is_not_dropped() {
    let server = server().await;
    for scene in [Scene::new(&server).await, guard_alone(&server).await] {
        let fault = faults::slot(&server, &scene).await;
        let dir = tempfile::tempdir().unwrap();
        let mut reader = None;
        let ran = run_late(&scene, &fault.plan, async || {
            let child = std::process::Command::new(bindir().join("pg_receivewal"))
                .args(["-h", "127.0.0.1", "-U", "postgres", "-S", "old_standby", "-p"])
                .arg(server.port.to_string())
                .arg("-D")
                .arg(dir.path())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            reader = Some(child);
            server
                .wait_until("SELECT active FROM pg_replication_slots WHERE slot_name = 'old_standby'")
                .await;
        })
        .await;
        assert_eq!((ran.result.as_str(), ran.code), CHANGED, "{}", ran.stderr);
        let kept = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'old_standby' AND active";
        assert_eq!(server.number(kept).await, 1);
        let mut reader = reader.unwrap();
        reader.kill().unwrap();
        reader.wait().unwrap();
        server
            .wait_until("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'old_standby'")
            .await;
        server
            .admin
            .batch_execute("SELECT pg_drop_replication_slot('old_standby')")
            .await
            .unwrap();
    }
}
