//! Starts the gate and the executor as processes of their own, and the orchestrator in this one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::binaries::Binaries;
use super::children::{Children, bound_to_us};
use super::configs::Configs;
use crate::commands::Service;
use crate::config::Config;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Starts the gate and returns its address.
pub(super) async fn start_gate(
    folder: &Path,
    binaries: &Binaries,
    configs: &Configs,
    children: &mut Children,
) -> Result<String> {
    let addr_file = folder.join("gate.address");
    let mut command = bound_to_us("TERM", &binaries.approval_gate);
    command
        .args(["serve", "--http", "127.0.0.1:0", "--config"])
        .arg(&configs.gate)
        .arg("--addr-file")
        .arg(&addr_file);
    start(folder, "approval-gate", &mut command, children)?;
    let address = async {
        loop {
            match std::fs::read_to_string(&addr_file) {
                Ok(address) => return Ok(address.trim().to_owned()),
                Err(_) if children.ended().is_empty() => tokio::time::sleep(BETWEEN_LOOKS).await,
                Err(_) => bail!("{} ended at once", children.ended().join(", ")),
            }
        }
    };
    tokio::time::timeout(START_TIMEOUT, address)
        .await
        .context("the gate did not start in time")?
}

pub(super) fn start_executor(
    folder: &Path,
    binaries: &Binaries,
    configs: &Configs,
    gate_url: &str,
    children: &mut Children,
) -> Result<()> {
    let mut command = bound_to_us("TERM", &binaries.executor);
    command
        .args(["serve", "--gate", gate_url, "--config"])
        .arg(&configs.executor);
    start(folder, "executor", &mut command, children)
}

pub(super) async fn start_orchestrator(configs: &Configs, stop: CancellationToken) -> Result<Service> {
    let config = Config::load(&configs.orchestrator).context("the demo's own configuration is wrong")?;
    Service::start(config, stop).await
}

fn start(folder: &Path, name: &str, command: &mut Command, children: &mut Children) -> Result<()> {
    let log = std::fs::File::create(folder.join("logs").join(format!("{name}.log")))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true);
    children.adopt(
        name,
        command.spawn().with_context(|| format!("could not start `{name}`"))?,
    );
    Ok(())
}
