//! What is thought to be wrong, ranked, each thought tied to recorded evidence. An unknown evidence id refuses it all.

use std::collections::BTreeMap;

use runbooks::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::cause::RootCause;

/// More than so many are no diagnosis.
pub const MAX_HYPOTHESES: usize = 8;
const MAX_TEXT_BYTES: usize = 4_000;

/// A diagnosis as its author wrote it: data, not yet held against the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    pub author: Author,
    /// Most likely first.
    pub hypotheses: Vec<Hypothesis>,
    /// Causes that were looked for and not found, with the reason.
    #[serde(default)]
    pub rejected: Vec<Rejection>,
}

/// Who made the diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Author {
    /// Rules over evidence; no model took part.
    Offline,
    Model {
        name: String,
    },
}

/// One possible root cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    pub root_cause: RootCause,
    /// 0 to 100.
    pub confidence_pct: u8,
    /// The mechanism in words, for a human.
    pub explanation: String,
    /// What speaks for it; never empty.
    pub signals_for: Vec<Signal>,
    #[serde(default)]
    pub signals_against: Vec<Signal>,
    /// The objects it is about, by their part in it (`blocker`, `ddl`, `client`): where in the evidence each stands.
    #[serde(default)]
    pub objects: BTreeMap<String, EvidencePointer>,
}

/// An observation and the evidence it was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    pub says: String,
    pub evidence: String,
}

/// A cause that was ruled out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    pub root_cause: RootCause,
    pub because: Vec<Signal>,
}

/// A place in one piece of evidence, as a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePointer {
    pub evidence: String,
    pub pointer: String,
}

/// Findings that stand on recorded evidence in every part. Made only by [`Diagnosis::admit`].
///
/// ```compile_fail
/// let forged = incident::Diagnosis { findings: todo!() };
/// ```
/// ```compile_fail
/// let read: incident::Diagnosis = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct Diagnosis {
    findings: Findings,
    best: Hypothesis,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DiagnosisError {
    #[error("the diagnosis cites evidence `{0}`, which was never taken")]
    UnknownEvidence(String),
    #[error("`{pointer}` points at nothing in evidence `{evidence}`")]
    DanglingPointer { evidence: String, pointer: String },
    #[error("the hypothesis `{0}` cites no evidence")]
    Uncited(RootCause),
    #[error("the diagnosis has no hypothesis")]
    Empty,
    #[error("`{0}` is named by two hypotheses")]
    Repeated(RootCause),
    #[error("the diagnosis has {0} hypotheses; at most {MAX_HYPOTHESES} are read")]
    TooMany(usize),
    #[error("a text of {0} bytes is too long; at most {MAX_TEXT_BYTES} are read")]
    TooLong(usize),
    #[error("confidence {0} is above 100 percent")]
    Overconfident(u8),
}

impl DiagnosisError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownEvidence(_) => "unknown_evidence",
            Self::DanglingPointer { .. } => "dangling_pointer",
            Self::Uncited(_) => "uncited_hypothesis",
            Self::Empty => "empty_diagnosis",
            Self::Repeated(_) => "repeated_hypothesis",
            Self::TooMany(_) | Self::TooLong(_) => "oversized_diagnosis",
            Self::Overconfident(_) => "confidence_out_of_range",
        }
    }
}

impl Diagnosis {
    /// Holds findings against the evidence; the first thing that does not stand refuses them whole.
    pub fn admit(findings: Findings, evidence: &[Evidence]) -> Result<Self, DiagnosisError> {
        if findings.hypotheses.len() > MAX_HYPOTHESES {
            return Err(DiagnosisError::TooMany(findings.hypotheses.len()));
        }
        let mut named = Vec::new();
        for hypothesis in &findings.hypotheses {
            if named.contains(&hypothesis.root_cause) {
                return Err(DiagnosisError::Repeated(hypothesis.root_cause));
            }
            named.push(hypothesis.root_cause);
            check_hypothesis(hypothesis, evidence)?;
        }
        for rejection in &findings.rejected {
            check_signals(&rejection.because, evidence)?;
        }
        let best = findings.hypotheses.first().cloned().ok_or(DiagnosisError::Empty)?;
        Ok(Self { findings, best })
    }

    /// The hypothesis that its author ranked first.
    pub fn best(&self) -> &Hypothesis {
        &self.best
    }

    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    #[must_use]
    pub fn into_findings(self) -> Findings {
        self.findings
    }
}

impl Hypothesis {
    /// The ids of all evidence that the hypothesis stands on, each once, in order of mention.
    #[must_use]
    pub fn cited(&self) -> Vec<&str> {
        let signals = self
            .signals_for
            .iter()
            .chain(&self.signals_against)
            .map(|signal| signal.evidence.as_str());
        let objects = self.objects.values().map(|object| object.evidence.as_str());
        let mut ids = Vec::new();
        for id in signals.chain(objects) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

impl EvidencePointer {
    /// What stands at this place.
    #[must_use]
    pub fn resolve<'a>(&self, evidence: &'a [Evidence]) -> Option<&'a Value> {
        evidence
            .iter()
            .find(|piece| piece.id == self.evidence)?
            .result
            .pointer(&self.pointer)
    }
}

fn check_hypothesis(hypothesis: &Hypothesis, evidence: &[Evidence]) -> Result<(), DiagnosisError> {
    if hypothesis.confidence_pct > 100 {
        return Err(DiagnosisError::Overconfident(hypothesis.confidence_pct));
    }
    check_length(&hypothesis.explanation)?;
    if hypothesis.signals_for.is_empty() {
        return Err(DiagnosisError::Uncited(hypothesis.root_cause));
    }
    check_signals(&hypothesis.signals_for, evidence)?;
    check_signals(&hypothesis.signals_against, evidence)?;
    for object in hypothesis.objects.values() {
        known(&object.evidence, evidence)?;
        if object.resolve(evidence).is_none() {
            let EvidencePointer { evidence, pointer } = object.clone();
            return Err(DiagnosisError::DanglingPointer { evidence, pointer });
        }
    }
    Ok(())
}

fn check_signals(signals: &[Signal], evidence: &[Evidence]) -> Result<(), DiagnosisError> {
    for signal in signals {
        check_length(&signal.says)?;
        known(&signal.evidence, evidence)?;
    }
    Ok(())
}

fn known(id: &str, evidence: &[Evidence]) -> Result<(), DiagnosisError> {
    if evidence.iter().any(|piece| piece.id == id) {
        Ok(())
    } else {
        Err(DiagnosisError::UnknownEvidence(id.to_owned()))
    }
}

fn check_length(text: &str) -> Result<(), DiagnosisError> {
    if text.len() > MAX_TEXT_BYTES {
        Err(DiagnosisError::TooLong(text.len()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use super::*;
    use runbooks::Timestamp;
    use serde_json::json;

    fn evidence() -> Vec<Evidence> {
        let at = Timestamp::from_unix(1_800_000_000);
        let result = json!({"trees": [{"root": {"pid": 77}}]});
        vec![Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), at, result).unwrap()]
    }

    fn findings(evidence_id: &str, pointer: &str) -> Findings {
        let signal = Signal {
            says: "3 sessions wait".to_owned(),
            evidence: "E1".to_owned(),
        };
        let object = EvidencePointer {
            evidence: evidence_id.to_owned(),
            pointer: pointer.to_owned(),
        };
        Findings {
            author: Author::Offline,
            hypotheses: vec![Hypothesis {
                root_cause: RootCause::IdleInTransactionBlocker,
                confidence_pct: 90,
                explanation: "pid 77 holds a lock".to_owned(),
                signals_for: vec![signal],
                signals_against: vec![],
                objects: BTreeMap::from([("blocker".to_owned(), object)]),
            }],
            rejected: vec![],
        }
    }

    #[test]
    fn findings_on_taken_evidence_are_admitted() {
        let diagnosis = Diagnosis::admit(findings("E1", "/trees/0/root"), &evidence()).unwrap();
        assert_eq!(diagnosis.best().cited(), ["E1"]);
    }

    #[test]
    fn one_unknown_evidence_id_refuses_the_whole() {
        let refused = Diagnosis::admit(findings("E9", "/trees/0/root"), &evidence()).unwrap_err();
        assert_eq!(refused, DiagnosisError::UnknownEvidence("E9".to_owned()));

        let mut in_rejection = findings("E1", "/trees/0/root");
        let because = vec![Signal {
            says: "no".to_owned(),
            evidence: "E2".to_owned(),
        }];
        in_rejection.rejected.push(Rejection {
            root_cause: RootCause::DdlLockQueue,
            because,
        });
        assert_eq!(
            Diagnosis::admit(in_rejection, &evidence()).unwrap_err().code(),
            "unknown_evidence"
        );
    }

    #[test]
    fn a_pointer_at_nothing_refuses_the_whole() {
        let refused = Diagnosis::admit(findings("E1", "/trees/1/root"), &evidence()).unwrap_err();
        assert_eq!(refused.code(), "dangling_pointer");
    }

    #[test]
    fn a_hypothesis_without_evidence_is_refused() {
        let mut uncited = findings("E1", "/trees/0/root");
        uncited.hypotheses[0].signals_for.clear();
        assert_eq!(
            Diagnosis::admit(uncited, &evidence()).unwrap_err().code(),
            "uncited_hypothesis"
        );
    }

    #[test]
    fn a_diagnosis_must_say_something_and_only_once() {
        let mut none = findings("E1", "/trees/0/root");
        none.hypotheses.clear();
        assert_eq!(Diagnosis::admit(none, &evidence()).unwrap_err(), DiagnosisError::Empty);

        let mut twice = findings("E1", "/trees/0/root");
        twice.hypotheses.push(twice.hypotheses[0].clone());
        assert_eq!(
            Diagnosis::admit(twice, &evidence()).unwrap_err().code(),
            "repeated_hypothesis"
        );
    }
}
