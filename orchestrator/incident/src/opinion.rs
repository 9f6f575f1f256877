//! What an agent of the debate says about a plan: support, object or abstain, with reasons that cite.

use serde::{Deserialize, Serialize};

/// One agent's word on one plan. It informs the human; it approves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// `cost`, `security` or `reviewer`.
    pub agent: String,
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    /// The model that said it; without one, it is said by rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Support,
    Object,
    Abstain,
}

/// A reason and what it stands on: evidence ids (`E4`) or parts of the plan as JSON pointers (`/steps/0`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub says: String,
    pub cites: Vec<String>,
}

impl Verdict {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Object => "object",
            Self::Abstain => "abstain",
        }
    }
}
