//! `rollback_plan`: the same way back: asks people to sign the rollback of an executed plan, or spends what they signed.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use runbooks::Digest;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::gate::Gate;
use crate::ordering::Queued;

/// The tool.
pub struct RollbackPlan;

/// Its arguments.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The digest of a plan that was executed here: `sha256:` and 64 hexadecimal digits.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    plan_digest: String,
    /// What people signed for the rollback; an approval to execute is not one.
    #[serde(default)]
    approval_token: Option<String>,
}

#[async_trait]
impl Tool for RollbackPlan {
    type State = Gate;
    type Input = Input;
    type Output = Queued;
    const NAME: &'static str = "rollback_plan";
    const TITLE: &'static str = "Roll back an executed plan";
    const DESCRIPTION: &'static str = "Queues the rollback of a plan that was executed, once, if people have signed the \
        rollback: it was rendered and shown with the plan. Without approval_token it is refused with approval_required, \
        as execute_plan is, and people are asked. Follow the outcome at approval://executions/{execution_id}.";

    fn hints() -> Hints {
        super::HINTS
    }

    async fn call(gate: &Gate, input: Input, _: &CallContext) -> Result<Queued, ToolError> {
        let digest: Digest = input
            .plan_digest
            .parse()
            .map_err(|error| ToolError::invalid_argument(format!("{error}")))?;
        let queued = tokio::task::block_in_place(|| gate.roll_back(digest, input.approval_token.as_deref()));
        Ok(queued?)
    }
}
