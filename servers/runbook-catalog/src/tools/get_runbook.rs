//! `get_runbook`: one runbook, whole.

use async_trait::async_trait;
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::shelf::Shelf;

pub struct GetRunbook;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The runbook's id, as list_runbooks gives it.
    #[schemars(length(min = 1, max = 128))]
    id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    digest: String,
    /// The runbook as it is written down: parameters and their places in evidence, prechecks, steps, rollback,
    /// verification.
    runbook: Map<String, Value>,
}

#[async_trait]
impl Tool for GetRunbook {
    type State = Shelf;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "get_runbook";
    const TITLE: &'static str = "Get a runbook";
    const DESCRIPTION: &'static str = "One runbook of the pinned catalog, whole: its parameters and where in the evidence \
        each must be found, its prechecks, steps as SQL templates, blast radius, rollback and verification. Use it \
        before drafting a plan.";

    async fn call(shelf: &Shelf, input: Input, _: &CallContext) -> Result<Output, ToolError> {
        let runbook = shelf.catalog.get(&input.id).ok_or_else(|| {
            let known: Vec<_> = shelf
                .catalog
                .iter()
                .map(|runbook| runbook.document().id.as_str())
                .collect();
            ToolError::new(
                "unknown_runbook",
                format!("the catalog has no runbook `{}`", kit::text::clean(&input.id, 128)),
            )
            .hint(format!("known: {}", known.join(", ")))
        })?;
        match serde_json::to_value(runbook.document()) {
            Ok(Value::Object(document)) => Ok(Output {
                digest: runbook.digest().to_string(),
                runbook: document,
            }),
            _ => Err(ToolError::new("internal", "the runbook could not be written as JSON")),
        }
    }
}
