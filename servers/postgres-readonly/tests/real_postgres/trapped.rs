//! A database full of traps, and sessions beside it that must not notice anything.

use std::fs;

use tokio::task::JoinHandle;

use crate::{
    cluster::{Cluster, Pg, eventually},
    corpus::{Places, TRAPS},
};

/// A cast that every statement with a number can meet.
pub const COMMON_CAST: &str =
    "CREATE CAST (int AS interval) WITH FUNCTION public.evil_int_to_interval(int) AS IMPLICIT";

/// Who goes on with their work while hostile statements are sent.
pub struct Trapped {
    pub cluster: Cluster,
    pub places: Places,
    bystander: Pg,
    sleeper: JoinHandle<()>,
    holder: Pg,
}

impl Drop for Trapped {
    fn drop(&mut self) {
        self.sleeper.abort();
    }
}

impl Trapped {
    pub async fn start() -> Self {
        let (cluster, places) = traps().await;
        Self::beside(cluster, places).await
    }

    /// Keeps a copy of the database, from which [`Self::repair`] makes it anew.
    pub async fn start_with_copy() -> Self {
        let (cluster, places) = traps().await;
        let admin = cluster.connect_to("elsewhere", "postgres", "oracle").await;
        eventually("nobody is connected to the original", async || {
            admin
                .batch_execute("CREATE DATABASE trapped TEMPLATE postgres")
                .await
                .is_ok()
        })
        .await;
        Self::beside(cluster, places).await
    }

    async fn beside(cluster: Cluster, places: Places) -> Self {
        let bystander = cluster.connect_to("elsewhere", "app", "bystander").await;
        let (sleeper, sleeper_pid) = sleeper(&cluster).await;
        let holder = cluster.connect("postgres", "holder").await;
        holder
            .batch_execute("SELECT pg_advisory_lock(4711); BEGIN; LOCK TABLE public.held")
            .await
            .unwrap();
        let places = Places {
            pid: bystander.pid,
            sleeper: sleeper_pid,
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

    /// Ties code to built-in types, as only a superuser can, so that no name in a statement shows what it runs.
    /// Returns whether that is new.
    pub async fn tie(&self, casts: &str) -> bool {
        let admin = self.cluster.connect("postgres", "oracle").await;
        admin.batch_execute(casts).await.is_ok()
    }

    pub async fn reload(&self) {
        let admin = self.cluster.connect_to("elsewhere", "postgres", "oracle").await;
        admin
            .batch_execute("SELECT pg_reload_conf(), pg_sleep(0.1)")
            .await
            .unwrap();
    }

    /// Brings back those who were sent away.
    pub async fn replace_bystanders(&mut self) {
        if self.bystander.batch_execute("").await.is_err() {
            self.bystander = self.cluster.connect_to("elsewhere", "app", "bystander").await;
            self.places.pid = self.bystander.pid;
        }
        if self.sleeper.is_finished() {
            (self.sleeper, self.places.sleeper) = sleeper(&self.cluster).await;
        }
    }

    /// Undoes what statements did to the cluster, and to the database if its contents are no longer what they were.
    pub async fn repair(&mut self, contents: bool) {
        let inside = self.cluster.connect("postgres", "oracle").await;
        for undo in [
            "ALTER SUBSCRIPTION made DISABLE",
            "ALTER SUBSCRIPTION made SET (slot_name = NONE)",
            "DROP SUBSCRIPTION made",
            "ROLLBACK PREPARED 'left'",
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
            "ALTER SYSTEM RESET ALL",
            "ALTER ROLE ALL RESET ALL",
            "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name LIKE 'left%'",
        ] {
            // Most of them have nothing to undo.
            let _ = inside.batch_execute(undo).await;
        }
        drop(inside);
        let beside = self.cluster.connect_to("elsewhere", "postgres", "oracle").await;
        for undo in [
            "DROP DATABASE IF EXISTS made",
            "SELECT pg_reload_conf()",
            "CREATE ROLE app LOGIN",
        ] {
            let _ = beside.batch_execute(undo).await;
        }
        if contents {
            beside
                .batch_execute("DROP DATABASE postgres WITH (FORCE)")
                .await
                .unwrap();
            beside
                .batch_execute("CREATE DATABASE postgres TEMPLATE trapped")
                .await
                .unwrap();
            for undo in ["DROP TABLESPACE IF EXISTS made", "DROP ROLE IF EXISTS made"] {
                let _ = beside.batch_execute(undo).await;
            }
        }
        for file in fs::read_dir(self.cluster.writable_folder()).unwrap().flatten() {
            let _ = fs::remove_file(file.path());
        }
        self.replace_bystanders().await;
    }
}

/// Opens a session that is in the middle of a statement until somebody ends it.
async fn sleeper(cluster: &Cluster) -> (JoinHandle<()>, i32) {
    let session = cluster.connect_to("elsewhere", "app", "sleeper").await;
    let pid = session.pid;
    let asleep = tokio::spawn(async move {
        let _ = session.batch_execute("SELECT pg_sleep(100000)").await;
    });
    (asleep, pid)
}

/// Starts a cluster and fills its database with traps.
async fn traps() -> (Cluster, Places) {
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
    (cluster, places)
}
