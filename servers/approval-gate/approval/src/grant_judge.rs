//! What a grant must say for a plan to need no further signature: the rules alone, over plain facts.

use policies::{ChangeCalendar, Preapproval};
use runbooks::Timestamp;

use crate::{
    MAX_SKEW_S,
    grant::{GrantTerms, SignedGrant, check_bounds},
    judge::{Expectations, Subject, Verdict, check_window},
    quorum::{self, Yes, is_requester},
    refusal::Refusal,
    statement::Action,
    token::Token,
};

/// The grant that covers a plan, and when it does.
#[derive(Debug)]
pub(crate) struct Covering {
    id: String,
    windows: ChangeCalendar,
}

impl Covering {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.windows.is_open(now) {
            Ok(())
        } else {
            Err(Refusal::GrantOutsideWindow)
        }
    }
}

/// Judges a token that holds a grant. The order of the checks is the order of the codes: whether a grant may do this at
/// all, who signed it, what it covers, and whether it still does.
pub(crate) fn judge(
    subject: &Subject<'_>,
    token: &Token,
    expect: &Expectations<'_>,
    need: u32,
) -> Result<Verdict, Refusal> {
    if !expect.floor.grants {
        return Err(Refusal::GrantNotAllowed("the floor"));
    }
    if subject.preapproval != Preapproval::Grant {
        return Err(Refusal::GrantNotAllowed("the policy"));
    }
    // The way back from what ran under a grant is asked about: something was not as those who granted it thought.
    if expect.action != Action::Execute {
        return Err(Refusal::WrongAction);
    }
    let signed = token
        .envelopes()
        .iter()
        .map(|envelope| SignedGrant::verify(envelope, expect.approvers, expect.now))
        .collect::<Result<Vec<_>, _>>()?;
    let terms = common_terms(&signed)?;
    let id = terms.id()?;
    if expect.grant.revoked || expect.approvers.is_revoked(&id) {
        return Err(Refusal::GrantRevoked);
    }
    check_signers(&signed, subject, expect)?;
    check_covers(terms, subject, expect)?;
    let covering = Covering {
        windows: terms.calendar().map_err(Refusal::MalformedGrant)?,
        id,
    };
    check_now(terms, subject, expect, &covering)?;
    let given: Vec<Yes<'_>> = signed
        .iter()
        .map(|signed| Yes {
            approver: &signed.grant().approver,
            method: signed.grant().method,
            hardware: signed.is_hardware(),
        })
        .collect();
    let approvers = quorum::count(&given, need, expect.floor)?;
    quorum::represent(&approvers, subject.groups, expect.approvers)?;
    Ok(Verdict {
        approvers,
        not_before: subject.not_before.max(terms.not_before),
        execute_by: last_start(subject).min(terms.until),
        grant: Some(covering),
    })
}

/// Everybody signed the same.
fn common_terms(signed: &[SignedGrant]) -> Result<&GrantTerms, Refusal> {
    let mut all = signed.iter().map(|signed| &signed.grant().terms);
    let first = all.next().ok_or(Refusal::NoToken)?;
    if all.all(|terms| terms == first) {
        Ok(first)
    } else {
        Err(Refusal::MixedGrants)
    }
}

fn check_signers(signed: &[SignedGrant], subject: &Subject<'_>, expect: &Expectations<'_>) -> Result<(), Refusal> {
    for signed in signed {
        let grant = signed.grant();
        let approver = || grant.approver.clone();
        if grant.key_id == expect.gate_key.fingerprint() {
            return Err(Refusal::UnknownKey {
                approver: approver(),
                key_id: grant.key_id.clone(),
            });
        }
        if is_requester(&grant.approver, subject.requester) {
            return Err(Refusal::RequesterApproves { approver: approver() });
        }
        let method = grant.method.name();
        if grant.method.is_attested() || !subject.methods.iter().any(|allowed| allowed == method) {
            return Err(Refusal::MethodNotAllowed {
                method: method.to_owned(),
            });
        }
    }
    Ok(())
}

fn check_covers(terms: &GrantTerms, subject: &Subject<'_>, expect: &Expectations<'_>) -> Result<(), Refusal> {
    if terms.gate != expect.gate {
        return Err(Refusal::WrongGate {
            found: terms.gate.clone(),
            expected: expect.gate.to_owned(),
        });
    }
    if terms.audience != expect.audience {
        return Err(Refusal::WrongAudience {
            found: terms.audience.clone(),
            expected: expect.audience.to_owned(),
        });
    }
    if terms.runbook != *subject.runbook {
        return Err(Refusal::GrantWrongRunbook {
            granted: terms.runbook.id.clone(),
            offered: subject.runbook.id.clone(),
        });
    }
    if !terms.targets.contains(subject.target) {
        return Err(Refusal::GrantWrongTarget(subject.target.name.clone()));
    }
    check_bounds(&terms.parameters, subject.parameters)
}

fn check_now(
    terms: &GrantTerms,
    subject: &Subject<'_>,
    expect: &Expectations<'_>,
    covering: &Covering,
) -> Result<(), Refusal> {
    let now = expect.now;
    if now.plus_s(MAX_SKEW_S) < terms.not_before {
        return Err(Refusal::NotYetValid(terms.not_before));
    }
    if now >= terms.until {
        return Err(Refusal::GrantExpired(terms.until));
    }
    check_window(now, subject.not_before, last_start(subject))?;
    covering.check_time(now)?;
    let (uses, max) = (expect.grant.uses_last_day, terms.max_per_day);
    if uses >= max {
        return Err(Refusal::GrantSpent { uses, max });
    }
    Ok(())
}

/// No later than if people had signed this very plan at the last moment.
fn last_start(subject: &Subject<'_>) -> Timestamp {
    let after = subject.approve_by.plus_s(i64::from(subject.execute_within_s));
    subject.expires_at.min(after)
}
