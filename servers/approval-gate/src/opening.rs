//! Opens the gate. Whatever is missing or unreadable keeps it shut: denial is the default.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, OnceLock, RwLock};

use anyhow::{Context, bail};
use approval::{Floor, GateKey, open_catalog};
use chrono::Utc;
use journal::{Journal, JournalConfig};
use kit::CancellationToken;
use policies::Policy;
use runbooks::{Digest, Timestamp};
use tokio::sync::Notify;

use crate::approver_list::ApproverFile;
use crate::channels::Channels;
use crate::config::Config;
use crate::gate::Gate;
use crate::preflight::Preflights;
use crate::sessions::Sessions;
use crate::store::Store;

/// Opens everything that the gate judges by and remembers.
///
/// # Errors
/// When catalog, policy, key, bearer, journal or approver list is missing, unreadable or not to be trusted.
pub fn open(config: &Config, stop: CancellationToken) -> anyhow::Result<Gate> {
    let catalog = open_catalog(config.catalog.dir.as_deref(), config.catalog.signed_by.as_deref());
    let rules = &config.policy;
    let policy = Policy::open(rules.dir.as_deref(), rules.windows.as_deref(), rules.freezes.as_deref());
    let catalog = catalog.context("the catalog cannot be used")?;
    let policy = policy.context("the policy cannot be used")?;
    let bearer = read_bearer(&config.gate.executor_bearer_file)?;
    make_private_dir(&config.gate.state_dir)?;
    let key = open_key(&config.key_file())?;
    let journal = Journal::open(&JournalConfig {
        path: config.gate.state_dir.join("gate.db"),
        origin: format!("countersign/{}", config.gate.id),
        key_file: config.gate.state_dir.join("journal_key"),
        publish: config.publish(),
    });
    let store = Store::open(journal.context("the journal cannot be used")?).context("the state cannot be used")?;
    let channels = Channels::open(&config.channels).context("a channel cannot be used")?;
    let approver_file = ApproverFile {
        path: config.approvers.file.to_path_buf(),
        admin_key: config.approvers.admin_key.clone(),
    };
    let listed = approver_file
        .open(&store)
        .map_err(|refusal| anyhow::anyhow!("the approver list cannot be used: {refusal} ({})", refusal.code))?;
    let public_url = OnceLock::new();
    if let Some(url) = config.fixed_url() {
        let _ = public_url.set(url);
    }
    Ok(Gate {
        id: config.gate.id.clone(),
        environment: config.gate.environment.clone(),
        audience: config.gate.audience.clone(),
        targets: config.targets.clone(),
        catalog,
        policy,
        floor: Floor {
            approvers: config.floor.approvers,
            hardware: config.floor.hardware,
            ssh: config.floor.ssh,
            attested: config.floor.attested,
            grants: config.floor.grants,
        },
        key,
        bearer,
        approver_file,
        listed: RwLock::new(Arc::new(listed)),
        store,
        public_url,
        clock: || Timestamp::from(Utc::now()),
        preflights: Preflights::new(&config.preflight),
        sessions: Sessions::new(),
        channels,
        orders: Notify::new(),
        windows: Notify::new(),
        stop,
    })
}

/// Opens the gate's signing key, makes it where there is none, and lays its public half beside it for executors.
///
/// # Errors
/// When it is unreadable, exposed, or cannot be made.
pub fn open_key(path: &Path) -> anyhow::Result<GateKey> {
    if let Some(folder) = path.parent() {
        make_private_dir(folder)?;
    }
    let key = GateKey::load_or_create(path).context("the gate's key cannot be used")?;
    let public = path.with_extension("pub");
    let line = format!("{}\n", key.public_key());
    if fs::read_to_string(&public).ok().as_deref() != Some(&line) {
        fs::write(&public, line).with_context(|| format!("could not write `{}`", public.display()))?;
    }
    Ok(key)
}

fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not make the folder `{}`", path.display()))
}

fn read_bearer(path: &Path) -> anyhow::Result<Digest> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the executor's bearer cannot be read from `{}`", path.display()))?;
    let bearer = text.trim();
    if bearer.len() < MIN_BEARER_CHARS {
        bail!(
            "the executor's bearer in `{}` has fewer than {MIN_BEARER_CHARS} characters",
            path.display()
        );
    }
    Ok(Digest::of(bearer.as_bytes()))
}

const MIN_BEARER_CHARS: usize = 16;
