//! `approvers propose | sign | apply`: who may sign, changed in the open: a proposal to read, the administrator's
//! signature over exactly that, and a gate that takes only what is newer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use approval::{
    APPROVERS_NAMESPACE, APPROVERS_TYPE, Account, ApproverKey, ApproversDocument, Envelope, Key, Passkey, Person,
    PublicKey,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::Utc;
use clap::{Args, Subcommand};
use runbooks::Timestamp;
use serde_json::Value;

use super::client::{CliError, GateClient};
use super::invite::{InviteArgs, invite};
use super::{GateUrl, keygen};
use crate::enrolling::Registered;
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
    /// Lets somebody make a passkey; it counts once a signed list holds it
    Invite(InviteArgs),
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
    /// Adds a passkey that a person registered at the gate: ID=SHA256:…, the fingerprint as they see it
    #[arg(long, value_name = "ID=FINGERPRINT", requires = "gate", value_parser = parse_pair)]
    add_registered: Vec<(String, String)>,
    /// The registered passkeys cannot leave their devices, as you have made sure: they count as hardware
    #[arg(long)]
    hardware: bool,
    /// The gate, as in https://gate.example.com
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_GATE")]
    gate: Option<String>,
    /// Adds a person to a group: ID=GROUP
    #[arg(long, value_name = "ID=GROUP", value_parser = parse_pair)]
    add_group: Vec<(String, String)>,
    /// Adds a person's account elsewhere: ID=slack:TEAM/USER or ID=pagerduty:USER
    #[arg(long, value_name = "ID=ACCOUNT", value_parser = parse_account)]
    add_account: Vec<(String, Account)>,
    /// Takes one key of a person off the list: ID=SHA256:…
    #[arg(long, value_name = "ID=FINGERPRINT", value_parser = parse_pair)]
    remove_key: Vec<(String, String)>,
    /// Takes a person off the list, with all keys
    #[arg(long, value_name = "ID")]
    remove: Vec<String>,
    /// Ends a grant everywhere, whatever a gate says of it: grt-…
    #[arg(long, value_name = "GRANT")]
    revoke_grant: Vec<String>,
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

/// Runs one of the four.
pub async fn run(command: ApproversCommand) -> Result<(), CliError> {
    match command {
        ApproversCommand::Propose(args) => propose(args).await,
        ApproversCommand::Sign(args) => sign(&args),
        ApproversCommand::Apply(args) => apply(args).await,
        ApproversCommand::Invite(args) => invite(args).await,
    }
}

async fn propose(args: ProposeArgs) -> Result<(), CliError> {
    let mut list = match &args.current {
        Some(path) => read_signed(path)?,
        None => ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version: 0,
            people: Vec::new(),
            revoked_grants: Vec::new(),
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
    for (id, fingerprint) in &args.remove_key {
        let keys = &mut find(&mut list, id)?.keys;
        let before = keys.len();
        keys.retain(|key| ApproverKey::parse(&key.public_key).is_ok_and(|key| key.fingerprint() != *fingerprint));
        if keys.len() == before {
            return Err(CliError::Usage(format!("`{id}` has no key `{fingerprint}`")));
        }
    }
    let from = Timestamp::from(Utc::now());
    let until = from.plus_s(i64::from(args.valid_days).saturating_mul(86_400));
    for (id, file) in &args.add {
        add_key(&mut list, id, false, read_key(file, from, until)?)?;
    }
    for (id, file) in &args.add_agent {
        add_key(&mut list, id, true, read_key(file, from, until)?)?;
    }
    for (id, fingerprint) in &args.add_registered {
        let url = args.gate.clone().unwrap_or_default();
        let registered = GateClient::new(&GateUrl { url })?.registered(id).await?;
        let one = registered.iter().find(|one| one.key_id == *fingerprint);
        let one = one.ok_or_else(|| CliError::Usage(format!("`{id}` has registered no passkey `{fingerprint}`")))?;
        add_key(&mut list, id, false, registered_key(one, args.hardware, from, until)?)?;
    }
    for (id, group) in args.add_group {
        find(&mut list, &id)?.groups.push(group);
    }
    for (id, account) in args.add_account {
        find(&mut list, &id)?.accounts.push(account);
    }
    list.revoked_grants.extend(args.revoke_grant);
    // Judged now, so that the administrator is not asked to sign what no gate would take.
    list.bytes().map_err(|error| CliError::Usage(error.to_string()))?;
    let text = serde_json::to_string_pretty(&list).map_err(anyhow::Error::from)?;
    write(&args.out, &format!("{text}\n"))?;
    println!("proposed version {} in {}", list.version, args.out.display());
    Ok(())
}

fn find<'a>(list: &'a mut ApproversDocument, id: &str) -> Result<&'a mut Person, CliError> {
    let person = list.people.iter_mut().find(|person| person.id == id);
    person.ok_or_else(|| CliError::Usage(format!("`{id}` is not on the list")))
}

fn add_key(list: &mut ApproversDocument, id: &str, agent: bool, key: Key) -> Result<(), CliError> {
    match list.people.iter_mut().find(|person| person.id == *id) {
        Some(person) if person.agent == agent => person.keys.push(key),
        Some(_) => return Err(CliError::Usage(format!("`{id}` cannot be a person and an agent"))),
        None => list.people.push(Person {
            id: id.to_owned(),
            name: id.to_owned(),
            groups: Vec::new(),
            agent,
            keys: vec![key],
            accounts: Vec::new(),
        }),
    }
    Ok(())
}

/// What the gate says of a passkey is taken only as far as the line itself bears it out.
fn registered_key(
    one: &Registered,
    hardware: bool,
    valid_from: Timestamp,
    valid_until: Timestamp,
) -> Result<Key, CliError> {
    let passkey: Passkey = one
        .public_key
        .parse()
        .map_err(|error: approval::PasskeyError| CliError::NotVerified(error.to_string()))?;
    if passkey.fingerprint() != one.key_id {
        return Err(CliError::NotVerified(
            "the gate shows a passkey under another fingerprint".to_owned(),
        ));
    }
    if hardware && one.synced {
        return Err(CliError::Usage(format!(
            "`{}` is synced between devices: it is no hardware key",
            one.key_id
        )));
    }
    Ok(Key {
        public_key: passkey.to_string(),
        valid_from,
        valid_until,
        hardware,
    })
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
            let parsed = ApproverKey::parse(&key.public_key).map_err(CliError::Usage)?;
            println!(
                "  {} {}{}{} from {} until {}",
                parsed.method().name(),
                parsed.fingerprint(),
                if key.hardware { ", hardware" } else { "" },
                match &parsed {
                    ApproverKey::Passkey(passkey) => format!(", at {}", passkey.origin()),
                    ApproverKey::Ssh(_) => String::new(),
                },
                key.valid_from,
                key.valid_until
            );
        }
        for group in &person.groups {
            println!("  in group {}", visible(group));
        }
        for account in &person.accounts {
            println!(
                "  account {}",
                serde_json::to_string(account).map_err(anyhow::Error::from)?
            );
        }
    }
    for grant in &list.revoked_grants {
        println!("grant {} is revoked", visible(grant));
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

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((id, value)) if !id.is_empty() && !value.is_empty() => Ok((id.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected ID=VALUE".to_owned()),
    }
}

fn parse_account(text: &str) -> Result<(String, Account), String> {
    let (id, account) = parse_pair(text)?;
    let account = match account.split_once(':') {
        Some(("slack", both)) => both.split_once('/').map(|(team, user)| Account::Slack {
            team: team.to_owned(),
            user: user.to_owned(),
        }),
        Some(("pagerduty", user)) => Some(Account::Pagerduty { user: user.to_owned() }),
        Some(_) | None => None,
    };
    Ok((id, account.ok_or("expected slack:TEAM/USER or pagerduty:USER")?))
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    Ok(fs::write(path, text).with_context(|| format!("could not write `{}`", path.display()))?)
}
