//! The diagnosis agent. Its answer stands on the evidence in every part, or the rules answer instead.

use std::time::Duration;

use incident::{
    Author, Diagnosis, DiagnosisError, EvidencePointer, Findings, Hypothesis, MissingEvidence, Rejection, RootCause,
    Signal,
};
use runbooks::Evidence;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{closed, list_of, numbers, text, vocabulary};
use crate::cloud::{INSIGHTS, LOGS};
use crate::diagnose::diagnose_with;
use crate::quote::{quote, visible};
use crate::session::{Agent, AgentError, Counsel, Desk, Fault, Look, Tools, converse};
use crate::sweep::POSTGRES;

const PROMPT: &str = include_str!("../prompts/diagnosis.md");
/// Tools that take no statement: a model writes none, not even one that only reads.
pub(crate) const TOOLS: &[(&str, &str)] = &[
    (POSTGRES, "overview"),
    (POSTGRES, "blocking_tree"),
    (POSTGRES, "sessions"),
    (POSTGRES, "vacuum_horizon"),
    (POSTGRES, "table_health"),
    (POSTGRES, "index_health"),
    (POSTGRES, "replication"),
    (POSTGRES, "storage"),
    (POSTGRES, "settings"),
    (POSTGRES, "top_queries"),
    (POSTGRES, "schema"),
    (LOGS, "list_log_groups"),
    (LOGS, "postgres_error_summary"),
    (LOGS, "slow_queries"),
    (LOGS, "lock_waits_and_deadlocks"),
    (LOGS, "autovacuum_activity"),
    (LOGS, "connection_failures"),
    (LOGS, "log_patterns"),
    (LOGS, "recent_log_lines"),
    (INSIGHTS, "compare_windows"),
    (INSIGHTS, "db_load_summary"),
    (INSIGHTS, "top_waits"),
    (INSIGHTS, "top_sql"),
    (INSIGHTS, "blocking_tree"),
    (INSIGHTS, "instance_metrics"),
    (INSIGHTS, "instance_events"),
    (INSIGHTS, "instance_features"),
];

/// A diagnosis, what was looked up for it, and what a human should know of how it came about.
#[derive(Debug)]
#[must_use]
pub struct Investigation {
    pub diagnosis: Diagnosis,
    pub taken: Vec<Look>,
    /// Why the rules answered although there is a model, or where they see it otherwise.
    pub notes: Vec<String>,
}

/// The model's diagnosis if it stands, else the offline one with the reason. Without a model it is the offline one.
pub async fn investigate(
    counsel: Option<&Counsel>,
    evidence: &[Evidence],
    missing: &[MissingEvidence],
    tools: Option<&dyn Tools>,
) -> Result<Investigation, DiagnosisError> {
    let offline = diagnose_with(evidence, missing)?;
    let Some(counsel) = counsel else {
        return Ok(Investigation {
            diagnosis: offline,
            taken: Vec::new(),
            notes: Vec::new(),
        });
    };
    let mut desk = Desk {
        tools,
        evidence: evidence.to_vec(),
        taken: Vec::new(),
    };
    let (diagnosis, notes) = match ask(counsel, evidence, missing, &mut desk).await {
        Ok(findings) => weigh(findings, offline, &desk.evidence),
        Err(error) => (
            offline,
            vec![format!("the model's diagnosis was not taken: `{}`", error.code())],
        ),
    };
    Ok(Investigation {
        diagnosis,
        taken: desk.taken,
        notes,
    })
}

async fn ask(
    counsel: &Counsel,
    evidence: &[Evidence],
    missing: &[MissingEvidence],
    desk: &mut Desk<'_>,
) -> Result<Findings, AgentError> {
    let agent = Agent {
        name: "diagnosis",
        prompt: PROMPT.replace("{{root_causes}}", vocabulary::list().trim_end()),
        tools: TOOLS,
        schema: answer_schema(),
        max_output_tokens: 4_000,
        deadline: Duration::from_secs(90),
    };
    let opening = evidence.iter().map(quote).chain(unanswered(missing)).collect();
    let answered = converse(&agent, counsel, opening, desk, read).await?;
    let mut findings = answered.value;
    findings.author = Author::Model { name: answered.model };
    Ok(findings)
}

/// What AWS was asked and did not answer: that it shows nothing does not mean that nothing is there.
fn unanswered(missing: &[MissingEvidence]) -> Option<String> {
    let of_aws = missing
        .iter()
        .filter(|one| one.server == INSIGHTS || one.server == LOGS);
    let tools: Vec<&str> = of_aws.map(|one| one.tool.as_str()).collect();
    (!tools.is_empty()).then(|| {
        format!(
            "Asked for, and not answered: {}. Do not take it for calm.",
            tools.join(", ")
        )
    })
}

/// The form of the answer. The author is not the model's to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnswer {
    hypotheses: Vec<WireHypothesis>,
    #[serde(default)]
    rejected: Vec<Rejection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHypothesis {
    root_cause: RootCause,
    confidence_pct: u8,
    explanation: String,
    signals_for: Vec<Signal>,
    #[serde(default)]
    signals_against: Vec<Signal>,
    #[serde(default)]
    objects: Vec<WireObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireObject {
    part: String,
    evidence: String,
    pointer: String,
}

fn read(text: &str, evidence: &[Evidence]) -> Result<Findings, Fault> {
    let wire: WireAnswer = serde_json::from_str(text.trim()).map_err(|error| Fault::malformed(&error))?;
    let findings = Findings {
        author: Author::Offline,
        hypotheses: wire.hypotheses.into_iter().map(hypothesis).collect::<Result<_, _>>()?,
        rejected: wire
            .rejected
            .into_iter()
            .map(|rejection| Rejection {
                because: rejection.because.into_iter().map(shown).collect(),
                ..rejection
            })
            .collect(),
    };
    // Held against the evidence here, so that the model may mend it, and by the caller again.
    match Diagnosis::admit(findings.clone(), evidence) {
        Ok(_) => Ok(findings),
        Err(refused) => Err(Fault::new(refused.code(), wanted(&refused))),
    }
}

fn hypothesis(wire: WireHypothesis) -> Result<Hypothesis, Fault> {
    let mut objects = std::collections::BTreeMap::new();
    for object in wire.objects {
        let is_word = |part: &str| {
            !part.is_empty() && part.len() <= 32 && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        if !is_word(&object.part) {
            return Err(Fault::new("malformed_answer", "each `part` one lower-case word"));
        }
        let WireObject {
            part,
            evidence,
            pointer,
        } = object;
        objects.insert(part, EvidencePointer { evidence, pointer });
    }
    Ok(Hypothesis {
        root_cause: wire.root_cause,
        confidence_pct: wire.confidence_pct,
        explanation: visible(&wire.explanation),
        signals_for: wire.signals_for.into_iter().map(shown).collect(),
        signals_against: wire.signals_against.into_iter().map(shown).collect(),
        objects,
    })
}

fn shown(signal: Signal) -> Signal {
    Signal {
        says: visible(&signal.says),
        evidence: signal.evidence,
    }
}

/// What would be right, without a word of what was said.
fn wanted(refused: &DiagnosisError) -> &'static str {
    match refused {
        DiagnosisError::UnknownEvidence(_) => "only ids of evidence that is shown to you",
        DiagnosisError::DanglingPointer { .. } => "only pointers that find something in the evidence they name",
        DiagnosisError::Uncited(_) => "at least one signal with its evidence for every hypothesis",
        DiagnosisError::Empty => "at least one hypothesis",
        DiagnosisError::Repeated(_) => "each root cause at most once",
        DiagnosisError::TooMany(_) => "fewer hypotheses",
        DiagnosisError::TooLong(_) => "shorter texts",
        DiagnosisError::Overconfident(_) => "a confidence from 0 to 100",
    }
}

/// Holds the model's findings against the rules and the numbers. They may inform it, overrule it, or be told beside it.
fn weigh(mut findings: Findings, offline: Diagnosis, evidence: &[Evidence]) -> (Diagnosis, Vec<String>) {
    let mut notes = Vec::new();
    let ruled = offline.best().root_cause;
    let said = findings.hypotheses.first().map(|best| best.root_cause);
    if said == Some(RootCause::NoDatabaseAction) && ruled != RootCause::NoDatabaseAction {
        // "Healthy" ends the incident: it must be as true by the rules, which know what was not seen.
        notes.push(format!(
            "the model sees a healthy database, the rules see `{ruled}`: the rules stand"
        ));
        return (offline, notes);
    }
    for hypothesis in &mut findings.hypotheses {
        flag_numbers(hypothesis, evidence);
        flag_contradiction(hypothesis, offline.findings());
    }
    if said != Some(ruled) && ruled != RootCause::Unexplained {
        notes.push(format!(
            "the rules would say `{ruled}` ({} %)",
            offline.best().confidence_pct
        ));
    }
    flag_objects(&findings, &offline, &mut notes);
    match Diagnosis::admit(findings, evidence) {
        Ok(diagnosis) => (diagnosis, notes),
        Err(refused) => {
            notes.push(format!("the model's diagnosis was not taken: `{}`", refused.code()));
            (offline, notes)
        }
    }
}

/// Numbers that stand in none of the cited evidence speak against the hypothesis.
fn flag_numbers(hypothesis: &mut Hypothesis, evidence: &[Evidence]) {
    let cited = hypothesis.cited();
    let Some(first) = cited.first().map(|id| (*id).to_owned()) else {
        return;
    };
    let shown: Vec<&Evidence> = evidence
        .iter()
        .filter(|piece| cited.contains(&piece.id.as_str()))
        .collect();
    let mut stated = numbers::unshown(&hypothesis.explanation, &shown);
    for signal in &hypothesis.signals_for {
        stated.extend(numbers::unshown(&signal.says, &shown));
    }
    stated.dedup();
    stated.truncate(5);
    if stated.is_empty() {
        return;
    }
    let says = format!(
        "checked: {} stands nowhere in the evidence that is cited",
        stated.join(", ")
    );
    hypothesis.signals_against.push(Signal { says, evidence: first });
}

/// What the rules hold against this very cause.
fn flag_contradiction(hypothesis: &mut Hypothesis, offline: &Findings) {
    let ruled_out = offline
        .rejected
        .iter()
        .find(|rejection| rejection.root_cause == hypothesis.root_cause);
    for signal in ruled_out.into_iter().flat_map(|rejection| &rejection.because) {
        if !signal.says.starts_with("not judged") {
            hypothesis.signals_against.push(Signal {
                says: format!("checked: the rules rule it out: {}", signal.says),
                evidence: signal.evidence.clone(),
            });
        }
    }
}

/// The same cause, but other objects: a plan would hit somebody else.
fn flag_objects(findings: &Findings, offline: &Diagnosis, notes: &mut Vec<String>) {
    let best = offline.best();
    let same = findings
        .hypotheses
        .iter()
        .find(|hypothesis| hypothesis.root_cause == best.root_cause);
    let places = |hypothesis: &Hypothesis| {
        hypothesis
            .objects
            .values()
            .map(|o| o.pointer.clone())
            .collect::<Vec<_>>()
    };
    if let Some(same) = same.filter(|same| best.root_cause.is_actionable() && places(same) != places(best)) {
        notes.push(format!(
            "for `{}` the model points at {}, the rules at {}",
            best.root_cause,
            places(same).join(", "),
            places(best).join(", ")
        ));
    }
}

fn answer_schema() -> Value {
    let causes: Vec<&str> = RootCause::ALL.iter().map(|cause| cause.as_str()).collect();
    let cause = json!({"type": "string", "enum": causes});
    let signals = list_of(closed(json!({"says": text(), "evidence": text()})));
    let object = closed(json!({"part": text(), "evidence": text(), "pointer": text()}));
    let hypothesis = closed(json!({
        "root_cause": cause,
        "confidence_pct": {"type": "integer"},
        "explanation": text(),
        "signals_for": signals,
        "signals_against": signals,
        "objects": list_of(object),
    }));
    let rejection = closed(json!({"root_cause": cause, "because": signals}));
    closed(json!({"hypotheses": list_of(hypothesis), "rejected": list_of(rejection)}))
}

#[cfg(test)]
mod tests;
