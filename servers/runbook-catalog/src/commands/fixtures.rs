//! `test`: each runbook's fixtures, evidence in and exact script out, against the golden scripts beside them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use kit::ExitCode;
use policies::{Policy, PolicyContext};
use runbooks::{
    Action, Catalog, Check, DraftValue, Evidence, Plan, PlanDocument, PlanDraft, Rollback, Runbook, Timestamp,
};
use serde::Deserialize;
use serde_json::Value;

use super::{policy::open_policy, read_json, unusable};
use crate::{cli::FixtureArgs, context};

/// A fixture, `<id>/fixtures/<case>.json`; its script lies beside it as `<case>.sql`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    evidence: Vec<Recorded>,
    parameters: BTreeMap<String, DraftValue>,
}

/// What a tool said; the digest is made here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    id: String,
    server: String,
    tool: String,
    #[serde(default)]
    arguments: Value,
    result: Value,
}

/// Renders all fixtures. Each runbook needs at least one.
pub fn run(args: &FixtureArgs) -> ExitCode {
    match check(args) {
        Err(error) => unusable(&error),
        Ok((cases, faults)) => {
            let lines: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
            let written = kit::to_stdout(lines);
            eprintln!("fixtures: {cases}, faults: {}", faults.len());
            if faults.is_empty() { written } else { ExitCode::Failed }
        }
    }
}

fn check(args: &FixtureArgs) -> anyhow::Result<(usize, Vec<String>)> {
    let policy = open_policy(args.policy.as_deref())?;
    let catalog = Catalog::load(&args.dir).with_context(|| format!("could not load `{}`", args.dir.display()))?;
    let (mut cases, mut faults) = (0, Vec::new());
    for runbook in catalog.iter() {
        let folder = args.dir.join(&runbook.document().id).join("fixtures");
        let files = fixtures(&folder)?;
        if files.is_empty() {
            faults.push(format!(
                "{}: no fixture: add <case>.json with `evidence` and `parameters`, then run `test --write`",
                folder.display()
            ));
        }
        for file in files {
            cases += 1;
            let plan = match plan_of(&file, runbook, &catalog, &policy)? {
                Ok(plan) => plan,
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    faults.push(format!("{}: {error:#}", file.display()));
                    continue;
                }
            };
            faults.extend(denied(&file, &plan, &policy));
            let script = script(plan.document());
            let golden = file.with_extension("sql");
            if args.write {
                fs::write(&golden, script).with_context(|| format!("could not write `{}`", golden.display()))?;
            } else if let Some(fault) = difference(&golden, &script) {
                faults.push(fault);
            }
        }
    }
    Ok((cases, faults))
}

fn fixtures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("could not read `{}`", folder.display()))? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// A plan that the policy refuses never reaches anybody, so such a runbook is of no use.
fn denied(file: &Path, plan: &Plan, policy: &Policy) -> Vec<String> {
    let document = plan.document();
    let context = PolicyContext {
        now: document.not_before,
        requester: document.requester.clone(),
        target: document.target.clone(),
        executions_last_day: 0,
        freeze: false,
    };
    let decision = policy.judge(plan, &context);
    match decision.allow {
        true => Vec::new(),
        false => vec![format!(
            "{}: the policy denies it: {}",
            file.display(),
            serde_json::json!(decision.denials)
        )],
    }
}

fn plan_of(
    file: &Path,
    runbook: &Runbook,
    catalog: &Catalog,
    policy: &Policy,
) -> anyhow::Result<Result<Plan, runbooks::PlanError>> {
    let fixture: Fixture = read_json(file)?;
    // Nothing in a script depends on when it was rendered.
    let now = Timestamp::from(chrono::DateTime::UNIX_EPOCH);
    let evidence = fixture.evidence.into_iter().map(|recorded| {
        let Recorded {
            id,
            server,
            tool,
            arguments,
            result,
        } = recorded;
        Evidence::record(id, server, tool, arguments, now, result)
    });
    let evidence: Vec<Evidence> = evidence.collect::<Result<_, _>>()?;
    let draft = PlanDraft {
        runbook: runbook.document().id.clone(),
        version: runbook.document().version,
        parameters: fixture.parameters,
    };
    let context = context::dry_run(now, policy.digest());
    Ok(Plan::fill(&draft, catalog, &evidence, context))
}

fn difference(golden: &Path, script: &str) -> Option<String> {
    let place = golden.display();
    let Ok(expected) = fs::read_to_string(golden) else {
        return Some(format!("{place}: missing: run `test --write` and review it"));
    };
    let mut lines = expected.lines().zip(script.lines()).enumerate();
    let differing = lines.find(|(_, (expected, rendered))| expected != rendered);
    match differing {
        Some((at, (expected, rendered))) => {
            let line = at + 1;
            Some(format!("{place}:{line}: expected `{expected}`, rendered `{rendered}`"))
        }
        None if expected == script => None,
        None => Some(format!("{place}: the script is longer or shorter than it was")),
    }
}

/// Writes a plan for people, in the order in which it runs.
fn script(plan: &PlanDocument) -> String {
    let mut out = format!("-- {} {}: {}\n", plan.runbook.id, plan.runbook.version, plan.title);
    for (name, parameter) in &plan.parameters {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "--   {name} = {}", parameter.value);
    }
    checks(&mut out, "precheck", &plan.prechecks);
    for radius in &plan.blast_radius {
        let head = format!("blast radius {}: at most {} {}", radius.id, radius.limit, radius.unit);
        statement(&mut out, &head, &radius.query);
    }
    checks(&mut out, "stop unless", &plan.stop_if);
    for step in &plan.steps {
        let lost = if step.irreversible { ", irreversible" } else { "" };
        let head = format!("step {} ({}{lost})", step.id, limits(&step.action));
        effect(&mut out, &head, &step.action);
        checks(&mut out, "  then", &step.assert);
        match &step.rollback {
            Rollback::Exact(undo) | Rollback::Compensating(undo) => {
                effect(&mut out, &format!("  undo ({})", limits(&undo.action)), &undo.action);
                checks(&mut out, "  then", &undo.assert);
            }
            Rollback::None(none) => {
                let _ = writeln!(out, "\n--   no undo: {}", none.reason);
            }
        }
    }
    let verification = &plan.verification;
    let head = format!(
        "verify: {} {} for {} s within {} s",
        verification.signal, verification.expect, verification.hold_s, verification.deadline_s
    );
    statement(&mut out, &head, &verification.query);
    checks(&mut out, "and", &verification.collateral);
    out
}

fn limits(action: &Action) -> String {
    let Some(action) = action.sql() else {
        return format!("timeout {} s", action.timeout_s());
    };
    let rows = action.rows.map_or(String::new(), |rows| {
        format!(", {} to {} rows", rows.at_least, rows.at_most)
    });
    format!(
        "statement_timeout {} s, lock_timeout {} ms{rows}",
        action.timeout_s, action.lock_timeout_ms
    )
}

fn checks(out: &mut String, label: &str, checks: &[Check]) {
    for check in checks {
        statement(out, &format!("{label} {}: {}", check.id, check.expect), &check.query);
    }
}

/// A call is no SQL, and stands as a comment.
fn effect(out: &mut String, head: &str, action: &Action) {
    match action.sql() {
        Some(action) => statement(out, head, &action.statement),
        None => {
            let _ = writeln!(out, "\n-- {head}");
            for line in action.text().lines() {
                let _ = writeln!(out, "--   {line}");
            }
        }
    }
}

fn statement(out: &mut String, head: &str, text: &str) {
    let _ = write!(out, "\n-- {head}\n{text};\n");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks/catalog")
    }

    #[test]
    fn every_shipped_runbook_renders_its_golden_script() {
        let args = FixtureArgs {
            dir: shipped(),
            policy: None,
            write: false,
        };
        let (cases, faults) = check(&args).unwrap();
        assert_eq!(faults, Vec::<String>::new());
        assert!(cases >= Catalog::shipped().unwrap().iter().count());
    }

    #[test]
    fn a_changed_statement_and_a_missing_fixture_are_told_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let from = shipped().join("stale-statistics");
        let to = dir.path().join("stale-statistics");
        fs::create_dir_all(to.join("fixtures")).unwrap();
        let text = fs::read_to_string(from.join("runbook.json")).unwrap();
        let changed = text.replace("\"ANALYZE ${schema}", "\"ANALYZE VERBOSE ${schema}");
        fs::write(to.join("runbook.json"), changed).unwrap();
        let args = FixtureArgs {
            dir: dir.path().to_owned(),
            policy: None,
            write: false,
        };
        assert!(check(&args).unwrap().1.concat().contains("no fixture"));
        for file in ["typical.json", "typical.sql"] {
            fs::copy(from.join("fixtures").join(file), to.join("fixtures").join(file)).unwrap();
        }
        let faults = check(&args).unwrap().1.concat();
        assert!(
            faults.contains("typical.sql:") && faults.contains("VERBOSE"),
            "{faults}"
        );
    }
}
