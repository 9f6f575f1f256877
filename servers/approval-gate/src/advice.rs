//! What agents and rules said of the incident and of the plan. People see it; it decides nothing, and nobody signs it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// What is shown beside the plan. Foreign text: bounded by [`Advice::check`], and escaped wherever it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Who diagnosed: `offline`, or a model's name.
    pub diagnosed_by: String,
    /// Likeliest first.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// Of the plan.
    #[serde(default)]
    pub opinions: Vec<Opinion>,
    /// Of the plan that gave way to this one, where there was one.
    #[serde(default)]
    pub opinions_before: Vec<Opinion>,
    /// Where models and rules differ, and what was not taken.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A root cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// As `idle_in_transaction_blocker`.
    pub root_cause: String,
    /// 0 to 100.
    pub confidence_pct: u8,
    /// For people.
    pub explanation: String,
    /// What speaks for it.
    #[serde(default)]
    pub signals_for: Vec<Cited>,
    /// What speaks against it.
    #[serde(default)]
    pub signals_against: Vec<Cited>,
}

/// One agent's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// `cost`, `security` or `reviewer`.
    pub agent: String,
    /// The model that said it; without one, it is said by rules.
    #[serde(default)]
    pub by: Option<String>,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<Cited>,
}

/// A verdict on a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It should be signed.
    Support,
    /// It should not.
    Object,
    /// Neither.
    Abstain,
}

/// A sentence, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cited {
    /// The sentence.
    pub says: String,
    /// Evidence ids, or parts of the plan as JSON pointers.
    #[serde(default)]
    pub cites: Vec<String>,
}

impl Advice {
    /// Whether there is no more of it than a person can be shown.
    ///
    /// # Errors
    /// When there is.
    pub fn check(&self) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(self)?.len();
        if bytes > MAX_BYTES {
            let message = format!("the advice has {bytes} bytes, and at most {MAX_BYTES} are shown");
            return Err(Refusal::new("advice_too_long", message).hint("shorten it; the plan itself is not at fault"));
        }
        Ok(())
    }

    /// The opinions that object.
    pub fn objections(&self) -> impl Iterator<Item = &Opinion> {
        let opinions = self.opinions.iter();
        opinions.filter(|opinion| opinion.verdict == Verdict::Object)
    }
}

impl Verdict {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Support => "supports",
            Self::Object => "OBJECTS",
            Self::Abstain => "abstains",
        }
    }
}

const MAX_BYTES: usize = 64 * 1024;
