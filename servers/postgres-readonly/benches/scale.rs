//! How long every tool takes on a big and troubled database: 10 000 tables, 500 sessions, a lock queue 200 deep.
//!
//! `cargo bench -p postgres-readonly --bench scale`; `POSTGRES_READONLY=/path/to/binary` measures another build, `RUNS=n` takes
//! n calls per tool (30 by default), `TOOLS=a,b` only those tools.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed set-up is a failed bench"
)]

#[path = "../tests/real_postgres/cluster.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod cluster;
#[path = "../tests/real_postgres/mcp.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod mcp;

use std::time::{Duration, Instant};

use cluster::{Cluster, Hanging, Pg, eventually};
use mcp::Mcp;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_millis(100);
const TABLES: usize = 10_000;
const SESSIONS: usize = 500;
const WAITERS: usize = 200;
/// Calls before the ones that count: the first of a connection fills the server's catalog caches.
const WARM_UP: usize = 2;

#[tokio::main]
async fn main() {
    let started = Instant::now();
    let (cluster, admin) = big_database().await;
    // Held from before the storm, as in life.
    let mut mcp = Mcp::start(&cluster.dsn("reader"), &[]).await;
    mcp.ok("sessions", json!({})).await;
    let storm = storm(&cluster, &admin).await;
    println!("set up in {:.0?}", started.elapsed());
    println!("{:<34} {:>9} {:>9} {:>9}", "tool", "p50 ms", "p99 ms", "bytes");
    let runs: usize = std::env::var("RUNS").map_or(30, |runs| runs.parse().unwrap());
    let wanted = std::env::var("TOOLS").unwrap_or_default();
    let mut over = 0;
    let listing = mcp.request("tools/list", json!({})).await;
    let listing = mcp.answer(listing).await["result"]["tools"].clone();
    for tool in listing.as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        if !wanted.is_empty() && !wanted.split(',').any(|one| one == name) {
            continue;
        }
        for arguments in arguments(name) {
            over += usize::from(measure(&mut mcp, name, &arguments, runs).await);
        }
    }
    drop(storm);
    println!("{over} at or over {LIMIT:?}; all in {:.0?}", started.elapsed());
}

/// What each tool is asked; a tool that is not listed is asked without arguments.
fn arguments(tool: &str) -> Vec<Value> {
    match tool {
        "query" => vec![
            json!({"sql": "SELECT 1"}),
            json!({"sql": "SELECT id, note FROM many.t_7 ORDER BY id"}),
        ],
        "index_health" => vec![json!({}), json!({"advise": false})],
        "explain" => vec![json!({"sql": "SELECT * FROM many.t_7 WHERE id = $1"})],
        "schema" => vec![
            json!({}),
            json!({"name": "many.t_1*"}),
            json!({"name": "many.t_9"}),
            json!({"name": "public.queue"}),
        ],
        "table_health" => vec![
            json!({}),
            json!({"order_by": "bloat", "limit": 100}),
            json!({"order_by": "xid_age"}),
            json!({"schema": "many", "table": "t_9"}),
        ],
        _ => vec![json!({})],
    }
}

/// Prints one line, and returns whether the tool was too slow.
async fn measure(mcp: &mut Mcp, tool: &str, arguments: &Value, runs: usize) -> bool {
    let mut took = Vec::new();
    let mut last = Value::Null;
    for run in 0..runs + WARM_UP {
        let begun = Instant::now();
        last = mcp.call(tool, arguments.clone()).await;
        if run >= WARM_UP {
            took.push(begun.elapsed());
        }
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let label = format!("{tool} {arguments}").replace(" {}", "");
    let slow = at(0.5) >= LIMIT;
    println!(
        "{:<34} {:>9.1} {:>9.1} {:>9}{}{}",
        label.chars().take(60).collect::<String>(),
        ms(at(0.5)),
        ms(at(0.99)),
        last.to_string().len(),
        if slow { "  SLOW" } else { "" },
        last.get("code").map_or(String::new(), |code| format!("  {code}")),
    );
    slow
}

async fn big_database() -> (Cluster, Pg) {
    let cluster = Cluster::start(&[
        "max_connections = 600",
        "shared_buffers = 256MB",
        "max_locks_per_transaction = 256",
        "synchronous_commit = off",
        "max_wal_size = 4GB",
        "pg_stat_statements.track = all",
    ])
    .await;
    let admin = cluster.connect("postgres", "admin").await;
    admin
        .batch_execute(&mcp::stdout(&["setup-sql", "--role", "reader"], &[]).1)
        .await
        .unwrap();
    admin
        .batch_execute(
            "GRANT pg_read_all_data TO reader;
             CREATE EXTENSION pg_stat_statements;
             CREATE SCHEMA many;
             CREATE TABLE public.queue (id int PRIMARY KEY, note text);
             INSERT INTO public.queue SELECT g, 'n' FROM generate_series(1, 1000) g;",
        )
        .await
        .unwrap();
    // Each of these is a statement of its own for pg_stat_statements, which holds 5000.
    let tables = format!(
        "DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
             EXECUTE format('CREATE TABLE many.t_%s AS SELECT g AS id, ''note '' || g AS note FROM generate_series(1, %s) g',
                            i, CASE WHEN i % 100 = 0 THEN 5000 ELSE 5 END);
             IF i % 3 = 0 THEN EXECUTE format('CREATE INDEX ON many.t_%s (id)', i); END IF;
             IF i % 20 = 0 THEN EXECUTE format('DELETE FROM many.t_%s WHERE id % 3 = 0', i); END IF;
             IF i % 10 = 0 THEN EXECUTE format('ANALYZE many.t_%s', i); END IF;
             IF i % 200 = 0 THEN COMMIT; END IF;
         END LOOP; END $$"
    );
    let tables = tables.replace("id % 3 = 0'", "id %% 3 = 0'");
    admin.batch_execute(&tables).await.unwrap();
    admin.batch_execute("CHECKPOINT").await.unwrap();
    (cluster, admin)
}

/// Sessions that do nothing, and a queue: who came first reads, then a schema change, then half readers and half lockers,
/// of whom each waits for all ahead.
async fn storm(cluster: &Cluster, admin: &Pg) -> (Vec<Pg>, Vec<Hanging>) {
    let mut idle = Vec::new();
    let mut waiting = Vec::new();
    let blocker = cluster.connect("postgres", "report").await;
    blocker
        .batch_execute("BEGIN; SELECT count(*) FROM public.queue")
        .await
        .unwrap();
    idle.push(blocker);
    waiting.push(
        cluster
            .hang("migration", "ALTER TABLE public.queue ADD COLUMN more text")
            .await,
    );
    waiting_for_locks(admin, 1).await;
    for at in 1..WAITERS {
        let statement = if at % 2 == 0 {
            "SELECT * FROM public.queue WHERE id = 7"
        } else {
            "BEGIN; LOCK TABLE public.queue IN ACCESS EXCLUSIVE MODE"
        };
        waiting.push(cluster.hang("web", statement).await);
    }
    while idle.len() + waiting.len() < SESSIONS {
        let session = cluster.connect("app", &format!("pool-{}", idle.len() % 40)).await;
        if idle.len() % 3 == 0 {
            session.batch_execute("BEGIN; SELECT 1").await.unwrap();
        }
        idle.push(session);
    }
    waiting_for_locks(admin, WAITERS).await;
    (idle, waiting)
}

async fn waiting_for_locks(admin: &Pg, sessions: usize) {
    eventually("sessions wait", async || {
        let row = admin
            .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[])
            .await
            .unwrap();
        usize::try_from(row.get::<_, i64>(0)).unwrap() == sessions
    })
    .await;
}
