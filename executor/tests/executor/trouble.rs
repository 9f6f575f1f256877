//! What breaks while a step runs: the network, the server, the time, the disk. Each has its end, and the step its one effect.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::faults;
use crate::guards::run_held;
use crate::hooks::Hold;
use crate::incidents::{Saturated, limit};
use crate::postgres::{Server, executor_dsn, postgres_user};
use crate::scene::{Scene, ended, nonce, now, set};

/// The wire between executor and target, which can be cut and laid to another server.
struct Wire {
    port: u16,
    to: Arc<AtomicU16>,
    is_open: Arc<AtomicBool>,
    cut: watch::Sender<u32>,
}

impl Wire {
    async fn new(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, is_open) = (Arc::new(AtomicU16::new(server.port)), Arc::new(AtomicBool::new(true)));
        let cut = watch::Sender::new(0);
        let (their_to, their_open, their_cut) = (to.clone(), is_open.clone(), cut.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !their_open.load(Ordering::SeqCst) {
                    continue;
                }
                let mut far = TcpStream::connect(("127.0.0.1", their_to.load(Ordering::SeqCst)))
                    .await
                    .unwrap();
                let mut cut = their_cut.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, to, is_open, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// A step may wait long for its lock, and the incident's role has a limit that the test holds.
async fn patient(server: &Server, timeout_s: u32) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/steps/0/action/timeout_s", json!(timeout_s));
        set(runbook, "/steps/0/action/lock_timeout_ms", json!(5000));
    })
    .await
}

const WAITS: &str = "SELECT count(*) = 1 FROM pg_stat_activity
                     WHERE application_name LIKE 'countersign/%/1' AND wait_event_type = 'Lock'";

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_while_a_step_runs_costs_nothing_but_time() {
    let server = Server::start(20).await;
    let mut scene = patient(&server, 10).await;
    let wire = Wire::new(&server).await;
    scene.dsn = executor_dsn(wire.port);
    let incident = Saturated::new(&server, &scene, 2).await;
    let holder = server.connect("postgres", "holder").await;
    let hold = "BEGIN; LOCK TABLE countersign.executed_steps IN EXCLUSIVE MODE";
    let lock = async || holder.batch_execute(hold).await.unwrap();
    let cut = async || {
        server.wait_until(WAITS).await;
        wire.cut();
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    let ran = run_held(&scene, &incident.plan, "step_started", lock, cut).await;
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
    assert_eq!(limit(&server).await, 10);
}

/// Half a minute is waited for the target.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute: cargo test -p executor --test executor -- --ignored trouble::"]
async fn a_network_that_stays_away_leaves_the_rest_for_later() {
    let server = Server::start(20).await;
    let mut scene = patient(&server, 10).await;
    let wire = Wire::new(&server).await;
    scene.dsn = executor_dsn(wire.port);
    let incident = Saturated::new(&server, &scene, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let child = scene
        .command(
            &scene.config("state", &hold.at("step_done")),
            Some(&scene.order(&incident.plan)),
        )
        .spawn()
        .unwrap();
    hold.wait().await;
    wire.is_open.store(false, Ordering::SeqCst);
    wire.cut();
    hold.let_go();
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("target_unreachable", Some(6)),
        "{}",
        ran.stderr
    );
    assert_eq!(incident.marks(&server).await, ["cap_role do"]);
    wire.is_open.store(true, Ordering::SeqCst);
    let ran = scene.recover(&scene.config("state", ""));
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_become_a_standby_is_not_written_to_and_waits_for_a_person() {
    let mut server = Server::start_with(20, |_| vec!["wal_level=replica".to_owned()]).await;
    let scene = patient(&server, 10).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let order = scene.order(&incident.plan);
    let child = scene
        .command(&scene.config("state", &hold.at("step_started")), Some(&order))
        .spawn()
        .unwrap();
    hold.wait().await;
    let demote = |data: &std::path::Path| {
        let signal = data.join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        if let Some((uid, gid)) = postgres_user() {
            std::os::unix::fs::chown(signal, Some(uid), Some(gid)).unwrap();
        }
    };
    server.restart(demote).await;
    hold.let_go();
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("target_is_standby", Some(6)),
        "{}",
        ran.stderr
    );
    assert!(incident.marks(&server).await.is_empty());
    assert_eq!(limit(&server).await, 18);

    // It is the primary again, and what was open is finished: the sessions that the plan is about went with the restart.
    server
        .restart(|data| std::fs::remove_file(data.join("standby.signal")).unwrap())
        .await;
    let ran = scene.recover(&scene.config("state", ""));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("precondition_changed", Some(1)),
        "{}",
        ran.stderr
    );
    assert_eq!(limit(&server).await, 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_system_behind_the_same_address_is_left_alone() {
    let (server, other) = (Server::start(20).await, Server::start(20).await);
    let mut scene = patient(&server, 10).await;
    let wire = Wire::new(&server).await;
    scene.dsn = executor_dsn(wire.port);
    let incident = Saturated::new(&server, &scene, 2).await;
    let before = other.image().await;
    let config = nonce();
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let child = scene
        .command(
            &scene.config(&config, &hold.at("step_started")),
            Some(&scene.order(&incident.plan)),
        )
        .spawn()
        .unwrap();
    hold.wait().await;
    wire.to.store(other.port, Ordering::SeqCst);
    wire.cut();
    hold.let_go();
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("wrong_system", Some(6)),
        "{}",
        ran.stderr
    );
    assert_eq!(other.image().await, before);
    assert_eq!(other.number("SELECT count(*) FROM countersign.executed_steps").await, 0);
    assert!(incident.marks(&server).await.is_empty());

    wire.to.store(server.port, Ordering::SeqCst);
    let ran = scene.recover(&scene.config(&config, ""));
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    assert_eq!(incident.marks(&server).await, ["cap_role do", "end_idle_sessions do"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_not_through_in_time_leaves_nothing_behind() {
    let server = Server::start(20).await;
    let scene = patient(&server, 1).await;
    let incident = Saturated::new(&server, &scene, 2).await;
    let holder = server.connect("postgres", "holder").await;
    holder
        .batch_execute("BEGIN; ALTER ROLE app CONNECTION LIMIT 17")
        .await
        .unwrap();
    let ran = scene.run(&scene.config("state", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("statement_timeout", Some(1)),
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

/// Between its phases a concurrent drop waits for whoever writes, and what it did by then stays: that is said, and another
/// plan finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_drop_that_is_not_through_in_time_says_that_it_may_have_begun() {
    let server = crate::catalog::server().await;
    for (lock_timeout_ms, timeout_s, code) in [(500, 10, "lock_timeout"), (5000, 1, "statement_timeout")] {
        let scene = Scene::with_catalog(&server, |runbook| {
            set(runbook, "/verification/hold_s", json!(1));
            set(runbook, "/steps/0/action/timeout_s", json!(timeout_s));
            set(runbook, "/steps/0/action/lock_timeout_ms", json!(lock_timeout_ms));
        })
        .await;
        let fault = faults::invalid_index(&server, &scene).await;
        let writer = server.connect("postgres", "writer").await;
        writer
            .batch_execute("BEGIN; UPDATE doubled SET kind = 'new' WHERE id = 1")
            .await
            .unwrap();
        let ran = scene.run(&scene.config(&nonce(), ""), &scene.order(&fault.plan));
        assert_eq!((ran.result.as_str(), ran.code), (code, Some(5)), "{}", ran.stderr);
        assert!(
            ran.message
                .starts_with("not recovered, and drop_index cannot be undone"),
            "{}",
            ran.message
        );
        let left = "SELECT count(*) FROM pg_index WHERE indexrelid = 'doubled_kind'::regclass AND NOT indisvalid";
        assert_eq!(server.number(left).await, 1);
        writer.batch_execute("ROLLBACK").await.unwrap();

        let again = faults::plan(&scene, fault.runbook, &fault.facts);
        let ran = scene.run(&scene.config(&nonce(), ""), &scene.order(&again));
        assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
        server.wait_until(&fault.gone).await;
    }
}

/// This host's clock, which somebody sets while a plan runs.
struct Jumping(Arc<AtomicI64>);

impl executor::Clock for Jumping {
    fn now(&self) -> runbooks::Timestamp {
        now().plus_s(self.0.load(Ordering::SeqCst))
    }
}

/// Runs the memory plan in this process; at the first event of that kind the clock jumps.
async fn run_with_jump(server: &Server, scene: &Scene, event: &str, jump_s: i64) -> executor::Ended {
    let fault = faults::memory(server, scene).await;
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = executor::Config::load(&scene.config(&nonce(), &hold.at(event)), None).unwrap();
    let by = Arc::new(AtomicI64::new(0));
    let executor = executor::Executor::open_at(config, Box::new(Jumping(by.clone()))).unwrap();
    let order = scene.order(&fault.plan);
    // A thread of its own: it waits for the hook without giving way.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = std::thread::spawn(move || runtime.block_on(executor::run_order(&executor, &order)).unwrap());
    hold.wait().await;
    by.store(jump_s, Ordering::SeqCst);
    hold.let_go();
    running.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_between_steps_takes_the_first_one_back_and_does_not_end_a_hold_early() {
    let server = crate::catalog::server().await;
    let scene = Scene::new(&server).await;
    let before = server.image().await;
    // Beyond a minute the standing is too old first; below, it is the target's clock that says so.
    for (jump_s, code) in [(3600, "standing_stale"), (-3600, "standing_stale"), (45, "clock_skew")] {
        let ended = run_with_jump(&server, &scene, "step_done", jump_s).await;
        assert_eq!(
            (ended.code(), ended.exit()),
            (code, executor::Exit::NotRecovered),
            "{jump_s}: {ended}"
        );
        assert!(ended.to_string().starts_with("rolled back: "), "{ended}");
        assert_eq!(server.image().await, before, "{jump_s}");
        let leave = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
        server.admin.batch_execute(leave).await.unwrap();
    }
    let began = std::time::Instant::now();
    let ended = run_with_jump(&server, &scene, "verification_started", 3600).await;
    assert_eq!(ended.code(), "done", "{ended}");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// The journal's disk fills up at one place or another: nothing takes effect that was not written down, and with room again
/// what was begun is finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_journal_stops_the_plan_before_its_next_effect() {
    let server = Server::start(20).await;
    let scene = Scene::new(&server).await;
    // In blocks of 512 bytes: no room for the order; none for the end of a step that had its effect.
    for (blocks, code) in [(140, 1), (360, 6)] {
        let incident = Saturated::new(&server, &scene, 2).await;
        let state = nonce();
        let config = scene.config(&state, "");
        let order = scene.dir.path().join(format!("order-{state}"));
        std::fs::write(&order, scene.order(&incident.plan)).unwrap();
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &blocks.to_string()])
            .arg(env!("CARGO_BIN_EXE_executor"))
            .arg("run")
            .arg("--order")
            .arg(&order)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let marks = incident.marks(&server).await;
        assert_eq!(output.status.code(), Some(code), "{blocks}: {stderr}");
        assert_eq!(marks.is_empty(), code == 1, "{blocks}: {marks:?}");
        let ran = scene.recover(&config);
        assert_eq!(ran.code, Some(0), "{blocks}: {} {}", ran.result, ran.stderr);
        // The order that could not be written down was not spent; the other was.
        let again = scene.run(&config, &std::fs::read_to_string(&order).unwrap());
        let wanted = if code == 1 { "done" } else { "already_executed" };
        assert_eq!(again.result, wanted, "{blocks}: {}", again.stderr);
        let marks = incident.marks(&server).await;
        assert_eq!(marks, ["cap_role do", "end_idle_sessions do"], "{blocks}");
    }
}
