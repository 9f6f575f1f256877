//! `render_plan`: the exact plan that a draft makes of recorded evidence.

use async_trait::async_trait;
use kit::{CallContext, Tool, ToolError};
use runbooks::{Evidence, Plan, PlanDraft, PlanError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{context::ContextInput, shelf::Shelf};

pub struct RenderPlan;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which runbook, and where in the evidence each of its parameters is found.
    draft: PlanDraft,
    /// The tool calls that the draft points into, as they were recorded.
    #[schemars(length(max = 64))]
    evidence: Vec<Evidence>,
    context: ContextInput,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The plan as canonical JSON: exactly these bytes are hashed, shown and signed.
    plan: String,
    /// SHA-256 over them.
    plan_digest: String,
    title: String,
}

#[async_trait]
impl Tool for RenderPlan {
    type State = Shelf;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "render_plan";
    const TITLE: &'static str = "Render a plan";
    const DESCRIPTION: &'static str = "The exact plan (script, checks, blast radius, rollback, verification) that the \
        pinned runbook renders from a draft and recorded evidence, and its digest; or which parameter is refused and \
        why. Values come only from the evidence the draft points to. Nothing is executed, stored or approved.";

    async fn call(shelf: &Shelf, input: Input, _: &CallContext) -> Result<Output, ToolError> {
        let plan = Plan::fill(&input.draft, &shelf.catalog, &input.evidence, input.context.into()).map_err(refused)?;
        let text = String::from_utf8_lossy(plan.bytes()).into_owned();
        Ok(Output {
            plan: text,
            plan_digest: plan.digest().to_string(),
            title: plan.document().title.clone(),
        })
    }
}

/// The refusal with its whole chain of causes, and the parameter that it is about.
fn refused(error: PlanError) -> ToolError {
    let parameter = match &error {
        PlanError::UnknownParameter { name, .. }
        | PlanError::MissingParameter(name)
        | PlanError::WrongSource { name, .. }
        | PlanError::MixedRows { name, .. }
        | PlanError::Value { name, .. } => Some(name.clone()),
        _ => None,
    };
    let code = error.code();
    let refusal = ToolError::new(code, format!("{:#}", anyhow::Error::new(error)));
    match parameter {
        Some(parameter) => refusal.data(json!({"parameter": parameter})),
        None => refusal,
    }
}
