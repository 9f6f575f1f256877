//! `execute_plan`: asks people to sign a plan, or spends what they signed.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use runbooks::Evidence;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::advice::Advice;
use crate::gate::Gate;
use crate::ordering::Queued;

/// The tool.
pub struct ExecutePlan;

/// Its arguments.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The plan's exact canonical text, as the catalog rendered it.
    #[schemars(length(min = 2, max = 1_048_576))]
    plan: String,
    /// The evidence that the plan's values come from.
    #[schemars(length(max = 64))]
    evidence: Vec<Evidence>,
    /// What agents and rules said of the incident and the plan: shown to people, and nothing else.
    #[serde(default)]
    advice: Option<Advice>,
    /// What people signed. Without it nothing is executed: people are asked.
    #[serde(default)]
    approval_token: Option<String>,
}

#[async_trait]
impl Tool for ExecutePlan {
    type State = Gate;
    type Input = Input;
    type Output = Queued;
    const NAME: &'static str = "execute_plan";
    const TITLE: &'static str = "Execute a signed plan";
    const DESCRIPTION: &'static str = "Queues a plan for execution, once, if people have signed it. Without \
        approval_token it is refused with approval_required: the request is registered, approval_url is where a person \
        reads and signs the exact script, and a later call returns approval_token once enough people have signed. A plan \
        that is not what the pinned runbook renders, or that the policy denies, is refused and reaches nobody. Follow the \
        outcome at approval://executions/{execution_id}.";

    fn hints() -> Hints {
        super::HINTS
    }

    async fn call(gate: &Gate, input: Input, _: &CallContext) -> Result<Queued, ToolError> {
        let queued = tokio::task::block_in_place(|| {
            let Input {
                plan,
                evidence,
                advice,
                approval_token,
            } = &input;
            gate.execute(plan, evidence, advice.as_ref(), approval_token.as_deref())
        });
        Ok(queued?)
    }
}
