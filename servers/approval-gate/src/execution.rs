//! An ordered execution as the gate sees it: queued, claimed by its one executor, reported on, over.

use approval::Action;
use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was ordered. Fixed when the order is queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordered {
    /// `exe-` and 16 hexadecimal digits: the order's id and the execution's.
    pub id: String,
    /// The request that was approved.
    pub request: String,
    /// Execute or roll back.
    pub action: Action,
    /// The plan.
    pub plan_digest: Digest,
    /// The runbook and the target, for counting executions.
    pub target: String,
    /// The only executor that may claim it.
    pub audience: String,
    /// Where it may be claimed.
    pub environment: String,
    /// Under which digest the token is kept, which is also its hash in every log.
    pub token: Digest,
    /// Who approved.
    pub approvers: Vec<String>,
    /// Under which grant, if nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// After this moment nobody gets it any more.
    pub execute_by: Timestamp,
}

/// What the executor said, in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What happened, as `step_done`.
    pub kind: String,
    /// The facts.
    pub data: Value,
    /// When the report arrived.
    pub at: Timestamp,
}

/// Everything that can happen to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "snake_case")]
pub enum OrderEvent {
    /// A spent token became an order.
    Queued(Box<Ordered>),
    /// An executor took it. The same one may take it again until it has reported: the answer may have been lost.
    Claimed {
        /// Which.
        executor: String,
        /// When.
        at: Timestamp,
    },
    /// The executor told something.
    Reported(Report),
    /// Nobody took it in time.
    Lapsed(Timestamp),
    /// The approval was revoked before anybody took it.
    Withdrawn(Timestamp),
}

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Progress {
    /// Waits for its executor.
    Queued,
    /// In the executor's hands.
    Claimed {
        /// Whose.
        executor: String,
    },
    /// The executor said that it is over.
    Done {
        /// The kind of the last report.
        outcome: String,
    },
    /// Never taken, and too late now.
    Lapsed,
    /// Never taken, and revoked.
    Withdrawn,
}

/// An execution: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// What was ordered.
    pub ordered: Ordered,
    /// How far it is.
    pub progress: Progress,
    /// What the executor said, in the order of arrival.
    pub reports: Vec<Report>,
}

/// The event cannot happen in this state; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("`{event}` cannot happen to an execution that is {progress}")]
pub struct IllegalOrderEvent {
    event: &'static str,
    progress: &'static str,
}

/// The reports with which an executor says that an execution is over.
pub const OUTCOMES: &[&str] = &[
    "done",
    "failed",
    "refused",
    "not_recovered",
    "rolled_back",
    "rollback_failed",
];

impl Execution {
    /// Whether nothing of it is left to stop.
    pub fn is_over(&self) -> bool {
        match self.progress {
            Progress::Queued | Progress::Claimed { .. } => false,
            Progress::Done { .. } | Progress::Lapsed | Progress::Withdrawn => true,
        }
    }

    /// The only place an execution changes state.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(state: Option<Self>, event: OrderEvent) -> Result<Self, IllegalOrderEvent> {
        let Some(Self {
            ordered,
            progress,
            mut reports,
        }) = state
        else {
            return match event {
                OrderEvent::Queued(ordered) => Ok(Self {
                    ordered: *ordered,
                    progress: Progress::Queued,
                    reports: Vec::new(),
                }),
                event => Err(IllegalOrderEvent {
                    event: event.name(),
                    progress: "not queued",
                }),
            };
        };
        let progress = match (progress, event) {
            (Progress::Queued, OrderEvent::Claimed { executor, .. }) if executor == ordered.audience => {
                Progress::Claimed { executor }
            }
            (Progress::Claimed { executor: holder }, OrderEvent::Claimed { executor, .. })
                if executor == holder && reports.is_empty() =>
            {
                Progress::Claimed { executor }
            }
            (Progress::Claimed { executor }, OrderEvent::Reported(report)) => {
                let over = OUTCOMES.contains(&report.kind.as_str());
                let outcome = report.kind.clone();
                reports.push(report);
                if over {
                    Progress::Done { outcome }
                } else {
                    Progress::Claimed { executor }
                }
            }
            // What an executor adds after the end (a late recovery) is kept; the outcome is the last one it names.
            (Progress::Done { outcome }, OrderEvent::Reported(report)) => {
                let over = OUTCOMES.contains(&report.kind.as_str());
                let outcome = if over { report.kind.clone() } else { outcome };
                reports.push(report);
                Progress::Done { outcome }
            }
            (Progress::Queued, OrderEvent::Lapsed(at)) if at >= ordered.execute_by => Progress::Lapsed,
            (Progress::Queued, OrderEvent::Withdrawn(_)) => Progress::Withdrawn,
            (progress, event) => {
                return Err(IllegalOrderEvent {
                    event: event.name(),
                    progress: progress.name(),
                });
            }
        };
        Ok(Self {
            ordered,
            progress,
            reports,
        })
    }

    /// When it lapses; `None` when no clock can change it any more.
    pub fn due(&self) -> Option<Timestamp> {
        match self.progress {
            Progress::Queued => Some(self.ordered.execute_by),
            Progress::Claimed { .. } | Progress::Done { .. } | Progress::Lapsed | Progress::Withdrawn => None,
        }
    }

    /// Whether this executor may be handed the order now: for the first time, or again because it has said nothing yet.
    pub fn may_be_handed_to(&self, executor: &str, now: Timestamp) -> bool {
        let waits = match &self.progress {
            Progress::Queued => true,
            Progress::Claimed { executor: holder } => holder == executor && self.reports.is_empty(),
            Progress::Done { .. } | Progress::Lapsed | Progress::Withdrawn => false,
        };
        waits && self.ordered.audience == executor && now < self.ordered.execute_by
    }

    /// Whether exactly this was reported before: a report is sent again when its answer was lost.
    pub fn has_report(&self, kind: &str, data: &Value) -> bool {
        self.reports
            .iter()
            .any(|report| report.kind == kind && &report.data == data)
    }
}

impl Progress {
    /// One of `queued`, `claimed`, `done`, `lapsed`; lapsed is what nobody took and nobody will.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed { .. } => "claimed",
            Self::Done { .. } => "done",
            Self::Lapsed | Self::Withdrawn => "lapsed",
        }
    }

    /// The kind of the report that ended it, once one did.
    pub fn outcome(&self) -> Option<&str> {
        match self {
            Self::Done { outcome } => Some(outcome),
            Self::Queued | Self::Claimed { .. } | Self::Lapsed | Self::Withdrawn => None,
        }
    }
}

impl OrderEvent {
    /// The name under which the journal keeps it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued(_) => "order_queued",
            Self::Claimed { .. } => "order_claimed",
            Self::Reported(_) => "execution_reported",
            Self::Lapsed(_) => "order_lapsed",
            Self::Withdrawn(_) => "order_withdrawn",
        }
    }
}

#[cfg(test)]
pub mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use serde_json::json;

    pub fn ordered() -> Ordered {
        Ordered {
            id: "exe-1".into(),
            request: "req-1".into(),
            action: Action::Execute,
            plan_digest: Digest::of(b"plan"),
            target: "orders".into(),
            audience: "executor-1".into(),
            environment: "demo".into(),
            token: Digest::of(b"token"),
            approvers: vec!["ana".into()],
            grant: None,
            queued_at: Timestamp::from_unix(1_000),
            execute_by: Timestamp::from_unix(2_800),
        }
    }

    fn claimed(executor: &str) -> OrderEvent {
        OrderEvent::Claimed {
            executor: executor.into(),
            at: Timestamp::from_unix(1_010),
        }
    }

    fn report(kind: &str) -> OrderEvent {
        OrderEvent::Reported(Report {
            kind: kind.into(),
            data: json!({}),
            at: Timestamp::from_unix(1_020),
        })
    }

    fn queued() -> Execution {
        Execution::apply(None, OrderEvent::Queued(Box::new(ordered()))).unwrap()
    }

    #[test]
    fn only_its_executor_claims_it_and_may_ask_again() {
        assert!(Execution::apply(Some(queued()), claimed("executor-2")).is_err());
        let first = Execution::apply(Some(queued()), claimed("executor-1")).unwrap();
        let again = Execution::apply(Some(first.clone()), claimed("executor-1")).unwrap();
        assert_eq!(first, again);
        assert!(Execution::apply(Some(again), claimed("executor-2")).is_err());
    }

    #[test]
    fn an_outcome_ends_it_and_nobody_gets_it_again() {
        let mut state = Execution::apply(Some(queued()), claimed("executor-1")).unwrap();
        state = Execution::apply(Some(state), report("step_done")).unwrap();
        assert_eq!(state.progress.name(), "claimed");
        assert!(Execution::apply(Some(state.clone()), claimed("executor-1")).is_err());
        state = Execution::apply(Some(state), report("done")).unwrap();
        assert_eq!(state.progress, Progress::Done { outcome: "done".into() });
        assert!(Execution::apply(Some(state), claimed("executor-1")).is_err());
    }

    #[test]
    fn nothing_is_reported_on_an_order_that_nobody_took() {
        assert!(Execution::apply(Some(queued()), report("done")).is_err());
    }

    #[test]
    fn an_order_that_nobody_took_lapses_and_stays_lapsed() {
        let early = OrderEvent::Lapsed(Timestamp::from_unix(2_799));
        assert!(Execution::apply(Some(queued()), early).is_err());
        let late = OrderEvent::Lapsed(Timestamp::from_unix(2_800));
        let withdrawn = OrderEvent::Withdrawn(Timestamp::from_unix(1_500));
        for end in [late, withdrawn] {
            let over = Execution::apply(Some(queued()), end).unwrap();
            assert!(!over.may_be_handed_to("executor-1", Timestamp::from_unix(1_600)));
            assert!(Execution::apply(Some(over), claimed("executor-1")).is_err());
        }
    }
}
