//! What people are shown beside the plan: the diagnosis, the opinions, and where models and rules differ.

use incident::{Author, Hypothesis, Incident, Opinion, Signal};
use serde_json::{Value, json};

/// Of each list so many; the gate shows no more than 64 KiB of it all.
const MOST: usize = 8;
const SENTENCE_CHARS: usize = 600;

/// As the gate's `execute_plan` takes it. None without a diagnosis: there is nothing to say.
pub(super) fn advice(incident: &Incident) -> Option<Value> {
    let findings = incident.findings.as_ref()?;
    let diagnosed_by = match &findings.author {
        Author::Offline => "rules",
        Author::Model { name } => name,
    };
    let before = incident
        .revision
        .as_ref()
        .map_or(&[][..], |revision| &revision.opinions);
    let notes = incident.diagnosis_notes.iter().take(MOST).map(|note| sentence(note));
    Some(json!({
        "diagnosed_by": diagnosed_by,
        "causes": findings.hypotheses.iter().take(MOST).map(cause).collect::<Vec<_>>(),
        "opinions": incident.opinions.iter().take(MOST).map(opinion).collect::<Vec<_>>(),
        "opinions_before": before.iter().take(MOST).map(opinion).collect::<Vec<_>>(),
        "notes": notes.collect::<Vec<_>>(),
    }))
}

fn cause(hypothesis: &Hypothesis) -> Value {
    json!({
        "root_cause": hypothesis.root_cause.as_str(),
        "confidence_pct": hypothesis.confidence_pct,
        "explanation": sentence(&hypothesis.explanation),
        "signals_for": signals(&hypothesis.signals_for),
        "signals_against": signals(&hypothesis.signals_against),
    })
}

fn signals(signals: &[Signal]) -> Vec<Value> {
    let shown = signals.iter().take(MOST);
    shown
        .map(|signal| json!({"says": sentence(&signal.says), "cites": [signal.evidence]}))
        .collect()
}

fn opinion(opinion: &Opinion) -> Value {
    let reasons = opinion.reasons.iter().take(MOST);
    let reasons = reasons.map(|reason| json!({"says": sentence(&reason.says), "cites": reason.cites}));
    json!({
        "agent": opinion.agent,
        "by": opinion.by,
        "verdict": opinion.verdict.as_str(),
        "reasons": reasons.collect::<Vec<_>>(),
    })
}

fn sentence(text: &str) -> String {
    kit::text::clean(text, SENTENCE_CHARS)
}
