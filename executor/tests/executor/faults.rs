//! The fault of each runbook on a real server, the plan that answers it, and how the database says that it is gone.

use runbooks::{DraftValue, Evidence, Plan, PlanDraft};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::postgres::{EXECUTOR_ROLE, Server};
use crate::scene::{Scene, now};

/// A fault that is there, and its plan.
pub struct Fault {
    pub runbook: &'static str,
    pub facts: Facts,
    pub plan: Plan,
    /// True once the fault is gone.
    pub gone: String,
    /// The session that the plan is about, if it is about one.
    pub pid: i32,
    // Sessions end with what holds them.
    pub sessions: Vec<Client>,
    _tasks: Tasks,
}

struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// What evidence says of the fault, as the parameter's name and its value.
pub type Facts = Vec<(&'static str, Value)>;

impl Fault {
    fn new(scene: &Scene, runbook: &'static str, facts: Facts, gone: String) -> Self {
        Self {
            plan: plan(scene, runbook, &facts),
            runbook,
            facts,
            gone,
            pid: 0,
            sessions: Vec::new(),
            _tasks: Tasks(Vec::new()),
        }
    }

    fn with(self, pid: i32, sessions: Vec<Client>, tasks: Vec<JoinHandle<()>>) -> Self {
        Self {
            pid,
            sessions,
            _tasks: Tasks(tasks),
            ..self
        }
    }
}

/// Fills a plan whose every parameter that needs evidence is among `facts`.
pub fn plan(scene: &Scene, runbook: &str, facts: &Facts) -> Plan {
    let catalog = scene.catalog();
    let document = catalog.get(runbook).unwrap().document();
    let mut result = json!({});
    let mut tool = String::new();
    let mut parameters = std::collections::BTreeMap::new();
    for (name, value) in facts {
        let bound = serde_json::to_value(&document.parameters[*name]).unwrap();
        let Some(source) = bound.get("evidence").filter(|source| !source.is_null()) else {
            let literal = value.clone();
            parameters.insert((*name).to_owned(), DraftValue::Literal { literal });
            continue;
        };
        tool = source["tool"].as_str().unwrap().to_owned();
        let pointer = source["pointer"].as_str().unwrap().replace('*', "0");
        put(
            &mut result,
            pointer.split('/').skip(1).collect::<Vec<_>>().as_slice(),
            value,
        );
        parameters.insert(
            (*name).to_owned(),
            DraftValue::Evidence {
                evidence: "E1".to_owned(),
                pointer,
            },
        );
    }
    let evidence = Evidence::record("E1", "postgres-readonly", &tool, json!({}), now(), result).unwrap();
    let draft = PlanDraft {
        runbook: runbook.to_owned(),
        version: document.version,
        parameters,
    };
    scene.plan(&draft, &[evidence])
}

fn put(into: &mut Value, path: &[&str], value: &Value) {
    let [first, rest @ ..] = path else {
        *into = value.clone();
        return;
    };
    if *first == "0" {
        if !into.is_array() {
            *into = json!([{}]);
        }
        put(&mut into[0], rest, value);
    } else {
        if !into.is_object() {
            *into = Value::Object(Map::new());
        }
        put(&mut into[*first], rest, value);
    }
}

/// The columns of one session, as the tools show them.
pub async fn session(server: &Server, pid: i32) -> Map<String, Value> {
    let row = server
        .text(&format!(
            "SELECT json_build_object('pid', pid, 'backend_start', backend_start::text, 'xact_start', xact_start::text,
               'query_start', query_start::text, 'state', state, 'usename', usename)::text
             FROM pg_stat_activity WHERE pid = {pid}"
        ))
        .await;
    serde_json::from_str(&row).unwrap()
}

pub async fn pid_of(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Starts a statement and lets it run.
pub fn start(client: Client, statement: &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        // It ends as the plan has it, or with its server.
        let _ = client.batch_execute(statement).await;
        std::future::pending::<()>().await;
    })
}

/// Roles, tables and rights that the faults need; once for each server.
pub async fn prepare(server: &Server) {
    server
        .admin
        .batch_execute(&format!(
            "CREATE ROLE owner; GRANT owner TO {EXECUTOR_ROLE}; ALTER ROLE {EXECUTOR_ROLE} REPLICATION;
             GRANT SET ON PARAMETER temp_file_limit TO {EXECUTOR_ROLE};
             CREATE ROLE quiet LOGIN CONNECTION LIMIT 7; ALTER ROLE quiet SET work_mem = '1MB';
             ALTER ROLE app SET lock_timeout = '1min'; ALTER DATABASE orders SET statement_timeout = '1h';
             CREATE TABLE others (id int PRIMARY KEY, n int) WITH (fillfactor = 90);
             CREATE TABLE queued (id int PRIMARY KEY, n int); INSERT INTO queued VALUES (1, 0), (2, 0);
             ALTER TABLE queued OWNER TO batch; GRANT SELECT, UPDATE ON queued TO app; CREATE INDEX others_n ON others (n); ALTER TABLE others OWNER TO owner;
             INSERT INTO others SELECT n, n FROM generate_series(1, 100) n"
        ))
        .await
        .unwrap();
}

/// A session of `batch` holds a row that another waits for.
pub async fn blocked(server: &Server, scene: &Scene) -> Fault {
    let (blocker, waiter) = (
        server.connect("batch", "nightly").await,
        server.connect("app", "web").await,
    );
    let (pid, waiting) = (pid_of(&blocker).await, pid_of(&waiter).await);
    blocker
        .batch_execute("BEGIN; UPDATE items SET n = n + 100 WHERE id = 1")
        .await
        .unwrap();
    let waiter = start(waiter, "UPDATE items SET n = n + 1 WHERE id = 1");
    server
        .wait_until(&format!("SELECT {pid} = ANY (pg_blocking_pids({waiting}))"))
        .await;
    let root = session(server, pid).await;
    server
        .wait_until(&format!(
            "SELECT state_change < clock_timestamp() - interval '1.1 s' FROM pg_stat_activity WHERE pid = {pid}"
        ))
        .await;
    let facts = vec![
        ("blocker_pid", root["pid"].clone()),
        ("blocker_backend_start", root["backend_start"].clone()),
        ("blocker_xact_start", root["xact_start"].clone()),
        ("blocker_state", json!("idle in transaction")),
        ("blocker_role", root["usename"].clone()),
        ("waiters", json!(1)),
        ("min_idle_s", json!(1)),
    ];
    Fault::new(
        scene,
        "idle-in-transaction-blocker",
        facts,
        format!(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})
               AND (SELECT state = 'idle' FROM pg_stat_activity WHERE pid = {waiting})"
        ),
    )
    .with(pid, vec![blocker], vec![waiter])
}

/// A reader, a migration that waits for it, and a checkout that waits for the migration.
pub async fn ddl_queue(server: &Server, scene: &Scene) -> Fault {
    let reader = server.connect("app", "report").await;
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM queued")
        .await
        .unwrap();
    let (migration, checkout) = (
        server.connect("batch", "migration").await,
        server.connect("app", "web").await,
    );
    let (pid, queued) = (pid_of(&migration).await, pid_of(&checkout).await);
    let migration = start(migration, "ALTER TABLE queued ADD COLUMN note text");
    server
        .wait_until(&format!(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}"
        ))
        .await;
    let checkout = start(checkout, "UPDATE queued SET n = n + 1 WHERE id = 2");
    server
        .wait_until(&format!("SELECT {pid} = ANY (pg_blocking_pids({queued}))"))
        .await;
    let ddl = session(server, pid).await;
    let facts = vec![
        ("ddl_pid", ddl["pid"].clone()),
        ("ddl_backend_start", ddl["backend_start"].clone()),
        ("ddl_query_start", ddl["query_start"].clone()),
        ("ddl_role", ddl["usename"].clone()),
        ("relation", json!("queued")),
        ("queued_behind", json!(1)),
    ];
    Fault::new(scene, "ddl-lock-queue", facts, format!(
            "SELECT (SELECT state = 'idle' FROM pg_stat_activity WHERE pid = {queued})
               AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'queued'::regclass AND attname = 'note')
               AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'report' AND state = 'idle in transaction')"
        )).with(pid, vec![reader], vec![migration, checkout])
}

/// A job has written one row and forgotten its transaction, while others used up transaction ids.
pub async fn long_transaction(server: &Server, scene: &Scene) -> Fault {
    let job = server.connect("batch", "job").await;
    let pid = pid_of(&job).await;
    job.batch_execute("BEGIN; UPDATE items SET n = n + 1 WHERE id = 2")
        .await
        .unwrap();
    burn(server, 500).await;
    let holder = session(server, pid).await;
    let facts = vec![
        ("pid", holder["pid"].clone()),
        ("backend_start", holder["backend_start"].clone()),
        ("role", holder["usename"].clone()),
        ("xmin_age", json!(500)),
    ];
    Fault::new(
        scene,
        "long-transaction",
        facts,
        format!("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} OR age(backend_xid) >= 500)"),
    )
    .with(pid, vec![job], Vec::new())
}

pub async fn burn(server: &Server, transactions: u32) {
    server
        .admin
        .batch_execute(&format!(
            "DO $$ BEGIN FOR n IN 1..{transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        ))
        .await
        .unwrap();
}

/// One statement of `app` that is at work and does not end by itself.
async fn statement(server: &Server, runbook: &str, text: &'static str, until: &str) -> (Client, JoinHandle<()>, i32) {
    let (client, keeper) = (server.connect("app", runbook).await, server.connect("app", "web").await);
    let pid = pid_of(&client).await;
    let task = start(client, text);
    server
        .wait_until(&format!(
            "SELECT coalesce((SELECT state = 'active' FROM pg_stat_activity WHERE pid = {pid}), false) AND ({until})"
        ))
        .await;
    (keeper, task, pid)
}

async fn of_statement(server: &Server, pid: i32, more: Facts) -> Facts {
    let row = session(server, pid).await;
    let mut facts = vec![
        ("pid", row["pid"].clone()),
        ("backend_start", row["backend_start"].clone()),
        ("query_start", row["query_start"].clone()),
        ("role", row["usename"].clone()),
    ];
    facts.extend(more);
    facts
}

/// A sort in memory, kept for as long as its reader is slow.
pub async fn memory(server: &Server, scene: &Scene) -> Fault {
    let text = "SELECT pg_sleep(1) FROM (SELECT repeat(md5(n::text), 4) AS line FROM generate_series(1, 2000) n
                ORDER BY 1 OFFSET 0) sorted";
    let (keeper, task, pid) = statement(server, "memory", text, "true").await;
    let facts = of_statement(server, pid, vec![]).await;
    Fault::new(scene, "memory-pressure", facts, format!(
            "SELECT state = 'idle' AND EXISTS (SELECT FROM pg_db_role_setting
               WHERE setrole = 'app'::regrole AND setconfig @> '{{work_mem=4096}}') FROM pg_stat_activity WHERE pid = {pid}"
        )).with(pid, vec![keeper], vec![task])
}

/// A sort on disk, whose files are kept for as long as its reader is slow.
pub async fn spill(server: &Server, scene: &Scene) -> Fault {
    let text = "SET work_mem = '64kB'; SELECT pg_sleep(1) FROM (SELECT repeat(md5(n::text), 4) AS line
                FROM generate_series(1, 20000) n ORDER BY 1 OFFSET 0) sorted";
    let files = "SELECT count(*) > 0 FROM pg_ls_tmpdir()";
    let (keeper, task, pid) = statement(server, "spill", text, files).await;
    let facts = of_statement(server, pid, vec![("limit_kb", json!(65_536))]).await;
    Fault::new(
        scene,
        "temp-file-spill",
        facts,
        format!(
            "SELECT state = 'idle' AND (SELECT count(*) = 0 FROM pg_ls_tmpdir())
               AND EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 'app'::regrole
                           AND setconfig::text LIKE '%temp_file_limit=%') FROM pg_stat_activity WHERE pid = {pid}"
        ),
    )
    .with(pid, vec![keeper], vec![task])
}

/// One statement reads a table over and over that is larger than shared_buffers.
pub async fn io(server: &Server, scene: &Scene) -> Fault {
    server
        .admin
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS archive (id bigint, document text);
             ALTER TABLE archive ALTER COLUMN document SET STORAGE PLAIN;
             INSERT INTO archive SELECT n, repeat('x', 7000) FROM generate_series(1, 8000) n
               WHERE NOT EXISTS (SELECT FROM archive);
             GRANT SELECT ON archive TO app, batch",
        )
        .await
        .unwrap();
    let text = "DO $$ BEGIN LOOP PERFORM count(*) FROM archive; END LOOP; END $$";
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'IO'";
    // Others who wait for the disk as well.
    let readers = [
        server.connect("batch", "reader").await,
        server.connect("batch", "reader").await,
    ];
    let readers = readers.map(|reader| start(reader, text));
    let (keeper, task, pid) = statement(server, "export", text, waits).await;
    let facts = of_statement(server, pid, vec![]).await;
    Fault::new(
        scene,
        "io-saturation",
        facts,
        format!("SELECT state = 'idle' FROM pg_stat_activity WHERE pid = {pid}"),
    )
    .with(pid, vec![keeper], [task].into_iter().chain(readers).collect())
}

/// Who works stands in the way of others who work, in the lock manager.
pub async fn lock_manager(server: &Server, scene: &Scene) -> Fault {
    server
        .admin
        .batch_execute(
            "CREATE OR REPLACE PROCEDURE work_for(seconds numeric) LANGUAGE plpgsql AS $$ BEGIN
               WHILE clock_timestamp() < statement_timestamp() + make_interval(secs => seconds::float) LOOP
                 PERFORM pg_lock_status() LIMIT 1;
                 FOR job IN 1..20 LOOP
                   PERFORM pg_advisory_lock(pg_backend_pid(), job), pg_advisory_unlock(pg_backend_pid(), job);
                 END LOOP;
               END LOOP; END $$",
        )
        .await
        .unwrap();
    let holder = server.connect("batch", "locks").await;
    holder
        .query(
            "SELECT count(pg_advisory_lock(1, n)) FROM generate_series(1, 20000) n",
            &[],
        )
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let mut worker = Some(server.connect("app", "worker").await);
        let (port, stay) = (server.port, tasks.is_empty());
        tasks.push(tokio::spawn(async move {
            loop {
                if let Some(client) = &worker {
                    let worked = client.batch_execute("CALL work_for(0.5)").await;
                    worked.unwrap();
                }
                // A pool's connection is replaced from time to time; who is not let in again stays away.
                if !stay {
                    drop(worker.take());
                    let dsn = format!("host=127.0.0.1 port={port} user=app dbname=orders application_name=worker");
                    if let Ok((client, connection)) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await {
                        tokio::spawn(connection);
                        worker = Some(client);
                    }
                    tokio::task::yield_now().await;
                }
                if worker.is_none() {
                    return;
                }
            }
        }));
    }
    server
        .wait_until(
            "SELECT count(*) >= 2 FROM pg_stat_activity WHERE usename = 'app' AND state = 'active' AND wait_event_type = 'LWLock'",
        )
        .await;
    let limit = server
        .number("SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = 'app'")
        .await;
    let facts = vec![
        ("role", json!("app")),
        ("sessions", json!(4)),
        ("previous_limit", json!(limit)),
    ];
    Fault::new(
        scene,
        "lock-manager-contention",
        facts,
        "SELECT (SELECT rolconnlimit = 2 FROM pg_roles WHERE rolname = 'app')
                 AND (SELECT count(*) BETWEEN 1 AND 2 FROM pg_stat_activity WHERE application_name = 'worker')"
            .to_owned(),
    )
    .with(0, vec![holder], tasks)
}

/// A table that changed much and that nobody looks after.
async fn neglected(server: &Server, name: &str, then: &str) {
    server
        .admin
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id bigint PRIMARY KEY, kind text NOT NULL)
               WITH (autovacuum_enabled = off);
             ALTER TABLE {name} OWNER TO owner; INSERT INTO {name} SELECT n, 'old' FROM generate_series(1, 2000) n"
        ))
        .await
        .unwrap();
    for statement in [
        &format!("VACUUM ANALYZE {name}"),
        then,
        "SELECT pg_stat_force_next_flush()",
    ] {
        server.admin.batch_execute(statement).await.unwrap();
    }
}

pub async fn stale(server: &Server, scene: &Scene) -> Fault {
    neglected(server, "stale", "UPDATE stale SET kind = 'new' WHERE id <= 1500").await;
    let facts = vec![
        ("schema", json!("public")),
        ("table", json!("stale")),
        ("modified", json!(1500)),
    ];
    Fault::new(
        scene,
        "stale-statistics",
        facts,
        "SELECT n_mod_since_analyze = 0 FROM pg_stat_user_tables WHERE relname = 'stale'".to_owned(),
    )
}

pub async fn dead_rows(server: &Server, scene: &Scene) -> Fault {
    neglected(server, "dead", "UPDATE dead SET kind = 'new'").await;
    let facts = vec![
        ("schema", json!("public")),
        ("table", json!("dead")),
        ("dead_rows", json!(2000)),
    ];
    Fault::new(
        scene,
        "autovacuum-behind",
        facts,
        "SELECT n_dead_tup = 0 AND vacuum_count = 2 FROM pg_stat_user_tables WHERE relname = 'dead'".to_owned(),
    )
}

pub async fn old_rows(server: &Server, scene: &Scene) -> Fault {
    neglected(server, "ledger", "DELETE FROM ledger WHERE id % 10 = 0").await;
    burn(server, 3000).await;
    let facts = vec![
        ("schema", json!("public")),
        ("table", json!("ledger")),
        ("xid_age", json!(3000)),
    ];
    Fault::new(
        scene,
        "transaction-id-wraparound",
        facts,
        "SELECT age(relfrozenxid) < 1000 AND (SELECT count(*) = 1800 FROM ledger) FROM pg_class
               WHERE oid = 'ledger'::regclass"
            .to_owned(),
    )
}

pub async fn invalid_index(server: &Server, scene: &Scene) -> Fault {
    neglected(server, "doubled", "SELECT 1").await;
    server
        .admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY doubled_kind ON doubled (kind)")
        .await
        .unwrap_err();
    let facts = vec![
        ("schema", json!("public")),
        ("index", json!("doubled_kind")),
        ("table", json!("doubled")),
    ];
    Fault::new(
        scene,
        "invalid-index",
        facts,
        "SELECT array_agg(indexrelid::regclass::text) = '{doubled_pkey}' FROM pg_index
               WHERE indrelid = 'doubled'::regclass"
            .to_owned(),
    )
}

pub async fn slot(server: &Server, scene: &Scene) -> Fault {
    server
        .admin
        .batch_execute(
            "SELECT pg_create_physical_replication_slot('old_standby', true);
             SELECT pg_create_physical_replication_slot('standby', true)
               WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'standby');
             UPDATE others SET n = n + 1",
        )
        .await
        .unwrap();
    let facts = vec![("slot_name", json!("old_standby")), ("retained", json!(1))];
    Fault::new(
        scene,
        "inactive-replication-slot",
        facts,
        "SELECT array_agg(slot_name) = '{standby}' FROM pg_replication_slots".to_owned(),
    )
}
