//! The faults: each made by real sessions on the private database, with other sessions that must come to no harm.

mod connection_saturation;
mod ddl_lock_queue;
mod idle_in_transaction;

use std::time::Duration;

use anyhow::{Context, Result};

use super::database::Database;
use super::roles::SHOP;
use super::session::{Identity, Session};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    IdleInTransactionBlocker,
    DdlLockQueue,
    ConnectionSaturation,
}

/// A fault that has been made, and how one sees that it is there, and gone.
pub(super) struct Fault {
    /// In words, for the story.
    pub says: String,
    /// True once it is a symptom.
    pub symptom: &'static str,
    /// Sessions that wait because of it, and have to get through.
    pub waiting: Vec<Session>,
    /// Sessions that nobody may touch, beside the bystanders.
    pub innocent: Vec<Session>,
    /// Sessions that make the fault; held until the end.
    pub held: Vec<Session>,
    /// What the database itself must say afterwards: the sentence, and a query that returns `t`.
    pub afterwards: Vec<(String, String)>,
}

impl Scenario {
    pub const ALL: [Self; 3] = [
        Self::IdleInTransactionBlocker,
        Self::DdlLockQueue,
        Self::ConnectionSaturation,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::IdleInTransactionBlocker => "idle-in-transaction-blocker",
            Self::DdlLockQueue => "ddl-lock-queue",
            Self::ConnectionSaturation => "connection-saturation",
        }
    }

    pub const fn about(self) -> &'static str {
        match self {
            Self::IdleInTransactionBlocker => {
                "a session forgot its open transaction, and three checkouts wait for its row lock"
            }
            Self::DdlLockQueue => {
                "a migration waits behind a long report, and every reader queues behind the migration"
            }
            Self::ConnectionSaturation => "a worker leaks connections until hardly any are left",
        }
    }

    /// The alert that a monitoring system would send. The diagnosis never looks at its name.
    pub const fn alert(self) -> &'static str {
        match self {
            Self::IdleInTransactionBlocker => "PostgresLockWaits",
            Self::DdlLockQueue => "PostgresQueriesStuck",
            Self::ConnectionSaturation => "PostgresTooManyConnections",
        }
    }

    pub const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::IdleInTransactionBlocker | Self::DdlLockQueue => &[],
            Self::ConnectionSaturation => &["max_connections=40"],
        }
    }

    pub async fn cause(self, database: &Database) -> Result<Fault> {
        match self {
            Self::IdleInTransactionBlocker => idle_in_transaction::cause(database).await,
            Self::DdlLockQueue => ddl_lock_queue::cause(database).await,
            Self::ConnectionSaturation => connection_saturation::cause(database).await,
        }
    }
}

/// The healthy load: sessions that read and write all the time, each on a row of its own.
pub(super) async fn bystanders(database: &Database) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for row in 1..=3 {
        let mut session = Session::open(database, SHOP, "web").await?;
        session
            .send(&format!(
                "UPDATE public.visits SET seen = seen + 1 WHERE id = {row} \\watch 0.2"
            ))
            .await?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// Waits until the database shows the symptom; that is when a monitoring system would begin to count.
pub(super) async fn wait_for_symptom(database: &Database, fault: &Fault) -> Result<()> {
    let seen = async {
        while database.ask(fault.symptom).await? != "t" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .context("the fault does not show")?
}

/// Which of these sessions are there now, the very same ones.
pub(super) async fn still_there(database: &Database, sessions: &[Identity]) -> Result<Vec<Identity>> {
    let told = database
        .ask("SELECT pid || '|' || backend_start FROM pg_stat_activity WHERE backend_type = 'client backend'")
        .await?;
    let present: Vec<Identity> = told.lines().filter_map(Identity::parse).collect();
    Ok(sessions.iter().filter(|one| present.contains(one)).cloned().collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::demo::children::Children;
    use crate::demo::roles::set_up_shop;
    use crate::demo::server_binaries::ServerBinaries;

    async fn fault_shows(scenario: Scenario) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let mut children = Children::default();
        let server = ServerBinaries::find().unwrap();
        let mut database = Database::start(&server, folder.path(), scenario.settings(), &mut children)
            .await
            .unwrap();
        set_up_shop(&mut database).await.unwrap();
        let innocent = bystanders(&database).await.unwrap();
        let fault = scenario.cause(&database).await.unwrap();
        wait_for_symptom(&database, &fault).await.unwrap();
        // Before any repair, what must be true afterwards is not: the oracle can see harm.
        let mut already = 0;
        for (_, query) in &fault.afterwards {
            already += usize::from(database.ask(query).await.unwrap() == "t");
        }
        assert!(already < fault.afterwards.len());
        let identities: Vec<Identity> = innocent.iter().map(|session| session.identity.clone()).collect();
        assert_eq!(still_there(&database, &identities).await.unwrap(), identities);
        drop((innocent, fault));
        children.stop_all().await;
        assert!(std::net::TcpStream::connect(("127.0.0.1", database.port)).is_err());
    }

    #[tokio::test]
    async fn an_idle_transaction_makes_the_checkouts_wait() {
        fault_shows(Scenario::IdleInTransactionBlocker).await;
    }

    #[tokio::test]
    async fn a_migration_behind_a_report_makes_the_readers_wait() {
        fault_shows(Scenario::DdlLockQueue).await;
    }

    #[tokio::test]
    async fn a_leak_fills_the_server() {
        fault_shows(Scenario::ConnectionSaturation).await;
    }
}
