//! Writes the configuration files, as an operator would; with `--keep` they stay to be read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::binaries::Binaries;
use super::database::{DATABASE, Database, random_word};
use super::identities::Identities;
use super::roles::{EXECUTOR, OBSERVER};

pub(super) const TARGET: &str = "orders";
pub(super) const CLUSTER_LABEL: &str = "orders-demo";
pub(super) const ENVIRONMENT: &str = "demo";
const GATE: &str = "gate-1";
const EXECUTOR_ID: &str = "executor-1";

pub(super) struct Configs {
    folder: PathBuf,
    /// Laid over the shipped catalog.
    catalog: Option<PathBuf>,
    system_identifier: String,
    pub gate: PathBuf,
    pub executor: PathBuf,
    pub orchestrator: PathBuf,
    /// What alert sources have to show.
    pub alert_bearer: String,
}

impl Configs {
    /// Writes the secrets and the gate's file; the others need the gate's address.
    pub async fn write(
        folder: &Path,
        database: &Database,
        identities: &Identities,
        catalog: Option<&Path>,
    ) -> Result<Self> {
        let system_identifier = database
            .ask("SELECT system_identifier FROM pg_control_system()")
            .await?;
        let alert_bearer = random_word();
        let configs = Self {
            folder: folder.to_owned(),
            catalog: catalog.map(Path::to_owned),
            system_identifier,
            gate: folder.join("approval-gate.toml"),
            executor: folder.join("executor.toml"),
            orchestrator: folder.join("orchestrator.toml"),
            alert_bearer,
        };
        configs.secret("alerts.bearer", &configs.alert_bearer)?;
        configs.secret("executor.bearer", &random_word())?;
        configs.secret("observer.dsn", &database.dsn(OBSERVER)?)?;
        configs.secret("executor.dsn", &database.dsn(EXECUTOR)?)?;
        let text = format!(
            "[gate]\nid = '{GATE}'\nenvironment = '{ENVIRONMENT}'\nstate_dir = 'gate'\nkey_file = '{}'\naudience = '{EXECUTOR_ID}'\n\
             executor_bearer_file = 'executor.bearer'\n\n[approvers]\nfile = '{}'\nadmin_key = '{}'\n\n{}",
            identities.gate_key.display(),
            identities.approvers.display(),
            identities.admin_public,
            configs.target(""),
        );
        write(&configs.gate, &text)?;
        for state in ["gate", "executor", "orchestrator"] {
            std::fs::create_dir(folder.join(state))?;
            std::fs::set_permissions(folder.join(state), std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(configs)
    }

    pub fn write_executor(&self, identities: &Identities, gate_url: &str) -> Result<()> {
        let text = format!(
            "[executor]\nid = '{EXECUTOR_ID}'\nenvironment = '{ENVIRONMENT}'\nstate_dir = 'executor'\n\n[gate]\nid = '{GATE}'\n\
             public_key = '{}'\nurl = '{gate_url}'\nbearer_file = 'executor.bearer'\n\n[approvers]\nfile = '{}'\nadmin_key = '{}'\n\n{}",
            identities.gate_public,
            identities.approvers.display(),
            identities.admin_public,
            self.target("dsn_file = 'executor.dsn'\n"),
        );
        write(&self.executor, &text)
    }

    pub fn write_orchestrator(&self, binaries: &Binaries, gate_url: &str) -> Result<()> {
        let target = self.target(&format!(
            "match = {{ cluster = '{CLUSTER_LABEL}' }}\nservers = ['postgres-readonly', 'runbook-catalog']\n"
        ));
        let text = format!(
            "[orchestrator]\nid = 'orchestrator-1'\nstate_dir = 'orchestrator'\nlisten = '127.0.0.1:0'\nbearer_file = 'alerts.bearer'\n\n\
             [gate]\nurl = '{gate_url}'\n\n{target}\n\
             [servers.postgres-readonly]\ncommand = ['{}', '--database-url-file', '{}']\nlog_file = 'logs/postgres-readonly.log'\n\n\
             [servers.runbook-catalog]\ncommand = ['{}']\nlog_file = 'logs/runbook-catalog.log'\n",
            binaries.postgres_readonly.display(),
            self.folder.join("observer.dsn").display(),
            binaries.runbook_catalog.display(),
        );
        write(&self.orchestrator, &text)
    }

    pub fn system_identifier(&self) -> &str {
        &self.system_identifier
    }

    /// The catalog and the target, of which all three say the same.
    fn target(&self, more: &str) -> String {
        let catalog = self.catalog.as_ref();
        let catalog = catalog.map(|dir| format!("[catalog]\ndir = '{}'\n\n", dir.display()));
        format!(
            "{}[[targets]]\nname = '{TARGET}'\nenvironment = '{ENVIRONMENT}'\nsystem_identifier = '{}'\ndatabase = '{DATABASE}'\n{more}",
            catalog.unwrap_or_default(),
            self.system_identifier
        )
    }

    fn secret(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder.join(name), &format!("{text}\n"))
    }
}

/// Writes the orchestrator's file for whoever wants to look and nothing else; the gate that it names is never asked.
pub(super) fn observer_only(folder: &Path, database: &Database, binaries: &Binaries, port: u16) -> Result<PathBuf> {
    let state = folder.join("orchestrator");
    std::fs::create_dir(&state)?;
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700))?;
    write(&folder.join("alerts.bearer"), &random_word())?;
    write(&folder.join("observer.dsn"), &database.dsn_at(OBSERVER, port)?)?;
    let file = folder.join("orchestrator.toml");
    let text = format!(
        "[orchestrator]\nid = 'orchestrator-1'\nstate_dir = 'orchestrator'\nlisten = '127.0.0.1:0'\nbearer_file = 'alerts.bearer'\n\n\
         [gate]\nurl = 'http://127.0.0.1:9'\n\n\
         [[targets]]\nname = '{TARGET}'\nenvironment = '{ENVIRONMENT}'\ndatabase = '{DATABASE}'\n\
         match = {{ cluster = '{CLUSTER_LABEL}' }}\nservers = ['postgres-readonly']\n\n\
         [servers.postgres-readonly]\ncommand = ['{}', '--database-url-file', '{}']\nlog_file = 'logs/postgres-readonly.log'\n",
        binaries.postgres_readonly.display(),
        folder.join("observer.dsn").display(),
    );
    write(&file, &text)?;
    Ok(file)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("could not write `{}`", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}
