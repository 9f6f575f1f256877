//! kill -9 at every journalled point, and between the effect and its record: the same end, and no step run twice.

use std::process::Child;

use crate::hooks::{Hold, fail_at, kill_at};
use crate::incidents::{Blocked, Saturated, limit};
use crate::postgres::Server;
use crate::scene::{Ran, Scene, finish};

/// Runs an order that is killed when event `at` is durable, then recovers, is killed one event later, and recovers again.
/// `false`: the run ended before it could be killed.
fn run_with_two_crashes(scene: &Scene, order: &str, at: u64) -> (bool, Ran) {
    let state = format!("state-{at}");
    let ran = scene.run(&scene.config(&state, &kill_at(scene.dir.path(), at)), order);
    if ran.code.is_some() {
        return (false, ran);
    }
    let again = scene.recover(&scene.config(&state, &kill_at(scene.dir.path(), at + 1)));
    let config = scene.config(&state, "");
    let last = scene.recover(&config);
    assert_eq!(last.code, Some(0), "at {at}: {again:?}, then {last:?}");
    // Whatever was interrupted, it is over now.
    let replayed = scene.run(&config, order);
    assert_eq!((replayed.code, replayed.result.as_str()), (Some(4), "already_executed"));
    (true, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_sent_once_wherever_the_executor_is_killed() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let mut points = 0;
    loop {
        let incident = Blocked::new(&server, &scene).await;
        let order = scene.order(&incident.plan);
        let (killed, ran) = run_with_two_crashes(&scene, &order, points);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        incident.assert_resolved(&server).await;
        if !killed {
            break;
        }
        points += 1;
    }
    assert_eq!(points, 7, "one for each journalled event");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_handed_over_again_takes_up_what_it_began() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let order = scene.order(&incident.plan);
    // The fourth event: the first step is done, the second has not begun.
    let killed = scene.run(&scene.config("state", &kill_at(scene.dir.path(), 3)), &order);
    assert_eq!(killed.code, None, "{killed:?}");
    assert_eq!(incident.marks(&server).await, ["cap_role do"]);
    let again = scene.run(&scene.config("state", ""), &order);
    assert_eq!(
        (again.result.as_str(), again.code),
        ("done", Some(0)),
        "{}",
        again.stderr
    );
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
    incident.assert_bystanders().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_takes_effect_once_wherever_the_executor_is_killed() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let mut points = 0;
    loop {
        let incident = Saturated::new(&server, &scene, 2).await;
        let ran_before = counts(&server);
        let (killed, ran) = run_with_two_crashes(&scene, &scene.order(&incident.plan), points);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!((limit(&server).await, incident.idle(&server).await), (10, 0));
        assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
        incident.assert_bystanders().await;
        let (caps, signals) = counts(&server);
        assert_eq!((caps - ran_before.0, signals - ran_before.1), (1, 1), "at {points}");
        if !killed {
            break;
        }
        points += 1;
    }
    assert_eq!(points, 9, "one for each journalled event");
}

fn counts(server: &Server) -> (usize, usize) {
    (
        server.ran("ALTER ROLE app WITH CONNECTION LIMIT 10"),
        server.ran("countersign.terminate_backend(t.pid, t.backend_start)"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_was_not_recorded_is_found_and_not_repeated() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let order = scene.order(&incident.plan);

    let mut crashed = crash_before_the_record(&scene, Some(&order));
    crashed.hold.wait().await;
    let lock = crashed.lock_journal(&scene);
    crashed.hold.let_go();
    server
        .wait_until("SELECT rolconnlimit = 10 FROM pg_roles WHERE rolname = 'app'")
        .await;
    crashed.kill(lock);

    // The second step dies in the same way.
    let mut crashed = crash_before_the_record(&scene, None);
    crashed.hold.wait().await;
    let lock = crashed.lock_journal(&scene);
    crashed.hold.let_go();
    server
        .wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'app'")
        .await;
    crashed.kill(lock);

    let ran = scene.recover(&scene.config("state", ""));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
    assert_eq!(counts(&server), (1, 1));
    incident.assert_bystanders().await;
}

struct Crash {
    hold: Hold,
    child: Child,
    _dir: tempfile::TempDir,
}

fn crash_before_the_record(scene: &Scene, order: Option<&str>) -> Crash {
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config("state", &hold.at("step_started"));
    let child = scene.command(&config, order).spawn().unwrap();
    Crash { hold, child, _dir: dir }
}

impl Crash {
    /// Takes the journal's write lock, so that the effect can happen and its record cannot.
    fn lock_journal(&self, scene: &Scene) -> rusqlite::Connection {
        let path = scene.dir.path().join("state/journal.sqlite");
        let journal = rusqlite::Connection::open(path).unwrap();
        journal.execute_batch("BEGIN IMMEDIATE").unwrap();
        journal
    }

    fn kill(&mut self, lock: rusqlite::Connection) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        drop(lock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_statement_is_fenced_off_before_it_is_tried_again() {
    let server = Server::start(20).await;
    let scene = Scene::with_catalog(&server, |runbook| {
        if let Some(limit) = runbook.pointer_mut("/steps/0/action/lock_timeout_ms") {
            *limit = serde_json::json!(5000);
        }
        *runbook.pointer_mut("/verification/hold_s").unwrap() = serde_json::json!(1);
    })
    .await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let config = scene.config("state", "");
    let holder = server.connect("postgres", "holder").await;
    holder
        .batch_execute("BEGIN; ALTER ROLE app CONNECTION LIMIT 17")
        .await
        .unwrap();

    let mut child = scene
        .command(&config, Some(&scene.order(&incident.plan)))
        .spawn()
        .unwrap();
    let waiting = "SELECT count(*) = 1 FROM pg_stat_activity
                   WHERE application_name LIKE 'countersign/%/cap\\_role/1' AND wait_event_type = 'Lock'";
    server.wait_until(waiting).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // kill -9 of a client does not stop its statement.
    server.wait_until(waiting).await;
    let recovering = scene.command(&config, None).spawn().unwrap();
    server
        .wait_until(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'countersign/%/cap\\_role/2'",
        )
        .await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let output = recovering.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(limit(&server).await, 10);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_does_not_happen() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    // 0 admitted, 1 checked, 2 the intent of the step.
    let config = scene.config("state", &fail_at(scene.dir.path(), 2));
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("could not be published"), "{}", ran.stderr);
    incident.assert_untouched(&server).await;
    let ran = scene.recover(&scene.config("state", ""));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    incident.assert_resolved(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_stops_between_steps_and_is_taken_up_again() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config("state", &hold.at("step_done"));
    let child = scene
        .command(&config, Some(&scene.order(&incident.plan)))
        .spawn()
        .unwrap();
    hold.wait().await;
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    // The signal is seen by another thread than the one that waits for the hook.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    hold.let_go();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("interrupted"));
    assert_eq!(incident.marks(&server).await, ["cap_role do"]);
    let ran = finish(scene.command(&scene.config("state", ""), None));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_opened_again_and_the_target_asked() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config("state", &hold.at("step_started"));
    let child = scene
        .command(&config, Some(&scene.order(&incident.plan)))
        .spawn()
        .unwrap();
    hold.wait().await;
    let ended =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'countersign/%'";
    assert_eq!(server.number(ended).await, 1);
    hold.let_go();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
    assert_eq!(counts(&server), (1, 1));
}
