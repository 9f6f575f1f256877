//! `approvers propose | sign | apply`: who may sign, changed in the open: a proposal to read, the administrator's
//! signature over exactly that, and a gate that takes only what is newer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use approval::{APPROVERS_NAMESPACE, APPROVERS_TYPE, ApproversDocument, Envelope, Key, Person, PublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::Utc;
use clap::{Args, Subcommand};
use runbooks::Timestamp;
use serde_json::Value;

use super::client::{CliError, GateClient};
use super::{GateUrl, keygen};
use crate::text::visible;

/// `approval-gate approvers …`
#[derive(Debug, Subcommand)]
pub enum ApproversCommand {
    /// Writes the next version of the list, for everyone to read
    Propose(ProposeArgs),
    /// Signs a proposal with the administrator's offline key
    Sign(SignArgs),
    /// Hands a signed list to a gate, which puts it in force at once
    Apply(ApplyArgs),
}

/// `approval-gate approvers propose`
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The signed list in force; without it, the first version is proposed
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,
    /// Adds a person, or a key to a person: ID=PUBLIC_KEY_FILE
    #[arg(long, value_name = "ID=FILE", value_parser = parse_addition)]
    add: Vec<(String, PathBuf)>,
    /// Adds an agent, whose signatures are then known for what they are: ID=PUBLIC_KEY_FILE
    #[arg(long, value_name = "ID=FILE", value_parser = parse_addition)]
    add_agent: Vec<(String, PathBuf)>,
    /// Takes a person off the list, with all keys
    #[arg(long, value_name = "ID")]
    remove: Vec<String>,
    /// For how many days an added key counts
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    valid_days: u32,
    /// Where the proposal goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `approval-gate approvers sign`
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The proposal
    proposal: PathBuf,
    /// The administrator's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the signed list goes, as approvers.json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `approval-gate approvers apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The signed list
    list: PathBuf,
    #[command(flatten)]
    gate: GateUrl,
}

/// Runs one of the three.
pub async fn run(command: ApproversCommand) -> Result<(), CliError> {
    match command {
        ApproversCommand::Propose(args) => propose(args),
        ApproversCommand::Sign(args) => sign(&args),
        ApproversCommand::Apply(args) => apply(args).await,
    }
}

fn propose(args: ProposeArgs) -> Result<(), CliError> {
    let mut list = match &args.current {
        Some(path) => read_signed(path)?,
        None => ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version: 0,
            people: Vec::new(),
        },
    };
    list.version = list.version.saturating_add(1);
    for id in &args.remove {
        let before = list.people.len();
        list.people.retain(|person| person.id != *id);
        if list.people.len() == before {
            return Err(CliError::Usage(format!("`{id}` is not on the list")));
        }
    }
    let from = Timestamp::from(Utc::now());
    let until = from.plus_s(i64::from(args.valid_days).saturating_mul(86_400));
    let people = args.add.iter().map(|one| (one, false));
    for ((id, file), agent) in people.chain(args.add_agent.iter().map(|one| (one, true))) {
        let key = read_key(file, from, until)?;
        match list.people.iter_mut().find(|person| person.id == *id) {
            Some(person) if person.agent == agent => person.keys.push(key),
            Some(_) => return Err(CliError::Usage(format!("`{id}` cannot be a person and an agent"))),
            None => list.people.push(Person {
                id: id.clone(),
                name: id.clone(),
                groups: Vec::new(),
                agent,
                keys: vec![key],
            }),
        }
    }
    // Judged now, so that the administrator is not asked to sign what no gate would take.
    list.bytes().map_err(|error| CliError::Usage(error.to_string()))?;
    let text = serde_json::to_string_pretty(&list).map_err(anyhow::Error::from)?;
    write(&args.out, &format!("{text}\n"))?;
    println!("proposed version {} in {}", list.version, args.out.display());
    Ok(())
}

fn sign(args: &SignArgs) -> Result<(), CliError> {
    let text =
        fs::read_to_string(&args.proposal).with_context(|| format!("could not read `{}`", args.proposal.display()))?;
    let list: ApproversDocument = serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("the proposal is not understood: {error}")))?;
    let bytes = list
        .signing_bytes()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    println!("version {}", list.version);
    for person in &list.people {
        let kind = if person.agent {
            "agent, never approves"
        } else {
            "person"
        };
        println!("{} ({kind})", visible(&person.id));
        for key in &person.keys {
            let fingerprint = PublicKey::parse(&key.public_key)
                .map(|key| key.fingerprint())
                .unwrap_or_default();
            println!("  {fingerprint} from {} until {}", key.valid_from, key.valid_until);
        }
    }
    let signature = keygen::sign(&args.key, APPROVERS_NAMESPACE, &bytes)?;
    let envelope = list.envelope(&signature).map_err(anyhow::Error::from)?;
    write(&args.out, &envelope.to_json().map_err(anyhow::Error::from)?)?;
    println!("signed as {}", args.out.display());
    Ok(())
}

async fn apply(args: ApplyArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let list = fs::read_to_string(&args.list).with_context(|| format!("could not read `{}`", args.list.display()))?;
    let answer: Value = gate.post(&["v1", "approvers"], &[], list).await?;
    println!("version {} is in force", answer.get("version").unwrap_or(&Value::Null));
    Ok(())
}

/// Reads the list inside a signed file. The signature is the gate's business: the administrator reads what is proposed.
fn read_signed(path: &Path) -> Result<ApproversDocument, CliError> {
    let text = fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let envelope = Envelope::parse(text.trim_end().as_bytes()).map_err(|error| CliError::Usage(error.to_string()))?;
    if envelope.payload_type != APPROVERS_TYPE {
        return Err(CliError::Usage(format!("`{}` is no approver list", path.display())));
    }
    let payload = BASE64_STANDARD.decode(&envelope.payload).map_err(anyhow::Error::from)?;
    serde_json::from_slice(&payload).map_err(|error| CliError::Usage(format!("the list is not understood: {error}")))
}

fn read_key(path: &Path, valid_from: Timestamp, valid_until: Timestamp) -> Result<Key, CliError> {
    let line = fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let key = PublicKey::parse(&line).map_err(|error| CliError::Usage(format!("`{}`: {error}", path.display())))?;
    Ok(Key {
        public_key: key.to_string(),
        valid_from,
        valid_until,
        hardware: key.is_hardware(),
    })
}

fn parse_addition(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((id, file)) if !id.is_empty() && !file.is_empty() => Ok((id.to_owned(), PathBuf::from(file))),
        Some(_) | None => Err("expected ID=PUBLIC_KEY_FILE".to_owned()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    Ok(fs::write(path, text).with_context(|| format!("could not write `{}`", path.display()))?)
}
