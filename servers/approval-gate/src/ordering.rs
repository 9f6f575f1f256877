//! Spends a token on an order, once, and queues it.

use approval::{Action, ApprovedPlan, Token};
use runbooks::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::asking::hex_of;
use crate::execution::{OrderEvent, Ordered};
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::{Request, RequestEvent, Status};

/// An order that waits for its executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Queued {
    /// Where to follow it: `approval://executions/{execution_id}`.
    pub execution_id: String,
    /// The order's id, which is the same.
    pub order_id: String,
    /// `queued`.
    pub status: String,
}

impl Gate {
    /// Makes the order. Token spent and order queued are one transaction; a second call finds the token spent.
    ///
    /// # Errors
    /// When this gate's own record does not say `approved`, whatever the token says.
    pub fn order(
        &self,
        approved: &ApprovedPlan,
        token: &Token,
        action: Action,
        now: Timestamp,
    ) -> Result<Queued, Refusal> {
        let plan = approved.plan();
        let id = format!(
            "exe-{}",
            hex_of(&format!("{}\n{action:?}\n{}", self.id, plan.digest()), 16)
        );
        self.store.change(|change| {
            let request = change.request_for(plan.digest(), action)?;
            let request = request.ok_or_else(|| {
                Refusal::new("unknown_request", "this gate was never asked for this plan")
                    .hint("call without approval_token first")
            })?;
            check_unspent(&request)?;
            check_way(&request, approved, token)?;
            let used = RequestEvent::Used {
                execution: id.clone(),
                token: token.hash(),
                at: now,
            };
            let request = change.request_event(Some(request), used)?;
            let ordered = Ordered {
                id: id.clone(),
                request: request.terms.id,
                action,
                plan_digest: plan.digest(),
                target: plan.document().target.name.clone(),
                audience: self.audience.clone(),
                environment: self.environment.clone(),
                token: change.keep(token.encode().as_bytes())?,
                approvers: approved.approvers().to_vec(),
                grant: approved.grant().map(str::to_owned),
                queued_at: now,
                execute_by: approved.execute_by(),
            };
            change.order_event(None, OrderEvent::Queued(Box::new(ordered)))
        })?;
        self.orders.notify_waiters();
        self.windows.notify_waiters();
        Ok(Queued {
            execution_id: id.clone(),
            order_id: id,
            status: "queued".to_owned(),
        })
    }
}

/// What people signed for this plan and what they signed ahead of time are two ways; a request goes one of them.
fn check_way(request: &Request, approved: &ApprovedPlan, token: &Token) -> Result<(), Refusal> {
    let is_its_own = match &request.granted {
        Some(granted) => granted.token == token.hash(),
        None => approved.grant().is_none(),
    };
    if is_its_own {
        return Ok(());
    }
    Err(Refusal::new(
        "other_token",
        "this token is not the one that this request was approved by",
    )
    .hint("call without approval_token, and take the token from there"))
}

fn check_unspent(request: &Request) -> Result<(), Refusal> {
    let have = u32::try_from(request.have()).unwrap_or(u32::MAX);
    let groups = request.missing_groups();
    match &request.status {
        Status::Approved => Ok(()),
        Status::Pending if have >= request.terms.need && !groups.is_empty() => {
            Err(approval::Refusal::GroupMissing { groups }.into())
        }
        Status::Pending => Err(approval::Refusal::NotEnoughApprovers {
            have,
            need: request.terms.need,
        }
        .into()),
        Status::Expired { .. } => Err(approval::Refusal::ExecutionExpired(request.terms.execute_by).into()),
        Status::Used { execution, .. } => Err(Refusal::new(
            "already_used",
            format!("the approval was spent on execution `{execution}`"),
        )
        .with(json!({"execution_id": execution, "order_id": execution}))),
        Status::Rejected(by) | Status::Revoked { by, .. } => Err(approval::Refusal::Denied {
            approver: by.approver.clone(),
        }
        .into()),
    }
}
