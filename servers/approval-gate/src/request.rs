//! An approval request as a state machine: its events, its states, and the one pure function between them.

use approval::{Action, Method};
use runbooks::{Digest, Target, Timestamp};
use serde::{Deserialize, Serialize};

/// What a request asks for. Fixed when it is opened; statements are derived from it and from nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// `req-` and 16 hexadecimal digits, the same for the same plan, action and gate.
    pub id: String,
    /// Whether the plan is to be executed or rolled back.
    pub action: Action,
    /// SHA-256 of the plan's bytes, by which they are also kept.
    pub plan_digest: Digest,
    /// Under which digest the evidence is kept.
    pub evidence: Digest,
    /// Under which digest the policy's decision is kept.
    pub decision: Digest,
    /// Under which digest the executor's preflight is kept; without one, it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Digest>,
    /// Under which digest lies what agents and rules said; it was not part of what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Digest>,
    /// The incident that the plan is for.
    pub incident: String,
    /// The plan's title, for lists.
    pub title: String,
    /// The plan's runbook; empty in what was asked before it was kept.
    #[serde(default)]
    pub runbook: String,
    /// Who asks; may never approve.
    pub requester: String,
    /// What is touched.
    pub target: Target,
    /// This gate.
    pub gate: String,
    /// The executor that may execute it.
    pub audience: String,
    /// The policy that allowed asking.
    pub policy_digest: Digest,
    /// How many people must sign; never zero.
    pub need: u32,
    /// How many of them with a hardware key.
    pub need_hardware: u32,
    /// How many of them with an SSH key.
    #[serde(default)]
    pub need_ssh: u32,
    /// Groups of which each must be represented, by different people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// How they may sign.
    pub methods: Vec<String>,
    /// When it was asked.
    pub opened_at: Timestamp,
    /// Not to be executed earlier.
    pub not_before: Timestamp,
    /// Signatures after this moment are refused.
    pub approve_by: Timestamp,
    /// Not to be executed later.
    pub execute_by: Timestamp,
    /// 32 hexadecimal digits; makes every statement about this request unlike any other.
    pub nonce: String,
}

/// One person's valid signature. The envelope itself is kept by its digest: it is part of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Who signed.
    pub approver: String,
    /// With which key, as `SHA256:…`.
    pub key_id: String,
    /// How.
    #[serde(default = "ssh")]
    pub method: Method,
    /// Whether the key is a hardware key, touched and with PIN or finger.
    pub hardware: bool,
    /// The groups that the signer was in then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Under which digest the signed envelope is kept.
    pub envelope: Digest,
    /// What they said beside it; not part of what they signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// How they read the request, where the page could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// When it arrived.
    pub at: Timestamp,
}

/// How a request was read: what took long says where the runbook leaves questions open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Seconds from the page being shown to the decision.
    pub took_s: u32,
    /// Seconds that each part of the page was in view or unfolded, the longest first; at most eight.
    pub parts: Vec<(String, u32)>,
}

/// Signatures were made by nothing else before their method was kept.
fn ssh() -> Method {
    Method::Ssh
}

/// The grant that spared people a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The grant.
    pub grant: String,
    /// Who had signed it.
    pub approvers: Vec<String>,
    /// Under which digest the token of their signatures is kept.
    pub token: Digest,
    /// When it was found to cover the plan.
    pub at: Timestamp,
}

/// Everything that can happen to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "snake_case")]
pub enum RequestEvent {
    /// A permitted plan asks for signatures.
    Opened(Box<Terms>),
    /// A grant that people signed before covers the plan.
    Granted(Granted),
    /// That grant does not cover it any more, before anything was ordered: people are asked after all.
    GrantEnded(Timestamp),
    /// Keys that had approved it are not listed any more: their signatures are worth nothing, and others may sign instead.
    Struck {
        /// Whose.
        approvers: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// A listed person signed.
    Approved(Signed),
    /// A listed person signed that this must not be.
    Rejected(Signed),
    /// A window closed: the approval's while pending, the execution's afterwards.
    Expired(Timestamp),
    /// The token was turned into an order.
    Used {
        /// The order's id, which is also the execution's.
        execution: String,
        /// The token's hash.
        token: Digest,
        /// When.
        at: Timestamp,
    },
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// Signatures are missing.
    Pending,
    /// Enough people signed; the token may be used once.
    Approved,
    /// A person said no before anything was ordered.
    Rejected(Signed),
    /// Nobody decided, or nobody used it, in time.
    Expired {
        /// When that was noticed.
        at: Timestamp,
    },
    /// An order was made.
    Used {
        /// The order's id.
        execution: String,
        /// The hash of the token that was spent.
        token: Digest,
    },
    /// A person said no after the order was made: the executor is told before its next step.
    Revoked {
        /// The order's id.
        execution: String,
        /// Who said no.
        by: Signed,
    },
}

/// A request: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What it asks for.
    pub terms: Terms,
    /// Who signed so far, each person once.
    pub approvals: Vec<Signed>,
    /// The grant that covers it, if nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// Where it stands.
    pub status: Status,
}

/// The event cannot happen in this state; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("`{event}` cannot happen to a request that is {status}")]
pub struct IllegalEvent {
    event: &'static str,
    status: &'static str,
}

impl Request {
    /// The only place a request changes state.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(state: Option<Self>, event: RequestEvent) -> Result<Self, IllegalEvent> {
        let Some(request) = state else {
            return match event {
                RequestEvent::Opened(terms) if terms.need > 0 => Ok(Self {
                    terms: *terms,
                    approvals: Vec::new(),
                    granted: None,
                    status: Status::Pending,
                }),
                event => Err(IllegalEvent {
                    event: event.name(),
                    status: "not open",
                }),
            };
        };
        let Self {
            terms,
            mut approvals,
            mut granted,
            status,
        } = request;
        let status = match (status, event) {
            (Status::Pending, RequestEvent::Approved(signed)) if !has_signed(&approvals, &signed.approver) => {
                approvals.push(signed);
                if is_quorum(&approvals, &terms) {
                    Status::Approved
                } else {
                    Status::Pending
                }
            }
            (Status::Pending, RequestEvent::Granted(by)) if approvals.is_empty() => {
                granted = Some(by);
                Status::Approved
            }
            (Status::Pending | Status::Approved, RequestEvent::Struck { approvers: gone, .. }) if granted.is_none() => {
                approvals.retain(|signed| !gone.contains(&signed.approver));
                if is_quorum(&approvals, &terms) {
                    Status::Approved
                } else {
                    Status::Pending
                }
            }
            (Status::Approved, RequestEvent::GrantEnded(_)) if granted.is_some() => {
                granted = None;
                Status::Pending
            }
            (Status::Pending | Status::Approved, RequestEvent::Rejected(by)) => Status::Rejected(by),
            (Status::Used { execution, .. }, RequestEvent::Rejected(by)) => Status::Revoked { execution, by },
            (Status::Pending, RequestEvent::Expired(at)) if at >= terms.approve_by => Status::Expired { at },
            (Status::Approved, RequestEvent::Expired(at)) if at >= terms.execute_by => Status::Expired { at },
            (Status::Approved, RequestEvent::Used { execution, token, .. }) => Status::Used { execution, token },
            (status, event) => {
                return Err(IllegalEvent {
                    event: event.name(),
                    status: status.name(),
                });
            }
        };
        Ok(Self {
            terms,
            approvals,
            granted,
            status,
        })
    }

    /// When its present window closes; `None` when no clock can change it any more.
    pub fn due(&self) -> Option<Timestamp> {
        match self.status {
            Status::Pending => Some(self.terms.approve_by),
            Status::Approved => Some(self.terms.execute_by),
            Status::Rejected(_) | Status::Expired { .. } | Status::Used { .. } | Status::Revoked { .. } => None,
        }
    }

    /// The groups for which nobody has signed yet.
    pub fn missing_groups(&self) -> Vec<String> {
        if self.granted.is_some() {
            return Vec::new();
        }
        missing_groups(&self.approvals, &self.terms)
    }

    /// Whether enough people have signed, for this plan or ahead of time.
    pub fn is_quorum(&self) -> bool {
        self.granted.is_some() || is_quorum(&self.approvals, &self.terms)
    }

    /// How many people have signed, for this plan or ahead of time.
    pub fn have(&self) -> usize {
        let ahead = self.granted.as_ref().map_or(0, |granted| granted.approvers.len());
        self.approvals.len().max(ahead)
    }

    /// Whether a no can still stop something.
    pub fn can_be_rejected(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Approved | Status::Used { .. })
    }

    /// The execution that was ordered, if one was.
    pub fn execution(&self) -> Option<&str> {
        match &self.status {
            Status::Used { execution, .. } | Status::Revoked { execution, .. } => Some(execution),
            Status::Pending | Status::Approved | Status::Rejected(_) | Status::Expired { .. } => None,
        }
    }

    /// Who said no, if anyone did.
    pub fn rejection(&self) -> Option<&Signed> {
        match &self.status {
            Status::Rejected(by) | Status::Revoked { by, .. } => Some(by),
            Status::Pending | Status::Approved | Status::Expired { .. } | Status::Used { .. } => None,
        }
    }
}

impl Status {
    /// One of `pending`, `approved`, `rejected`, `expired`, `used`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected(_) | Self::Revoked { .. } => "rejected",
            Self::Expired { .. } => "expired",
            Self::Used { .. } => "used",
        }
    }
}

impl RequestEvent {
    /// The name under which the journal keeps it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "request_opened",
            Self::Granted(_) => "request_granted",
            Self::GrantEnded(_) => "request_grant_ended",
            Self::Struck { .. } => "request_struck",
            Self::Approved(_) => "request_approved",
            Self::Rejected(_) => "request_rejected",
            Self::Expired(_) => "request_expired",
            Self::Used { .. } => "request_used",
        }
    }
}

// Counts people: `apply` lets no person sign twice.
fn is_quorum(approvals: &[Signed], terms: &Terms) -> bool {
    let with_hardware = approvals.iter().filter(|signed| signed.hardware).count();
    let with_ssh = approvals.iter().filter(|signed| signed.method == Method::Ssh).count();
    approvals.len() >= terms.need as usize
        && with_hardware >= terms.need_hardware as usize
        && with_ssh >= terms.need_ssh as usize
        && missing_groups(approvals, terms).is_empty()
}

fn missing_groups(approvals: &[Signed], terms: &Terms) -> Vec<String> {
    let people: Vec<&[String]> = approvals.iter().map(|signed| signed.groups.as_slice()).collect();
    approval::missing_groups(&terms.groups, &people)
}

fn has_signed(approvals: &[Signed], person: &str) -> bool {
    approvals.iter().any(|signed| signed.approver == person)
}

#[cfg(test)]
pub mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    pub fn terms(need: u32) -> Terms {
        Terms {
            id: "req-1".into(),
            action: Action::Execute,
            plan_digest: Digest::of(b"plan"),
            evidence: Digest::of(b"evidence"),
            decision: Digest::of(b"decision"),
            preflight: None,
            advice: None,
            incident: "inc-1".into(),
            title: "End a blocker".into(),
            runbook: "idle-in-transaction-blocker".into(),
            requester: "orchestrator".into(),
            target: Target {
                name: "orders".into(),
                environment: "demo".into(),
                system_identifier: "7".into(),
                database: "orders".into(),
            },
            gate: "gate-1".into(),
            audience: "executor-1".into(),
            policy_digest: Digest::of(b"policy"),
            need,
            need_hardware: 0,
            need_ssh: 0,
            groups: Vec::new(),
            methods: vec!["ssh".into()],
            opened_at: Timestamp::from_unix(1_000),
            not_before: Timestamp::from_unix(1_000),
            approve_by: Timestamp::from_unix(1_900),
            execute_by: Timestamp::from_unix(2_800),
            nonce: "00".repeat(16),
        }
    }

    pub fn signed(approver: &str) -> Signed {
        Signed {
            approver: approver.into(),
            key_id: format!("SHA256:{approver}"),
            method: Method::Ssh,
            hardware: false,
            groups: Vec::new(),
            envelope: Digest::of(approver.as_bytes()),
            remark: None,
            review: None,
            at: Timestamp::from_unix(1_100),
        }
    }

    fn used() -> RequestEvent {
        RequestEvent::Used {
            execution: "exe-1".into(),
            token: Digest::of(b"token"),
            at: Timestamp::from_unix(1_200),
        }
    }

    fn fold(events: Vec<RequestEvent>) -> Result<Request, IllegalEvent> {
        let mut state = None;
        for event in events {
            state = Some(Request::apply(state, event)?);
        }
        Ok(state.unwrap())
    }

    fn opened(need: u32) -> RequestEvent {
        RequestEvent::Opened(Box::new(terms(need)))
    }

    #[test]
    fn what_a_grant_no_longer_covers_waits_for_people_again() {
        let opened = Request::apply(None, RequestEvent::Opened(Box::new(terms(1)))).unwrap();
        let granted = Granted {
            grant: "grt-1".into(),
            approvers: vec!["ana".into()],
            token: Digest::of(b"token"),
            at: Timestamp::from_unix(1_000),
        };
        let covered = Request::apply(Some(opened), RequestEvent::Granted(granted)).unwrap();
        assert_eq!((covered.status.name(), covered.have()), ("approved", 1));
        let ended = RequestEvent::GrantEnded(Timestamp::from_unix(1_001));
        let waiting = Request::apply(Some(covered), ended.clone()).unwrap();
        assert_eq!((waiting.status.name(), waiting.have()), ("pending", 0));
        assert!(Request::apply(Some(waiting), ended).is_err());
    }

    #[test]
    fn enough_people_make_it_approved_and_one_use_spends_it() {
        let half = fold(vec![opened(2), RequestEvent::Approved(signed("ana"))]).unwrap();
        assert_eq!(half.status, Status::Pending);
        let whole = Request::apply(Some(half), RequestEvent::Approved(signed("ben"))).unwrap();
        assert_eq!(whole.status, Status::Approved);
        let spent = Request::apply(Some(whole), used()).unwrap();
        assert_eq!(spent.execution(), Some("exe-1"));
        assert!(Request::apply(Some(spent), used()).is_err());
    }

    #[test]
    fn one_person_counts_once() {
        let twice = vec![
            opened(2),
            RequestEvent::Approved(signed("ana")),
            RequestEvent::Approved(Signed {
                key_id: "SHA256:other".into(),
                ..signed("ana")
            }),
        ];
        assert!(fold(twice).is_err());
    }

    #[test]
    fn a_hardware_key_is_waited_for_when_one_is_wanted() {
        let mut wanted = terms(1);
        wanted.need_hardware = 1;
        let soft = fold(vec![
            RequestEvent::Opened(Box::new(wanted)),
            RequestEvent::Approved(signed("ana")),
        ])
        .unwrap();
        assert_eq!(soft.status, Status::Pending);
        let hard = RequestEvent::Approved(Signed {
            hardware: true,
            ..signed("ben")
        });
        assert_eq!(Request::apply(Some(soft), hard).unwrap().status, Status::Approved);
    }

    #[test]
    fn each_group_is_waited_for_however_many_have_signed() {
        let of = |who: &str, group: &str| {
            RequestEvent::Approved(Signed {
                groups: vec![group.into()],
                ..signed(who)
            })
        };
        let mut wanted = terms(2);
        wanted.groups = vec!["dba".into(), "service-owner".into()];
        let two = fold(vec![
            RequestEvent::Opened(Box::new(wanted)),
            of("ana", "dba"),
            of("ben", "dba"),
        ])
        .unwrap();
        assert_eq!(two.status, Status::Pending);
        assert_eq!(two.missing_groups(), ["service-owner"]);
        let three = Request::apply(Some(two), of("eve", "service-owner")).unwrap();
        assert_eq!(three.status, Status::Approved);
    }

    #[test]
    fn a_request_that_needs_nobody_cannot_be_opened() {
        assert!(fold(vec![opened(0)]).is_err());
    }

    #[test]
    fn a_pending_request_cannot_be_used() {
        assert!(fold(vec![opened(1), used()]).is_err());
    }

    #[test]
    fn one_no_ends_it_and_after_the_order_it_revokes() {
        let no = RequestEvent::Rejected(signed("ben"));
        let rejected = fold(vec![opened(1), RequestEvent::Approved(signed("ana")), no.clone()]).unwrap();
        assert_eq!(rejected.status.name(), "rejected");
        assert!(Request::apply(Some(rejected), used()).is_err());
        let revoked = fold(vec![opened(1), RequestEvent::Approved(signed("ana")), used(), no]).unwrap();
        assert!(matches!(revoked.status, Status::Revoked { .. }));
        assert_eq!(revoked.execution(), Some("exe-1"));
    }

    #[test]
    fn the_two_windows_close_one_after_the_other() {
        let early = RequestEvent::Expired(Timestamp::from_unix(1_899));
        let late = RequestEvent::Expired(Timestamp::from_unix(1_900));
        assert!(fold(vec![opened(1), early]).is_err());
        assert_eq!(fold(vec![opened(1), late.clone()]).unwrap().status.name(), "expired");
        // Approved in time: only the execution window counts now.
        assert!(fold(vec![opened(1), RequestEvent::Approved(signed("ana")), late]).is_err());
        let end = RequestEvent::Expired(Timestamp::from_unix(2_800));
        assert_eq!(
            fold(vec![opened(1), RequestEvent::Approved(signed("ana")), end])
                .unwrap()
                .status
                .name(),
            "expired"
        );
    }

    #[test]
    fn nothing_happens_to_a_request_that_is_over_except_a_revocation() {
        let over = [
            vec![opened(1), RequestEvent::Rejected(signed("ana"))],
            vec![opened(1), RequestEvent::Expired(Timestamp::from_unix(1_900))],
        ];
        for events in over {
            let state = fold(events).unwrap();
            for event in [
                opened(1),
                RequestEvent::Approved(signed("ben")),
                RequestEvent::Rejected(signed("ben")),
                RequestEvent::Expired(Timestamp::from_unix(9_000)),
                used(),
            ] {
                assert!(Request::apply(Some(state.clone()), event).is_err());
            }
        }
    }
}
