//! One plan's execution, as a machine over its steps: the fold of its journal, forward and back.

use approval::Action;
use policies::Evaluation;
use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::step::{Cause, IllegalEvent, Step, StepEvent};
use crate::surroundings::Noted;

/// Everything that can happen to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something that happened to the execution as a whole.
    Whole(WholeEvent),
    /// Something that happened to one step.
    Step { step: String, event: StepEvent },
}

/// What can happen to the execution as a whole. In the journal the variant is the event's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case", deny_unknown_fields)]
pub enum WholeEvent {
    /// An order was verified, and is spent from now on. Written before anything else.
    OrderAdmitted(Box<Admission>),
    /// The target was the right one, its prechecks held, and no more than the limit was in reach.
    TargetChecked {
        measured: Vec<Measured>,
        /// What stood around the plan then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        surroundings: Option<Noted>,
    },
    /// All steps are done; the signal is watched from now on.
    VerificationStarted {},
    /// The signal held for as long as the plan asks, and nothing else was harmed.
    RecoveryVerified { held_s: u32 },
    /// No further step will start; what has an effect is undone.
    TurnedBack { cause: Cause },
    /// The end.
    ExecutionEnded { outcome: Outcome },
}

/// What was verified, in digests and names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    pub order: String,
    pub action: Action,
    pub executor: String,
    pub incident: String,
    pub target: String,
    pub token_hash: Digest,
    pub approvers: Vec<String>,
    /// The grant that it was approved under, if nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    pub catalog_digest: Digest,
    pub policy_digest: Digest,
    /// What the policy was asked: with the policy, it gives the same decision again.
    pub policy_input_digest: Digest,
    /// What it said, and how long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Evaluation>,
    pub admitted_at: Timestamp,
    pub execute_by: Timestamp,
    pub steps: Vec<String>,
}

/// How much was in reach right before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    pub id: String,
    pub unit: String,
    pub value: i64,
    pub limit: i64,
}

/// Which way an execution goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Forward { checked: bool, verified: bool },
    Back { cause: Cause },
    Ended { outcome: Outcome },
}

/// An execution: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    action: Action,
    phase: Phase,
    // INVARIANT: in the plan's order; forward goes up, back goes down.
    steps: Vec<(String, Step)>,
    // Why the last step that failed did.
    cause: Option<Cause>,
    surroundings: Option<Noted>,
}

/// An event that cannot happen now. It means a defect or a journal of something else; nothing is done.
#[derive(Debug, thiserror::Error)]
pub enum IllegalStep {
    #[error("`{event}` cannot happen to an execution that {state}")]
    Whole { event: &'static str, state: String },
    #[error("step `{step}`")]
    Step {
        step: String,
        #[source]
        source: IllegalEvent,
    },
    #[error("step `{step}` is not next")]
    OutOfOrder { step: String },
    #[error("journal entry `{kind}` is not readable")]
    Unreadable { kind: String },
}

impl Execution {
    /// The only place an execution changes state.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(state: Option<Self>, event: Event) -> Result<Self, IllegalStep> {
        match (state, event) {
            (None, Event::Whole(WholeEvent::OrderAdmitted(admission))) if admission.action == Action::Execute => {
                Ok(Self {
                    action: Action::Execute,
                    phase: Phase::Forward {
                        checked: false,
                        verified: false,
                    },
                    steps: admission.steps.into_iter().map(|id| (id, Step::Ready)).collect(),
                    cause: None,
                    surroundings: None,
                })
            }
            (None, event) => Err(IllegalStep::Whole {
                event: event.kind(),
                state: "was not admitted".to_owned(),
            }),
            (Some(state), Event::Whole(event)) => state.apply_whole(event),
            (Some(state), Event::Step { step, event }) => state.apply_step(step, event),
        }
    }

    fn apply_whole(mut self, event: WholeEvent) -> Result<Self, IllegalStep> {
        let kind = Event::kind_of(&event);
        let illegal = |state: &Self| IllegalStep::Whole {
            event: kind,
            state: format!("is in {:?}", state.phase),
        };
        self.phase = match (&self.phase, event) {
            (Phase::Ended { .. }, WholeEvent::OrderAdmitted(admission))
                if admission.action == Action::Rollback
                    && self.action == Action::Execute
                    && self.steps.iter().any(|(_, step)| *step == Step::Done) =>
            {
                self.action = Action::Rollback;
                Phase::Back {
                    cause: Cause::new("rollback_ordered", "a rollback was approved"),
                }
            }
            // Again after a crash, as long as nothing was begun.
            (Phase::Forward { verified, .. }, WholeEvent::TargetChecked { surroundings, .. })
                if self.is_untouched() =>
            {
                self.surroundings = surroundings;
                Phase::Forward {
                    checked: true,
                    verified: *verified,
                }
            }
            // Again after a crash: the hold time starts anew.
            (Phase::Forward { checked: true, .. }, WholeEvent::VerificationStarted {}) if self.all_done() => {
                self.phase.clone()
            }
            (Phase::Forward { checked: true, .. }, WholeEvent::RecoveryVerified { .. }) if self.all_done() => {
                Phase::Forward {
                    checked: true,
                    verified: true,
                }
            }
            (Phase::Forward { verified: false, .. }, WholeEvent::TurnedBack { cause }) if !self.any_running() => {
                Phase::Back { cause }
            }
            (Phase::Forward { .. } | Phase::Back { .. }, WholeEvent::ExecutionEnded { outcome }) => {
                Phase::Ended { outcome }
            }
            _ => return Err(illegal(&self)),
        };
        Ok(self)
    }

    fn apply_step(mut self, id: String, event: StepEvent) -> Result<Self, IllegalStep> {
        if !self.is_next(&id, &event) {
            return Err(IllegalStep::OutOfOrder { step: id });
        }
        if let Some(cause) = event.cause() {
            self.cause = Some(cause.clone());
        }
        for (known, step) in &mut self.steps {
            if *known == id {
                *step = step
                    .clone()
                    .apply(event)
                    .map_err(|source| IllegalStep::Step { step: id, source })?;
                return Ok(self);
            }
        }
        Err(IllegalStep::OutOfOrder { step: id })
    }

    /// Forward, a step starts when all before it are done; back, it is undone when nothing after it has an effect that
    /// could still be taken back.
    fn is_next(&self, id: &str, event: &StepEvent) -> bool {
        match event {
            StepEvent::StepStarted { .. } => {
                matches!(self.phase, Phase::Forward { checked: true, .. })
                    && self
                        .steps
                        .iter()
                        .take_while(|(known, _)| known != id)
                        .all(|(_, step)| *step == Step::Done)
            }
            StepEvent::UndoStarted { .. } | StepEvent::UndoImpossible { .. } => {
                matches!(self.phase, Phase::Back { .. })
                    && self
                        .steps
                        .iter()
                        .rev()
                        .take_while(|(known, _)| known != id)
                        .all(|(_, step)| !step.has_effect() || *step == Step::Kept)
            }
            StepEvent::StepDone { .. }
            | StepEvent::StepFailed { .. }
            | StepEvent::StepInDoubt { .. }
            | StepEvent::UndoDone { .. }
            | StepEvent::UndoFailed { .. } => !matches!(self.phase, Phase::Ended { .. }),
        }
    }

    pub fn action(&self) -> Action {
        self.action
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns where the step is; `Ready` for one that the execution does not know.
    pub fn step(&self, id: &str) -> Step {
        self.steps
            .iter()
            .find(|(known, _)| known == id)
            .map_or(Step::Ready, |(_, step)| step.clone())
    }

    pub fn steps(&self) -> &[(String, Step)] {
        &self.steps
    }

    /// Whether anything is, or may be, changed in the world.
    pub fn has_effect(&self) -> bool {
        self.steps.iter().any(|(_, step)| step.has_effect())
    }

    /// Returns why the last step that failed did.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// Returns what stood around the plan before its first step, as the journal was told.
    pub fn surroundings(&self) -> Option<&Noted> {
        self.surroundings.as_ref()
    }

    fn any_running(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Running { .. }))
    }

    /// Whether not even an intent was written yet.
    pub fn is_untouched(&self) -> bool {
        self.steps.iter().all(|(_, step)| *step == Step::Ready)
    }

    pub fn all_done(&self) -> bool {
        self.steps.iter().all(|(_, step)| *step == Step::Done)
    }
}

impl Event {
    pub(crate) fn of_step(step: &str, event: StepEvent) -> Self {
        Self::Step {
            step: step.to_owned(),
            event,
        }
    }

    /// Returns the journal's kind and data.
    pub(crate) fn to_journal(&self) -> Result<(String, Value), IllegalStep> {
        let unreadable = |_| IllegalStep::Unreadable {
            kind: self.kind().to_owned(),
        };
        let value = match self {
            Self::Whole(event) => serde_json::to_value(event).map_err(unreadable)?,
            Self::Step { event, .. } => serde_json::to_value(event).map_err(unreadable)?,
        };
        let mut data = value.get("data").cloned().unwrap_or_else(|| json!({}));
        if let (Self::Step { step, .. }, Some(fields)) = (self, data.as_object_mut()) {
            fields.insert("step".to_owned(), json!(step));
        }
        Ok((self.kind().to_owned(), data))
    }

    /// Reads what [`Event::to_journal`] wrote.
    pub(crate) fn from_journal(kind: &str, data: &Value) -> Result<Self, IllegalStep> {
        let unreadable = || IllegalStep::Unreadable { kind: kind.to_owned() };
        let mut fields = data.as_object().cloned().ok_or_else(unreadable)?;
        let step = fields.remove("step");
        let value = json!({"kind": kind, "data": fields});
        match step {
            Some(Value::String(step)) => Ok(Self::Step {
                step,
                event: serde_json::from_value(value).map_err(|_| unreadable())?,
            }),
            Some(_) => Err(unreadable()),
            None => Ok(Self::Whole(serde_json::from_value(value).map_err(|_| unreadable())?)),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Whole(event) => Self::kind_of(event),
            Self::Step { event, .. } => match event {
                StepEvent::StepStarted { .. } => "step_started",
                StepEvent::StepDone { .. } => "step_done",
                StepEvent::StepFailed { .. } => "step_failed",
                StepEvent::StepInDoubt { .. } => "step_in_doubt",
                StepEvent::UndoStarted { .. } => "undo_started",
                StepEvent::UndoDone { .. } => "undo_done",
                StepEvent::UndoImpossible { .. } => "undo_impossible",
                StepEvent::UndoFailed { .. } => "undo_failed",
            },
        }
    }

    fn kind_of(event: &WholeEvent) -> &'static str {
        match event {
            WholeEvent::OrderAdmitted(_) => "order_admitted",
            WholeEvent::TargetChecked { .. } => "target_checked",
            WholeEvent::VerificationStarted {} => "verification_started",
            WholeEvent::RecoveryVerified { .. } => "recovery_verified",
            WholeEvent::TurnedBack { .. } => "turned_back",
            WholeEvent::ExecutionEnded { .. } => "execution_ended",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::step::Effect;

    fn cause() -> Cause {
        Cause::new("sql_error", "it broke")
    }

    fn admission(action: Action) -> Event {
        Event::Whole(WholeEvent::OrderAdmitted(Box::new(Admission {
            order: "o".to_owned(),
            action,
            executor: "e".to_owned(),
            incident: "i".to_owned(),
            target: "t".to_owned(),
            token_hash: Digest::of(b"token"),
            approvers: vec!["ana".to_owned()],
            grant: None,
            catalog_digest: Digest::of(b"catalog"),
            policy_digest: Digest::of(b"policy"),
            policy_input_digest: Digest::of(b"input"),
            policy: None,
            admitted_at: Timestamp::from_unix(0),
            execute_by: Timestamp::from_unix(1),
            steps: vec!["one".to_owned(), "two".to_owned()],
        })))
    }

    fn events() -> Vec<Event> {
        let mut events = vec![
            admission(Action::Execute),
            admission(Action::Rollback),
            Event::Whole(WholeEvent::TargetChecked {
                measured: Vec::new(),
                surroundings: None,
            }),
            Event::Whole(WholeEvent::VerificationStarted {}),
            Event::Whole(WholeEvent::RecoveryVerified { held_s: 5 }),
            Event::Whole(WholeEvent::TurnedBack { cause: cause() }),
            Event::Whole(WholeEvent::ExecutionEnded {
                outcome: Outcome::Done { kept: Vec::new() },
            }),
        ];
        for step in ["one", "two"] {
            for event in [
                StepEvent::StepStarted {
                    attempt: 1,
                    before: None,
                },
                StepEvent::StepDone {
                    rows: Some(1),
                    already: false,
                },
                StepEvent::StepFailed {
                    effect: Effect::None,
                    cause: cause(),
                },
                StepEvent::StepFailed {
                    effect: Effect::Possible,
                    cause: cause(),
                },
                StepEvent::StepInDoubt { cause: cause() },
                StepEvent::UndoStarted {
                    attempt: 1,
                    before: None,
                },
                StepEvent::UndoDone { already: false },
                StepEvent::UndoImpossible { reason: "r".to_owned() },
                StepEvent::UndoFailed { cause: cause() },
            ] {
                events.push(Event::of_step(step, event));
            }
        }
        events
    }

    /// Every state that any sequence of events leads to.
    fn reachable() -> Vec<Execution> {
        let first = Execution::apply(None, admission(Action::Execute)).unwrap();
        let mut found = vec![first];
        let mut at = 0;
        while let Some(state) = found.get(at).cloned() {
            for event in events() {
                if let Ok(next) = Execution::apply(Some(state.clone()), event)
                    && !found.contains(&next)
                {
                    found.push(next);
                }
            }
            at += 1;
        }
        found
    }

    #[test]
    fn in_every_reachable_state_steps_were_taken_in_order() {
        let states = reachable();
        assert!(states.len() > 50, "{}", states.len());
        for state in states {
            let (one, two) = (state.step("one"), state.step("two"));
            if two != Step::Ready {
                assert_ne!(one, Step::Ready, "{state:?}");
                assert!(!matches!(one, Step::Running { .. } | Step::Failed { .. }), "{state:?}");
            }
            if matches!(one, Step::Undoing { .. } | Step::Undone | Step::UndoFailed) {
                assert!(!two.has_effect() || two == Step::Kept, "{state:?}");
            }
        }
    }

    #[test]
    fn what_is_over_stays_over_but_for_a_rollback_of_what_was_done() {
        for state in reachable() {
            if let Phase::Ended { .. } = state.phase() {
                for event in events() {
                    if let Ok(next) = Execution::apply(Some(state.clone()), event.clone()) {
                        assert_eq!(event, admission(Action::Rollback));
                        assert!(state.steps().iter().any(|(_, step)| *step == Step::Done), "{state:?}");
                        assert!(matches!(next.phase(), Phase::Back { .. }));
                    }
                }
            }
        }
    }

    #[test]
    fn a_second_admission_never_starts_anything_again() {
        for state in reachable() {
            let again = Execution::apply(Some(state), admission(Action::Execute));
            assert!(matches!(again, Err(IllegalStep::Whole { .. })));
        }
        let rollback_first = Execution::apply(None, admission(Action::Rollback));
        assert!(matches!(rollback_first, Err(IllegalStep::Whole { .. })));
    }

    #[test]
    fn an_event_reads_back_from_the_journal() {
        for event in events() {
            let (kind, data) = event.to_journal().unwrap();
            assert_eq!(Event::from_journal(&kind, &data).unwrap(), event);
        }
        let unknown = Event::from_journal("step_skipped", &serde_json::json!({"step": "one"}));
        assert!(matches!(unknown, Err(IllegalStep::Unreadable { .. })));
    }
}
