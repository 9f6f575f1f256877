//! An entry of the catalog without anything to run: what a person must decide or do, and what to look at first.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::{
    Digest, Finding,
    runbook::{is_id, read},
};

/// The schema that hand-overs name in their field `schema`.
const HAND_OVER_SCHEMA: &str = "countersign.hand-over.v1";

/// A root cause that no runbook answers, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOverDocument {
    /// `countersign.hand-over.v1`.
    pub schema: String,
    /// Lower-case words joined by hyphens; the name of its folder.
    pub id: String,
    /// Grows with every change.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// One line for people.
    pub title: String,
    /// The root cause that it stands for, from the closed vocabulary.
    pub root_cause: String,
    /// How it is recognised.
    pub when: String,
    /// Why nothing is run for it.
    pub why_no_action: String,
    /// What the person looks at first, in this order.
    pub look_at: Vec<String>,
    /// Who decides.
    pub hand_over_to: String,
    /// Where the knowledge comes from.
    pub sources: Vec<String>,
}

/// A valid hand-over: made only by [`HandOver::parse`].
#[derive(Debug, Clone)]
pub struct HandOver {
    document: HandOverDocument,
    digest: Digest,
}

/// The JSON Schema of a hand-over.
pub fn hand_over_schema() -> Schema {
    schemars::schema_for!(HandOverDocument)
}

impl HandOver {
    /// Parses and checks a hand-over.
    ///
    /// # Errors
    /// Every fault that was found, each with its place.
    pub fn parse(json: &str) -> Result<Self, Vec<Finding>> {
        let whole = |message: String| {
            vec![Finding {
                pointer: String::new(),
                message,
            }]
        };
        let document: HandOverDocument = read(json).map_err(|finding| vec![finding])?;
        let findings = faults(&document);
        if !findings.is_empty() {
            return Err(findings);
        }
        let digest = Digest::of_json(&document).map_err(|error| whole(error.to_string()))?;
        Ok(Self { document, digest })
    }

    /// The hand-over as it is written down.
    pub fn document(&self) -> &HandOverDocument {
        &self.document
    }

    /// SHA-256 over its canonical JSON.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

fn faults(document: &HandOverDocument) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |pointer: &str, message: String| {
        findings.push(Finding {
            pointer: pointer.to_owned(),
            message,
        })
    };
    if document.schema != HAND_OVER_SCHEMA {
        find("/schema", format!("`{}` is not `{HAND_OVER_SCHEMA}`", document.schema));
    }
    if !is_id(&document.id) {
        find("/id", "use lower-case letters, digits and hyphens".to_owned());
    }
    if document.version == 0 {
        find("/version", "starts at 1".to_owned());
    }
    for (pointer, text) in [
        ("/title", &document.title),
        ("/root_cause", &document.root_cause),
        ("/when", &document.when),
        ("/why_no_action", &document.why_no_action),
        ("/hand_over_to", &document.hand_over_to),
    ] {
        if text.trim().is_empty() {
            find(pointer, "say it; people rely on this text at 3 a.m.".to_owned());
        }
    }
    for (pointer, list) in [("/look_at", &document.look_at), ("/sources", &document.sources)] {
        if list.is_empty() || list.iter().any(|text| text.trim().is_empty()) {
            find(pointer, "at least one is needed, and none may be empty".to_owned());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hand_over_says_why_nothing_runs_and_holds_nothing_that_could() {
        let good = json!({
            "schema": HAND_OVER_SCHEMA, "id": "a-b", "version": 1, "title": "t", "root_cause": "a_b", "when": "w",
            "why_no_action": "y", "look_at": ["x"], "hand_over_to": "the owner", "sources": ["https://example.com"]
        });
        assert!(HandOver::parse(&good.to_string()).is_ok());
        for (pointer, value) in [
            ("/schema", json!("countersign.runbook.v1")),
            ("/id", json!("A")),
            ("/version", json!(0)),
            ("/why_no_action", json!(" ")),
            ("/look_at", json!([])),
            ("/hand_over_to", json!("")),
        ] {
            let mut odd = good.clone();
            *odd.pointer_mut(pointer).unwrap() = value;
            let faults = HandOver::parse(&odd.to_string()).unwrap_err();
            assert_eq!(faults.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), [pointer]);
        }
        let mut with_steps = good;
        with_steps
            .as_object_mut()
            .unwrap()
            .insert("steps".to_owned(), json!([]));
        assert!(HandOver::parse(&with_steps.to_string()).is_err());
    }
}
