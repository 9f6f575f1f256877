//! `approvers invite`: the administrator's signed word that somebody may make a passkey for a gate's pages.

use std::path::PathBuf;

use approval::{INVITATION_NAMESPACE, Invitation};
use chrono::Utc;
use clap::Args;
use runbooks::Timestamp;
use serde_json::Value;

use super::client::{CliError, GateClient};
use super::{GateUrl, keygen};
use crate::text::visible;

/// `approval-gate approvers invite ID --key K`
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// Who may make a passkey: the id in the list
    id: String,
    #[command(flatten)]
    gate: GateUrl,
    /// The address of the gate's pages, where people reach them by another than --gate
    #[arg(long, value_name = "URL")]
    pages: Option<String>,
    /// The administrator's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// For how many hours the invitation holds
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
    valid_hours: u32,
}

/// Signs an invitation and prints the address to hand over.
pub async fn invite(args: InviteArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let about = gate.about().await?;
    let pages = args.pages.unwrap_or(args.gate.url);
    let invitation = Invitation {
        schema: Invitation::SCHEMA.to_owned(),
        gate: about.gate,
        // The administrator says where, not the gate.
        origin: pages.trim_end_matches('/').to_owned(),
        person: args.id,
        valid_until: Timestamp::from(Utc::now()).plus_s(i64::from(args.valid_hours).saturating_mul(3600)),
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    let bytes = invitation.signing_bytes().map_err(|error| {
        CliError::Usage(format!(
            "{error}; passkeys need gate.public_url with https and a host name"
        ))
    })?;
    let signature = keygen::sign(&args.key, INVITATION_NAMESPACE, &bytes)?;
    let envelope = invitation.envelope(&signature).map_err(anyhow::Error::from)?;
    let envelope = envelope.to_json().map_err(anyhow::Error::from)?;
    let _: Value = gate.post(&["v1", "invitations"], &[], envelope).await?;
    println!(
        "{} may make a passkey until {}, once, at\n{}/register/{}",
        invitation.person,
        invitation.valid_until,
        visible(&invitation.origin),
        invitation.nonce
    );
    println!("Hand the address over in private: whoever opens it first makes the passkey.");
    Ok(())
}
