//! `record`: an incident of the journal as a case for `eval`, with what a person found to be true of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use incident::{Diagnosis, IncidentId, RootCause};
use kit::ExitCode;
use serde_json::{Map, Value};
use store::Viewer;

use crate::eval::{Case, Expectation};
use crate::terminal::print_line;

/// What was right about the incident; without a word of it, what was diagnosed and planned.
#[derive(Args)]
pub struct RecordArgs {
    /// The incident
    id: String,
    /// The folder of cases
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The right root cause, where it is another than the one diagnosed
    #[arg(long, value_parser = parse_cause)]
    root_cause: Option<RootCause>,
    /// Members that the cause's object has in the evidence, as {"application_name": "billing"}
    #[arg(long, value_name = "JSON", value_parser = parse_members)]
    object: Option<Map<String, Value>>,
    /// The right runbook, or `none`
    #[arg(long, value_name = "ID|none")]
    runbook: Option<String>,
}

pub(crate) fn record(state_dir: &Path, args: &RecordArgs) -> Result<ExitCode> {
    let viewer =
        Viewer::open(state_dir).with_context(|| format!("could not open the state in `{}`", state_dir.display()))?;
    let id = IncidentId::named(&args.id);
    let incident = viewer.incident(&id).context("could not read the incident")?;
    let evidence = viewer.evidence(&incident).context("could not read its evidence")?;
    let diagnosed = match &incident.findings {
        Some(findings) => Some(Diagnosis::admit(findings.clone(), &evidence).context("its diagnosis does not stand")?),
        None => None,
    };
    let best = diagnosed.as_ref().map(|diagnosis| diagnosis.best());
    let Some(root_cause) = args.root_cause.or(best.map(|best| best.root_cause)) else {
        bail!("the incident has no diagnosis: say --root-cause");
    };
    let runbook = match &args.runbook {
        Some(none) if none == "none" => None,
        Some(id) => Some(id.clone()),
        None => incident.plan.as_ref().map(|plan| plan.draft.runbook.clone()),
    };
    let case = Case {
        name: args.id.clone(),
        expect: Expectation {
            root_causes: vec![root_cause],
            also: Vec::new(),
            object: args.object.clone().unwrap_or_default(),
            runbook,
        },
        evidence,
    };
    std::fs::create_dir_all(&args.into).with_context(|| format!("could not make `{}`", args.into.display()))?;
    let file = args.into.join(format!("{}.json", args.id));
    case.write(&file)?;
    print_line(&file.display().to_string())?;
    Ok(ExitCode::Done)
}

fn parse_cause(word: &str) -> Result<RootCause, String> {
    RootCause::ALL
        .into_iter()
        .find(|cause| cause.as_str() == word)
        .ok_or_else(|| {
            let words: Vec<&str> = RootCause::ALL.iter().map(|cause| cause.as_str()).collect();
            format!("expected one of {}", words.join(", "))
        })
}

fn parse_members(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|fault| format!("expected a JSON object: {fault}"))
}
