//! Real incidents on a real server, each with its bystander, and the plan that answers it.

use runbooks::{Evidence, Plan};
use serde_json::json;
use tokio_postgres::Client;

use crate::postgres::Server;
use crate::scene::{Scene, draft, now};

/// A session sits idle in a transaction and holds a row; another waits for it; a third is idle in a transaction of its
/// own and concerns nobody.
pub struct Blocked {
    pub blocker: i32,
    pub plan: Plan,
    /// The same once more: another plan, with a nonce of its own.
    pub again: Plan,
    waiter: tokio::task::JoinHandle<Result<u64, tokio_postgres::Error>>,
    bystander: Client,
    session: Client,
}

impl Blocked {
    pub async fn new(server: &Server, scene: &Scene) -> Self {
        let blocker = server.connect("batch", "nightly").await;
        let pid = pid_of(&blocker).await;
        blocker
            .batch_execute("BEGIN; UPDATE items SET n = n + 100 WHERE id = 1")
            .await
            .unwrap();
        let bystander = server.connect("app", "web").await;
        bystander
            .batch_execute("BEGIN; UPDATE items SET n = n + 1 WHERE id = 2")
            .await
            .unwrap();
        let waiting = server.connect("app", "web").await;
        let waiter_pid = pid_of(&waiting).await;
        let waiter = tokio::spawn(async move { waiting.execute("UPDATE items SET n = n + 1 WHERE id = 1", &[]).await });
        server
            .wait_until(&format!("SELECT {pid} = ANY (pg_blocking_pids({waiter_pid}))"))
            .await;
        server
            .wait_until(&format!(
                "SELECT state_change < clock_timestamp() - interval '1.1 s' FROM pg_stat_activity WHERE pid = {pid}"
            ))
            .await;
        let row = server
            .admin
            .query_one(
                "SELECT backend_start::text, xact_start::text, state, usename::text FROM pg_stat_activity WHERE pid = $1",
                &[&pid],
            )
            .await
            .unwrap();
        let root = json!({
            "pid": pid,
            "backend_start": row.get::<_, String>(0),
            "xact_start": row.get::<_, String>(1),
            "state": row.get::<_, String>(2),
            "usename": row.get::<_, String>(3),
        });
        let evidence = Evidence::record(
            "E1",
            "postgres-readonly",
            "blocking_tree",
            json!({}),
            now(),
            json!({"trees": [{"root": root, "waiters_count": 1}]}),
        )
        .unwrap();
        let draft = draft(
            "idle-in-transaction-blocker",
            &[
                ("blocker_pid", "/trees/0/root/pid"),
                ("blocker_backend_start", "/trees/0/root/backend_start"),
                ("blocker_xact_start", "/trees/0/root/xact_start"),
                ("blocker_state", "/trees/0/root/state"),
                ("blocker_role", "/trees/0/root/usename"),
                ("waiters", "/trees/0/waiters_count"),
            ],
            &[("min_idle_s", json!(1))],
        );
        Self {
            blocker: pid,
            plan: scene.plan(&draft, std::slice::from_ref(&evidence)),
            again: scene.plan(&draft, &[evidence]),
            waiter,
            bystander,
            session: blocker,
        }
    }

    /// The session goes on by itself: it commits, and stays.
    pub async fn come_back(&self) {
        self.session.batch_execute("COMMIT").await.unwrap();
    }

    /// The database says that nothing has happened.
    pub async fn assert_untouched(&self, server: &Server) {
        let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", self.blocker);
        assert_eq!(server.number(&there).await, 1, "the blocker was ended");
        assert!(!self.waiter.is_finished());
        assert_eq!(
            server.number("SELECT count(*) FROM countersign.executed_steps").await,
            0
        );
    }

    /// The blocker is gone, the waiter got its row, and the bystander could go on with its transaction.
    pub async fn assert_resolved(self, server: &Server) {
        let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", self.blocker);
        assert_eq!(server.number(&there).await, 0, "the blocker is still there");
        assert_eq!(self.waiter.await.unwrap().unwrap(), 1);
        self.bystander.batch_execute("COMMIT").await.unwrap();
        let digest = self.plan.digest();
        let marks = format!("SELECT count(*) FROM countersign.executed_steps WHERE plan_digest = '{digest}'");
        assert_eq!(server.number(&marks).await, 1);
        assert_eq!(
            server.ran(&format!(
                "countersign.terminate_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a WHERE a.pid = {} ",
                self.blocker
            )),
            1,
            "the step ran another number of times than once"
        );
    }
}

/// One role holds most connections idle; another works.
pub struct Saturated {
    pub plan: Plan,
    bystanders: Vec<Client>,
    _idle: Vec<Client>,
}

/// For a server with 20 connections.
pub const IDLE: usize = 12;

impl Saturated {
    pub async fn new(server: &Server, scene: &Scene, bystanders: usize) -> Self {
        server
            .wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename IN ('app', 'batch')")
            .await;
        server
            .admin
            .batch_execute("ALTER ROLE app CONNECTION LIMIT 18")
            .await
            .unwrap();
        let mut busy = Vec::new();
        for _ in 0..bystanders {
            busy.push(server.connect("batch", "nightly").await);
        }
        let mut idle = Vec::new();
        for _ in 0..IDLE.min(15 - bystanders) {
            idle.push(server.connect("app", "web").await);
        }
        let count = idle.len();
        server
            .wait_until(&format!(
                "SELECT count(*) = {count} FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle'
                   AND state_change < clock_timestamp() - interval '1.1 s'"
            ))
            .await;
        let taken_at = server.text("SELECT clock_timestamp()::text").await;
        let evidence = Evidence::record(
            "E1",
            "postgres-readonly",
            "sessions",
            json!({}),
            now(),
            json!({"taken_at": taken_at, "connections": {"max_connections": 20, "groups": [
                {"usename": "app", "application_name": "web", "idle": count, "rolconnlimit": 18},
            ]}}),
        )
        .unwrap();
        let draft = draft(
            "connection-saturation",
            &[
                ("role", "/connections/groups/0/usename"),
                ("application", "/connections/groups/0/application_name"),
                ("previous_limit", "/connections/groups/0/rolconnlimit"),
                ("idle_sessions", "/connections/groups/0/idle"),
                ("max_connections", "/connections/max_connections"),
                ("as_of", "/taken_at"),
            ],
            &[("min_idle_s", json!(1))],
        );
        Self {
            plan: scene.plan(&draft, &[evidence]),
            bystanders: busy,
            _idle: idle,
        }
    }

    pub async fn idle(&self, server: &Server) -> i64 {
        server
            .number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")
            .await
    }

    pub async fn assert_bystanders(&self) {
        for bystander in &self.bystanders {
            bystander.query_one("SELECT 1", &[]).await.unwrap();
        }
    }

    /// The marker rows of this plan, in the order that they were made.
    pub async fn marks(&self, server: &Server) -> Vec<String> {
        let digest = self.plan.digest().to_string();
        let rows = server
            .admin
            .query(
                "SELECT step_id || ' ' || direction FROM countersign.executed_steps WHERE plan_digest = $1 ORDER BY at",
                &[&digest],
            )
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub async fn limit(server: &Server) -> i64 {
    server
        .number("SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = 'app'")
        .await
}

async fn pid_of(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}
