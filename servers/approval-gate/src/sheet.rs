//! What an approver reads, in order: made from the plan's bytes, drawn by the page and by the terminal alike.

use std::collections::BTreeMap;

use approval::Action;
use runbooks::{
    BlastRadius, BoundParameter, Check, Evidence, PlanDocument, Risk, Rollback, Source, Step, StepClass, Undo,
    Verification,
};
use serde_json::Value;

use crate::advice::{Advice, Cited, Opinion, Verdict};
use crate::preflight::Severity;
use crate::text::{duration, grouped, nobody_of};
use crate::view::RequestView;

/// A titled part of the sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its title.
    pub title: String,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A piece of a part. All text is foreign: whoever draws it escapes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Labels and values.
    Facts(Vec<(String, String)>),
    /// A sentence.
    Note(String),
    /// A statement or a call, exactly as it runs.
    Sql(String),
    /// A part within a part.
    Item(Part),
}

/// The plan's text is not a plan.
#[derive(Debug, thiserror::Error)]
#[error("the text of request `{id}` is not a plan")]
pub struct NotAPlan {
    id: String,
    #[source]
    source: serde_json::Error,
}

/// Makes the sheet of a request.
///
/// # Errors
/// When the plan's text is not a plan.
pub fn sheet(view: &RequestView) -> Result<Vec<Part>, NotAPlan> {
    let plan: PlanDocument = serde_json::from_str(&view.plan).map_err(|source| NotAPlan {
        id: view.summary.id.clone(),
        source,
    })?;
    let mut parts = vec![subject(view, &plan), preflight(view)];
    parts.extend(view.advice.as_ref().map(advice));
    parts.extend([
        script(view.summary.action, &plan),
        part("Before the first step", checks("must hold", &plan.prechecks)),
    ]);
    if !plan.stop_if.is_empty() {
        parts.push(part("Stops at once if", checks("stops unless", &plan.stop_if)));
    }
    if view.summary.action == Action::Execute {
        parts.push(if_it_fails(&plan));
    }
    parts.push(part("Blast radius", plan.blast_radius.iter().map(radius).collect()));
    parts.push(part(
        "Parameters and their evidence",
        parameters(&plan.parameters, &view.evidence),
    ));
    parts.push(part("How recovery is recognised", verification(&plan.verification)));
    parts.push(policy(&view.policy));
    parts.push(signatures(view));
    Ok(parts)
}

/// What the executor does when something is not as it should be: by code, without asking anybody.
fn if_it_fails(plan: &PlanDocument) -> Part {
    let (back, lost): (Vec<&Step>, Vec<&Step>) = plan
        .steps
        .iter()
        .partition(|step| !matches!(step.rollback, Rollback::None(_)));
    let ids = |steps: &[&Step]| steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>().join(", ");
    let undone = if back.is_empty() {
        "no step has a way back: it stops, and a person takes over".to_owned()
    } else {
        format!(
            "what was done is undone in reverse order: {}",
            ids(&back.iter().rev().copied().collect::<Vec<_>>())
        )
    };
    let mut lines = vec![
        (
            "a check before the first step fails".to_owned(),
            "nothing is touched, and the incident goes back to people".to_owned(),
        ),
        (
            "a step fails, or the signal does not recover in time".to_owned(),
            undone,
        ),
    ];
    if !lost.is_empty() {
        lines.push((
            "stays as it is".to_owned(),
            format!("{}: no way back, as each says", ids(&lost)),
        ));
    }
    lines.push((
        "the way back fails".to_owned(),
        "it stops, a person is paged, and nothing else is tried".to_owned(),
    ));
    lines.push((
        "it is frozen or revoked meanwhile".to_owned(),
        "no further step starts".to_owned(),
    ));
    part("If it fails", vec![Block::Facts(lines)])
}

fn subject(view: &RequestView, plan: &PlanDocument) -> Part {
    let runbook = &plan.runbook;
    part(
        "What is asked",
        vec![facts([
            ("action", action_name(view.summary.action).to_owned()),
            ("plan digest", grouped(&view.summary.plan_digest.hex())),
            ("target", format!("{} ({})", plan.target.name, plan.target.environment)),
            ("database", plan.target.database.clone()),
            ("system identifier", plan.target.system_identifier.clone()),
            ("gate → executor", format!("{} → {}", view.gate, view.audience)),
            ("asked by", plan.requester.clone()),
            ("incident", plan.incident.clone()),
            ("root cause", plan.root_cause.clone()),
            ("risk", risk_name(plan.risk).to_owned()),
            (
                "runbook",
                format!("{} version {}, {}", runbook.id, runbook.version, runbook.digest),
            ),
            ("policy", plan.policy_digest.to_string()),
            ("permissions", plan.permissions.join(", ")),
            ("not before", view.summary.not_before.to_string()),
            ("sign before", view.summary.approve_by.to_string()),
            ("execute before", view.summary.execute_by.to_string()),
            ("executions", format!("at most {}", plan.max_executions)),
            ("nonce", plan.nonce.clone()),
        ])],
    )
}

fn preflight(view: &RequestView) -> Part {
    let blocks = match (&view.preflight, view.summary.action) {
        (Some(found), _) => {
            let mut lines = vec![
                ("executor".to_owned(), found.executor.clone()),
                ("as of".to_owned(), found.at.to_string()),
                (
                    "says".to_owned(),
                    match (found.blocks(), found.findings.is_empty()) {
                        (true, _) => "it could not run this",
                        (false, true) => "it could run this, and found nothing to warn of",
                        (false, false) => "nothing stands against it; read the warnings",
                    }
                    .to_owned(),
                ),
            ];
            for finding in &found.findings {
                let label = match finding.severity {
                    Severity::Blocks => "blocks",
                    Severity::Warns => "warning",
                };
                lines.push((label.to_owned(), format!("{} ({})", finding.message, finding.code)));
            }
            vec![Block::Facts(lines)]
        }
        (None, Action::Execute) => vec![Block::Note(
            "Not checked: no executor said before you were asked whether it could run this. It checks all the same before \
             the first step."
                .to_owned(),
        )],
        (None, Action::Rollback) => vec![Block::Note(
            "Not checked: a rollback is not looked at beforehand. The executor checks before it begins.".to_owned(),
        )],
    };
    part("Whether it could run", blocks)
}

/// What was said; an objection comes first, whoever it is from.
fn advice(advice: &Advice) -> Part {
    let mut blocks = Vec::new();
    let objections = advice.objections().count();
    if objections > 0 {
        blocks.push(Block::Note(format!(
            "{objections} objection(s) stand against this plan, and no other plan answered them. Read them before you sign."
        )));
    }
    blocks.push(Block::Note(
        "You do not sign any of this. It was said by agents or rules, of telemetry that strangers can write to."
            .to_owned(),
    ));
    let opinions = |title: &str, opinions: &[Opinion]| {
        let objecting = |opinion: &&Opinion| opinion.verdict == Verdict::Object;
        let first = opinions.iter().filter(objecting);
        let rest = opinions.iter().filter(|opinion| !objecting(opinion));
        Block::Item(part(title, first.chain(rest).flat_map(opinion).collect()))
    };
    if !advice.opinions.is_empty() {
        blocks.push(opinions("Of this plan", &advice.opinions));
    }
    if !advice.opinions_before.is_empty() {
        blocks.push(opinions("Of the plan that gave way to it", &advice.opinions_before));
    }
    for cause in &advice.causes {
        let mut lines = vec![("why".to_owned(), cause.explanation.clone())];
        lines.extend(cause.signals_for.iter().map(|one| cited("for", one)));
        lines.extend(cause.signals_against.iter().map(|one| cited("against", one)));
        let title = format!("{}, {} %", cause.root_cause, cause.confidence_pct);
        blocks.push(Block::Item(part(&title, vec![Block::Facts(lines)])));
    }
    let mut lines = vec![("diagnosed by".to_owned(), advice.diagnosed_by.clone())];
    lines.extend(advice.notes.iter().map(|note| ("note".to_owned(), note.clone())));
    blocks.push(Block::Facts(lines));
    part("What agents and rules say", blocks)
}

fn opinion(opinion: &Opinion) -> Vec<Block> {
    let by = opinion
        .by
        .as_ref()
        .map_or("rules".to_owned(), |model| format!("model {model}"));
    let mut lines = vec![(format!("{} ({by})", opinion.agent), opinion.verdict.name().to_owned())];
    lines.extend(opinion.reasons.iter().map(|reason| cited("because", reason)));
    vec![Block::Facts(lines)]
}

fn cited(label: &str, cited: &Cited) -> (String, String) {
    let stands_on = if cited.cites.is_empty() {
        String::new()
    } else {
        format!(" ({})", cited.cites.join(", "))
    };
    (label.to_owned(), format!("{}{stands_on}", cited.says))
}

fn script(action: Action, plan: &PlanDocument) -> Part {
    match action {
        Action::Execute => {
            let steps = plan.steps.iter().enumerate();
            part("The script", steps.map(|(i, one)| step(i + 1, one)).collect())
        }
        Action::Rollback => {
            let steps = plan.steps.iter().rev();
            let mut blocks = vec![Block::Note(
                "Signing this undoes an execution. Of the steps that were done, the last is undone first.".to_owned(),
            )];
            blocks.extend(steps.map(|one| Block::Item(part(&one.id, way_back(&one.rollback)))));
            part("The script", blocks)
        }
    }
}

fn step(number: usize, step: &Step) -> Block {
    let mut blocks = vec![Block::Note(step.summary.clone())];
    blocks.extend(action_blocks(&step.action));
    blocks.extend(checks("proves it", &step.assert));
    blocks.push(facts([
        ("proof may take", duration(i64::from(step.max_wait_s))),
        (
            "irreversible",
            if step.irreversible {
                "yes: something is lost that no rollback brings back"
            } else {
                "no"
            }
            .to_owned(),
        ),
    ]));
    blocks.extend(way_back(&step.rollback));
    Block::Item(part(&format!("{number}. {}", step.id), blocks))
}

fn action_blocks(action: &runbooks::Action) -> Vec<Block> {
    match (action, action.remote()) {
        (runbooks::Action::Sql(sql), _) => {
            let rows = sql.rows.map_or("not counted".to_owned(), |rows| {
                if rows.at_least == rows.at_most {
                    format!("exactly {}", rows.at_least)
                } else {
                    format!("{} to {}", rows.at_least, rows.at_most)
                }
            });
            let class = match sql.class {
                StepClass::Transactional => "transactional: commits together with its marker, or not at all",
                StepClass::NonTransactional => {
                    "not transactional: after a crash its state is probed, never repeated blindly"
                }
            };
            vec![
                Block::Sql(sql.statement.clone()),
                facts([
                    ("rows", rows),
                    ("class", class.to_owned()),
                    ("statement timeout", duration(i64::from(sql.timeout_s))),
                    ("lock timeout", format!("{} ms", sql.lock_timeout_ms)),
                ]),
            ]
        }
        (_, Some(call)) => vec![
            Block::Sql(call.to_string()),
            facts([
                (
                    "class",
                    "a call: after a crash the service is asked what became of it, never called again blindly"
                        .to_owned(),
                ),
                ("timeout", duration(i64::from(action.timeout_s()))),
            ]),
        ],
        (_, None) => Vec::new(),
    }
}

fn way_back(rollback: &Rollback) -> Vec<Block> {
    match rollback {
        Rollback::Exact(undo) => undo_blocks("exact: restores the state before", undo),
        Rollback::Compensating(undo) => {
            undo_blocks("compensating: leads to a state that is as good, not the same", undo)
        }
        Rollback::None(none) => vec![facts([("way back", format!("none: {}", none.reason))])],
    }
}

fn undo_blocks(class: &str, undo: &Undo) -> Vec<Block> {
    let mut blocks = vec![
        facts([("way back", class.to_owned())]),
        Block::Note(undo.summary.clone()),
    ];
    blocks.extend(action_blocks(&undo.action));
    blocks.extend(checks("proves it", &undo.assert));
    blocks
}

fn checks(label: &str, checks: &[Check]) -> Vec<Block> {
    checks
        .iter()
        .map(|check| {
            Block::Item(part(
                &format!("{label}: {} {}", check.id, check.expect),
                vec![Block::Note(check.why.clone()), Block::Sql(check.query.clone())],
            ))
        })
        .collect()
}

fn radius(radius: &BlastRadius) -> Block {
    let expected = radius.expected.as_ref().map_or("not foreseen".to_owned(), plain);
    Block::Item(part(
        &radius.id,
        vec![
            facts([
                (
                    "at most",
                    format!(
                        "{} {}; more than that stops it before the first step",
                        radius.limit, radius.unit
                    ),
                ),
                ("expected", expected),
            ]),
            Block::Note(radius.why.clone()),
            Block::Sql(radius.query.clone()),
        ],
    ))
}

fn parameters(parameters: &BTreeMap<String, BoundParameter>, evidence: &[Evidence]) -> Vec<Block> {
    parameters
        .iter()
        .map(|(name, parameter)| {
            let source = match &parameter.source {
                Source::Literal => "a literal within the runbook's bounds".to_owned(),
                Source::Derived => "computed from another parameter, as the runbook says".to_owned(),
                Source::Evidence { id, digest, pointer } => {
                    let record = evidence
                        .iter()
                        .find(|record| record.id == *id && record.digest == *digest);
                    let origin = record.map_or("evidence that is not here".to_owned(), |record| {
                        format!("{}/{} at {}", record.server, record.tool, record.taken_at)
                    });
                    format!("{id} {pointer} ({origin}, {digest})")
                }
            };
            Block::Item(part(
                name,
                vec![facts([("value", plain(&parameter.value)), ("from", source)])],
            ))
        })
        .collect()
}

fn verification(verification: &Verification) -> Vec<Block> {
    let mut blocks = vec![
        Block::Note(verification.signal.clone()),
        Block::Sql(verification.query.clone()),
        facts([
            ("must be", verification.expect.to_string()),
            ("without a break for", duration(i64::from(verification.hold_s))),
            (
                "not later than",
                format!("{} after the last step", duration(i64::from(verification.deadline_s))),
            ),
            ("asked every", format!("{} ms", verification.interval_ms)),
        ]),
    ];
    blocks.extend(checks("must still hold", &verification.collateral));
    blocks
}

fn policy(decision: &Value) -> Part {
    let mut lines = Vec::new();
    flatten("", decision, &mut lines);
    part("What the policy says", vec![Block::Facts(lines)])
}

/// The decision, whatever it grows into, as `path: value` lines.
fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path} {key}")
        }
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| flatten(&below(key), value, lines)),
        Value::Array(items) if items.is_empty() => lines.push((path.to_owned(), "none".to_owned())),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| flatten(&below(&(i + 1).to_string()), value, lines));
        }
        value => lines.push((path.to_owned(), plain(value))),
    }
}

fn signatures(view: &RequestView) -> Part {
    let mut lines = vec![(
        "signed".to_owned(),
        format!("{} of {} people", view.summary.have, view.summary.need),
    )];
    if view.need_hardware > 0 {
        lines.push((
            "with hardware keys".to_owned(),
            format!("{} of them, at least", view.need_hardware),
        ));
    }
    if view.need_ssh > 0 {
        lines.push((
            "with SSH keys, not on this page".to_owned(),
            format!("{} of them, at least", view.need_ssh),
        ));
    }
    if !view.groups.is_empty() {
        lines.push((
            "one each, different people".to_owned(),
            format!("{}{}", view.groups.join(", "), nobody_of(&view.summary.missing_groups)),
        ));
    }
    if let Some(granted) = &view.granted {
        let people = granted.approvers.join(", ");
        lines.push((
            "approved ahead of time".to_owned(),
            format!(
                "grant {}, signed by {people}; nobody was asked about this plan",
                granted.grant
            ),
        ));
    }
    for one in &view.approvals {
        lines.push((
            "approved by".to_owned(),
            format!(
                "{} by {} with {} at {}",
                one.approver,
                one.method.name(),
                one.key_id,
                one.at
            ),
        ));
    }
    if let Some(no) = &view.rejected {
        let remark = no
            .remark
            .as_deref()
            .map(|remark| format!(": {remark}"))
            .unwrap_or_default();
        lines.push((
            "rejected by".to_owned(),
            format!("{} with {} at {}{remark}", no.approver, no.key_id, no.at),
        ));
    }
    part("Signatures", vec![Block::Facts(lines)])
}

/// `execution` or `rollback`, as people read it.
pub fn action_name(action: Action) -> &'static str {
    match action {
        Action::Execute => "execute",
        Action::Rollback => "roll back",
    }
}

/// `low`, `medium` or `high`.
pub fn risk_name(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn part(title: &str, blocks: Vec<Block>) -> Part {
    Part {
        title: title.to_owned(),
        blocks,
    }
}

fn facts<const N: usize>(lines: [(&str, String); N]) -> Block {
    Block::Facts(
        lines
            .into_iter()
            .map(|(label, value)| (label.to_owned(), value))
            .collect(),
    )
}
