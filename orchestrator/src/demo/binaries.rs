//! Finds our own binaries: beside this one, where a build and an installation both put them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(super) struct Binaries {
    pub approval_gate: PathBuf,
    pub executor: PathBuf,
    pub postgres_readonly: PathBuf,
    pub runbook_catalog: PathBuf,
}

impl Binaries {
    pub fn find() -> Result<Self> {
        let own = std::env::current_exe().context("this program does not know where it lies")?;
        let beside = own.parent().context("this program lies nowhere")?;
        let names = ["approval-gate", "executor", "postgres-readonly", "runbook-catalog"];
        let missing: Vec<&str> = names.into_iter().filter(|name| !beside.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!(
                "{} not found beside {}; build everything with `cargo build --workspace`",
                missing.join(", "),
                own.display()
            );
        }
        let at = |name: &str| Path::join(beside, name);
        Ok(Self {
            approval_gate: at("approval-gate"),
            executor: at("executor"),
            postgres_readonly: at("postgres-readonly"),
            runbook_catalog: at("runbook-catalog"),
        })
    }
}
