//! `eval`: recorded incidents through the diagnosis, by rules or by models; a set that once was right stays so.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use incident::IncidentId;
use kit::ExitCode;
use runbooks::Catalog;

use crate::advisers::Advisers;
use crate::config::Config;
use crate::eval::{Case, Report, cases_in};

/// `orchestrator eval`
#[derive(Args)]
pub struct EvalArgs {
    /// A folder of cases, as `record` and `rehearse --record` write them
    folder: PathBuf,
    /// Ask the models of this configuration, within its budgets; without it, rules alone
    #[arg(long, value_name = "CONFIG")]
    models: Option<PathBuf>,
    /// The catalog folder; it is laid over the shipped catalog
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Fail when fewer than this share of the causes is right
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    at_least: u8,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) async fn eval(args: &EvalArgs) -> Result<ExitCode> {
    let (cases, catalog, advisers, by) = match prepared(args) {
        Ok(prepared) => prepared,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            return Ok(ExitCode::Usage);
        }
    };
    let mut scores = Vec::new();
    for case in &cases {
        let id = IncidentId::named(&case.name);
        let counsel = advisers.of_incident(&id);
        scores.push(case.judge(counsel.as_ref(), &catalog).await?);
        advisers.release(&id);
    }
    let report = Report::of(&by, scores);
    report.print(args.json)?;
    Ok(if report.passes(args.at_least) {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

fn prepared(args: &EvalArgs) -> Result<(Vec<Case>, Catalog, Advisers, String)> {
    let cases = cases_in(&args.folder)?;
    let catalog = Catalog::open(args.catalog.as_deref())?;
    let (advisers, by) = match &args.models {
        None => (Advisers::none(), "offline".to_owned()),
        Some(file) => advisers(file)?,
    };
    Ok((cases, catalog, advisers, by))
}

fn advisers(file: &Path) -> Result<(Advisers, String)> {
    let config = Config::load(file)?;
    let names: Vec<&str> = config
        .models_in_order()
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    anyhow::ensure!(!names.is_empty(), "`{}` configures no model", file.display());
    let by = names.join(", then ");
    Ok((Advisers::new(&config)?, by))
}
