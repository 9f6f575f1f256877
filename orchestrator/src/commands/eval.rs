//! `eval`: recorded incidents through the diagnosis, offline; a set that once was right stays so.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use kit::ExitCode;
use runbooks::Catalog;

use crate::eval::{Report, cases_in};

/// `orchestrator eval`
#[derive(Args)]
pub struct EvalArgs {
    /// A folder of cases, as `record` and `rehearse --record` write them
    folder: PathBuf,
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

pub(crate) fn eval(args: &EvalArgs) -> Result<ExitCode> {
    let read = cases_in(&args.folder).and_then(|cases| Ok((cases, Catalog::open(args.catalog.as_deref())?)));
    let (cases, catalog) = match read {
        Ok(read) => read,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            return Ok(ExitCode::Usage);
        }
    };
    let mut scores = Vec::new();
    for case in &cases {
        scores.push(case.score(&agents::diagnose(&case.evidence)?, &catalog));
    }
    let report = Report::of("offline", scores);
    report.print(args.json)?;
    Ok(if report.passes(args.at_least) {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}
