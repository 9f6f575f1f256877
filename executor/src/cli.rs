//! The command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Config;
use crate::executor::Executor;
use crate::outcome::{Ended, Exit};
use crate::preflight::{self, Desk};
use crate::recover::recover;
use crate::run::run_order;
use crate::serve::{serve, with_reports};
use crate::setup_sql::{DEFAULT_ROLE, setup_sql};

/// Executes exactly what was signed, once, or back again.
///
/// Exit codes: 0 done; 1 failed, nothing was changed, or stopped on request between two steps; 2 usage or configuration;
/// 3 denied by policy; 4 not approved, expired or used before; 5 not recovered, rolled back; 6 a person is needed: the
/// rollback failed, a step is in doubt, or the target is away; 7 the journal does not verify.
#[derive(Debug, Parser)]
#[command(name = "executor", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How logs are written to stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one order that was handed over as a file, as in a CI/CD job.
    Run {
        /// The signed order; `-` reads it from standard input.
        #[arg(long)]
        order: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Finishes what a crash left, then pulls orders from the gate and runs them one after another.
    Serve {
        /// Exits after one order, with its exit code.
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Finishes what a crash or an interruption left unfinished, and exits.
    Recover {
        #[command(flatten)]
        place: Place,
    },
    /// Says whether this executor could run a plan now: the right target, prechecks, blast radius, what its role may do, who
    /// holds the locks. It needs no signature, changes nothing, and opens no journal. Exit code 0: it could; 1: it could not;
    /// 3: its policy denies the plan.
    Preflight {
        /// The plan's exact text; `-` reads it from standard input.
        #[arg(long)]
        plan: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Says whether the executor's role can do what the catalog's runbooks need, and nothing else, with the statement that
    /// mends each finding. It changes nothing, and opens no journal. Exit code 0: it is so; 1: it is not, or could not be
    /// asked; 2: the configuration cannot be used.
    Doctor {
        /// One target; without it, all.
        #[arg(long)]
        target: Option<String>,
        /// A runbook that is used there; without any, all of the catalog. May be given again.
        #[arg(long = "runbook")]
        runbooks: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Prints the DDL that a target needs. It changes nothing.
    SetupSql {
        /// The executor's role.
        #[arg(long, default_value = DEFAULT_ROLE)]
        role: String,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The configuration file.
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_CONFIG", default_value = "executor.toml")]
    config: PathBuf,
    /// The gate's address; stands above that in the file.
    #[arg(long, env = "COUNTERSIGN_GATE_URL")]
    gate: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

/// Runs a parsed command line.
pub fn main(cli: Cli) -> ExitCode {
    log(cli.log_format);
    if let Command::SetupSql { role } = &cli.command {
        return print(&setup_sql(role)).map_or(Exit::Failed, |()| Exit::Done).into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, Exit::Failed).into(),
    };
    runtime.block_on(run(cli.command)).into()
}

async fn run(command: Command) -> Exit {
    let place = match &command {
        Command::Run { place, .. } | Command::Serve { place, .. } | Command::Recover { place } => place,
        Command::Preflight { plan, json, place } => return look(plan, *json, place).await,
        Command::Doctor {
            target,
            runbooks,
            json,
            place,
        } => return examine(target.as_deref(), runbooks, *json, place).await,
        Command::SetupSql { .. } => return Exit::Usage,
    };
    let executor = match open(place) {
        Ok(executor) => Arc::new(executor),
        Err(exit) => return exit,
    };
    tokio::spawn(watch_signals(executor.stopper()));
    work(&executor, &command).await
}

async fn examine(target: Option<&str>, runbooks: &[String], json: bool, place: &Place) -> Exit {
    let desk = match open_desk(place) {
        Ok(desk) => desk,
        Err(exit) => return exit,
    };
    let found = match desk.examine(target, runbooks).await {
        Ok(found) => found,
        Err(message) => {
            tracing::error!(error = message, "failed");
            return Exit::Usage;
        }
    };
    let text = if json {
        format!("{}\n", json!({ "targets": found }))
    } else {
        found.iter().map(ToString::to_string).collect()
    };
    match print(&text) {
        Ok(()) if found.iter().all(|one| one.exit() == Exit::Done) => Exit::Done,
        Ok(()) => Exit::Failed,
        Err(error) => fail(&error, Exit::Failed),
    }
}

fn open_desk(place: &Place) -> Result<Desk, Exit> {
    Config::load(&place.config, place.gate.as_deref())
        .map_err(|error| fail(&error, Exit::Usage))
        .and_then(|config| Desk::open(config).map_err(|error| fail(&error, error.exit())))
}

async fn look(plan: &Path, json: bool, place: &Place) -> Exit {
    let read =
        open_desk(place).and_then(|desk| Ok((desk, read_file(plan).map_err(|error| fail(&error, Exit::Usage))?)));
    let (desk, plan) = match read {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let report = preflight::preflight(&desk.bench(), plan.as_bytes()).await;
    let text = if json {
        match serde_json::to_string(&report) {
            Ok(text) => format!("{text}\n"),
            Err(error) => return fail(&error, Exit::Failed),
        }
    } else {
        report.to_string()
    };
    match print(&text) {
        Ok(()) => report.exit(),
        Err(error) => fail(&error, Exit::Failed),
    }
}

async fn work(executor: &Arc<Executor>, command: &Command) -> Exit {
    let result = match command {
        Command::Run { order, .. } => {
            let envelope = match read_file(order) {
                Ok(envelope) => envelope,
                Err(error) => return fail(&error, Exit::Usage),
            };
            with_reports(executor, run_order(executor, &envelope))
                .await
                .map(|ended| {
                    tell(&ended);
                    ended.exit()
                })
        }
        Command::Serve { once, .. } => {
            // A task of its own: whatever becomes of it, orders are run.
            tokio::spawn(preflight::serve(executor.clone()));
            serve(executor, *once, &tell).await
        }
        Command::Recover { .. } => with_reports(executor, recover(executor)).await.map(|finished| {
            finished.iter().for_each(|(_, ended)| tell(ended));
            finished.last().map_or(Exit::Done, |(_, ended)| ended.exit())
        }),
        Command::Preflight { .. } | Command::Doctor { .. } | Command::SetupSql { .. } => return Exit::Usage,
    };
    result.unwrap_or_else(|fault| fail(&fault, fault.exit()))
}

fn open(place: &Place) -> Result<Executor, Exit> {
    let config = Config::load(&place.config, place.gate.as_deref()).map_err(|error| fail(&error, Exit::Usage))?;
    Executor::open(config).map_err(|error| fail(&error, error.exit()))
}

fn read_file(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    }
}

/// SIGTERM and SIGINT stop the run before its next step; what was begun is journalled, and `recover` goes on.
async fn watch_signals(stop: impl Fn()) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::warn!("signals cannot be watched");
        return;
    };
    loop {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("asked to stop: the step that is running is finished first");
        stop();
    }
}

fn tell(ended: &Ended) {
    let line = json!({
        "result": ended.code(),
        "message": ended.to_string(),
        "exit_code": ended.exit() as u8,
    });
    // Nobody may be listening; the journal has it all the same.
    let _ = print(&format!("{line}\n"));
}

fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn fail(error: &dyn std::error::Error, exit: Exit) -> Exit {
    tracing::error!(error = crate::chain(error), "failed");
    exit
}

fn log(format: LogFormat) {
    let asked = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let chosen: Option<Targets> = asked.and_then(|text| text.parse().ok());
    let registry = tracing_subscriber::registry()
        .with(chosen.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => registry.with(lines.json()).init(),
        LogFormat::Text => registry.with(lines).init(),
    }
}
