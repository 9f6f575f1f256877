//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use incident::State;
use kit::{ExitCode, LogFormat};

use crate::commands;
use crate::config::Config;
use crate::demo;

#[derive(Parser)]
#[command(
    name = "orchestrator",
    version,
    about = "Alert in, recovered incident and post-mortem out"
)]
struct Cli {
    /// How logs are written to stderr
    #[arg(long, value_enum, global = true, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take alerts in and work on incidents
    Serve {
        #[command(flatten)]
        config: ConfigArg,
        /// Write the bound address (http://ADDR:PORT) into this file once listening
        #[arg(long, value_name = "FILE")]
        addr_file: Option<PathBuf>,
        /// Print the resulting configuration and exit
        #[arg(long)]
        print_config: bool,
    },
    /// Drive one alert to its end in the foreground
    Run {
        #[command(flatten)]
        config: ConfigArg,
        /// An Alertmanager webhook body (version 4), or - for stdin
        #[arg(long, value_name = "FILE|-")]
        alert: PathBuf,
        /// Stop when this state is reached, as awaiting_approval
        #[arg(long, value_name = "STATE", value_parser = parse_state)]
        until: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// List incidents, or show one
    Incidents {
        #[command(flatten)]
        config: ConfigArg,
        #[command(subcommand)]
        what: Incidents,
    },
    /// Write an incident as a case for `eval`
    Record {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        what: commands::RecordArgs,
    },
    /// Print an incident's post-mortem
    Postmortem {
        #[command(flatten)]
        config: ConfigArg,
        id: String,
    },
    /// Ask every part whether it is there
    Doctor {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Break a private PostgreSQL and repair it through the whole path, with you as the approver
    Demo(demo::DemoArgs),
    /// Break a private PostgreSQL as a runbook's author says, and let the runbook repair it, with you as the approver
    Trial(demo::trial::TrialArgs),
    /// Break a private PostgreSQL in each way that a folder describes, and see whether the diagnosis finds the cause
    Rehearse(demo::rehearsal::RehearseArgs),
    /// Replay recorded incidents through the diagnosis, and compare with what was right
    Eval(commands::EvalArgs),
}

#[derive(Args)]
struct ConfigArg {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", global = true, default_value = "orchestrator.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Incidents {
    /// All incidents, newest first
    List {
        #[arg(long)]
        json: bool,
    },
    /// One incident with its journal
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::Failed
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Demo(args) = cli.command {
        // The demo tells a story on the terminal; logs go to a file beside its state.
        return demo::run(&args).await;
    }
    if let Command::Trial(args) = cli.command {
        return demo::trial::run(&args).await;
    }
    if let Command::Rehearse(args) = cli.command {
        return demo::rehearsal::run(&args).await;
    }
    if let Command::Eval(args) = cli.command {
        return commands::eval(&args).await;
    }
    kit::logging::init("orchestrator", cli.log_format);
    let file = match &cli.command {
        Command::Serve { config, .. }
        | Command::Run { config, .. }
        | Command::Incidents { config, .. }
        | Command::Postmortem { config, .. }
        | Command::Record { config, .. }
        | Command::Doctor { config } => &config.config,
        Command::Demo(_) | Command::Trial(_) | Command::Rehearse(_) | Command::Eval(_) => return Ok(ExitCode::Usage),
    };
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {}", crate::chain(&error));
            return Ok(ExitCode::Usage);
        }
    };
    match cli.command {
        Command::Serve { print_config: true, .. } => {
            crate::terminal::print(&kit::config::print(&config)?)?;
            Ok(ExitCode::Done)
        }
        Command::Serve { addr_file, .. } => commands::serve(config, addr_file.as_deref()).await,
        Command::Run { alert, until, json, .. } => commands::run(config, &alert, until.as_deref(), json).await,
        Command::Incidents {
            what: Incidents::List { json },
            ..
        } => commands::list(&config.orchestrator.state_dir, json),
        Command::Incidents {
            what: Incidents::Show { id, json },
            ..
        } => commands::show(&config.orchestrator.state_dir, &id, json),
        Command::Record { what, .. } => commands::record(&config.orchestrator.state_dir, &what),
        Command::Postmortem { id, .. } => commands::postmortem(&config.orchestrator.state_dir, &id),
        Command::Doctor { .. } => commands::doctor(&config).await,
        Command::Demo(_) | Command::Trial(_) | Command::Rehearse(_) | Command::Eval(_) => Ok(ExitCode::Usage),
    }
}

fn parse_state(word: &str) -> Result<String, String> {
    let words = State::WORDS;
    if words.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(format!("expected one of {}", words.join(", ")))
    }
}
