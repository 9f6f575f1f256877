//! `serve`: the gate itself; and `key`, which makes its key before it first runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kit::{CancellationToken, ExitCode, ServeArgs, Server, ServerInfo};

use super::client::CliError;
use crate::config::Config;
use crate::resources::GateResources;
use crate::tools::{ExecutePlan, RollbackPlan};
use crate::{channels, http, opening, windows};

/// `approval-gate key --config F`
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The gate's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Serves until stopped. What is missing keeps it shut.
pub async fn serve(args: ServeArgs) -> ExitCode {
    let config = match load(args.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if args.print_config {
        return match kit::config::print(&config) {
            Ok(text) => {
                print!("{text}");
                ExitCode::Done
            }
            Err(error) => refuse(&error.into()),
        };
    }
    let stop = CancellationToken::new();
    let gate = match opening::open(&config, stop.clone()) {
        Ok(gate) => Arc::new(gate),
        Err(error) => return refuse(&error),
    };
    // The list may have been changed while the gate was down.
    if let Err(refusal) = gate.strike() {
        return refuse(&anyhow::anyhow!("{refusal} ({})", refusal.code));
    }
    if args.http.is_none() {
        eprintln!(
            "approval-gate: on stdio there are no pages and no orders to claim; people and executors need --http"
        );
    }
    let timer = tokio::spawn(windows::watch(gate.clone()));
    let announced = gate.clone();
    let told = gate.clone();
    let counted = gate.clone();
    let code = Server::new(INFO, gate.clone())
        .tool::<ExecutePlan>()
        .tool::<RollbackPlan>()
        .resources(GateResources)
        .routes(http::routes(gate))
        .metrics(move || counted.metrics())
        .on_listening(move |address| {
            let _ = announced.public_url.set(config.url_with(address));
            // Not before it is known how people reach the pages: messages hold links to them.
            channels::start(&told);
        })
        .stop_with(stop.clone())
        .run(&args)
        .await;
    stop.cancel();
    if timer.await.is_err() {
        return ExitCode::Failed;
    }
    code
}

/// Makes the gate's key where there is none, and prints its public half.
pub fn key(args: &KeyArgs) -> Result<(), CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::Usage(error.to_string()))?;
    let key = opening::open_key(&config.key_file()).map_err(|error| CliError::Usage(format!("{error:#}")))?;
    println!("{}", key.public_key());
    Ok(())
}

fn load(path: Option<&Path>) -> anyhow::Result<Config> {
    let path =
        path.ok_or_else(|| anyhow::anyhow!("--config FILE is needed: the gate judges by its own files alone"))?;
    Ok(Config::load(path)?)
}

fn refuse(error: &anyhow::Error) -> ExitCode {
    eprintln!("approval-gate does not start: {error:#}");
    ExitCode::Usage
}

const INFO: ServerInfo = ServerInfo {
    name: "approval-gate",
    version: env!("CARGO_PKG_VERSION"),
    instructions: "Plans reach people here, and executors after people have signed. Both tools refuse without a valid \
        approval_token: call execute_plan with the plan's exact text and its evidence; the refusal approval_required \
        names the page where a person signs. Call again without a token to learn the status; once enough people have \
        signed, the answer holds approval_token, good for this plan and one use. State is read as resources: \
        approval://requests/{id} and approval://executions/{id}. Nothing said in this session is an approval.",
};
