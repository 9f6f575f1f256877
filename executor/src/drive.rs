//! Drives one step, forward or back, from wherever it is to where it stays. A crash and a lost connection are the same:
//! the target is asked what happened before anything is run again.

use std::time::Duration;

use runbooks::{Action, Check, PlanDocument, SqlAction, Step as PlanStep, StepClass, Undo};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use crate::halt::Halt;
use crate::marker::{Direction, Mark, Marked};
use crate::permission::Permission;
use crate::prove::{Answer, await_state};
use crate::record::Record;
use crate::remote::{Asker, Away, Key, Probe, Remote};
use crate::sql_step::{Attempt, call, perform};
use crate::step::{Cause, Effect, Step, StepEvent};
use crate::target::{QUESTION, Target, TargetError};

/// One step in one direction.
pub(crate) struct Job<'a> {
    step: &'a PlanStep,
    effect: Way<'a>,
    /// Asked again right before the effect.
    prechecks: &'a [Check],
    assert: &'a [Check],
    direction: Direction,
}

/// How a step has its effect.
enum Way<'a> {
    Sql(&'a SqlAction),
    Remote(Box<Remote<'a>>),
}

impl<'a> Way<'a> {
    fn of(action: &'a Action, asker: &Asker<'a>) -> Result<Self, Halt> {
        match (action, Remote::of(action, asker)) {
            (Action::Sql(action), _) => Ok(Self::Sql(action)),
            (_, Some(Ok(remote))) => Ok(Self::Remote(Box::new(remote))),
            (_, Some(Err(cause))) => Err(Halt::stop(cause)),
            (_, None) => Err(Halt::stop(Cause::new(
                "no_service",
                "no service has steps of this kind",
            ))),
        }
    }
}

impl<'a> Job<'a> {
    /// The plan's prechecks go with its first step alone: they are about the state before anything was done.
    pub(crate) fn forward(step: &'a PlanStep, plan: &'a PlanDocument, asker: &Asker<'a>) -> Result<Self, Halt> {
        let is_first = plan.steps.first().is_some_and(|first| first.id == step.id);
        Ok(Self {
            step,
            effect: Way::of(&step.action, asker)?,
            prechecks: if is_first { &plan.prechecks } else { &[] },
            assert: &step.assert,
            direction: Direction::Do,
        })
    }

    pub(crate) fn back(step: &'a PlanStep, undo: &'a Undo, asker: &Asker<'a>) -> Result<Self, Halt> {
        Ok(Self {
            step,
            effect: Way::of(&undo.action, asker)?,
            prechecks: &[],
            assert: &undo.assert,
            direction: Direction::Undo,
        })
    }
}

/// Drives the step until its state is final. What that state is stands in the record; `Err` is for what ends the run.
pub(crate) async fn drive(
    job: &Job<'_>,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    permission: &Permission<'_>,
) -> Result<(), Halt> {
    loop {
        match (job.direction, record.step(&job.step.id)) {
            (Direction::Do, Step::Ready) => {
                permission.check(target, record).await?;
                attempt(job, target, record, permission, 1, Effect::None).await?;
            }
            (
                Direction::Undo,
                Step::Done
                | Step::Failed {
                    effect: Effect::Possible,
                },
            ) => {
                attempt(job, target, record, permission, 1, Effect::None).await?;
            }
            (Direction::Do, Step::Running { attempt: before }) => {
                if let Some(effect) = settle(job, target, record, before).await? {
                    if let Err(halt) = permission.check(target, record).await {
                        return close(job, record, halt, effect);
                    }
                    attempt(job, target, record, permission, before + 1, effect).await?;
                }
            }
            (Direction::Undo, Step::Undoing { attempt: before }) => {
                if let Some(effect) = settle(job, target, record, before).await? {
                    attempt(job, target, record, permission, before + 1, effect).await?;
                }
            }
            // Final, or not this direction's to move. The caller goes on only from the state it wants.
            (Direction::Do | Direction::Undo, _) => return Ok(()),
        }
    }
}

/// Journals the intent, and only then runs the statement and watches for its state. `before` is what earlier attempts may
/// have left behind.
async fn attempt(
    job: &Job<'_>,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    permission: &Permission<'_>,
    number: u32,
    before: Effect,
) -> Result<(), Halt> {
    if target.is_lost()
        && let Err(error) = target.reconnect().await
    {
        return job.unknown(record, error);
    }
    let image = match &job.effect {
        Way::Sql(_) => None,
        Way::Remote(remote) => match job.look(remote, record, number).await? {
            Some(image) => Some(image),
            None => return Ok(()),
        },
    };
    job.write(record, job.started(number, image.clone()))?;
    let mark = job.mark(record);
    match fence(target, &mark).await {
        Ok(()) => {}
        Err(error) if error.leaves_doubt() => return Ok(()),
        Err(error) => return job.unknown(record, error),
    }
    // Reconnecting, publishing the intent and the fence may have taken long: what was allowed then must be allowed now.
    if job.direction == Direction::Do
        && let Err(halt) = permission.check(target, record).await
    {
        return close(job, record, halt, before);
    }
    let ended = match &job.effect {
        Way::Sql(action) => perform(target, action, job.prechecks, &mark, number).await,
        Way::Remote(remote) => call(target, remote, job.prechecks, &mark, number, &image.unwrap_or_default()).await,
    };
    match (ended, before) {
        (Attempt::Applied { rows }, _) => job.see(target, record, rows, false).await,
        (Attempt::Already, _) => job.see(target, record, None, true).await,
        // The guard matches no more, and whether that is an earlier attempt's doing cannot be told.
        (
            Attempt::Failed {
                effect: Effect::None,
                cause,
            },
            Effect::Possible,
        ) => job.write(record, StepEvent::StepInDoubt { cause }),
        (Attempt::Failed { effect, cause }, _) => job.write(record, job.failed(effect, cause)),
        // The step is still running, as far as the record goes; the caller asks the target.
        (Attempt::Lost, _) => Ok(()),
    }
}

/// Finds out what became of an attempt that nobody saw the end of. `Some` means that it may be tried again; what it may
/// have left behind goes with it.
async fn settle(
    job: &Job<'_>,
    target: &mut Target<'_>,
    record: &mut Record<'_>,
    attempt: u32,
) -> Result<Option<Effect>, Halt> {
    let mark = job.mark(record);
    let marked = match look(target, &mark).await {
        Ok(marked) => marked,
        Err(error) => return job.unknown(record, error).map(|()| None),
    };
    let effect = match (&job.effect, marked) {
        (_, Marked::Foreign) => {
            let cause = Cause::new("already_executed", "the target says that somebody else ran this step");
            return job.write(record, job.failed(Effect::None, cause)).map(|()| None);
        }
        (_, Marked::No) => Effect::None,
        (Way::Sql(action), Marked::Ours) => match action.class {
            StepClass::Transactional => return job.see(target, record, None, true).await.map(|()| None),
            StepClass::NonTransactional => match await_state(target, job.assert, job.step.max_wait_s).await {
                Ok(Answer::Holds) => return job.write(record, job.done(None, true)).map(|()| None),
                Ok(Answer::Not(_)) => Effect::Possible,
                Err(error) => return job.unknown(record, error).map(|()| None),
            },
        },
        // Made again, it cannot take effect twice.
        (Way::Remote(remote), Marked::Ours) => match job.ask(target, remote, record).await {
            Ok(Probe::NotDone) => Effect::None,
            Ok(Probe::Done) => return job.see(target, record, None, true).await.map(|()| None),
            Ok(Probe::Pending) => {
                return job
                    .write(record, job.failed(Effect::Possible, pending(job)))
                    .map(|()| None);
            }
            Ok(Probe::Failed(cause)) => return job.write(record, job.failed(Effect::Possible, cause)).map(|()| None),
            Ok(Probe::Unknown(cause)) => return job.write(record, StepEvent::StepInDoubt { cause }).map(|()| None),
            Err(halt) => return Err(halt),
        },
    };
    if attempt < MAX_ATTEMPTS {
        return Ok(Some(effect));
    }
    let cause = Cause::new(
        "too_many_attempts",
        format!("{attempt} attempts ended without an answer"),
    );
    job.write(record, job.failed(effect, cause)).map(|()| None)
}

async fn look(target: &mut Target<'_>, mark: &Mark) -> Result<Marked, TargetError> {
    if target.is_lost() {
        target.reconnect().await?;
    }
    fence(target, mark).await?;
    match mark.look(target).await {
        Err(TargetError::Lost(_)) => {
            target.reconnect().await?;
            fence(target, mark).await?;
            mark.look(target).await
        }
        marked => marked,
    }
}

/// Ends sessions of earlier attempts of this step, and waits until they are gone: a client that was killed does not stop
/// its statement.
async fn fence(target: &Target<'_>, mark: &Mark) -> Result<(), TargetError> {
    let sessions = mark.sessions();
    let deadline = Instant::now() + FENCE;
    loop {
        let left = target.execute(FENCE_SQL, &[(&sessions, Type::TEXT)], QUESTION).await?;
        if left == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(TargetError::Answer(format!(
                "{left} sessions of an earlier attempt do not end"
            )));
        }
        sleep(PAUSE).await;
    }
}

fn pending(job: &Job<'_>) -> Cause {
    let message = format!("the call is still under way after {} s", job.step.max_wait_s);
    Cause::new("still_under_way", message)
}

/// The approval ended between two attempts: the step is closed as what it is.
fn close(job: &Job<'_>, record: &mut Record<'_>, halt: Halt, effect: Effect) -> Result<(), Halt> {
    if let Halt::Stop(stop) = &halt {
        job.write(record, job.failed(effect, stop.cause.clone()))?;
    }
    Err(halt)
}

impl Job<'_> {
    /// Looks at what a call is about to change. `None`: it must not be made, and that stands in the record.
    async fn look(&self, remote: &Remote<'_>, record: &mut Record<'_>, number: u32) -> Result<Option<Value>, Halt> {
        let first = number == 1;
        match (remote.ready(&Key::of(&self.mark(record))).await, self.direction) {
            (Ok(Ok(image)), _) => Ok(Some(image)),
            // Nothing was begun.
            (Ok(Err(cause)) | Err(Away(cause)), Direction::Do) if first => Err(Halt::stop(cause)),
            (Err(Away(cause)), _) => Err(Halt::Suspend(cause)),
            (Ok(Err(cause)), _) => {
                if first {
                    self.write(record, self.started(number, None))?;
                }
                self.write(record, self.failed(Effect::None, cause))?;
                Ok(None)
            }
        }
    }

    /// Asks a service until the call has ended, or for as long as the plan says. A service that cannot be asked at all is asked
    /// again by `recover`.
    async fn ask(&self, target: &mut Target<'_>, remote: &Remote<'_>, record: &Record<'_>) -> Result<Probe, Halt> {
        let mark = self.mark(record);
        let image = record.before_image(&self.step.id, self.direction)?;
        let since = match mark.since(target).await {
            Err(TargetError::Lost(_)) => match target.reconnect().await {
                Ok(()) => mark.since(target).await,
                Err(error) => Err(error),
            },
            since => since,
        };
        let since = since.map_err(|error| Halt::Suspend(error.cause()))?;
        let seen = remote
            .await_end(&Key::of(&mark), since, image.as_ref(), self.step.max_wait_s)
            .await;
        seen.map_err(|Away(cause)| Halt::Suspend(cause))
    }

    /// Watches for the state that proves the effect: the service's own word, where there is one, and then the database's.
    async fn see(
        &self,
        target: &mut Target<'_>,
        record: &mut Record<'_>,
        rows: Option<u64>,
        already: bool,
    ) -> Result<(), Halt> {
        if let Way::Remote(remote) = &self.effect {
            match self.ask(target, remote, record).await? {
                Probe::Done => {}
                Probe::Failed(cause) => return self.write(record, self.failed(Effect::Possible, cause)),
                Probe::Pending => return self.write(record, self.failed(Effect::Possible, pending(self))),
                // It was accepted, and its traces are gone.
                Probe::NotDone => {
                    let cause = Cause::new("effect_gone", "the service took the call and shows nothing of it");
                    return self.write(record, StepEvent::StepInDoubt { cause });
                }
                Probe::Unknown(cause) => return self.write(record, StepEvent::StepInDoubt { cause }),
            }
        }
        match await_state(target, self.assert, self.step.max_wait_s).await {
            Ok(Answer::Holds) => self.write(record, self.done(rows, already)),
            Ok(Answer::Not(cause)) => self.write(record, self.failed(Effect::Possible, cause)),
            Err(error) => self.unknown(record, error),
        }
    }

    /// The target cannot be asked: later, if it is only away; by a person, if it answers and cannot say.
    fn unknown(&self, record: &mut Record<'_>, error: TargetError) -> Result<(), Halt> {
        if error.leaves_doubt() {
            return Err(Halt::Suspend(error.cause()));
        }
        self.write(record, StepEvent::StepInDoubt { cause: error.cause() })
    }

    fn write(&self, record: &mut Record<'_>, event: StepEvent) -> Result<(), Halt> {
        Ok(record.write_step(&self.step.id, event)?)
    }

    fn mark(&self, record: &Record<'_>) -> Mark {
        record.mark(&self.step.id, self.direction)
    }

    fn started(&self, attempt: u32, before: Option<Value>) -> StepEvent {
        match self.direction {
            Direction::Do => StepEvent::StepStarted { attempt, before },
            Direction::Undo => StepEvent::UndoStarted { attempt, before },
        }
    }

    fn done(&self, rows: Option<u64>, already: bool) -> StepEvent {
        match self.direction {
            Direction::Do => StepEvent::StepDone { rows, already },
            Direction::Undo => StepEvent::UndoDone { already },
        }
    }

    fn failed(&self, effect: Effect, cause: Cause) -> StepEvent {
        match self.direction {
            Direction::Do => StepEvent::StepFailed { effect, cause },
            Direction::Undo => StepEvent::UndoFailed { cause },
        }
    }
}

/// A guarded statement whose connection is lost is tried again so often, each time after the target was asked.
const MAX_ATTEMPTS: u32 = 3;
const FENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
const FENCE_SQL: &str = include_str!("queries/fence.sql");
