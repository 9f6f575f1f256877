//! A database full of traps, and sessions beside it that must not notice anything.

use crate::{
    cluster::{Cluster, Hanging, Pg},
    corpus::{Places, TRAPS},
};

/// Who goes on with their work while hostile statements are sent.
pub struct Trapped {
    pub cluster: Cluster,
    pub places: Places,
    bystander: Pg,
    sleeper: Hanging,
    holder: Pg,
}

impl Trapped {
    pub async fn start() -> Self {
        let cluster = Cluster::start(&[
            "checkpoint_timeout = 1d",
            "max_wal_size = 4GB",
            "wal_writer_delay = 10ms",
            "dynamic_shared_memory_type = posix",
            "log_min_error_statement = panic",
            "primary_conninfo = 'host=127.0.0.1 port=1 user=standby password=swordfish'",
        ])
        .await;
        let admin = cluster.connect("postgres", "setup").await;
        let places = Places {
            pid: 0,
            sleeper: 0,
            port: cluster.port(),
            folder: cluster.writable_folder().display().to_string(),
        };
        // The statements see what the ones before them made over connections of their own.
        for part in TRAPS.split("\n\n") {
            admin
                .batch_execute(&places.fill(part))
                .await
                .unwrap_or_else(|error| panic!("{error:?}: {part}"));
        }
        for alone in ["CREATE DATABASE elsewhere", "ANALYZE", "VACUUM FREEZE"] {
            admin.batch_execute(alone).await.unwrap();
        }
        Self::beside(cluster, places).await
    }

    async fn beside(cluster: Cluster, places: Places) -> Self {
        let bystander = cluster.connect_to("elsewhere", "app", "bystander").await;
        let sleeper = cluster.hang("sleeper", "SELECT pg_sleep(100000)").await;
        let holder = cluster.connect("postgres", "holder").await;
        holder
            .batch_execute("SELECT pg_advisory_lock(4711); BEGIN; LOCK TABLE public.held")
            .await
            .unwrap();
        let places = Places {
            pid: bystander.pid,
            sleeper: sleeper.pid,
            ..places
        };
        Self {
            cluster,
            places,
            bystander,
            sleeper,
            holder,
        }
    }

    /// Lets go of the locks that others run into.
    pub async fn release(&self) {
        self.holder.batch_execute("ROLLBACK").await.unwrap();
    }

    /// Brings back those who were sent away.
    pub async fn replace_bystanders(&mut self) {
        if self.bystander.batch_execute("").await.is_err() {
            self.bystander = self.cluster.connect_to("elsewhere", "app", "bystander").await;
            self.places.pid = self.bystander.pid;
        }
        let asleep = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND state = 'active'";
        let watcher = self.cluster.connect("postgres", "oracle").await;
        if watcher
            .query_one(asleep, &[&self.sleeper.pid])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
        {
            self.sleeper = self.cluster.hang("sleeper", "SELECT pg_sleep(100000)").await;
            self.places.sleeper = self.sleeper.pid;
        }
    }
}
