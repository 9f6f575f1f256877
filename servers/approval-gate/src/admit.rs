//! The gate's whole judgement, on one screen. The caller's opinion counts for nothing: everything is derived from bytes,
//! by the gate's own catalog, policy, target table, approver list and clock.

use approval::{Action, Token};
use runbooks::{Digest, Evidence, Plan};

use crate::advice::Advice;
use crate::asking::{Shown, check_undoable};
use crate::gate::Gate;
use crate::ordering::Queued;
use crate::refusal::Refusal;

impl Gate {
    /// Admits a plan. Without a token people are asked; with a valid one, once, an order is queued.
    ///
    /// # Errors
    /// In every case but the last: `approval_required` when people are asked, another code when they will not be.
    pub fn execute(
        &self,
        plan: &str,
        evidence: &[Evidence],
        advice: Option<&Advice>,
        token: Option<&str>,
    ) -> Result<Queued, Refusal> {
        self.journalled(Digest::of(plan.as_bytes()), token, || {
            let plan = Plan::admit(plan.as_bytes(), &self.catalog)?;
            plan.check_evidence(evidence)?;
            advice.map_or(Ok(()), Advice::check)?;
            let shown = Shown { evidence, advice };
            self.admit(plan, shown, Action::Execute, token)
        })
    }

    /// The same way for the rollback of a plan that was executed, from the bytes that were kept.
    ///
    /// # Errors
    /// As for [`Gate::execute`], and when the plan was not executed.
    pub fn roll_back(&self, plan: Digest, token: Option<&str>) -> Result<Queued, Refusal> {
        self.journalled(plan, token, || {
            let (plan, evidence) = self.executed(plan)?;
            let plan = Plan::admit(&plan, &self.catalog)?;
            plan.check_evidence(&evidence)?;
            check_undoable(plan.document())?;
            let shown = Shown {
                evidence: &evidence,
                advice: None,
            };
            self.admit(plan, shown, Action::Rollback, token)
        })
    }

    fn admit(&self, plan: Plan, shown: Shown<'_>, action: Action, token: Option<&str>) -> Result<Queued, Refusal> {
        let now = self.now();
        self.refuse_what_is_over(plan.digest(), action, token, now)?;
        let context = self.policy_context(plan.document(), now)?;
        let permitted = self.judge(plan, &context)?;
        let Some(token) = token else {
            let preflight = self.preflight(&permitted, action)?;
            return Err(self.ask(&permitted, shown, preflight.as_ref(), action, self.now())?);
        };
        let token = Token::parse(token)?;
        let approvers = self.approvers();
        let book = self
            .store
            .view(|rows| self.grant_book(rows, &token, permitted.plan().digest(), now))?;
        let expect = self.expectations(&approvers, action, now, book);
        let approved = approval::verify(permitted, &token, &expect)?;
        self.order(&approved, &token, action, now)
    }
}
