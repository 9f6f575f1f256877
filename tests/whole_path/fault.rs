//! Real faults on a real database, and the oracle that asks the database what became of them.

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::cluster::Cluster;

/// A session that went idle in its transaction while others want the same row; and people who have nothing to do with it.
pub struct IdleBlocker {
    root: Client,
    blocker_pid: i32,
    /// Kept open: dropping it would end the session.
    _blocker: Client,
    waiters: Vec<JoinHandle<Result<u64, tokio_postgres::Error>>>,
    bystanders: Vec<(Client, i32, String)>,
    balance: i32,
}

const WAITERS: i32 = 3;

impl IdleBlocker {
    pub async fn provoke(cluster: &Cluster) -> Self {
        let root = cluster.connect("postgres", "orders", "oracle").await;
        let balance = balance(&root).await;
        let blocker = cluster.connect("app", "orders", "checkout").await;
        let blocker_pid = pid(&blocker).await;
        blocker
            .batch_execute("BEGIN; UPDATE accounts SET balance = balance + 1 WHERE id = 1")
            .await
            .unwrap();
        let mut waiters = Vec::new();
        for _ in 0..WAITERS {
            let waiter = cluster.connect("app", "orders", "worker").await;
            waiters.push(tokio::spawn(async move {
                waiter
                    .execute("UPDATE accounts SET balance = balance + 10 WHERE id = 1", &[])
                    .await
            }));
        }
        let mut bystanders = Vec::new();
        for work in ["SELECT 1", "BEGIN; UPDATE accounts SET balance = balance WHERE id = 5"] {
            let bystander = cluster.connect("bystander", "orders", "report").await;
            bystander.batch_execute(work).await.unwrap();
            let (pid, start) = session(&bystander).await;
            bystanders.push((bystander, pid, start));
        }
        let fault = Self {
            root,
            blocker_pid,
            _blocker: blocker,
            waiters,
            bystanders,
            balance,
        };
        fault.until_it_hurts().await;
        fault
    }

    /// As an alert rule with `for: 4s` would see it.
    async fn until_it_hurts(&self) {
        let sql = "SELECT count(*) = $2 FROM pg_stat_activity w JOIN pg_stat_activity b ON b.pid = $1
                   WHERE $1 = ANY (pg_blocking_pids(w.pid)) OR w.wait_event_type = 'Lock' AND w.application_name = 'worker'";
        loop {
            let waiting: bool = self
                .root
                .query_one(sql, &[&self.blocker_pid, &i64::from(WAITERS)])
                .await
                .unwrap()
                .get(0);
            let idle = "SELECT state = 'idle in transaction' AND state_change < clock_timestamp() - interval '4 s' FROM pg_stat_activity WHERE pid = $1";
            let idle: bool = self.root.query_one(idle, &[&self.blocker_pid]).await.unwrap().get(0);
            if waiting && idle {
                return;
            }
            self.root.execute("SELECT pg_sleep(0.1)", &[]).await.unwrap();
        }
    }

    /// Whether the blocker is still there: the database has not been changed.
    pub async fn blocks(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND application_name = 'checkout'";
        self.root
            .query_one(sql, &[&self.blocker_pid])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 1
    }

    /// What the database says after the incident: the blocker gone, the waiters done, the bystanders untouched, all once.
    pub async fn assert_mended(self, cluster: &Cluster) {
        assert!(!self.blocks().await, "the blocker is still there");
        for waiter in self.waiters {
            assert_eq!(waiter.await.unwrap().unwrap(), 1, "a waiter was harmed");
        }
        assert_eq!(
            balance(&self.root).await,
            self.balance + 10 * WAITERS,
            "the blocker's uncommitted work is gone, the waiters' is there"
        );
        for (bystander, pid, start) in &self.bystanders {
            assert_eq!(
                &session(bystander).await,
                &(*pid, start.clone()),
                "a bystander was harmed"
            );
        }
        // Its own session wrote the line when it was ended; it has one line, however often somebody tried.
        let ended = format!(
            "[{}] app FATAL:  terminating connection due to administrator command",
            self.blocker_pid
        );
        assert_eq!(cluster.log().matches(&ended).count(), 1, "ended once");
    }
}

async fn balance(root: &Client) -> i32 {
    root.query_one("SELECT balance FROM accounts WHERE id = 1", &[])
        .await
        .unwrap()
        .get(0)
}

async fn pid(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

async fn session(client: &Client) -> (i32, String) {
    let sql = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = client.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

/// How many sessions ended by somebody's command the whole log shows.
pub fn terminations(cluster: &Cluster) -> usize {
    cluster
        .log()
        .matches("terminating connection due to administrator command")
        .count()
}
