//! What a client that sends nothing but hostile statements, one after the other, costs everybody else: the rate of pgbench
//! alone and beside it, flat out and at a pace that leaves the machine room; and the processor time that each statement
//! takes, which does not depend on what else the machine does.
//!
//! `cargo bench -p postgres-readonly --bench guard`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    reason = "a failed set-up is a failed bench; the tests' own modules are shared"
)]

#[path = "../tests/real_postgres/cluster.rs"]
mod cluster;
#[path = "../tests/real_postgres/corpus.rs"]
mod corpus;
#[path = "../tests/real_postgres/mcp.rs"]
mod mcp;
#[path = "../tests/real_postgres/trapped.rs"]
mod trapped;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use mcp::Mcp;
use serde_json::json;
use trapped::Trapped;

const FLAGS: [&str; 3] = ["--allow-privileged-role", "--statement-timeout-ms", "500"];
const CLIENTS: &str = "2";
const ROUNDS: usize = 2;
/// A prime that no corpus has as a factor of its length.
const STEP: usize = 7919;
/// A database that is used to this part of what it can do.
const PACE: f64 = 0.4;

#[tokio::main]
async fn main() {
    let seconds = std::env::var("GUARD_BENCH_SECONDS").unwrap_or_else(|_| "10".to_owned());
    let scene = Trapped::start().await;
    scene.release().await;
    pgbench(&scene, &["-i", "-s", "5", "-q"]).await;
    for script in ["-S", "-N"] {
        let most = rate(&scene, script, &seconds, None).await;
        for pace in [None, Some(most * PACE)] {
            for round in 1..=ROUNDS {
                let alone = rate(&scene, script, &seconds, pace).await;
                println!("pgbench {script}, {CLIENTS} clients, pace {pace:.0?}, round {round}: alone {alone:.0}/s");
                for load in [Load::Nothing, Load::Refused, Load::All] {
                    let beside = Beside::start(&scene, load).await;
                    let (rate, spent) = beside.measure(&scene, script, &seconds, pace).await;
                    println!(
                        "    beside {load:?}: {rate:.0}/s, {:.1} %; {spent}",
                        rate / alone * 100.0
                    );
                }
            }
        }
    }
}

/// What is sent while pgbench runs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Load {
    Nothing,
    /// All but the statements that a timeout must end.
    Refused,
    All,
}

struct Beside {
    mcp: Mcp,
    admin: cluster::Pg,
    statements: Vec<String>,
}

impl Beside {
    async fn start(scene: &Trapped, load: Load) -> Self {
        let mcp = Mcp::start(&scene.cluster.dsn("owner"), &FLAGS).await;
        let wanted = |category: &str| match load {
            Load::Nothing => false,
            Load::Refused => !["exhaustion", "tied", "implicit"].contains(&category),
            Load::All => !["tied", "implicit"].contains(&category),
        };
        let statements = corpus::hostile()
            .into_iter()
            .filter(|statement| wanted(statement.category));
        Self {
            mcp,
            admin: scene.cluster.connect("postgres", "admin").await,
            statements: statements.map(|statement| scene.places.fill(statement.line)).collect(),
        }
    }

    async fn measure(mut self, scene: &Trapped, script: &str, seconds: &str, pace: Option<f64>) -> (f64, String) {
        self.mcp.ok("query", json!({"sql": "SELECT 1"})).await;
        let before = (cpu(self.mcp.pid()), self.backends().await);
        let until = Instant::now() + Duration::from_secs_f64(seconds.parse().unwrap());
        let sending = async {
            let mut sent = 0;
            let mut turn = 0;
            // Another order than the file's, so that every kind comes early, and the same one each time.
            while let Some(sql) = self.statements.get(turn * STEP % self.statements.len().max(1)) {
                turn += 1;
                if Instant::now() > until {
                    break;
                }
                self.mcp.call("query", json!({"sql": sql})).await;
                sent += 1;
            }
            sent
        };
        let (rate, sent) = tokio::join!(rate(scene, script, seconds, pace), sending);
        let (server, backends) = (cpu(self.mcp.pid()) - before.0, self.backends().await - before.1);
        let each = |seconds: f64| seconds * 1000.0 / f64::from(sent.max(1));
        let spent = format!(
            "{sent} statements, processor time each: {:.2} ms in the server, {:.2} ms in its sessions of the database",
            each(server),
            each(backends)
        );
        (rate, spent)
    }

    /// Returns the processor time of this server's sessions that are there now.
    async fn backends(&self) -> f64 {
        let sessions =
            "SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = 'countersign/postgres-readonly'";
        let rows = self.admin.query(sessions, &[]).await.unwrap();
        rows.iter().map(|row| cpu(row.get::<_, i32>(0).unsigned_abs())).sum()
    }
}

/// Returns the processor time of a process, in seconds.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of the file, counted after the name; the kernel's clock ticks a hundred times a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

async fn rate(scene: &Trapped, script: &str, seconds: &str, pace: Option<f64>) -> f64 {
    let pace = pace.map(|pace| format!("--rate={pace:.0}"));
    let mut arguments = vec!["-n", script, "-c", CLIENTS, "-T", seconds];
    arguments.extend(pace.as_deref());
    let report = pgbench(scene, &arguments).await;
    let line = report
        .lines()
        .find(|line| line.starts_with("tps = "))
        .unwrap_or_else(|| panic!("{report}"));
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

async fn pgbench(scene: &Trapped, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("pgbench")
        .args(arguments)
        .arg(scene.cluster.dsn("postgres"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
