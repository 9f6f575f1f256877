//! `grants`: what may run without anybody being asked once more. The terms are made here, from the signer's own copy of the
//! runbooks, read here in words, and signed here; the gate only keeps them.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use approval::{
    Bound, GRANT_NAMESPACE, GRANT_REVOCATION_NAMESPACE, Grant, GrantRevocation, GrantTerms, MAX_GRANT_DAYS, Method,
    Scalar,
};
use chrono::Utc;
use clap::{Args, Subcommand};
use policies::WindowEntry;
use runbooks::{Catalog, RunbookRef, Timestamp};

use super::approve::confirmed;
use super::client::{CliError, GateClient};
use super::show::print_json;
use super::{GateUrl, Signer, keygen};
use crate::grant_sheet::grant_facts;
use crate::granting::GrantView;
use crate::text::visible;

/// `approval-gate grants …`
#[derive(Debug, Subcommand)]
pub enum GrantsCommand {
    /// Writes the terms of a grant, for people to read and sign
    Propose(Box<ProposeArgs>),
    /// Reads a grant, and signs it with your own key
    Sign(SignArgs),
    /// Lists the grants, and how often each was used
    List(ListArgs),
    /// Signs that a grant is over, at once and for good
    Revoke(RevokeArgs),
}

/// `approval-gate grants propose`
#[derive(Debug, Args)]
pub struct ProposeArgs {
    #[command(flatten)]
    gate: GateUrl,
    /// The runbook's id; its version and digest are those of your own copy
    #[arg(long, value_name = "ID")]
    runbook: String,
    /// A target, by its name at the gate; once for each
    #[arg(long = "target", value_name = "NAME", required = true)]
    targets: Vec<String>,
    /// What a parameter may be: NAME=any, NAME=one-of:A,B, NAME=prefix:TEXT or NAME=range:MIN..MAX; once for each parameter
    #[arg(long = "allow", value_name = "NAME=BOUND", value_parser = parse_bound)]
    allow: Vec<(String, Bound)>,
    /// How many executions within any 24 hours
    #[arg(long, value_name = "N")]
    per_day: u32,
    /// When a step may start, as "mon,tue 22:00-05:00 Europe/Berlin"; once for each; without it, always
    #[arg(long = "window", value_name = "WINDOW", value_parser = parse_window)]
    windows: Vec<WindowEntry>,
    /// For how many days from now
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=MAX_GRANT_DAYS))]
    days: i64,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Your own copy of the runbooks; without it, those built into this program
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Where the terms go
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `approval-gate grants sign GRANT`
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The file that `propose` wrote, or a grant that the gate has, as in grt-0123456789abcdef
    grant: String,
    #[command(flatten)]
    gate: GateUrl,
    #[command(flatten)]
    signer: Signer,
    /// Your own copy of the runbooks; without it, those built into this program
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Sign without asking once more
    #[arg(long)]
    yes: bool,
}

/// `approval-gate grants list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    gate: GateUrl,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `approval-gate grants revoke ID`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The grant, as in grt-0123456789abcdef
    id: String,
    #[command(flatten)]
    gate: GateUrl,
    #[command(flatten)]
    signer: Signer,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Runs one of the four.
pub async fn run(command: GrantsCommand) -> Result<(), CliError> {
    match command {
        GrantsCommand::Propose(args) => propose(*args).await,
        GrantsCommand::Sign(args) => sign(args).await,
        GrantsCommand::List(args) => list(args).await,
        GrantsCommand::Revoke(args) => revoke(args).await,
    }
}

async fn propose(args: ProposeArgs) -> Result<(), CliError> {
    let catalog = open(args.catalog.as_deref())?;
    let runbook = catalog
        .get(&args.runbook)
        .ok_or_else(|| CliError::Usage(format!("there is no runbook `{}`", args.runbook)))?;
    let about = GateClient::new(&args.gate)?.about().await?;
    let mut targets = Vec::new();
    for name in &args.targets {
        let target = about.targets.iter().find(|target| target.name == *name);
        targets.push(
            target
                .cloned()
                .ok_or_else(|| CliError::Usage(format!("the gate has no target `{name}`")))?,
        );
    }
    let parameters: BTreeMap<String, Bound> = args.allow.into_iter().collect();
    let known = &runbook.document().parameters;
    if let Some((name, spec)) = known.iter().find(|(name, _)| !parameters.contains_key(*name)) {
        return Err(CliError::Usage(format!(
            "say what `{name}` may be ({}): --allow {name}=any, {name}=one-of:…, {name}=prefix:… or {name}=range:…",
            spec.description
        )));
    }
    if let Some(name) = parameters.keys().find(|name| !known.contains_key(*name)) {
        return Err(CliError::Usage(format!(
            "runbook `{}` has no parameter `{name}`",
            args.runbook
        )));
    }
    let from = Timestamp::from(Utc::now());
    let terms = GrantTerms {
        schema: GrantTerms::SCHEMA.to_owned(),
        gate: about.gate,
        audience: about.audience,
        runbook: RunbookRef {
            id: args.runbook,
            version: runbook.document().version,
            digest: runbook.digest(),
        },
        targets,
        parameters,
        max_per_day: args.per_day,
        windows: args.windows,
        not_before: from,
        until: from.plus_s(args.days.saturating_mul(86_400)),
        reason: args.reason,
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    // Judged now, so that nobody is asked to sign what no gate would take.
    let id = terms.id().map_err(|refusal| CliError::Usage(refusal.to_string()))?;
    let text = serde_json::to_string_pretty(&terms).map_err(anyhow::Error::from)?;
    std::fs::write(&args.out, format!("{text}\n"))
        .with_context(|| format!("could not write `{}`", args.out.display()))?;
    println!("proposed grant {id} in {}", args.out.display());
    Ok(())
}

async fn sign(args: SignArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let terms = if Path::new(&args.grant).exists() {
        let text = std::fs::read_to_string(&args.grant).with_context(|| format!("could not read `{}`", args.grant))?;
        serde_json::from_str(&text)
            .map_err(|error| CliError::Usage(format!("the terms are not understood: {error}")))?
    } else {
        let view: GrantView = gate.get(&["v1", "grants", &args.grant], &[]).await?;
        view.record.terms
    };
    let id = terms.id().map_err(|refusal| CliError::Usage(refusal.to_string()))?;
    if args.grant.starts_with("grt-") && args.grant != id {
        return Err(CliError::NotVerified(format!(
            "the gate shows grant `{id}` as `{}`",
            args.grant
        )));
    }
    println!("grant {id}");
    print_facts(&terms, &open(args.catalog.as_deref())?);
    let key_id = keygen::fingerprint(&args.signer.key)?;
    let approver = match args.signer.approver {
        Some(approver) => approver,
        None => gate.owner_of(&key_id).await?,
    };
    let grant = Grant {
        terms,
        approver,
        key_id,
        method: Method::Ssh,
    };
    let bytes = grant
        .signing_bytes()
        .map_err(|refusal| CliError::Usage(refusal.to_string()))?;
    // Without a terminal nobody has read it: that takes a word of its own.
    if !(args.yes || std::io::stdin().is_terminal() && confirmed()?) {
        return Err(CliError::NotSigned);
    }
    let signature = keygen::sign(&args.signer.key, GRANT_NAMESPACE, &bytes)?;
    let envelope = grant.envelope(&signature).map_err(anyhow::Error::from)?;
    let envelope = envelope.to_json().map_err(anyhow::Error::from)?;
    let view: GrantView = gate.post(&["v1", "grants"], &[], envelope).await?;
    println!(
        "signed: grant {id} is {}, by {} people",
        view.status,
        view.record.signed.len()
    );
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let grants: Vec<GrantView> = gate.get(&["v1", "grants"], &[]).await?;
    if args.json {
        return print_json(&serde_json::to_value(grants).map_err(anyhow::Error::from)?);
    }
    if grants.is_empty() {
        eprintln!("nothing is granted");
    }
    for grant in grants {
        let terms = &grant.record.terms;
        let targets: Vec<&str> = terms.targets.iter().map(|target| target.name.as_str()).collect();
        let people: Vec<&str> = grant
            .record
            .signed
            .iter()
            .map(|signed| signed.approver.as_str())
            .collect();
        println!(
            "{}  {}  {} on {}, {} of {} uses in 24 h, until {}, signed by {}",
            grant.record.id,
            visible(&grant.status),
            visible(&terms.runbook.id),
            visible(&targets.join(", ")),
            grant.uses_last_day,
            terms.max_per_day,
            terms.until,
            if people.is_empty() {
                "nobody yet".to_owned()
            } else {
                visible(&people.join(", "))
            }
        );
    }
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let about = gate.about().await?;
    let key_id = keygen::fingerprint(&args.signer.key)?;
    let approver = match args.signer.approver {
        Some(approver) => approver,
        None => gate.owner_of(&key_id).await?,
    };
    let said = GrantRevocation {
        schema: GrantRevocation::SCHEMA.to_owned(),
        gate: about.gate,
        grant: args.id,
        reason: args.reason,
        approver,
        key_id,
        method: Method::Ssh,
        at: Timestamp::from(Utc::now()),
    };
    let bytes = said
        .signing_bytes()
        .map_err(|refusal| CliError::Usage(refusal.to_string()))?;
    let signature = keygen::sign(&args.signer.key, GRANT_REVOCATION_NAMESPACE, &bytes)?;
    let envelope = said.envelope(&signature).map_err(anyhow::Error::from)?;
    let envelope = envelope.to_json().map_err(anyhow::Error::from)?;
    let path = ["v1", "grants", &said.grant, "revocation"];
    let view: GrantView = gate.post(&path, &[], envelope).await?;
    println!("grant {} is {}", view.record.id, visible(&view.status));
    Ok(())
}

fn print_facts(terms: &GrantTerms, catalog: &Catalog) {
    for (label, value) in grant_facts(terms, catalog) {
        println!("  {}: {}", visible(&label), visible(&value));
    }
    println!("  the policy is still asked about each plan; the way back is never granted");
}

fn open(dir: Option<&Path>) -> Result<Catalog, CliError> {
    Catalog::open(dir).map_err(|error| CliError::Usage(format!("the catalog cannot be used: {error}")))
}

fn parse_bound(text: &str) -> Result<(String, Bound), String> {
    let wanted = "expected NAME=any, NAME=one-of:A,B, NAME=prefix:TEXT or NAME=range:MIN..MAX";
    let (name, bound) = text.split_once('=').ok_or(wanted)?;
    let bound = match bound.split_once(':') {
        None if bound == "any" => Bound::Any,
        Some(("one-of", values)) => Bound::OneOf(values.split(',').map(scalar).collect()),
        Some(("prefix", prefix)) => Bound::Prefix(prefix.to_owned()),
        Some(("range", range)) => {
            let (min, max) = range.split_once("..").ok_or(wanted)?;
            let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no whole number"));
            Bound::Range {
                min: number(min)?,
                max: number(max)?,
            }
        }
        None | Some(_) => return Err(wanted.to_owned()),
    };
    Ok((name.to_owned(), bound))
}

fn scalar(text: &str) -> Scalar {
    text.parse()
        .map_or_else(|_| Scalar::Text(text.to_owned()), Scalar::Number)
}

fn parse_window(text: &str) -> Result<WindowEntry, String> {
    let wanted = "expected DAYS FROM-UNTIL ZONE, as in \"mon,tue 22:00-05:00 Europe/Berlin\"";
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [days, hours, zone] = parts.as_slice() else {
        return Err(wanted.to_owned());
    };
    let (from, until) = hours.split_once('-').ok_or(wanted)?;
    Ok(WindowEntry {
        days: days.split(',').map(str::to_owned).collect(),
        from: from.to_owned(),
        until: until.to_owned(),
        time_zone: (*zone).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn bounds_and_windows_are_written_in_one_way() {
        let bound = |text: &str| parse_bound(text).map(|(_, bound)| bound);
        assert_eq!(bound("pid=any").unwrap(), Bound::Any);
        let both = vec![Scalar::Text("a".to_owned()), Scalar::Number(-7)];
        assert_eq!(bound("role=one-of:a,-7").unwrap(), Bound::OneOf(both));
        assert_eq!(bound("role=prefix:a=b:c").unwrap(), Bound::Prefix("a=b:c".to_owned()));
        assert_eq!(bound("s=range:-1..30").unwrap(), Bound::Range { min: -1, max: 30 });
        for odd in ["pid", "pid=", "pid=all", "s=range:1-2", "s=range:a..b"] {
            assert!(bound(odd).is_err(), "{odd}");
        }
        let window = parse_window("mon,tue 22:00-05:00 Europe/Berlin").unwrap();
        assert_eq!((window.days.len(), &*window.until), (2, "05:00"));
        assert!(parse_window("mon 22:00 Europe/Berlin").is_err());
    }
}
