//! What a token must say for a plan: the rules alone, over plain facts.

use std::collections::BTreeMap;

use policies::Preapproval;
use runbooks::{BoundParameter, Digest, RunbookRef, Target, Timestamp};

use crate::{
    MAX_SKEW_S,
    approvers::Approvers,
    grant::GrantBook,
    grant_judge::{self, Covering},
    public_key::PublicKey,
    quorum::{self, Floor, Yes},
    refusal::Refusal,
    statement::{Action, Decision, Statement},
    token::Token,
    vote::Vote,
};

/// What the verifier knows by itself. Nothing here may come from the token or the order.
#[derive(Debug)]
pub struct Expectations<'a> {
    /// The gate whose requests count.
    pub gate: &'a str,
    /// The executor that this is, or that the gate serves.
    pub audience: &'a str,
    pub now: Timestamp,
    pub floor: &'a Floor,
    pub approvers: &'a Approvers,
    /// The gate's key: what it attests in the name of people who cannot sign where they are.
    pub gate_key: &'a PublicKey,
    pub action: Action,
    /// What the verifier has written down of the grant that the token holds, if it holds one.
    pub grant: GrantBook,
}

/// What of a plan, and of the policy that permitted it, the statements must agree with.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) digest: Digest,
    pub(crate) target: &'a Target,
    pub(crate) requester: &'a str,
    pub(crate) policy_digest: Digest,
    pub(crate) not_before: Timestamp,
    pub(crate) approve_by: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// How many people the policy asks for.
    pub(crate) approvers: u32,
    /// Of which groups the policy asks for one each.
    pub(crate) groups: &'a [String],
    pub(crate) methods: &'a [String],
    pub(crate) approve_within_s: u32,
    pub(crate) execute_within_s: u32,
    pub(crate) runbook: &'a RunbookRef,
    pub(crate) parameters: &'a BTreeMap<String, BoundParameter>,
    pub(crate) preapproval: Preapproval,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) approvers: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) execute_by: Timestamp,
    /// The grant that it was approved under, if nobody was asked.
    pub(crate) grant: Option<Covering>,
}

/// Judges a token. The order of the checks is the order of the codes: who signed, then what was signed, then whether
/// somebody said no, then whether those who said yes may, now, and are enough.
pub(crate) fn judge(subject: &Subject<'_>, token: &Token, expect: &Expectations<'_>) -> Result<Verdict, Refusal> {
    let need = quorum::required(subject.approvers, expect.floor)?;
    if token.is_grant() {
        return grant_judge::judge(subject, token, expect, need);
    }
    let votes = token
        .envelopes()
        .iter()
        .map(|envelope| Vote::open(envelope, expect.approvers, expect.gate_key, expect.now))
        .collect::<Result<Vec<_>, _>>()?;
    for vote in &votes {
        check_subject(vote.statement(), subject, expect)?;
    }
    check_one_request(&votes)?;
    // A no needs no window, no quorum and no particular person.
    for vote in &votes {
        check_not_rejected(vote.statement())?;
    }
    for vote in &votes {
        vote.check_may_approve(subject.requester)?;
        check_method(vote.statement(), subject, expect.floor)?;
        check_windows(vote.statement(), subject)?;
        check_window(expect.now, vote.statement().not_before, vote.statement().execute_by)?;
    }
    let given = votes.iter().map(|vote| Yes {
        approver: &vote.statement().approver,
        method: vote.statement().method,
        hardware: vote.is_hardware(),
    });
    let approvers = quorum::count(&given.collect::<Vec<_>>(), need, expect.floor)?;
    quorum::represent(&approvers, subject.groups, expect.approvers)?;
    let statements = || votes.iter().map(Vote::statement);
    Ok(Verdict {
        approvers,
        not_before: statements()
            .map(|s| s.not_before)
            .fold(subject.not_before, Timestamp::max),
        execute_by: statements()
            .map(|s| s.execute_by)
            .fold(subject.expires_at, Timestamp::min),
        grant: None,
    })
}

// A clock that is a little behind sees a fresh approval as early, so the start has the allowed skew; the end has none.
pub(crate) fn check_window(now: Timestamp, not_before: Timestamp, execute_by: Timestamp) -> Result<(), Refusal> {
    if now.plus_s(MAX_SKEW_S) < not_before {
        return Err(Refusal::NotYetValid(not_before));
    }
    if now >= execute_by {
        return Err(Refusal::ExecutionExpired(execute_by));
    }
    Ok(())
}

fn check_subject(statement: &Statement, subject: &Subject<'_>, expect: &Expectations<'_>) -> Result<(), Refusal> {
    if statement.plan_digest != subject.digest {
        return Err(Refusal::WrongPlan {
            approved: statement.plan_digest,
            offered: subject.digest,
        });
    }
    if statement.target != *subject.target {
        return Err(Refusal::WrongTarget {
            approved: statement.target.name.clone(),
            offered: subject.target.name.clone(),
        });
    }
    if statement.gate != expect.gate {
        return Err(Refusal::WrongGate {
            found: statement.gate.clone(),
            expected: expect.gate.to_owned(),
        });
    }
    if statement.audience != expect.audience {
        return Err(Refusal::WrongAudience {
            found: statement.audience.clone(),
            expected: expect.audience.to_owned(),
        });
    }
    if statement.policy_digest != subject.policy_digest {
        return Err(Refusal::WrongPolicy {
            approved: statement.policy_digest,
            offered: subject.policy_digest,
        });
    }
    if statement.action != expect.action {
        return Err(Refusal::WrongAction);
    }
    if statement.requester != subject.requester {
        return Err(Refusal::WrongRequester {
            found: statement.requester.clone(),
            expected: subject.requester.to_owned(),
        });
    }
    Ok(())
}

fn check_one_request(votes: &[Vote]) -> Result<(), Refusal> {
    let mut requests = votes.iter().map(|vote| &vote.statement().request);
    let first = requests.next();
    if requests.all(|request| Some(request) == first) {
        Ok(())
    } else {
        Err(Refusal::MixedRequests)
    }
}

fn check_not_rejected(statement: &Statement) -> Result<(), Refusal> {
    match statement.decision {
        Decision::Approve => Ok(()),
        Decision::Reject => Err(Refusal::Denied {
            approver: statement.approver.clone(),
        }),
    }
}

fn check_method(statement: &Statement, subject: &Subject<'_>, floor: &Floor) -> Result<(), Refusal> {
    let method = statement.method.name();
    if subject.methods.iter().any(|allowed| allowed == method) && (floor.attested || !statement.method.is_attested()) {
        return Ok(());
    }
    Err(Refusal::MethodNotAllowed {
        method: method.to_owned(),
    })
}

fn check_windows(statement: &Statement, subject: &Subject<'_>) -> Result<(), Refusal> {
    if statement.not_before < subject.not_before
        || statement.approve_by > subject.approve_by
        || statement.execute_by > subject.expires_at
    {
        return Err(Refusal::WindowOutsidePlan);
    }
    let to_approve = statement.approve_by.since(statement.not_before);
    let to_execute = statement.execute_by.since(statement.approve_by);
    if to_approve > i64::from(subject.approve_within_s) || to_execute > i64::from(subject.execute_within_s) {
        return Err(Refusal::WindowTooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
