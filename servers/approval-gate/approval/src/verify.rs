//! From a permitted plan and a token to an approved plan: the one place where a human's yes becomes a right to act.

use policies::PermittedPlan;
use runbooks::{Digest, Plan, Timestamp};

use crate::{
    MAX_SKEW_S,
    grant_judge::Covering,
    judge::{Expectations, Subject, check_window, judge},
    refusal::Refusal,
    statement::Action,
    token::Token,
};

/// A permitted plan that enough people signed, for this executor, at this time: what `execute` takes, by value, once.
/// It is made by [`verify`] and by nothing else:
///
/// ```compile_fail,E0451
/// use approval::{Action, ApprovedPlan};
/// use runbooks::{Digest, Timestamp};
/// fn forge(permitted: policies::PermittedPlan, action: Action, token_hash: Digest, at: Timestamp) -> ApprovedPlan {
///     ApprovedPlan { permitted, action, token_hash, approvers: Vec::new(), not_before: at, execute_by: at, grant: None }
/// }
/// ```
/// ```compile_fail,E0599
/// fn twice(plan: approval::ApprovedPlan) -> (approval::ApprovedPlan, approval::ApprovedPlan) {
///     (plan.clone(), plan)
/// }
/// ```
/// ```compile_fail,E0277
/// let forged: approval::ApprovedPlan = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct ApprovedPlan {
    permitted: PermittedPlan,
    action: Action,
    token_hash: Digest,
    approvers: Vec<String>,
    not_before: Timestamp,
    execute_by: Timestamp,
    grant: Option<Covering>,
}

/// Verifies a token for a plan. Every envelope in it must hold: one bad signature, one statement for something else or
/// one rejection refuses the whole token.
pub fn verify(permitted: PermittedPlan, token: &Token, expect: &Expectations<'_>) -> Result<ApprovedPlan, Refusal> {
    let verdict = judge(&subject(&permitted), token, expect)?;
    Ok(ApprovedPlan {
        action: expect.action,
        token_hash: token.hash(),
        approvers: verdict.approvers,
        not_before: verdict.not_before,
        execute_by: verdict.execute_by,
        grant: verdict.grant,
        permitted,
    })
}

/// Judges a token as [`verify`] does, and approves nothing: for a gate that looks for a grant which covers a plan.
pub fn check(permitted: &PermittedPlan, token: &Token, expect: &Expectations<'_>) -> Result<(), Refusal> {
    judge(&subject(permitted), token, expect).map(drop)
}

impl ApprovedPlan {
    pub fn plan(&self) -> &Plan {
        self.permitted.plan()
    }

    pub fn permitted(&self) -> &PermittedPlan {
        &self.permitted
    }

    /// Returns what was approved: to execute, or to roll back.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns the token's digest, for the journal.
    pub fn token_hash(&self) -> Digest {
        self.token_hash
    }

    /// Returns the ids of the people who approved, sorted.
    pub fn approvers(&self) -> &[String] {
        &self.approvers
    }

    /// Returns the moment from which no step may start.
    pub fn execute_by(&self) -> Timestamp {
        self.execute_by
    }

    /// Returns the id of the grant that it was approved under, if nobody was asked.
    pub fn grant(&self) -> Option<&str> {
        self.grant.as_ref().map(Covering::id)
    }

    /// Checks the execution window again, and those of the grant: before every step, with the executor's clock and with the
    /// target's.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        check_window(now, self.not_before, self.execute_by)?;
        self.grant.as_ref().map_or(Ok(()), |grant| grant.check_time(now))
    }

    #[cfg(feature = "danger")]
    pub(crate) fn unsigned(permitted: PermittedPlan, action: Action, execute_by: Timestamp) -> Self {
        Self {
            permitted,
            action,
            token_hash: Digest::of(b"no token"),
            approvers: Vec::new(),
            not_before: Timestamp::from_unix(0),
            execute_by,
            grant: None,
        }
    }
}

/// Checks that two clocks agree well enough for windows to mean anything.
pub fn check_skew(ours: Timestamp, theirs: Timestamp) -> Result<(), Refusal> {
    let apart_s = ours.since(theirs).unsigned_abs();
    if apart_s > MAX_SKEW_S.unsigned_abs() {
        return Err(Refusal::ClockSkew { apart_s });
    }
    Ok(())
}

fn subject(permitted: &PermittedPlan) -> Subject<'_> {
    let plan = permitted.plan();
    let document = plan.document();
    let obligations = permitted.obligations();
    Subject {
        digest: plan.digest(),
        target: &document.target,
        requester: &document.requester,
        policy_digest: document.policy_digest,
        not_before: document.not_before,
        approve_by: document.approve_by,
        expires_at: document.expires_at,
        approvers: obligations.approvers,
        groups: &obligations.groups,
        methods: &obligations.methods,
        approve_within_s: obligations.approve_within_s,
        execute_within_s: obligations.execute_within_s,
        runbook: &document.runbook,
        parameters: &document.parameters,
        preapproval: obligations.preapproval,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn clocks_more_than_30_s_apart_are_not_believed() {
        let at = Timestamp::from_unix;
        check_skew(at(1000), at(1030)).unwrap();
        check_skew(at(1030), at(1000)).unwrap();
        assert_eq!(check_skew(at(1000), at(1031)).unwrap_err().code(), "clock_skew");
        assert_eq!(check_skew(at(1031), at(1000)).unwrap_err().code(), "clock_skew");
    }

    #[test]
    fn no_token_is_a_refusal_of_its_own() {
        assert_eq!(Refusal::from(Token::parse("").unwrap_err()).code(), "no_token");
        assert_eq!(Refusal::from(Token::parse("x").unwrap_err()).code(), "malformed_token");
    }
}
