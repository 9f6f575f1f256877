//! How long it takes from an alert's arrival to a plan that awaits approval, with a database that is busy. Run it with
//! `cargo build --release --workspace --bins && cargo bench -p countersign-tests --bench alert_to_plan -- [RUNS] [CLIENTS]`.
//!
//! RUNS faults of two kinds (60) are made one after the other, each waits for four seconds as an alert rule would, and
//! CLIENTS sessions of pgbench (4) do as much as they can meanwhile: the two share the processors with everything else.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot be set up is over"
)]

#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../whole_path/cluster.rs"]
mod cluster;
#[path = "../whole_path/keys.rs"]
mod keys;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../whole_path/suite.rs"]
mod suite;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::suite::{Role, Suite, alert, binary};

/// What makes it, each in a session of its own, in this order.
type Fault = (&'static str, &'static [&'static str]);

const FAULTS: [Fault; 2] = [
    (
        "idle in transaction",
        &[
            "BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1",
            WRITE,
            WRITE,
            WRITE,
        ],
    ),
    (
        "schema change behind a report",
        &[
            "SELECT pg_sleep(600) FROM accounts LIMIT 1",
            "ALTER TABLE accounts ADD COLUMN note text",
            WRITE,
            WRITE,
        ],
    ),
];
const WRITE: &str = "UPDATE accounts SET balance = balance + 1 WHERE id = 1";
/// Who waits of each fault at least.
const WAITERS: i64 = 3;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<usize>().ok());
    let runs = numbers.next().unwrap_or(60);
    let clients = numbers.next().unwrap_or(4);
    let mut suite = Suite::new(&[]).await;
    for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
        // The tests' hook, three processes for each event.
        suite.edit(role, |config| drop(config.as_object_mut().unwrap().remove("journal")));
    }
    let root = suite.cluster.connect("postgres", "orders", "bench").await;
    let load = (clients > 0).then(|| Load::start(&suite, clients));
    suite.start_all();
    let up = async |suite: &mut Suite| suite.get("/v1/gate").await.map(drop);
    suite.until("the gate is up", up).await;

    let (before, since) = (commits(&root).await, Instant::now());
    let mut times: Vec<(f64, &str)> = Vec::new();
    for run in 0..runs {
        let (name, statements) = FAULTS[run % FAULTS.len()];
        provoke(&suite, &root, statements).await;
        let mut alert = alert("PostgresIsSlow", "firing");
        let minute = format!("2026-11-{:02}T{:02}:00:00Z", 1 + run / 24, run % 24);
        alert["alerts"][0]["startsAt"] = Value::from(minute);
        alert["alerts"][0]["fingerprint"] = Value::from(format!("{run:016x}"));
        let began = Instant::now();
        while !matches!(suite.post_alert(&alert).await, Some(200..=202)) {
            // Only before the very first: the orchestrator is still starting.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let request = waiting(&suite).await;
        times.push((began.elapsed().as_secs_f64() * 1e3, name));
        reject(&suite, &request);
        mend(&root).await;
    }
    let per_second = (commits(&root).await - before) as f64 / since.elapsed().as_secs_f64();
    drop(load);
    for name in FAULTS.map(|(name, _)| name).into_iter().chain([""]) {
        let mut of: Vec<f64> = times
            .iter()
            .filter(|(_, kind)| kind.contains(name))
            .map(|(ms, _)| *ms)
            .collect();
        of.sort_by(f64::total_cmp);
        let at = |share: f64| of[((of.len() - 1) as f64 * share).round() as usize];
        let name = if name.is_empty() { "all" } else { name };
        println!(
            "{name:<30} {:>4} runs   p50 {:>6.0}   p90 {:>6.0}   p99 {:>6.0}   most {:>6.0} ms",
            of.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
    }
    println!("beside {clients} clients of pgbench; the database committed {per_second:.0} transactions a second");
}

/// Returns once everybody waits and has done so for four seconds.
async fn provoke(suite: &Suite, root: &Client, statements: &[&'static str]) {
    for sql in statements.iter().copied() {
        let session = suite.cluster.connect("app", "orders", "worker").await;
        let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        // Ended by `mend`, which is no failure. One that goes idle with its locks stays open until then.
        tokio::spawn(async move {
            if session.batch_execute(sql).await.is_ok() {
                std::future::pending::<()>().await;
            }
        });
        // The next one queues behind it.
        let stands =
            "SELECT coalesce(state = 'idle in transaction' OR wait_event_type IN ('Lock', 'Timeout') AND state = 'active', false)
                      FROM pg_stat_activity WHERE pid = $1";
        until(root, stands, &[&pid]).await;
    }
    let sql =
        "SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp() - interval '4 s'";
    until(root, sql, &[&WAITERS]).await;
}

/// Asks the database until it is so: it tells nobody by itself.
async fn until(root: &Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !root.query_one(sql, parameters).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "not within a minute: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn waiting(suite: &Suite) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let list = suite.get("/v1/requests?status=pending").await.unwrap_or_default();
        if let Some(id) = list[0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(
            Instant::now() < deadline,
            "no plan within a minute: {:#}",
            incidents(suite)
        );
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

fn incidents(suite: &Suite) -> Value {
    let out = suite.orchestrator(&["incidents", "list", "--json"]);
    serde_json::from_slice(&out.stdout).unwrap_or(json!(null))
}

fn reject(suite: &Suite, request: &str) {
    let out = Command::new(binary("approval-gate"))
        .args([
            "reject",
            request,
            "--approver",
            "alice",
            "--reason",
            "a bench",
            "--gate",
            &suite.gate_url(),
            "--key",
        ])
        .arg(&suite.alice.file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

async fn mend(root: &Client) {
    let gone = "SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE usename = 'app'";
    until(root, gone, &[]).await;
    root.batch_execute("ALTER TABLE accounts DROP COLUMN IF EXISTS note")
        .await
        .unwrap();
}

async fn commits(root: &Client) -> i64 {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    root.query_one(sql, &[]).await.unwrap().get(0)
}

/// pgbench's own mix, as fast as it goes.
struct Load(Child);

impl Load {
    fn start(suite: &Suite, clients: usize) -> Self {
        let pgbench = || {
            let out = Command::new("pg_config").arg("--bindir").output().unwrap();
            let bin = String::from_utf8(out.stdout).unwrap();
            let mut command = Command::new(format!("{}/pgbench", bin.trim()));
            command.args([
                "-h",
                "127.0.0.1",
                "-p",
                &suite.cluster.port.to_string(),
                "-U",
                "postgres",
            ]);
            command
        };
        let made = pgbench().args(["-i", "-q", "-s", "10", "orders"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let run = pgbench()
            .args(["-n", "-T", "86400", "-c", &clients.to_string(), "orders"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(run.unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
