//! Questions with one answer: prechecks, assertions, blast radius, verification.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A query that returns one row with one column, and what that must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A name that is unique within the runbook.
    pub id: String,
    /// One SELECT.
    pub query: String,
    /// What the answer must be.
    pub expect: Expect,
    /// Why it is asked, for the person who approves.
    pub why: String,
}

/// What an answer must be. Anything else, NULL and no row included, does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// This integer or text.
    Equals(Value),
    /// An integer that is not greater.
    AtMost(i64),
    /// An integer that is not smaller.
    AtLeast(i64),
    /// The boolean true.
    IsTrue,
}

impl Expect {
    /// Whether the answer is what was expected.
    pub fn holds(&self, answer: &Value) -> bool {
        match self {
            Self::Equals(wanted) => !answer.is_null() && answer == wanted,
            Self::AtMost(limit) => answer.as_i64().is_some_and(|n| n <= *limit),
            Self::AtLeast(limit) => answer.as_i64().is_some_and(|n| n >= *limit),
            Self::IsTrue => answer == &Value::Bool(true),
        }
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equals(wanted) => write!(f, "equals {wanted}"),
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
            Self::IsTrue => f.write_str("is true"),
        }
    }
}

/// How much one execution may touch. Measured right before the first step; more than `limit` stops it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlastRadius {
    /// A name that is unique within the runbook, as `sessions_ended`.
    pub id: String,
    /// What is counted: `sessions`, `tables`, `rows`, `seconds`.
    pub unit: String,
    /// One SELECT that returns the number.
    pub query: String,
    /// The most that may be touched.
    pub limit: i64,
    /// What the evidence lets one expect; in a runbook, the name of the parameter that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What this means for those who are hit.
    pub why: String,
}

/// How recovery is recognised: a signal that holds for some time before a deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The signal in words.
    pub signal: String,
    /// One SELECT that returns it.
    pub query: String,
    /// What it must be.
    pub expect: Expect,
    /// For how long without a break, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub hold_s: u32,
    /// By when after the last step, in seconds; not less than `hold_s`.
    #[schemars(range(min = 1, max = 7200))]
    pub deadline_s: u32,
    /// How often it is asked, in milliseconds.
    #[schemars(range(min = 100, max = 60000))]
    pub interval_ms: u32,
    /// What must not have happened meanwhile, even when the symptom is gone.
    #[serde(default)]
    pub collateral: Vec<Check>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_that_is_missing_or_of_another_type_never_holds() {
        for expect in [
            Expect::Equals(json!(0)),
            Expect::AtMost(5),
            Expect::AtLeast(0),
            Expect::IsTrue,
            Expect::Equals(Value::Null),
        ] {
            for answer in [Value::Null, json!("0"), json!([0]), json!(1.5)] {
                assert!(!expect.holds(&answer), "{expect} held for {answer}");
            }
        }
        assert!(Expect::Equals(json!(0)).holds(&json!(0)));
        assert!(Expect::AtMost(5).holds(&json!(5)) && !Expect::AtMost(5).holds(&json!(6)));
        assert!(Expect::IsTrue.holds(&json!(true)) && !Expect::IsTrue.holds(&json!(1)));
    }
}
