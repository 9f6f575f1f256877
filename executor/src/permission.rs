//! Whether the next step may start: asked anew before each one, of two clocks, of the gate, and of the plan's own stops.

use std::time::Duration;

use approval::{ApprovedPlan, MAX_SKEW_S, Order, Standing, StandingError};
use tokio::time::{Instant, sleep};

use crate::admission::Admitted;
use crate::executor::Executor;
use crate::gate::{Gate, GateError};
use crate::halt::{Halt, Stop};
use crate::prove::{Answer, ask_all};
use crate::record::Record;
use crate::step::{Cause, Step};
use crate::target::{Target, TargetError};

/// What a step needs beside its order: an approval that still holds.
pub(crate) struct Permission<'a> {
    executor: &'a Executor,
    approved: &'a ApprovedPlan,
    order: &'a Order,
}

impl<'a> Permission<'a> {
    pub(crate) fn new(executor: &'a Executor, admitted: &'a Admitted<'_>) -> Self {
        Self {
            executor,
            approved: &admitted.approved,
            order: &admitted.order,
        }
    }

    /// Checks everything that may have changed since the last step.
    pub(crate) async fn check(&self, target: &mut Target<'_>, record: &Record<'_>) -> Result<(), Halt> {
        if self.executor.is_stopped() {
            return Err(Halt::Interrupted);
        }
        self.check_standing().await?;
        let theirs = target.now().await.map_err(|error| away(record, &error))?;
        let ours = self.executor.now();
        if ours.since(theirs).abs() > MAX_SKEW_S {
            let message = format!("the target's clock says {theirs}, this host's {ours}");
            return Err(Halt::unapproved(Cause::new("clock_skew", message)));
        }
        for now in [ours, theirs] {
            self.approved
                .check_time(now)
                .map_err(|refusal| Halt::unapproved(Cause::new(refusal.code(), crate::chain(&refusal))))?;
        }
        let stops = &self.approved.plan().document().stop_if;
        match ask_all(target, stops, "stop_condition").await {
            Ok(Answer::Holds) => Ok(()),
            Ok(Answer::Not(cause)) => Err(Halt::stop(cause)),
            Err(error) => Err(away(record, &error)),
        }
    }

    /// Checks a rollback that was ordered, before its first effect; once begun, it goes to its end.
    pub(crate) async fn check_rollback(&self, target: &mut Target<'_>, record: &Record<'_>) -> Result<Stop, Halt> {
        let begun = |(_, step): &(String, Step)| matches!(step, Step::Undoing { .. } | Step::Undone | Step::Kept);
        if !record.execution().steps().iter().any(begun) {
            self.check(target, record).await?;
        }
        Ok(Stop {
            cause: Cause::new("rollback_ordered", "a rollback was approved"),
            unapproved: false,
        })
    }

    /// Without a gate to ask, the standing in the order counts, for as long as it is fresh.
    async fn check_standing(&self) -> Result<(), Halt> {
        let standing = match self.executor.gate() {
            None => self.order.standing.clone(),
            Some(gate) => self.ask_standing(gate).await?,
        };
        let config = self.executor.config();
        standing
            .check(&config.gate.id, self.approved.plan().digest(), self.executor.now())
            .map_err(|error| unconfirmed(&error))
    }

    /// A gate that is away for a moment is waited for; the standing in the order bridges the gap while it is fresh.
    async fn ask_standing(&self, gate: &Gate) -> Result<Standing, Halt> {
        let plan = self.approved.plan().digest();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match gate.standing(&plan).await {
                Ok(json) => {
                    let gate = &self.executor.config().gate;
                    return gate
                        .with_a_key(|key| Standing::verify(&json, key))
                        .map(|(standing, _)| standing)
                        .map_err(|error| unconfirmed(&error));
                }
                Err(error) => error,
            };
            let in_order = &self.order.standing;
            let config = self.executor.config();
            if is_away(&error) && in_order.check(&config.gate.id, plan, self.executor.now()).is_ok() {
                return Ok(in_order.clone());
            }
            if !is_away(&error) || Instant::now() >= deadline {
                return Err(Halt::unapproved(Cause::new(
                    "standing_unavailable",
                    crate::chain(&error),
                )));
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = self.executor.stopped() => return Err(Halt::Interrupted),
            }
        }
    }
}

/// A target that cannot be asked ends what has not begun, and leaves for later what has.
pub(crate) fn away(record: &Record<'_>, error: &TargetError) -> Halt {
    if error.leaves_doubt() && record.execution().has_effect() {
        Halt::Suspend(error.cause())
    } else {
        Halt::stop(error.cause())
    }
}

fn unconfirmed(error: &StandingError) -> Halt {
    Halt::unapproved(Cause::new(error.code(), crate::chain(error)))
}

fn is_away(error: &GateError) -> bool {
    match error {
        GateError::Unreachable(_) => true,
        GateError::Refused { status, .. } => *status >= 500 || *status == 429,
        GateError::Client(_) | GateError::Bearer { .. } | GateError::TooLong => false,
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
