//! `render`: the plan that a draft makes of recorded evidence, for looking at it.

use anyhow::Context;
use chrono::Utc;
use kit::ExitCode;
use policies::Policy;
use runbooks::{Evidence, Plan, PlanContext, PlanDraft, Timestamp};

use super::{read_json, unusable};
use crate::{
    cli::RenderArgs,
    context::{self, ContextInput},
    shelf::open_catalog,
};

/// Prints the exact plan text, without a line end, and its digest on stderr.
pub fn run(args: &RenderArgs) -> ExitCode {
    let plan = match fill(args) {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => {
            eprintln!("error: {}: {:#}", error.code(), anyhow::Error::new(error));
            return ExitCode::Failed;
        }
        Err(error) => return unusable(&error),
    };
    eprintln!("plan {}", plan.digest());
    kit::to_stdout(plan.bytes())
}

fn fill(args: &RenderArgs) -> anyhow::Result<Result<Plan, runbooks::PlanError>> {
    let catalog = open_catalog(args.catalog.as_deref())?;
    let draft: PlanDraft = read_json(&args.draft)?;
    let evidence: Vec<Evidence> = read_json(&args.evidence)?;
    let context: PlanContext = match &args.context {
        Some(path) => read_json::<ContextInput>(path)?.into(),
        None => {
            let policy = Policy::shipped().context("the shipped policy is broken")?;
            context::dry_run(Timestamp::from(Utc::now()), policy.digest())
        }
    };
    Ok(Plan::fill(&draft, &catalog, &evidence, context))
}
