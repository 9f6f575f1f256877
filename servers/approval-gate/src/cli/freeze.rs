//! `freeze` and `thaw`: one signed word that stops everything, and one that ends it.

use approval::{FREEZE_NAMESPACE, Freeze, FreezeState};
use chrono::Utc;
use clap::Args;
use runbooks::Timestamp;
use serde_json::Value;

use super::client::{CliError, GateClient};
use super::{GateUrl, Signer, keygen};

/// `approval-gate freeze --reason R --key K`
#[derive(Debug, Args)]
pub struct FreezeArgs {
    #[command(flatten)]
    gate: GateUrl,
    #[command(flatten)]
    signer: Signer,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Nothing more runs.
pub async fn freeze(args: FreezeArgs) -> Result<(), CliError> {
    say(args, FreezeState::Frozen).await
}

/// The freeze is over.
pub async fn thaw(args: FreezeArgs) -> Result<(), CliError> {
    say(args, FreezeState::Thawed).await
}

async fn say(args: FreezeArgs, state: FreezeState) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let about = gate.about().await?;
    let key_id = keygen::fingerprint(&args.signer.key)?;
    let approver = match args.signer.approver {
        Some(approver) => approver,
        None => gate.owner_of(&key_id).await?,
    };
    // Later than what was said last, even within the same second.
    let last = about.freeze.said().map_or(0, |said| said.at.unix());
    let said = Freeze {
        schema: Freeze::SCHEMA.to_owned(),
        state,
        gate: about.gate,
        environment: about.environment,
        reason: args.reason,
        approver,
        key_id,
        at: Timestamp::from(Utc::now()).max(Timestamp::from_unix(last.saturating_add(1))),
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    let bytes = said
        .signing_bytes()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let signature = keygen::sign(&args.signer.key, FREEZE_NAMESPACE, &bytes)?;
    let envelope = said.envelope(&signature).map_err(anyhow::Error::from)?;
    let envelope = envelope.to_json().map_err(anyhow::Error::from)?;
    let _: Value = gate.post(&["v1", "freeze"], &[], envelope).await?;
    match state {
        FreezeState::Frozen => println!(
            "gate {} is frozen: no order leaves it, and no further step starts",
            said.gate
        ),
        FreezeState::Thawed => println!("gate {} is thawed", said.gate),
    }
    Ok(())
}
