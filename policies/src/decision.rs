//! What the policy said about one plan, and why.

use std::collections::BTreeSet;
use std::time::Duration;

use runbooks::Digest;
use serde::{Deserialize, Serialize};

/// The policy's answer for one plan at one moment, with the digests that make it repeatable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether the plan may go on.
    pub allow: bool,
    /// Why not; empty when it may.
    pub denials: Vec<Denial>,
    /// What approval and execution must keep to; none when the plan is refused.
    pub obligations: Option<Obligations>,
    /// The policy that decided.
    pub policy_digest: Digest,
    /// SHA-256 over the canonical JSON of the input; over no bytes when the input could not be made.
    pub input_digest: Digest,
}

/// One evaluation as a journal keeps it: with the input, the policy of that digest gives the same decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Who asked.
    pub asked_by: String,
    /// Whether the plan may go on.
    pub allow: bool,
    /// Why not, by the denials' codes, each once.
    pub codes: Vec<String>,
    /// The policy that decided.
    pub policy_digest: Digest,
    /// What it was asked.
    pub input_digest: Digest,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

impl Decision {
    /// Returns what a journal keeps of this decision, before it takes effect.
    pub fn evaluation(&self, asked_by: &str, took: Duration) -> Evaluation {
        let codes: BTreeSet<&String> = self.denials.iter().map(|denial| &denial.code).collect();
        Evaluation {
            asked_by: asked_by.to_owned(),
            allow: self.allow,
            codes: codes.into_iter().cloned().collect(),
            policy_digest: self.policy_digest,
            input_digest: self.input_digest,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// One reason why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// The stable name of the reason.
    pub code: String,
    /// The reason in words.
    pub message: String,
    /// The step, check, or measure; none when it is the plan as a whole.
    pub step: Option<String>,
    /// The text or value that offends.
    pub span: Option<String>,
    /// What would be allowed instead.
    pub allowed: Option<String>,
}

/// What approval and execution must keep to. The executor has a floor of its own that this may raise and never lower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligations {
    /// How many people must approve; at least 1.
    pub approvers: u32,
    /// The kinds of signature that count.
    pub methods: Vec<String>,
    /// The longest time for approval, in seconds.
    pub approve_within_s: u32,
    /// The longest time for execution after that, in seconds.
    pub execute_within_s: u32,
    /// Groups of the approver list of which each must be represented, by different people.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether plans of this class may be approved ahead of time.
    #[serde(default)]
    pub preapproval: Preapproval,
}

/// Whether people may approve a class of plans ahead of time. It alone approves nothing: without a person's signature, on
/// this plan or on a grant that covers it, no plan is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preapproval {
    /// Each plan is asked about.
    #[default]
    Never,
    /// People may sign a grant that covers plans of this class.
    Grant,
}

impl Obligations {
    /// Whether they oblige at all: a missing or zero number of people is an error, never a yes. Of one group asked for
    /// twice nobody could say how many people it means.
    pub(crate) fn oblige(&self) -> bool {
        let distinct: BTreeSet<&String> = self.groups.iter().collect();
        self.approvers >= 1
            && !self.methods.is_empty()
            && self.approve_within_s >= 1
            && self.execute_within_s >= 1
            && distinct.len() == self.groups.len()
            && self.groups.iter().all(|group| !group.trim().is_empty())
    }
}

impl Denial {
    pub(crate) fn of_plan(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            step: None,
            span: None,
            allowed: None,
        }
    }

    /// Rego has no optional fields: an empty text stands for nothing.
    pub(crate) fn without_empty_parts(self) -> Self {
        let filled = |part: Option<String>| part.filter(|text| !text.is_empty());
        Self {
            step: filled(self.step),
            span: filled(self.span),
            allowed: filled(self.allowed),
            ..self
        }
    }
}
