//! `policy test`: whether a policy's tests hold and whether they would notice a lost rule. `policy eval`: what a policy
//! decides about a plan.

use std::{fs, path::Path};

use anyhow::Context;
use chrono::Utc;
use kit::ExitCode;
use policies::{
    Decision, Policy, PolicyContext,
    testing::{Parts, Suite},
};
use runbooks::{Plan, Timestamp};

use super::unusable;
use crate::{
    cli::{EvalArgs, TestArgs},
    shelf::open_catalog,
};

/// Runs the tests and, where asked to, deletes each rule and condition once to see whether a test notices.
pub fn test(args: &TestArgs) -> ExitCode {
    match report(&args.dir, args.mutate) {
        Ok((text, holds)) => {
            let written = kit::to_stdout(text);
            if holds { written } else { ExitCode::Failed }
        }
        Err(error) => unusable(&error),
    }
}

fn report(dir: &Path, mutate: bool) -> anyhow::Result<(String, bool)> {
    let suite = Suite::load(dir).with_context(|| format!("could not load the policy `{}`", dir.display()))?;
    let report = suite.run()?;
    let mut lines: Vec<String> = report
        .failed
        .iter()
        .map(|(test, found)| format!("failed: {test}: {found}"))
        .collect();
    for (file, uncovered) in &report.uncovered {
        let numbers: Vec<String> = uncovered.iter().map(u32::to_string).collect();
        lines.push(format!("reached by no test: {file}: lines {}", numbers.join(", ")));
    }
    lines.push(format!(
        "{} tests passed, {} failed",
        report.passed.len(),
        report.failed.len()
    ));
    // A policy without tests proves nothing.
    let mut holds = report.failed.is_empty() && !report.passed.is_empty();
    if mutate {
        for parts in [Parts::Rules, Parts::Conditions] {
            for survivor in suite.survivors(parts)? {
                holds = false;
                lines.push(format!(
                    "noticed by no test if deleted: {}:{}: {}",
                    survivor.file, survivor.line, survivor.text
                ));
            }
        }
    }
    lines.push(String::new());
    Ok((lines.join("\n"), holds))
}

/// Prints the decision as JSON; a denial has its own exit code.
pub fn eval(args: &EvalArgs) -> ExitCode {
    match decide(args) {
        Ok(decision) => {
            let allow = decision.allow;
            let written = kit::to_stdout(format!("{:#}\n", serde_json::json!(decision)));
            if allow { written } else { ExitCode::Denied }
        }
        Err(error) => unusable(&error),
    }
}

/// Loads a policy folder, or the shipped policy.
pub fn open_policy(dir: Option<&Path>) -> anyhow::Result<Policy> {
    match dir {
        Some(dir) => Policy::load(dir).with_context(|| format!("could not load the policy `{}`", dir.display())),
        None => Policy::shipped().context("the shipped policy is broken"),
    }
}

fn decide(args: &EvalArgs) -> anyhow::Result<Decision> {
    let catalog = open_catalog(args.catalog.as_deref())?;
    let policy = open_policy(args.policy.as_deref())?;
    let bytes = fs::read(&args.plan).with_context(|| format!("could not read `{}`", args.plan.display()))?;
    let plan = Plan::admit(bytes.trim_ascii_end(), &catalog)?;
    let document = plan.document();
    // The gate takes target and requester from its own configuration; here the plan is believed.
    let context = PolicyContext {
        now: args.at.unwrap_or_else(|| Timestamp::from(Utc::now())),
        requester: document.requester.clone(),
        target: document.target.clone(),
        executions_last_day: args.executions_last_day,
        freeze: args.freeze,
    };
    Ok(policy.judge(&plan, &context))
}
