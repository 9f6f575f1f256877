//! What an executor holds while it lives: its own files, its journal, its clock. No credential.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use journal::{Journal, JournalConfig};
use policies::{Policy, PolicyError};
use runbooks::{Catalog, Timestamp};
use tokio::sync::{Notify, watch};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::gate::{Gate, GateError};
use crate::halt::Fault;
use crate::{ledger, reports, surroundings};

/// An executor, ready to run orders one after another.
pub struct Executor {
    config: Config,
    catalog: Catalog,
    policy: Policy,
    journal: Journal,
    clock: Box<dyn Clock>,
    gate: Option<Gate>,
    stop: Arc<watch::Sender<bool>>,
    reporter: Notify,
}

/// Why an executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("could not make the state directory `{path}`")]
    StateDir {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the catalog cannot be used")]
    Catalog(#[from] approval::SignedCatalogError),
    #[error("the policy cannot be used")]
    Policy(#[from] PolicyError),
    #[error("the gate cannot be spoken to")]
    Gate(#[from] GateError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Executor {
    /// Reads the executor's own catalog and policy, and opens its journal, which is verified first.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        Self::open_at(config, Box::new(SystemClock))
    }

    /// The same with another clock: for tests.
    pub fn open_at(config: Config, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let catalog = approval::open_catalog(config.catalog_dir.as_deref(), config.catalog_signed_by.as_deref())?;
        let policy = Policy::open(
            config.policy_dir.as_deref(),
            config.policy_windows.as_deref(),
            config.policy_freezes.as_deref(),
        )?;
        let gate = Gate::new(&config.gate)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.state_dir)
            .map_err(|source| OpenError::StateDir {
                path: config.state_dir.clone(),
                source,
            })?;
        let journal = Journal::open(&JournalConfig {
            path: config.state_dir.join("journal.sqlite"),
            origin: format!("countersign/executor/{}", config.id),
            key_file: config.state_dir.join("journal_key"),
            publish: config.publish.clone(),
        })
        .map_err(Fault::from)?;
        journal.migrate(ledger::TABLE).map_err(Fault::from)?;
        journal.migrate(reports::TABLE).map_err(Fault::from)?;
        journal.migrate(surroundings::TABLE).map_err(Fault::from)?;
        Ok(Self {
            config,
            catalog,
            policy,
            journal,
            clock,
            gate,
            stop: Arc::new(watch::channel(false).0),
            reporter: Notify::new(),
        })
    }

    /// Asks a run to stop before its next step. A way back that has begun is gone to its end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns what asks the same from another task: a run waits for its journal without giving way.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let stop = self.stop.clone();
        move || {
            stop.send_replace(true);
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when [`Executor::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // It fails only without a sender, and we hold that.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn wake_reporter(&self) {
        self.reporter.notify_one();
    }

    /// Returns when there may be something to report.
    pub(crate) async fn has_report(&self) {
        self.reporter.notified().await;
    }
}

impl OpenError {
    /// Returns the exit code: a journal that does not verify has its own.
    pub fn exit(&self) -> crate::Exit {
        match self {
            Self::Fault(fault) => fault.exit(),
            Self::StateDir { .. } => crate::Exit::Failed,
            Self::Catalog(_) | Self::Policy(_) | Self::Gate(_) => crate::Exit::Usage,
        }
    }
}
