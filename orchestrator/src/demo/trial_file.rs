//! What a runbook's author says of a trial: the fault's circumstances, what is asked, and where the values are.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use runbooks::{DraftValue, Evidence};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Of an answer, for whoever has to point into it.
pub(super) const SHOWN_CHARS: usize = 2000;

/// `trial/trial.json`: what is asked of the broken database, and where the runbook's values are in the answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// Of the server, as `max_connections=40`.
    #[serde(default)]
    pub settings: Vec<String>,
    /// How many sessions run a session's file, by its stem, where it is not one.
    #[serde(default)]
    pub copies: BTreeMap<String, usize>,
    /// How long the fault stands before it is looked at.
    #[serde(default)]
    pub settle_s: u64,
    pub evidence: Vec<Question>,
    pub parameters: BTreeMap<String, Place>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub id: String,
    pub tool: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Place {
    Evidence {
        evidence: String,
        /// `*` stands for the item of a list that has the members of `where`.
        pointer: String,
        #[serde(default)]
        r#where: Map<String, Value>,
    },
    Literal {
        literal: Value,
    },
}

impl Place {
    /// Returns where the value stands in these answers.
    pub fn value(&self, evidence: &[Evidence]) -> Result<DraftValue> {
        match self {
            Self::Literal { literal } => Ok(DraftValue::Literal {
                literal: literal.clone(),
            }),
            Self::Evidence {
                evidence: id,
                pointer,
                r#where,
            } => {
                let piece = evidence.iter().find(|piece| piece.id == *id);
                let piece = piece.with_context(|| format!("there is no evidence `{id}`"))?;
                let parts: Vec<&str> = pointer.split('/').skip(1).collect();
                let found = place(&piece.result, &parts, String::new(), r#where);
                Ok(DraftValue::Evidence {
                    evidence: id.clone(),
                    pointer: found.with_context(|| {
                        format!(
                            "nothing in {id} stands at `{pointer}` where {}; `{}` says {}",
                            Value::Object(r#where.clone()),
                            piece.tool,
                            kit::text::clean(&piece.result.to_string(), SHOWN_CHARS)
                        )
                    })?,
                })
            }
        }
    }
}

/// Returns the first place that a pointer with stars means: the last star's item must have these members.
fn place(value: &Value, parts: &[&str], path: String, wanted: &Map<String, Value>) -> Option<String> {
    let Some((part, rest)) = parts.split_first() else {
        return Some(path);
    };
    if *part != "*" {
        return place(value.get(*part)?, rest, format!("{path}/{part}"), wanted);
    }
    let is_last = !rest.contains(&"*");
    let has = |item: &Value| wanted.iter().all(|(name, value)| item.get(name) == Some(value));
    let mut items = value.as_array()?.iter().enumerate();
    items.find_map(|(at, item)| (!is_last || has(item)).then(|| place(item, rest, format!("{path}/{at}"), wanted))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_the_item_that_has_the_members() {
        let result =
            json!({"trees": [{"waiters": []}, {"waiters": [{"pid": 1, "role": "a"}, {"pid": 2, "role": "b"}]}]});
        let at = |pointer: &str, role: &str| {
            let parts: Vec<&str> = pointer.split('/').skip(1).collect();
            let wanted = Map::from_iter([("role".to_owned(), json!(role))]);
            place(&result, &parts, String::new(), &wanted)
        };
        assert_eq!(
            at("/trees/*/waiters/*/pid", "b").as_deref(),
            Some("/trees/1/waiters/1/pid")
        );
        assert_eq!(at("/trees/*/waiters/*/pid", "c"), None);
        assert_eq!(at("/trees/*/absent", "b"), None);
    }
}
