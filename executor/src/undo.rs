//! The way back: what was done is undone from the end, as the plan says, without any model and without a fresh approval.

use approval::Action;
use runbooks::Rollback;

use crate::admission::Admitted;
use crate::drive::{Job, drive};
use crate::execution::{Phase, WholeEvent};
use crate::executor::Executor;
use crate::halt::{Halt, Stop};
use crate::outcome::Outcome;
use crate::permission::Permission;
use crate::record::Record;
use crate::remote::Asker;
use crate::step::{Cause, Effect, Step, StepEvent};
use crate::target::Target;

/// Undoes what has an effect and ends the execution. A freeze or an ended window does not stop it: the way back was signed
/// with the plan, and half a change is worse than none.
pub(crate) async fn go_back(
    executor: &Executor,
    admitted: &Admitted<'_>,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    permission: &Permission<'_>,
    stop: Stop,
) -> Result<Outcome, Halt> {
    let forward = matches!(record.execution().phase(), Phase::Forward { .. });
    if let Some(outcome) = in_doubt(record, &stop.cause) {
        return Ok(record.end(outcome)?);
    }
    if forward && !record.execution().has_effect() {
        return Ok(record.end(nothing_done(stop))?);
    }
    if forward {
        record.write_whole(WholeEvent::TurnedBack {
            cause: stop.cause.clone(),
        })?;
    }
    let asker = Asker::of(executor, admitted);
    for step in admitted.approved.plan().document().steps.iter().rev() {
        match record.step(&step.id) {
            Step::Done
            | Step::Failed {
                effect: Effect::Possible,
            }
            | Step::Undoing { .. } => {}
            Step::Ready
            | Step::Running { .. }
            | Step::Failed { effect: Effect::None }
            | Step::Undone
            | Step::Kept
            | Step::UndoFailed
            | Step::InDoubt => continue,
        }
        match &step.rollback {
            Rollback::None(none) => record.write_step(
                &step.id,
                StepEvent::UndoImpossible {
                    reason: none.reason.clone(),
                },
            )?,
            Rollback::Exact(undo) | Rollback::Compensating(undo) => {
                drive(&Job::back(step, undo, &asker)?, target, record, permission).await?;
            }
        }
        // What comes before it stays as it is: undoing out of order could make it worse.
        if let Some(outcome) = in_doubt(record, &stop.cause) {
            return Ok(record.end(outcome)?);
        }
    }
    let outcome = undone(record, stop.cause);
    Ok(record.end(outcome)?)
}

fn in_doubt(record: &Record<'_>, cause: &Cause) -> Option<Outcome> {
    let cause = record.execution().cause().unwrap_or(cause).clone();
    let any = |wanted: Step| record.execution().steps().iter().any(|(_, step)| *step == wanted);
    if any(Step::UndoFailed) {
        Some(Outcome::RollbackFailed { cause })
    } else if any(Step::InDoubt) {
        Some(Outcome::InDoubt { cause })
    } else {
        None
    }
}

pub(crate) fn nothing_done(stop: Stop) -> Outcome {
    if stop.unapproved {
        Outcome::NotApproved { cause: stop.cause }
    } else {
        Outcome::Failed { cause: stop.cause }
    }
}

fn undone(record: &Record<'_>, cause: Cause) -> Outcome {
    let ids = |wanted: Step| {
        let steps = record.execution().steps().iter();
        steps
            .filter(|(_, step)| *step == wanted)
            .map(|(id, _)| id.clone())
            .collect::<Vec<_>>()
    };
    let kept = ids(Step::Kept);
    match (record.execution().action(), ids(Step::Undone).is_empty()) {
        (Action::Rollback, false) => Outcome::Done { kept },
        (Action::Execute, false) => Outcome::RolledBack { cause, kept },
        (Action::Execute | Action::Rollback, true) => Outcome::NotRecovered { cause, kept },
    }
}
