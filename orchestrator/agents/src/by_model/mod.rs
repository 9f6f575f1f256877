//! The five agents where there is a model: what each is told, and what of its answer stands.

mod diagnosis;
mod numbers;
mod opinion;
mod planner;
mod vocabulary;

use serde_json::{Value, json};

#[cfg(test)]
pub(crate) use diagnosis::TOOLS as DIAGNOSIS_TOOLS;
pub use diagnosis::{Investigation, investigate};
pub use opinion::debate_with;
pub use planner::{FillPlan, Planned, Planning, PlanningError, Revision, plan, revise};

/// A JSON Schema of an object with exactly these properties, all of them required: some makers take no other.
fn closed(properties: Value) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .map(|map| map.keys().collect())
        .unwrap_or_default();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn list_of(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn text() -> Value {
    json!({"type": "string"})
}
