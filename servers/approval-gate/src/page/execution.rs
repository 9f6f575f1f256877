//! What became of an approval: each report of the executor, as it comes in.

use serde_json::Value;

use super::Html;
use crate::execution::{Progress, Report};
use crate::text::excerpt;
use crate::view::ExecutionView;

/// Whether there is more to come.
pub fn is_running(view: &ExecutionView) -> bool {
    matches!(view.execution.progress, Progress::Queued | Progress::Claimed { .. })
}

/// Writes the execution's part of a request's page.
pub fn execution(html: &mut Html, view: &ExecutionView) {
    html.tag_with("section", &[("id", "execution"), ("data-part", "Execution")], |html| {
        html.leaf("h2", "Execution");
        html.tag_with("p", &[("aria-live", "polite")], |html| {
            let name = view.outcome.as_deref().unwrap_or(view.status);
            let class = format!("status {}", class_of(view));
            html.tag_with("span", &[("class", &class), ("id", "outcome")], |html| {
                html.text(&name.replace('_', " "));
            });
            html.text(" ");
            html.leaf("code", &view.execution_id);
        });
        html.leaf("p", in_words(view));
        html.tag("ol", |html| {
            view.execution.reports.iter().for_each(|report| line(html, report))
        });
    });
}

fn class_of(view: &ExecutionView) -> &'static str {
    match (view.status, view.outcome.as_deref()) {
        ("done", Some("done")) => "approved",
        ("done" | "lapsed" | "withdrawn", _) => "rejected",
        _ => "pending",
    }
}

fn in_words(view: &ExecutionView) -> &'static str {
    match &view.execution.progress {
        Progress::Queued => "The order waits for its executor. This page follows it.",
        Progress::Claimed { .. } => "The executor has it. This page follows it.",
        Progress::Lapsed => "No executor took it in time. Nothing was done.",
        Progress::Withdrawn => "It was revoked before any executor took it. Nothing was done.",
        Progress::Done { outcome } => match outcome.as_str() {
            "done" => "Every step was done, and the signal recovered and held.",
            "rolled_back" => "It did not help, and was undone by the runbook.",
            "not_recovered" => "It did not help. A person is needed.",
            "rollback_failed" => "It did not help, and could not be undone. A person is needed now.",
            "refused" => "The executor refused it. Nothing was done.",
            _ => "It failed. A person is needed.",
        },
    }
}

fn line(html: &mut Html, report: &Report) {
    html.tag("li", |html| {
        html.leaf("strong", &report.kind.replace('_', " "));
        html.text(&format!(" {}", report.at));
        let facts = facts(&report.data);
        if !facts.is_empty() {
            html.tag_with("span", &[("class", "soft")], |html| html.text(&format!(" {facts}")));
        }
    });
}

/// The short facts of a report; long ones are in the journal.
fn facts(data: &Value) -> String {
    let Some(fields) = data.as_object() else {
        return excerpt(&data.to_string(), MAX_FACT);
    };
    let short = fields.iter().filter_map(|(key, value)| match value {
        Value::String(text) => Some(format!("{key}: {}", excerpt(text, MAX_FACT))),
        Value::Number(_) | Value::Bool(_) => Some(format!("{key}: {value}")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    });
    short.collect::<Vec<_>>().join(", ")
}

const MAX_FACT: usize = 160;
