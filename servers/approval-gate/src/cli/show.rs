//! `pending` and `show`: what waits, and what it is.

use clap::Args;
use serde_json::Value;

use super::GateUrl;
use super::client::{CliError, GateClient};
use super::terminal::{queue_text, request_text};
use crate::view::{RequestView, Summary};

/// `approval-gate pending`
#[derive(Debug, Args)]
pub struct PendingArgs {
    #[command(flatten)]
    gate: GateUrl,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `approval-gate show ID`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The request, as in req-0123456789abcdef
    id: String,
    #[command(flatten)]
    gate: GateUrl,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists what waits for a signature.
pub async fn pending(args: PendingArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let waiting: Vec<Summary> = gate.get(&["v1", "requests"], &[("status", "pending")]).await?;
    if args.json {
        return print_json(&serde_json::to_value(waiting).map_err(anyhow::Error::from)?);
    }
    if waiting.is_empty() {
        eprintln!("nothing waits for a signature");
    }
    print!("{}", queue_text(&waiting));
    Ok(())
}

/// Shows one request.
pub async fn show(args: ShowArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    if args.json {
        return print_json(&gate.get::<Value>(&["v1", "requests", &args.id], &[]).await?);
    }
    let view: RequestView = gate.get(&["v1", "requests", &args.id], &[]).await?;
    print!("{}", request_text(&view).map_err(anyhow::Error::from)?);
    Ok(())
}

pub fn print_json(value: &Value) -> Result<(), CliError> {
    println!("{}", serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?);
    Ok(())
}
