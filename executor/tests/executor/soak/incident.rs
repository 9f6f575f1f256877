//! The incidents, one for each kind of step, and how the server itself tells what happened to it.

use runbooks::Plan;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::faults::{self, Facts};
use crate::postgres::Server;
use crate::scene::Scene;

/// A plan by the classes of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One transactional step: a limit for a role.
    Cap,
    /// A transactional step and one that is not: a setting for a role, and a statement that is cancelled.
    CapAndCancel,
    /// One step that is not transactional; the same for all below.
    End,
    Analyze,
    Vacuum,
    Drop,
}

pub const SHAPES: [Shape; 6] = [
    Shape::Cap,
    Shape::CapAndCancel,
    Shape::End,
    Shape::Analyze,
    Shape::Vacuum,
    Shape::Drop,
];

/// What a plan did, as the server counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Committed changes of roles and their settings.
    pub transactional: u64,
    /// Statements cancelled, sessions ended, tables worked on, indexes dropped.
    pub not_transactional: u64,
}

/// From where on it is counted.
pub struct Since {
    lsn: String,
    log: usize,
    rows: u64,
}

/// An incident that is there, and its plan.
pub struct Incident {
    pub plan: Plan,
    // They end with it.
    _client: Option<Client>,
    _task: Option<Task>,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shape {
    fn runbook(self) -> &'static str {
        match self {
            Self::Cap => "lock-manager-contention",
            Self::CapAndCancel => "memory-pressure",
            Self::End => "long-transaction",
            Self::Analyze => "stale-statistics",
            Self::Vacuum => "autovacuum-behind",
            Self::Drop => "invalid-index",
        }
    }

    /// What the server writes into its log about the victim.
    fn said(self) -> Option<&'static str> {
        match self {
            Self::CapAndCancel => Some("canceling statement due to user request"),
            Self::End => Some("terminating connection due to administrator command"),
            Self::Cap | Self::Analyze | Self::Vacuum | Self::Drop => None,
        }
    }

    /// What it counts.
    fn rows(self) -> &'static str {
        match self {
            Self::Cap | Self::CapAndCancel | Self::End => "SELECT 0::bigint",
            Self::Analyze => "SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'worked_on'",
            Self::Vacuum => "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'worked_on'",
            Self::Drop => "SELECT count(*) FROM dropped",
        }
    }
}

/// What the counting needs; once for each server.
pub async fn prepare(server: &Server) {
    faults::prepare(server).await;
    server
        .admin
        .batch_execute(
            "CREATE EXTENSION pg_walinspect;
             CREATE TABLE dropped (name text);
             CREATE FUNCTION note_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
               INSERT INTO public.dropped SELECT object_identity FROM pg_catalog.pg_event_trigger_dropped_objects()
                 WHERE object_type = 'index';
             END $$;
             CREATE EVENT TRIGGER note_drop ON sql_drop EXECUTE FUNCTION note_drop()",
        )
        .await
        .unwrap();
}

impl Incident {
    pub async fn new(server: &Server, scene: &Scene, shape: Shape) -> Self {
        let (mut held, mut task) = (None, None);
        let facts: Facts = match shape {
            Shape::Cap => vec![
                ("role", json!("app")),
                ("sessions", json!(4)),
                ("previous_limit", json!(-1)),
            ],
            Shape::CapAndCancel => {
                let client = server.connect("app", "victim").await;
                let pid = faults::pid_of(&client).await;
                // It goes on with the next one, which a second signal would hit.
                task = Some(Task(tokio::spawn(async move {
                    while !client.is_closed() {
                        let _ = client.batch_execute("SELECT pg_sleep(600)").await;
                    }
                })));
                server
                    .wait_until(&format!(
                        "SELECT state = 'active' AND query LIKE '%600%' FROM pg_stat_activity WHERE pid = {pid}"
                    ))
                    .await;
                let row = faults::session(server, pid).await;
                vec![
                    ("pid", row["pid"].clone()),
                    ("backend_start", row["backend_start"].clone()),
                    ("query_start", row["query_start"].clone()),
                    ("role", row["usename"].clone()),
                ]
            }
            Shape::End => {
                let client = server.connect("batch", "victim").await;
                let pid = faults::pid_of(&client).await;
                let begin = "BEGIN; UPDATE items SET n = n + 1 WHERE id = 2";
                client.batch_execute(begin).await.unwrap();
                faults::burn(server, 20).await;
                let row = faults::session(server, pid).await;
                held = Some(client);
                vec![
                    ("pid", row["pid"].clone()),
                    ("backend_start", row["backend_start"].clone()),
                    ("role", row["usename"].clone()),
                    ("xmin_age", json!(20)),
                ]
            }
            Shape::Analyze => {
                let modified = json!(make_table(server, "").await);
                table_facts(("modified", modified))
            }
            Shape::Vacuum => {
                let dead = json!(make_table(server, "UPDATE worked_on SET kind = 'new'").await);
                table_facts(("dead_rows", dead))
            }
            Shape::Drop => {
                make_table(server, "").await;
                let twice = "CREATE UNIQUE INDEX CONCURRENTLY worked_on_kind ON worked_on (kind)";
                server.admin.batch_execute(twice).await.unwrap_err();
                table_facts(("index", json!("worked_on_kind")))
            }
        };
        Self {
            plan: faults::plan(scene, shape.runbook(), &facts),
            _client: held,
            _task: task,
        }
    }
}

/// Returns how many rows it has.
async fn make_table(server: &Server, then: &str) -> u64 {
    let make = "CREATE TABLE worked_on (id bigint PRIMARY KEY, kind text NOT NULL) WITH (autovacuum_enabled = off);
                ALTER TABLE worked_on OWNER TO owner;
                INSERT INTO worked_on SELECT n, 'old' FROM generate_series(1, 2000) n";
    for statement in [make, then, "SELECT pg_stat_force_next_flush()"] {
        server.admin.batch_execute(statement).await.unwrap();
    }
    2000
}

fn table_facts(more: (&'static str, serde_json::Value)) -> Facts {
    vec![("schema", json!("public")), ("table", json!("worked_on")), more]
}

pub async fn since(server: &Server, shape: Shape) -> Since {
    Since {
        lsn: server.text("SELECT pg_current_wal_flush_lsn()::text").await,
        log: server.log_length(),
        rows: u64::try_from(server.number(shape.rows()).await).unwrap(),
    }
}

pub async fn counted(server: &Server, shape: Shape, since: &Since) -> Counted {
    let changes = server.number(&CHANGES.replace("$1", &format!("'{}'", since.lsn))).await;
    let rows = u64::try_from(server.number(shape.rows()).await).unwrap() - since.rows;
    let log = server.log_from(since.log);
    let said = shape.said().map_or(0, |said| {
        let lines = log.lines().filter(|line| line.starts_with("victim|"));
        lines.filter(|line| line.contains(said)).count()
    });
    Counted {
        transactional: u64::try_from(changes).unwrap(),
        not_transactional: rows + u64::try_from(said).unwrap(),
    }
}

/// What a step has changed of roles, and did not roll back: PostgreSQL itself counts no such thing, but writes it ahead.
const CHANGES: &str = "
    WITH log AS MATERIALIZED (
      SELECT xid, resource_manager, record_type, block_ref FROM pg_get_wal_records_info_till_end_of_wal($1::pg_lsn)
    )
    SELECT count(*) FROM log
    WHERE resource_manager = 'Heap' AND record_type ~ '^(INSERT|UPDATE|HOT_UPDATE|DELETE)'
      AND block_ref ~ (SELECT 'blkref #0: rel [0-9]+/0/(' || string_agg(pg_relation_filenode(c)::text, '|') || ') '
                       FROM unnest('{pg_authid,pg_db_role_setting}'::regclass[]) c)
      AND xid IN (SELECT xid FROM log WHERE resource_manager = 'Transaction' AND record_type ~ '^COMMIT')";
