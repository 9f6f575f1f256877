//! The states of an incident, and the one function by which they change.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{Event, ExecutionResult, HandOverReason};

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Detected,
    Diagnosing,
    Planning,
    Debating,
    Policy,
    AwaitingApproval,
    Executing,
    Verifying,
    /// The outcome is known; the post-mortem is not written yet.
    Ended(Outcome),
    /// The post-mortem is written.
    Closed(Outcome),
}

/// How an incident ended. All but `Resolved` and `Subsided` leave a human in manual control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Executed, and recovered as our own telemetry sees it.
    Resolved,
    /// The condition ended by itself before anything was executed.
    Subsided,
    /// Policy refused the plan.
    Refused,
    /// A human refused the plan.
    Rejected,
    /// Nobody approved in time, or the approval ran out before it was used.
    Expired,
    RolledBack,
    RollbackFailed,
    HandedOver(HandOverReason),
}

impl State {
    /// The only place an incident changes state. `None`: the event is illegal here.
    #[must_use]
    pub fn apply(self, event: &Event) -> Option<Self> {
        use Outcome::{Expired, HandedOver, Refused, Rejected, Resolved, RollbackFailed, RolledBack, Subsided};
        Some(match (self, event) {
            // Alerts come and go at any time; what they mean for the incident is the pipeline's to say.
            (state, Event::AlertJoined { .. } | Event::AlertResolved { .. }) => state,

            (Self::Detected, Event::DiagnosisStarted) => Self::Diagnosing,
            (Self::Diagnosing, Event::EvidenceTaken { .. }) => Self::Diagnosing,
            (Self::Diagnosing, Event::Diagnosed { .. }) => Self::Planning,
            (Self::Planning, Event::Planned { .. }) => Self::Debating,
            (Self::Debating, Event::Revised { .. }) => Self::Debating,
            (Self::Debating, Event::Debated { .. }) => Self::Policy,
            (Self::Policy, Event::Judged { .. }) => Self::Policy,
            (Self::Policy, Event::PolicyRefused { .. }) => Self::Ended(Refused),
            (Self::Policy, Event::Requested { .. }) => Self::AwaitingApproval,
            (Self::AwaitingApproval, Event::Approved { .. }) => Self::AwaitingApproval,
            (Self::AwaitingApproval, Event::Rejected { .. }) => Self::Ended(Rejected),
            (Self::AwaitingApproval | Self::Executing, Event::Expired { .. }) => Self::Ended(Expired),
            (Self::AwaitingApproval, Event::Submitted { .. }) => Self::Executing,
            (Self::Executing, Event::Executed { result, .. }) => match result {
                ExecutionResult::Done => Self::Verifying,
                ExecutionResult::Stopped => Self::Ended(HandedOver(HandOverReason::ExecutionStopped)),
                ExecutionResult::NotRecovered => Self::Ended(HandedOver(HandOverReason::NotRecovered)),
                ExecutionResult::RolledBack => Self::Ended(RolledBack),
                ExecutionResult::RollbackFailed => Self::Ended(RollbackFailed),
            },
            (Self::Verifying, Event::Recovered { .. }) => Self::Ended(Resolved),
            (Self::Verifying, Event::NotRecovered { .. }) => Self::Ended(HandedOver(HandOverReason::NotRecovered)),

            // Once an order is out, only the executor's word ends the execution.
            (state, Event::Subsided { .. }) if state.is_before_execution() => Self::Ended(Subsided),
            (state, Event::HandedOver { reason, .. }) if state.is_working() => Self::Ended(HandedOver(*reason)),

            (Self::Ended(outcome), Event::Closed { .. }) => Self::Closed(outcome),
            _ => return None,
        })
    }

    /// Every word that [`State::as_str`] can say.
    pub const WORDS: [&'static str; 17] = [
        "detected",
        "diagnosing",
        "planning",
        "debating",
        "policy",
        "awaiting_approval",
        "executing",
        "verifying",
        "resolved",
        "subsided",
        "refused",
        "rejected",
        "expired",
        "rolled_back",
        "rollback_failed",
        "handed_over",
        "closed",
    ];

    /// The state's word: what `--until`, the journal and the pages say.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Diagnosing => "diagnosing",
            Self::Planning => "planning",
            Self::Debating => "debating",
            Self::Policy => "policy",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Executing => "executing",
            Self::Verifying => "verifying",
            Self::Ended(outcome) => outcome.as_str(),
            Self::Closed(_) => "closed",
        }
    }

    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Ended(outcome) | Self::Closed(outcome) => Some(outcome),
            _ => None,
        }
    }

    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed(_))
    }

    const fn is_working(self) -> bool {
        !matches!(self, Self::Ended(_) | Self::Closed(_))
    }

    const fn is_before_execution(self) -> bool {
        self.is_working() && !matches!(self, Self::Executing | Self::Verifying)
    }
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Subsided => "subsided",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::HandedOver(_) => "handed_over",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandedOver(reason) => write!(f, "handed_over ({reason})"),
            other => f.write_str(other.as_str()),
        }
    }
}
