//! Asks a model for a diagnosis and reads the answer strictly: one word outside the form refuses it whole.

use std::time::Duration;

use incident::{Author, Diagnosis, DiagnosisError, Findings, Hypothesis, Rejection};
use model::{Message, Model, ModelError, Request, Role};
use runbooks::Evidence;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::quote::quote;

const PROMPT: &str = include_str!("prompts/diagnose.md");
const MAX_ANSWER_BYTES: usize = 64_000;
const MAX_OUTPUT_TOKENS: u32 = 4_000;
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a model's diagnosis was not taken.
#[derive(Debug, Error)]
pub enum ModelDiagnosisError {
    #[error("the model gave no answer")]
    NoAnswer(#[source] ModelError),
    #[error("the answer has {0} bytes; at most {MAX_ANSWER_BYTES} are read")]
    Oversized(usize),
    #[error("the answer is not a diagnosis in the agreed form")]
    Malformed(#[source] serde_json::Error),
    #[error("the diagnosis does not stand on the evidence")]
    Refused(#[source] DiagnosisError),
}

impl ModelDiagnosisError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAnswer(cause) => cause.code(),
            Self::Oversized(_) => "oversized_answer",
            Self::Malformed(_) => "malformed_answer",
            Self::Refused(cause) => cause.code(),
        }
    }
}

/// The model's diagnosis, if every word of it stands on this evidence.
pub async fn diagnose_with(model: &dyn Model, evidence: &[Evidence]) -> Result<Diagnosis, ModelDiagnosisError> {
    let request = Request {
        system: PROMPT.to_owned(),
        messages: vec![Message {
            role: Role::User,
            text: evidence.iter().map(quote).collect(),
        }],
        schema: Some(answer_schema()),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        deadline: DEADLINE,
    };
    let answer = model.complete(request).await.map_err(ModelDiagnosisError::NoAnswer)?;
    let findings = parse_answer(&answer.text, model.name())?;
    Diagnosis::admit(findings, evidence).map_err(ModelDiagnosisError::Refused)
}

/// The form of the answer. The author is not the model's to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAnswer {
    hypotheses: Vec<Hypothesis>,
    #[serde(default)]
    rejected: Vec<Rejection>,
}

fn parse_answer(text: &str, model: &str) -> Result<Findings, ModelDiagnosisError> {
    if text.len() > MAX_ANSWER_BYTES {
        return Err(ModelDiagnosisError::Oversized(text.len()));
    }
    let wire: WireAnswer = serde_json::from_str(text.trim()).map_err(ModelDiagnosisError::Malformed)?;
    let author = Author::Model { name: model.to_owned() };
    Ok(Findings {
        author,
        hypotheses: wire.hypotheses,
        rejected: wire.rejected,
    })
}

fn answer_schema() -> Value {
    let causes: Vec<&str> = incident::RootCause::ALL.iter().map(|cause| cause.as_str()).collect();
    let closed = |properties: Value, required: Value| json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required});
    let signals = json!({"type": "array", "items": closed(
        json!({"says": {"type": "string"}, "evidence": {"type": "string"}}), json!(["says", "evidence"]))});
    let pointer = closed(
        json!({"evidence": {"type": "string"}, "pointer": {"type": "string"}}),
        json!(["evidence", "pointer"]),
    );
    let hypothesis = closed(
        json!({
            "root_cause": {"enum": causes},
            "confidence_pct": {"type": "integer", "minimum": 0, "maximum": 100},
            "explanation": {"type": "string"},
            "signals_for": signals, "signals_against": signals,
            "objects": {"type": "object", "additionalProperties": pointer},
        }),
        json!(["root_cause", "confidence_pct", "explanation", "signals_for"]),
    );
    let rejection = closed(
        json!({"root_cause": {"enum": causes}, "because": signals}),
        json!(["root_cause", "because"]),
    );
    closed(
        json!({"hypotheses": {"type": "array", "items": hypothesis}, "rejected": {"type": "array", "items": rejection}}),
        json!(["hypotheses"]),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::sync::Arc;

    use incident::RootCause;
    use model::Scripted;

    use super::*;
    use crate::Diagnostician;
    use crate::test_evidence::idle_blocker;

    fn answer(evidence: &str) -> String {
        json!({"hypotheses": [{
            "root_cause": "idle_in_transaction_blocker", "confidence_pct": 88, "explanation": "501 is idle and holds locks",
            "signals_for": [{"says": "3 wait for 501", "evidence": evidence}],
            "objects": {"blocker": {"evidence": evidence, "pointer": "/trees/0/root"}},
        }]})
        .to_string()
    }

    #[tokio::test]
    async fn an_answer_on_the_evidence_becomes_the_diagnosis_under_the_models_name() {
        let model = Scripted::answering([answer("E2")]);
        let diagnosis = diagnose_with(&model, &idle_blocker()).await.unwrap();
        assert_eq!(diagnosis.best().root_cause, RootCause::IdleInTransactionBlocker);
        assert_eq!(
            diagnosis.findings().author,
            Author::Model {
                name: "scripted".to_owned()
            }
        );
    }

    #[tokio::test]
    async fn an_answer_that_cites_unknown_evidence_is_refused_whole() {
        let model = Scripted::answering([answer("E77")]);
        let refused = diagnose_with(&model, &idle_blocker()).await.unwrap_err();
        assert_eq!(refused.code(), "unknown_evidence");
    }

    #[tokio::test]
    async fn anything_but_the_agreed_form_is_refused() {
        let with_sql = answer("E2")
            .replace("\"rejected\"", "\"x\"")
            .replacen('{', "{\"sql\":\"DROP TABLE t\",", 1);
        let author = answer("E2").replacen('{', "{\"author\":{\"kind\":\"offline\"},", 1);
        for text in ["", "not json", "[]", "{}", with_sql.as_str(), author.as_str()] {
            let model = Scripted::answering([text]);
            let refused = diagnose_with(&model, &idle_blocker()).await.unwrap_err();
            assert_eq!(refused.code(), "malformed_answer", "{text}");
        }
        let flood = Scripted::answering(["[".repeat(MAX_ANSWER_BYTES + 1)]);
        assert_eq!(
            diagnose_with(&flood, &idle_blocker()).await.unwrap_err().code(),
            "oversized_answer"
        );
    }

    #[tokio::test]
    async fn a_model_that_fails_leaves_the_offline_diagnosis_and_the_reason() {
        let diagnostician = Diagnostician::with_model(Arc::new(Scripted::answering([answer("E77")])));
        let (diagnosis, fallback) = diagnostician.diagnose(&idle_blocker()).await.unwrap();
        assert_eq!(diagnosis.findings().author, Author::Offline);
        assert_eq!(fallback.unwrap().0.code(), "unknown_evidence");
    }

    #[tokio::test]
    async fn what_the_model_sees_is_the_framed_evidence_and_nothing_else() {
        let model = Scripted::answering([answer("E2")]);
        let _diagnosis = diagnose_with(&model, &idle_blocker()).await.unwrap();
        let asked = model.asked();
        let text = &asked.first().unwrap().messages.first().unwrap().text;
        assert!(text.starts_with("<evidence id=\"E1\""));
        assert_eq!(text.matches("</evidence>").count(), idle_blocker().len());
    }
}
