//! The timeline: each journalled event in words, with the time it took.

use chrono::{DateTime, Utc};
use incident::{Event, ExecutionResult, Opinion};
use journal::Entry;
use serde_json::Value;

use super::Record;
use super::markdown::Page;

pub(super) fn timeline(page: &mut Page, record: &Record<'_>) {
    page.section("Timeline");
    let start = record.entries.first().and_then(at);
    let mut rows = Vec::new();
    for entry in record.entries {
        let Ok(event) = Event::parse(&entry.kind, entry.data.clone()) else {
            continue;
        };
        let after = match (start, at(entry)) {
            (Some(start), Some(at)) => seconds(at - start),
            _ => String::new(),
        };
        // The executor's own reports came before the end that they led to.
        if let Event::Executed { report, .. } = &event {
            rows.extend(executor_rows(report));
        }
        rows.push(vec![entry.at.clone(), after, in_words(&event)]);
    }
    page.table(&["At", "After", "What"], rows);
}

/// The event in one sentence.
pub(crate) fn in_words(event: &Event) -> String {
    match event {
        Event::Opened { alert, .. } => format!("alert {} received, incident opened", alert.name),
        Event::AlertJoined { alert } => format!("alert {} joined", alert.name),
        Event::AlertResolved { .. } => "an alert ended, says its source".to_owned(),
        Event::DiagnosisStarted => "diagnosis began".to_owned(),
        Event::EvidenceTaken { evidence, missing } => {
            let slowest = evidence.iter().map(|note| note.took_ms).max().unwrap_or(0);
            format!(
                "{} pieces of evidence taken, {} missing; the slowest took {slowest} ms",
                evidence.len(),
                missing.len()
            )
        }
        Event::Diagnosed { findings, .. } => match findings.hypotheses.first() {
            Some(best) => format!("diagnosed {} ({} %)", best.root_cause, best.confidence_pct),
            None => "diagnosed nothing".to_owned(),
        },
        Event::Planned { plan } => format!("planned {} version {}", plan.draft.runbook, plan.draft.version),
        Event::Revised { plan, opinions } => format!(
            "debated: {}; planned anew: {} version {}",
            verdicts(opinions),
            plan.draft.runbook,
            plan.draft.version
        ),
        Event::Debated { opinions } => format!("debated: {}", verdicts(opinions)),
        Event::Judged { decision } => {
            let word = if crate::stage::is_allowed(decision) {
                "allows"
            } else {
                "does not allow"
            };
            format!("policy {word} it (early look)")
        }
        Event::PolicyRefused { code, message, .. } => format!("refused by policy: {code}: {message}"),
        Event::Requested { request } => format!("approval asked for: {}", request.request_id),
        Event::Approved { approval } => format!("approved by {}", names(&approval.approvers)),
        Event::Rejected { message } => format!("rejected: {message}"),
        Event::Expired { message } => format!("expired: {message}"),
        Event::Submitted { execution } => format!("handed to the executor: {}", execution.execution_id),
        Event::Executed { result, message, .. } => match result {
            ExecutionResult::Done => "executed".to_owned(),
            ExecutionResult::Stopped => format!("execution stopped: {message}"),
            ExecutionResult::NotRecovered => format!("executed, but the executor saw no recovery: {message}"),
            ExecutionResult::RolledBack => format!("rolled back: {message}"),
            ExecutionResult::RollbackFailed => format!("ROLLBACK FAILED: {message}"),
        },
        Event::Recovered { recovery } => format!("recovered: the signal held for {} ms", recovery.held_ms),
        Event::NotRecovered { .. } => "not recovered".to_owned(),
        Event::Subsided { message } => format!("subsided: {message}"),
        Event::HandedOver { reason, message, .. } => format!("handed over to a human ({reason}): {message}"),
        Event::Closed { file, .. } => format!("closed, post-mortem in {file}"),
    }
}

fn executor_rows(report: &Value) -> Vec<Vec<String>> {
    let reports = report.get("reports").and_then(Value::as_array);
    let row = |one: &Value| {
        let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let data = one.get("data").cloned().unwrap_or_default();
        let step = data.get("step").or_else(|| data.get("step_id")).and_then(Value::as_str);
        let kind = word("kind");
        vec![
            word("at"),
            String::new(),
            step.map_or_else(
                || format!("executor: {kind}"),
                |step| format!("executor: {kind}: {step}"),
            ),
        ]
    };
    reports.into_iter().flatten().map(row).collect()
}

fn names(approvers: &[String]) -> String {
    if approvers.is_empty() {
        "the people the gate knows".to_owned()
    } else {
        approvers.join(", ")
    }
}

fn at(entry: &Entry) -> Option<DateTime<Utc>> {
    entry.at.parse().ok()
}

fn seconds(span: chrono::Duration) -> String {
    let ms = span.num_milliseconds();
    format!("{}.{:03} s", ms / 1000, (ms % 1000).abs())
}

fn verdicts(opinions: &[Opinion]) -> String {
    let said = |opinion: &Opinion| {
        let by = if opinion.by.is_some() { " (model)" } else { "" };
        format!("{}{by} {}s", opinion.agent, opinion.verdict.as_str())
    };
    opinions.iter().map(said).collect::<Vec<_>>().join(", ")
}
