//! The gate: what it pins for itself, its state, and its clock. Nothing here holds an execution credential.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use approval::{Action, Approvers, Expectations, Floor, GateKey, GrantBook};
use kit::CancellationToken;
use policies::{Policy, PolicyContext};
use runbooks::{Catalog, Digest, PlanDocument, Target, Timestamp};
use tokio::sync::Notify;

use crate::approver_list::ApproverFile;
use crate::channels::Channels;
use crate::freezing::FreezeMark;
use crate::preflight::Preflights;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::sessions::Sessions;
use crate::store::{Rows, Store};
use crate::view::{ExecutionView, RequestView, Summary};

/// Everything that the gate judges by, and everything that it remembers.
pub struct Gate {
    /// The name that every statement carries.
    pub id: String,
    /// The only environment it serves.
    pub environment: String,
    /// The executor that its orders are for.
    pub audience: String,
    /// Its own table of what may be touched.
    pub targets: Vec<Target>,
    /// Its own copy of the runbooks.
    pub catalog: Catalog,
    /// Its own copy of the policy.
    pub policy: Policy,
    /// What the policy may raise and never lower.
    pub floor: Floor,
    /// The key that signs orders and standings.
    pub key: GateKey,
    /// The digest of the executor's bearer; the bearer itself is not kept.
    pub bearer: Digest,
    /// Where the signed list of approvers lives, and who must have signed it.
    pub approver_file: ApproverFile,
    /// The list in force.
    pub listed: RwLock<Arc<Approvers>>,
    /// The durable state.
    pub store: Store,
    /// How people reach the pages.
    pub public_url: OnceLock<String>,
    /// What time it is.
    pub clock: fn() -> Timestamp,
    /// What the executor is asked before people are.
    pub preflights: Preflights,
    /// Who is signed in on the pages.
    pub sessions: Sessions,
    /// Where people are told, and where some of them may answer.
    pub channels: Channels,
    /// Wakes executors that wait for an order.
    pub orders: Notify,
    /// Wakes the timer: a window was opened or closed.
    pub windows: Notify,
    /// Fires when the process ends.
    pub stop: CancellationToken,
}

impl Gate {
    /// What time it is, by the gate's own clock.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The list of approvers in force.
    pub fn approvers(&self) -> Arc<Approvers> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a token must be for.
    pub fn expectations<'a>(
        &'a self,
        approvers: &'a Approvers,
        action: Action,
        now: Timestamp,
        grant: GrantBook,
    ) -> Expectations<'a> {
        Expectations {
            gate: &self.id,
            audience: &self.audience,
            now,
            floor: &self.floor,
            approvers,
            gate_key: self.key.public_key(),
            action,
            grant,
        }
    }

    /// What the policy is told: the gate's own facts, never the caller's.
    ///
    /// # Errors
    /// When the plan's target is not in the gate's own table.
    pub fn policy_context(&self, plan: &PlanDocument, now: Timestamp) -> Result<PolicyContext, Refusal> {
        let name = &plan.target.name;
        let target = self.targets.iter().find(|target| target.name == *name).ok_or_else(|| {
            Refusal::new(
                "unknown_target",
                format!("this gate has no target `{name}` in its own table"),
            )
        })?;
        let (executions_last_day, freeze) = self.store.view(|rows| {
            let since = now.plus_s(-86_400);
            Ok((rows.executions_since(name, since)?, FreezeMark::read(rows)?.is_frozen()))
        })?;
        Ok(PolicyContext {
            now,
            requester: plan.requester.clone(),
            target: target.clone(),
            executions_last_day,
            freeze,
        })
    }

    /// How people reach this gate, without a closing slash.
    pub fn base_url(&self) -> &str {
        self.public_url.get().map_or("", String::as_str)
    }

    /// How people reach this gate, where passkeys can work: only pages with a host name have them.
    pub fn origin(&self) -> Option<&str> {
        let url = self.base_url();
        let host = url.split("://").nth(1)?.split(':').next()?;
        let named = host.chars().any(|c| c.is_ascii_alphabetic());
        let safe = url.starts_with("https://") || host == "localhost";
        (named && safe && !host.contains('/')).then_some(url)
    }

    /// A request in full.
    ///
    /// # Errors
    /// When there is none, or what was kept of it is gone or changed.
    pub fn request(&self, id: &str) -> Result<RequestView, Refusal> {
        let now = self.now();
        self.close_windows(now)?;
        let (view, runbook) = self.store.view(|rows| {
            let request = find_request(rows, id)?;
            let view = RequestView::of(&request, rows, self.base_url(), now)?;
            Ok((view, request.terms.runbook))
        })?;
        // Whoever waits for a decision asks often, and nothing is known of how this one was read.
        if view.summary.status == "pending" {
            return Ok(view);
        }
        Ok(RequestView {
            slow_review: self.slow_review(&runbook)?,
            ..view
        })
    }

    /// The newest requests, those that wait first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn requests(&self, status: Option<&str>) -> Result<Vec<Summary>, Refusal> {
        let now = self.now();
        self.close_windows(now)?;
        let requests = self.store.view(|rows| rows.requests(status, MAX_LISTED))?;
        Ok(requests
            .iter()
            .map(|request| Summary::of(request, self.base_url(), now))
            .collect())
    }

    /// An execution in full.
    ///
    /// # Errors
    /// When there is none.
    pub fn execution(&self, id: &str) -> Result<ExecutionView, Refusal> {
        self.close_windows(self.now())?;
        let execution = self.store.view(|rows| rows.execution(id))?;
        execution
            .map(ExecutionView::of)
            .ok_or_else(|| Refusal::new("unknown_execution", format!("there is no execution `{id}`")))
    }
}

/// The request with this id.
///
/// # Errors
/// When there is none.
pub fn find_request(rows: &Rows<'_>, id: &str) -> Result<Request, Refusal> {
    rows.request(id)?
        .ok_or_else(|| Refusal::new("unknown_request", format!("there is no request `{id}`")))
}

const MAX_LISTED: u32 = 200;
