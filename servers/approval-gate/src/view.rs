//! What anyone sees of a request: the one shape behind page, terminal, JSON and resource. It never holds a token.

use approval::{Action, Method};
use runbooks::{Digest, Evidence, Target, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::advice::Advice;
use crate::execution::Execution;
use crate::preflight::Preflight;
use crate::refusal::Refusal;
use crate::request::{Granted, Request, Review, Signed};
use crate::store::Rows;

/// A request in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The request's id.
    pub id: String,
    /// `pending`, `approved`, `rejected`, `expired` or `used`.
    pub status: String,
    /// Execute, or roll back.
    pub action: Action,
    /// The plan's title.
    pub title: String,
    /// The incident that it is for.
    pub incident: String,
    /// What would be touched.
    pub target: Target,
    /// Who asks.
    pub requester: String,
    /// SHA-256 over the plan's canonical text.
    pub plan_digest: Digest,
    /// How many people signed.
    pub have: usize,
    /// How many must.
    pub need: u32,
    /// Groups of which each must be represented, and for which nobody has signed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_groups: Vec<String>,
    /// When it was asked.
    pub opened_at: Timestamp,
    /// Not to be executed earlier.
    pub not_before: Timestamp,
    /// To be signed before.
    pub approve_by: Timestamp,
    /// To be executed before.
    pub execute_by: Timestamp,
    /// The execution that it became, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Where people find it.
    pub url: String,
    /// The gate's clock when this was made.
    pub as_of: Timestamp,
}

/// A request with all that a person needs to judge it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: Summary,
    /// The gate that asks.
    pub gate: String,
    /// The executor that would execute it.
    pub audience: String,
    /// The plan's exact canonical text: what is signed, byte for byte.
    pub plan: String,
    /// What the plan's values were taken from.
    pub evidence: Vec<Evidence>,
    /// The policy's decision.
    pub policy: Value,
    /// What the executor said before anybody was asked; null: it was not checked.
    #[serde(default)]
    pub preflight: Option<Preflight>,
    /// What agents and rules said; null: nobody said anything.
    #[serde(default)]
    pub advice: Option<Advice>,
    /// How people may sign.
    pub methods: Vec<String>,
    /// How many of them must sign with a hardware key.
    pub need_hardware: u32,
    /// How many of them must sign with an SSH key.
    #[serde(default)]
    pub need_ssh: u32,
    /// Groups of which each must be represented, by different people.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Signatures so far.
    pub approvals: Vec<SignatureView>,
    /// The grant that covers it, if nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// That people take long to decide on its runbook, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_review: Option<String>,
    /// Who said no, if anyone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<SignatureView>,
}

/// One valid signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignatureView {
    /// Who.
    pub approver: String,
    /// With which key.
    pub key_id: String,
    /// How.
    pub method: Method,
    /// When it arrived.
    pub at: Timestamp,
    /// What they said beside it; not part of what they signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// How they read the request, where the page could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// An execution, as the orchestrator follows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecutionView {
    /// The execution's id.
    pub execution_id: String,
    /// The same: one execution has one order.
    pub order_id: String,
    /// `queued`, `claimed`, `done` or `lapsed`.
    pub status: &'static str,
    /// The kind of the report that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Everything else that is known; the token by its hash alone.
    #[serde(flatten)]
    pub execution: Execution,
}

impl Summary {
    /// Summarises a request as of `now`; `base` is where people reach the gate.
    pub fn of(request: &Request, base: &str, now: Timestamp) -> Self {
        let terms = &request.terms;
        Self {
            id: terms.id.clone(),
            status: request.status.name().to_owned(),
            action: terms.action,
            title: terms.title.clone(),
            incident: terms.incident.clone(),
            target: terms.target.clone(),
            requester: terms.requester.clone(),
            plan_digest: terms.plan_digest,
            have: request.have(),
            need: terms.need,
            missing_groups: request.missing_groups(),
            opened_at: terms.opened_at,
            not_before: terms.not_before,
            approve_by: terms.approve_by,
            execute_by: terms.execute_by,
            execution_id: request.execution().map(str::to_owned),
            url: format!("{base}/requests/{}", terms.id),
            as_of: now,
        }
    }

    /// Seconds until the window that is open now closes; `None` when none is open.
    pub fn seconds_left(&self) -> Option<i64> {
        match self.status.as_str() {
            "pending" => Some(self.approve_by.since(self.as_of)),
            "approved" => Some(self.execute_by.since(self.as_of)),
            _ => None,
        }
    }
}

impl RequestView {
    /// Shows a request in full, with the very bytes that were kept under their digests.
    ///
    /// # Errors
    /// When something that was kept is gone or changed.
    pub fn of(request: &Request, rows: &Rows<'_>, base: &str, now: Timestamp) -> Result<Self, Refusal> {
        let terms = &request.terms;
        let plan = String::from_utf8(rows.content(terms.plan_digest)?)
            .map_err(|error| Refusal::because("internal", &error))?;
        Ok(Self {
            summary: Summary::of(request, base, now),
            gate: terms.gate.clone(),
            audience: terms.audience.clone(),
            plan,
            evidence: rows.json_content(terms.evidence)?,
            policy: rows.json_content(terms.decision)?,
            advice: terms.advice.map(|kept| rows.json_content(kept)).transpose()?,
            preflight: terms.preflight.map(|kept| rows.json_content(kept)).transpose()?,
            methods: terms.methods.clone(),
            need_hardware: terms.need_hardware,
            need_ssh: terms.need_ssh,
            groups: terms.groups.clone(),
            approvals: request.approvals.iter().map(SignatureView::of).collect(),
            granted: request.granted.clone(),
            slow_review: None,
            rejected: request.rejection().map(SignatureView::of),
        })
    }

    /// Whether the digest that is shown is that of the very text that is shown.
    pub fn digest_is_of_plan(&self) -> bool {
        Digest::of(self.plan.as_bytes()) == self.summary.plan_digest
    }
}

impl SignatureView {
    fn of(signed: &Signed) -> Self {
        Self {
            approver: signed.approver.clone(),
            key_id: signed.key_id.clone(),
            method: signed.method,
            at: signed.at,
            remark: signed.remark.clone(),
            review: signed.review.clone(),
        }
    }
}

impl ExecutionView {
    /// Shows an execution.
    pub fn of(execution: Execution) -> Self {
        Self {
            execution_id: execution.ordered.id.clone(),
            order_id: execution.ordered.id.clone(),
            status: execution.progress.name(),
            outcome: execution.progress.outcome().map(str::to_owned),
            execution,
        }
    }
}
