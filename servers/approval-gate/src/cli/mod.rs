//! The command line: `serve` is the gate; everything else is a person in front of it.

mod approve;
mod approvers;
mod client;
mod freeze;
mod grants;
mod invite;
mod keygen;
mod serve;
mod show;
mod terminal;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kit::{ExitCode, ServeArgs};

use client::CliError;

/// Asks people to sign plans, and hands what they signed to executors.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gate: MCP at /mcp, pages at /requests
    Serve(ServeArgs),
    /// Lists the requests that wait for a signature
    Pending(show::PendingArgs),
    /// Shows a request in full
    Show(show::ShowArgs),
    /// Reads a request, checks it, and signs it with your own key
    Approve(approve::ApproveArgs),
    /// Signs that a request must not be executed; after the order was made, revokes it
    Reject(approve::RejectArgs),
    /// Signs that nothing more may run
    Freeze(freeze::FreezeArgs),
    /// Signs that a freeze is over
    Thaw(freeze::FreezeArgs),
    /// Changes who may sign: propose, sign as the administrator, apply
    #[command(subcommand)]
    Approvers(approvers::ApproversCommand),
    /// Changes what may run without anybody being asked once more: propose, sign, list, revoke
    #[command(subcommand)]
    Grants(grants::GrantsCommand),
    /// Makes the gate's key where there is none, and prints the public half for executors
    Key(serve::KeyArgs),
}

/// Where the gate is.
#[derive(Debug, Clone, Args)]
pub struct GateUrl {
    /// The gate's address, as in http://127.0.0.1:8484
    #[arg(long = "gate", value_name = "URL", env = "COUNTERSIGN_GATE")]
    url: String,
}

/// Who signs, and with what.
#[derive(Debug, Clone, Args)]
pub struct Signer {
    /// The key: a private key file, or a public one whose private half is in ssh-agent or on a hardware key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your id in the approver list; without it, the one that the key is listed for
    #[arg(long, value_name = "ID")]
    approver: Option<String>,
}

/// Runs a command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(args) => return serve::serve(args).await,
        Command::Pending(args) => show::pending(args).await,
        Command::Show(args) => show::show(args).await,
        Command::Approve(args) => approve::approve(args).await,
        Command::Reject(args) => approve::reject(args).await,
        Command::Freeze(args) => freeze::freeze(args).await,
        Command::Thaw(args) => freeze::thaw(args).await,
        Command::Approvers(command) => approvers::run(command).await,
        Command::Grants(command) => grants::run(command).await,
        Command::Key(args) => serve::key(&args),
    };
    match done {
        Ok(()) => ExitCode::Done,
        Err(error) => report(&error),
    }
}

fn report(error: &CliError) -> ExitCode {
    eprintln!("{}", crate::text::visible(&error.to_string()));
    error.exit()
}
