//! Turns a permitted plan into a request for signatures, and tells the caller where it stands.

use std::time::Instant;

use approval::{Action, Envelope, Token};
use policies::{PermittedPlan, PolicyContext, Refused};
use runbooks::{Digest, Evidence, Plan, PlanDocument, Source, Timestamp};
use serde_json::json;

use crate::advice::Advice;
use crate::execution::Progress;
use crate::gate::Gate;
use crate::preflight::Preflight;
use crate::refusal::Refusal;
use crate::request::{Request, RequestEvent, Status, Terms};
use crate::store::{Change, Rows};
use crate::text::nobody_of;

impl Gate {
    /// Asks the policy. What it said is journalled before anybody acts on it.
    ///
    /// # Errors
    /// When the policy refuses the plan, or what it said could not be journalled.
    pub fn judge(&self, plan: Plan, context: &PolicyContext) -> Result<PermittedPlan, Refusal> {
        let subject = plan.digest().to_string();
        let started = Instant::now();
        let judged = self.policy.evaluate(plan, context);
        let decision = judged.as_ref().map_or_else(Refused::decision, PermittedPlan::decision);
        let evaluation = decision.evaluation(&context.requester, started.elapsed());
        let evaluation = serde_json::to_value(evaluation)?;
        self.store
            .change(|change| change.note("policy_evaluated", &subject, evaluation))?;
        Ok(judged?)
    }

    /// Opens the request for this plan and action, or finds the one that is open, and says what a human must do. Once
    /// enough people have signed, what it says holds the token.
    ///
    /// # Errors
    /// When no request can be opened any more.
    pub fn ask(
        &self,
        permitted: &PermittedPlan,
        shown: Shown<'_>,
        preflight: Option<&Preflight>,
        action: Action,
        now: Timestamp,
    ) -> Result<Refusal, Refusal> {
        let requester = &permitted.plan().document().requester;
        let approvable = approval::check_groups(&permitted.obligations().groups, requester, &self.approvers(), now);
        let (request, opened) = self.store.change(|change| {
            if let Some(request) = change.request_for(permitted.plan().digest(), action)? {
                if request.status != Status::Approved || self.still_covers(change, permitted, &request, now)? {
                    return Ok((request, false));
                }
                let request = change.request_event(Some(request), RequestEvent::GrantEnded(now))?;
                return Ok((self.cover(change, permitted, request, now)?, true));
            }
            approvable?;
            let cited = cited(permitted.plan().document(), shown.evidence);
            let evidence = change.keep_json(&cited)?;
            let decision = change.keep_json(permitted.decision())?;
            change.keep(permitted.plan().bytes())?;
            let preflight = preflight.map(|found| change.keep_json(found)).transpose()?;
            let advice = shown.advice.map(|advice| change.keep_json(advice)).transpose()?;
            let kept = Kept {
                evidence,
                decision,
                preflight,
                advice,
            };
            let terms = self.terms(permitted, kept, action, now)?;
            let request = change.request_event(None, RequestEvent::Opened(Box::new(terms)))?;
            Ok((self.cover(change, permitted, request, now)?, true))
        })?;
        if opened {
            self.windows.notify_waiters();
        }
        self.store.view(|rows| self.approval_required(&request, rows))
    }

    /// Asks nobody where a grant covers the plan.
    fn cover(
        &self,
        change: &Change<'_, '_>,
        permitted: &PermittedPlan,
        request: Request,
        now: Timestamp,
    ) -> Result<Request, Refusal> {
        match self.covered(change, permitted, &request, now)? {
            Some(granted) => change.request_event(Some(request), RequestEvent::Granted(granted)),
            None => Ok(request),
        }
    }

    /// Refuses what was decided, missed or spent already, before anything else is looked at.
    ///
    /// # Errors
    /// When it was.
    pub fn refuse_what_is_over(
        &self,
        plan: Digest,
        action: Action,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.close_windows(now)?;
        self.store.view(|rows| {
            let Some(request) = rows.request_for(plan, action)? else {
                return Ok(());
            };
            let over = match (&request.status, token) {
                (Status::Pending | Status::Approved, _) => return Ok(()),
                (Status::Used { execution, .. }, _) => Refusal::new(
                    "already_used",
                    format!("the approval was spent on execution `{execution}`"),
                )
                .with(json!({"execution_id": execution, "order_id": execution}))
                .hint("read approval://executions/{execution_id}; a new plan needs a new approval"),
                (Status::Rejected(_) | Status::Expired { .. }, None) => self.approval_required(&request, rows)?,
                (Status::Rejected(by) | Status::Revoked { by, .. }, _) => {
                    Refusal::new("denied", format!("`{}` rejected this plan", by.approver))
                        .with(json!({"request_id": request.terms.id, "execution_id": request.execution()}))
                }
                (Status::Expired { .. }, Some(_)) if request.is_quorum() => {
                    let end = request.terms.execute_by;
                    Refusal::new("execution_expired", format!("the time to execute ended at {end}"))
                }
                (Status::Expired { .. }, Some(_)) => {
                    let end = request.terms.approve_by;
                    Refusal::new("approval_expired", format!("the time to approve ended at {end}"))
                }
            };
            Err(over)
        })
    }

    /// The bytes and the evidence of a plan whose execution is over.
    ///
    /// # Errors
    /// When it was never ordered, or is not over yet.
    pub fn executed(&self, plan: Digest) -> Result<(Vec<u8>, Vec<Evidence>), Refusal> {
        self.store.view(|rows| {
            let executions = rows.executions_of(plan)?;
            let done = executions.iter().any(|execution| {
                execution.ordered.action == Action::Execute && matches!(execution.progress, Progress::Done { .. })
            });
            let request =
                rows.request_for(plan, Action::Execute)?
                    .filter(|_| done)
                    .ok_or_else(|| {
                        Refusal::new("not_executed", format!("plan `{plan}` has no execution here that is over"))
                    .hint("only what was executed can be rolled back; read approval://executions/{id} until it is done")
                    })?;
            Ok((rows.content(plan)?, rows.json_content(request.terms.evidence)?))
        })
    }

    /// Journals a refusal before it is told: what never reached a human must leave a trace all the same.
    ///
    /// # Errors
    /// The refusal itself, or that it could not be journalled.
    pub fn journalled<T>(
        &self,
        plan: Digest,
        token: Option<&str>,
        judge: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        judge().map_err(|refusal| {
            let is_answer = token.is_none() && matches!(refusal.code, "approval_required" | "already_used");
            if is_answer || refusal.code.starts_with("journal_") {
                return refusal;
            }
            let mut data = refusal.for_journal();
            if let (Some(token), Some(data)) = (token, data.as_object_mut()) {
                data.insert("token".to_owned(), json!(Digest::of(token.as_bytes())));
            }
            let noted = self
                .store
                .change(|change| change.note("plan_refused", &plan.to_string(), data));
            noted.err().unwrap_or(refusal)
        })
    }

    fn terms(&self, permitted: &PermittedPlan, kept: Kept, action: Action, now: Timestamp) -> Result<Terms, Refusal> {
        let (plan, obligations) = (permitted.plan(), permitted.obligations());
        let document = plan.document();
        let approve_by = document
            .approve_by
            .min(now.plus_s(i64::from(obligations.approve_within_s)));
        if now >= approve_by {
            return Err(approval::Refusal::ApprovalExpired(approve_by).into());
        }
        let identity = format!("{}\n{action:?}\n{}", self.id, plan.digest());
        Ok(Terms {
            id: format!("req-{}", hex_of(&identity, 16)),
            action,
            plan_digest: plan.digest(),
            evidence: kept.evidence,
            decision: kept.decision,
            preflight: kept.preflight,
            advice: kept.advice,
            incident: document.incident.clone(),
            title: document.title.clone(),
            runbook: document.runbook.id.clone(),
            requester: document.requester.clone(),
            target: document.target.clone(),
            gate: self.id.clone(),
            audience: self.audience.clone(),
            policy_digest: document.policy_digest,
            need: obligations.approvers.max(self.floor.approvers),
            need_hardware: self.floor.hardware,
            need_ssh: self.floor.ssh,
            groups: obligations.groups.clone(),
            methods: obligations.methods.clone(),
            opened_at: now,
            not_before: document.not_before,
            approve_by,
            execute_by: document
                .expires_at
                .min(approve_by.plus_s(i64::from(obligations.execute_within_s))),
            nonce: hex::encode(rand::random::<[u8; 16]>()),
        })
    }

    fn approval_required(&self, request: &Request, rows: &Rows<'_>) -> Result<Refusal, Refusal> {
        let terms = &request.terms;
        let (have, need, missing) = (request.have(), terms.need, request.missing_groups());
        let url = format!("{}/requests/{}", self.base_url(), terms.id);
        let mut data = json!({
            "request_id": terms.id,
            "plan_digest": terms.plan_digest,
            "approval_url": url,
            "expires_at": request.due().unwrap_or(terms.execute_by),
            "status": request.status.name(),
            "approvals": {"have": have, "need": need, "missing_groups": missing},
        });
        let (message, hint) = match &request.status {
            Status::Pending => (
                format!("{have} of {need} people have signed{}", nobody_of(&missing)),
                format!("a person must sign at {url}; then call again for the token"),
            ),
            Status::Approved => {
                if let Some(data) = data.as_object_mut() {
                    data.insert("approval_token".to_owned(), json!(token_of(request, rows)?.encode()));
                }
                let message = match &request.granted {
                    None => "enough people have signed".to_owned(),
                    Some(granted) => format!("grant `{}` covers this plan; people signed it before", granted.grant),
                };
                (message, "call again with approval_token".to_owned())
            }
            Status::Rejected(by) | Status::Revoked { by, .. } => (
                format!("`{}` rejected this plan", by.approver),
                "make another plan or hand over to a person".to_owned(),
            ),
            Status::Expired { .. } => (
                "nobody decided, or nobody used it, in time".to_owned(),
                "a new plan must be made and signed".to_owned(),
            ),
            Status::Used { .. } => ("the approval was spent".to_owned(), "make a new plan".to_owned()),
        };
        let refusal = Refusal::new("approval_required", message).hint(hint).with(data);
        let open = matches!(request.status, Status::Pending | Status::Approved);
        Ok(if open { refusal.retryable() } else { refusal })
    }
}

/// Under which digests lies what people see beside the plan.
struct Kept {
    evidence: Digest,
    decision: Digest,
    preflight: Option<Digest>,
    advice: Option<Digest>,
}

/// What came with a plan, to be shown beside it.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// What its values come from.
    pub evidence: &'a [Evidence],
    /// What was said of it.
    pub advice: Option<&'a Advice>,
}

/// The token: what each person signed, as it arrived.
fn token_of(request: &Request, rows: &Rows<'_>) -> Result<Token, Refusal> {
    if let Some(granted) = &request.granted {
        let text = String::from_utf8(rows.content(granted.token)?);
        let text = text.map_err(|error| Refusal::because("internal", &error))?;
        return Ok(Token::parse(&text).map_err(approval::Refusal::from)?);
    }
    let envelopes = request.approvals.iter().map(|signed| {
        Envelope::parse(&rows.content(signed.envelope)?).map_err(|error| Refusal::because("internal", &error))
    });
    Ok(Token::new(envelopes.collect::<Result<_, _>>()?).map_err(approval::Refusal::from)?)
}

/// The evidence that the plan's values come from; whatever else was sent is not kept.
fn cited<'a>(plan: &PlanDocument, evidence: &'a [Evidence]) -> Vec<&'a Evidence> {
    let cites = |record: &Evidence| {
        plan.parameters.values().any(|parameter| match &parameter.source {
            Source::Evidence { id, digest, .. } => *id == record.id && *digest == record.digest,
            Source::Literal | Source::Derived => false,
        })
    };
    evidence.iter().filter(|record| cites(record)).collect()
}

/// Whether a plan has anything to roll back.
///
/// # Errors
/// When no step of it has a way back: nobody is asked to sign nothing.
pub fn check_undoable(plan: &PlanDocument) -> Result<(), Refusal> {
    if plan.steps.iter().any(|step| step.rollback.undo().is_some()) {
        Ok(())
    } else {
        Err(Refusal::new("no_rollback", "no step of this plan has a way back")
            .hint("read each step's reason in the plan"))
    }
}

/// The first `digits` hexadecimal digits of a text's SHA-256.
pub fn hex_of(text: &str, digits: usize) -> String {
    Digest::of(text.as_bytes()).hex().chars().take(digits).collect()
}
