//! How fast the server is over stdio, beside peers and beside what cannot be undercut. Run it with
//! `cargo bench -p postgres-readonly --bench speed -- [--seconds N] [--servers FILE]`.
//!
//! FILE lists peers as JSON, as `benches/speed/peers.json` does: how each is started, and the tool that takes SQL. `{dsn}`,
//! `{host}`, `{port}`, `{user}` and `{database}` in it stand for the database of this run. A peer whose program is not
//! there is left out. With DATABASE_URL set, that database is read; without it the bench starts one of its own.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot be set up is over"
)]

mod client;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/real_postgres/cluster.rs"]
mod cluster;
mod floor;

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Deserialize;

use crate::client::{Client, Figures};

const ONE: &str = "SELECT 1";
const THOUSAND: &str = "SELECT i, 'row number ' || i AS name, i * 1.5 AS price, now() AS seen, i % 7 = 0 AS chosen FROM generate_series(1, 1000) i";
const ROLE: &str = "reader";

/// A server in its own dialect.
#[derive(Debug, Clone, Deserialize)]
pub struct Contender {
    pub name: String,
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What must be called before the first statement.
    pub before: Option<Before>,
    pub tool: String,
    #[serde(default = "sql")]
    pub argument: String,
    /// What else the tool wants to be told.
    #[serde(default)]
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// A call whose answer is an argument of all later ones.
#[derive(Debug, Clone, Deserialize)]
pub struct Before {
    pub tool: String,
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// The name of that argument.
    pub answer: String,
}

fn sql() -> String {
    "sql".to_owned()
}

fn main() {
    let flags: Vec<String> = std::env::args().skip(1).filter(|flag| flag != "--bench").collect();
    let value = |name: &str| {
        flags
            .iter()
            .position(|flag| flag == name)
            .and_then(|at| flags.get(at + 1))
    };
    let seconds = value("--seconds").map_or(2.0, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_cluster, dsn) = match std::env::var("DATABASE_URL") {
        Ok(dsn) => (None, dsn),
        Err(_) => {
            let cluster = runtime.block_on(own_cluster());
            let dsn = cluster.dsn(ROLE);
            (Some(cluster), dsn)
        }
    };
    let mut contenders = vec![ours()];
    if let Some(file) = value("--servers") {
        let text = std::fs::read_to_string(file).unwrap();
        contenders.extend(serde_json::from_str::<Vec<Contender>>(&text).unwrap());
    }
    println!(
        "{:<28} {:>9} {:>8} {:>15} {:>15} {:>23} {:>10} {:>13}",
        "server",
        "start ms",
        "RSS MiB",
        "SELECT 1 p50/p99",
        "1000 rows p50/p99",
        "calls/s at 1 / 8 / 32",
        "CPU µs/call",
        "tools/KiB"
    );
    for contender in &contenders {
        let contender = contender.for_database(&dsn);
        // A peer that ends in the middle is no reason not to measure the others.
        if std::panic::catch_unwind(|| measure(&contender, time)).is_err() {
            println!("{:<28} ended before it was measured", contender.name);
        }
    }
    let fixture = Path::new(env!("CARGO_BIN_EXE_postgres-readonly")).with_file_name("kit-fixture");
    if fixture.exists() {
        measure(&empty_tool(&fixture), time);
    }
    for (what, [p50, p99]) in runtime.block_on(floor::measure(&dsn, [ONE, THOUSAND], time)) {
        println!("{what:<46} {p50:>7.3} /{p99:>7.3}");
    }
}

fn measure(contender: &Contender, time: Duration) {
    if !contender.is_there() {
        println!("{:<28} is not installed", contender.name);
        return;
    }
    // Started several times: the first start reads the program from the disk.
    let starts: Vec<f64> = (0..5).map(|_| Client::cold_start(contender)).collect();
    let start = starts.iter().copied().fold(f64::INFINITY, f64::min);
    let mut client = Client::start(contender);
    let (tools, bytes) = client.tools();
    client.run(ONE, 100, 1);
    let rss = client.rss_mib();
    let one = client.run_for(ONE, time, 1);
    let cpu = client.cpu_us();
    let (eight, calls) = (client.run_for(ONE, time, 8), client.calls());
    let cpu_per_call = (client.cpu_us() - cpu) / (client.calls() - calls + eight.calls) as f64;
    let many = client.run_for(ONE, time, 32);
    let rows = client.run_for(contender.thousand(), time, 1);
    println!(
        "{:<28} {start:>9.1} {rss:>8.1} {:>7.3} /{:>7.3} {:>8.3} /{:>7.3} {:>8.0}/{:>6.0}/{:>6.0} {cpu_per_call:>10.1} {tools:>6}/{:.1}",
        contender.name,
        one.p50,
        one.p99,
        rows.p50,
        rows.p99,
        one.per_second,
        eight.per_second,
        many.per_second,
        bytes as f64 / 1024.0
    );
    let failed = [&one, &eight, &many, &rows].map(|figures: &Figures| figures.failed);
    if failed.iter().sum::<u64>() > 0 {
        println!("  failed calls: {failed:?}, e.g. {}", client.last_failure);
    }
}

fn ours() -> Contender {
    Contender {
        name: "postgres-readonly".to_owned(),
        command: vec![env!("CARGO_BIN_EXE_postgres-readonly").to_owned()],
        env: BTreeMap::from([("DATABASE_URL".to_owned(), "{dsn}".to_owned())]),
        before: None,
        tool: "query".to_owned(),
        argument: "sql".to_owned(),
        arguments: serde_json::Map::from_iter([("max_rows".to_owned(), 1000.into())]),
    }
}

fn empty_tool(fixture: &Path) -> Contender {
    Contender {
        name: "floor: kit, no database".to_owned(),
        command: vec![fixture.display().to_string()],
        env: BTreeMap::new(),
        before: None,
        tool: "echo".to_owned(),
        argument: "text".to_owned(),
        arguments: serde_json::Map::new(),
    }
}

impl Contender {
    /// The fixture's tool has no rows, and takes short texts.
    fn thousand(&self) -> &'static str {
        if self.tool == "echo" { ONE } else { THOUSAND }
    }

    fn is_there(&self) -> bool {
        let program = Path::new(&self.command[0]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    }

    fn for_database(&self, dsn: &str) -> Self {
        let config: tokio_postgres::Config = dsn.parse().unwrap();
        let host = match &config.get_hosts()[0] {
            tokio_postgres::config::Host::Tcp(name) => name.clone(),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
        let fill = |text: &String| {
            text.replace("{dsn}", dsn)
                .replace("{host}", &host)
                .replace("{port}", &port)
                .replace("{user}", config.get_user().unwrap_or_default())
                .replace("{database}", config.get_dbname().unwrap_or_default())
        };
        Self {
            command: self.command.iter().map(fill).collect(),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            before: self.before.clone().map(|before| Before {
                arguments: before
                    .arguments
                    .into_iter()
                    .map(|(name, value)| {
                        (
                            name,
                            value
                                .as_str()
                                .map_or(value.clone(), |text| fill(&text.to_owned()).into()),
                        )
                    })
                    .collect(),
                ..before
            }),
            ..self.clone()
        }
    }
}

async fn own_cluster() -> cluster::Cluster {
    let cluster = cluster::Cluster::start(&["autovacuum = on"]).await;
    let script = std::process::Command::new(env!("CARGO_BIN_EXE_postgres-readonly"))
        .args(["setup-sql", "--role", ROLE])
        .output()
        .unwrap();
    let admin = cluster.connect("postgres", "bench").await;
    let script = String::from_utf8(script.stdout).unwrap();
    admin.batch_execute(&script).await.unwrap();
    // Peers that keep a connection per call in flight need more places than the script gives.
    admin
        .batch_execute(&format!("ALTER ROLE {ROLE} CONNECTION LIMIT 40"))
        .await
        .unwrap();
    cluster
}
