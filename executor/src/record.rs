//! The record of one execution: its journal, and the machine that is folded from it. What is not written does not happen.

use std::collections::BTreeMap;

use approval::Action;
use policies::Evaluation;
use runbooks::Digest;
use serde_json::{Value, json};

use crate::execution::{Event, Execution, Phase, WholeEvent};
use crate::executor::Executor;
use crate::halt::Fault;
use crate::marker::{Direction, Mark};
use crate::outcome::Outcome;
use crate::reports;
use crate::step::{Step, StepEvent};
use crate::surroundings::{Noted, Surroundings};

/// One execution's record, open for writing.
pub(crate) struct Record<'e> {
    executor: &'e Executor,
    plan: Digest,
    // The order under which the execution began; a later order for the same plan goes on under it.
    order: String,
    execution: Execution,
}

impl<'e> Record<'e> {
    pub(crate) fn new(executor: &'e Executor, plan: Digest, order: String, execution: Execution) -> Self {
        Self {
            executor,
            plan,
            order,
            execution,
        }
    }

    /// Writes what happened, or what is about to. Only after it is durable, and published where that is configured, does
    /// the execution move, and this return.
    pub(crate) fn write(&mut self, event: Event) -> Result<(), Fault> {
        let next = Execution::apply(Some(self.execution.clone()), event.clone())?;
        let (kind, data) = event.to_journal()?;
        let ended = matches!(next.phase(), Phase::Ended { .. });
        let action = next.action();
        self.executor.journal().transact(|tx| {
            let seq = tx.append(journal::Event {
                kind: kind.clone(),
                subject: self.plan.to_string(),
                data: data.clone(),
            })?;
            reports::queue(tx, seq, &self.order, &event, &data)?;
            if ended {
                tx.sql().execute(
                    "UPDATE executor_ledger SET open = 0 WHERE plan_digest = ?1 AND action = ?2",
                    (self.plan.to_string(), action_name(action)),
                )?;
                tx.sql().execute(
                    "DELETE FROM executor_surroundings WHERE plan_digest = ?1",
                    [self.plan.to_string()],
                )?;
            }
            Ok::<(), Fault>(())
        })?;
        tracing::info!(kind, plan = self.plan.short(), order = self.order, data = %data, "journalled");
        self.execution = next;
        self.executor.wake_reporter();
        Ok(())
    }

    pub(crate) fn write_step(&mut self, step: &str, event: StepEvent) -> Result<(), Fault> {
        self.write(Event::of_step(step, event))
    }

    pub(crate) fn write_whole(&mut self, event: WholeEvent) -> Result<(), Fault> {
        self.write(Event::Whole(event))
    }

    /// Writes the end, and returns it.
    pub(crate) fn end(&mut self, outcome: Outcome) -> Result<Outcome, Fault> {
        self.write_whole(WholeEvent::ExecutionEnded {
            outcome: outcome.clone(),
        })?;
        Ok(outcome)
    }

    /// Keeps what stands around the plan, for when the journal is told of it.
    pub(crate) fn keep(&self, around: &Surroundings) -> Result<Noted, Fault> {
        around.keep(self.executor, &self.plan)
    }

    /// Returns what was kept; `None` if it is not what the journal was told of.
    pub(crate) fn kept(&self, noted: &Noted) -> Result<Option<Surroundings>, Fault> {
        Surroundings::kept(self.executor, &self.plan, noted)
    }

    /// Returns how many rows each step that is done met; `None` where a first attempt did not see its end.
    pub(crate) fn rows(&self) -> Result<BTreeMap<String, Option<u64>>, Fault> {
        let mut met = BTreeMap::new();
        for entry in self.executor.journal().read(Some(&self.plan.to_string()))? {
            if entry.kind == REFUSED {
                continue;
            }
            match Event::from_journal(&entry.kind, &entry.data)? {
                Event::Step {
                    step,
                    event: StepEvent::StepDone { rows, .. },
                } => {
                    met.entry(step).or_insert(rows);
                }
                Event::Step {
                    step,
                    event: StepEvent::StepStarted { attempt, .. },
                } if attempt > 1 => {
                    met.insert(step, None);
                }
                Event::Step { .. } | Event::Whole(_) => {}
            }
        }
        Ok(met)
    }

    /// Returns what the journal says that a call was about to change, at its last attempt.
    pub(crate) fn before_image(&self, step: &str, direction: Direction) -> Result<Option<Value>, Fault> {
        let mut image = None;
        for entry in self.executor.journal().read(Some(&self.plan.to_string()))? {
            if entry.kind == REFUSED {
                continue;
            }
            if let Event::Step { step: of, event } = Event::from_journal(&entry.kind, &entry.data)?
                && of == step
            {
                match (event, direction) {
                    (StepEvent::StepStarted { before, .. }, Direction::Do)
                    | (StepEvent::UndoStarted { before, .. }, Direction::Undo) => image = before,
                    _ => {}
                }
            }
        }
        Ok(image)
    }

    pub(crate) fn execution(&self) -> &Execution {
        &self.execution
    }

    pub(crate) fn step(&self, id: &str) -> Step {
        self.execution.step(id)
    }

    pub(crate) fn plan(&self) -> &Digest {
        &self.plan
    }

    pub(crate) fn mark(&self, step: &str, direction: Direction) -> Mark {
        Mark {
            plan: self.plan,
            step: step.to_owned(),
            direction,
            executor: self.executor.config().id.clone(),
            order: self.order.clone(),
        }
    }
}

/// Folds the journal of one plan. `None`: it was never admitted.
pub(crate) fn replay(journal: &journal::Journal, plan: &Digest) -> Result<Option<Execution>, Fault> {
    let mut execution = None;
    for entry in journal.read(Some(&plan.to_string()))? {
        if entry.kind == REFUSED {
            continue;
        }
        let event = Event::from_journal(&entry.kind, &entry.data)?;
        execution = Some(Execution::apply(execution, event)?);
    }
    Ok(execution)
}

/// Journals that an order was refused, under its plan if the gate signed it, else under its own digest.
pub(crate) fn refuse(
    executor: &Executor,
    subject: Digest,
    order: Option<&str>,
    code: &str,
    message: &str,
    evaluation: Option<&Evaluation>,
) -> Result<(), Fault> {
    let mut data = json!({"order": order, "code": code, "message": message});
    if let (Some(evaluation), Some(data)) = (evaluation, data.as_object_mut()) {
        data.insert("policy".to_owned(), json!(evaluation));
    }
    executor.journal().transact(|tx| {
        let seq = tx.append(journal::Event {
            kind: REFUSED.to_owned(),
            subject: subject.to_string(),
            data: data.clone(),
        })?;
        match order {
            Some(order) => reports::queue_refusal(tx, seq, order, &data),
            None => Ok(()),
        }
    })?;
    tracing::warn!(code, message, order, "order refused");
    executor.wake_reporter();
    Ok(())
}

pub(crate) fn action_name(action: Action) -> &'static str {
    match action {
        Action::Execute => "execute",
        Action::Rollback => "rollback",
    }
}

const REFUSED: &str = "order_refused";
