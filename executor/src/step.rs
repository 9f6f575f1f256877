//! One step of a plan, as a machine: what it is in, and the only function that moves it. Pure; recovery replays through it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing was intended yet.
    Ready,
    /// The intent is journalled; whether the effect happened is known only to the target.
    Running { attempt: u32 },
    /// The effect happened, and the state that proves it was seen.
    Done,
    /// It ended without that state.
    Failed { effect: Effect },
    /// The intent to undo is journalled.
    Undoing { attempt: u32 },
    /// It was undone, and the state that proves it was seen.
    Undone,
    /// The effect stays: the plan says that there is no way back, and why.
    Kept,
    /// The way back did not work. Nothing recovers from this in silence.
    UndoFailed,
    /// Nobody knows whether the effect happened. A person must look.
    InDoubt,
}

/// What a failed step may have left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing was touched: it was refused, rolled back, or matched no row.
    None,
    /// Something was, or may have been.
    Possible,
}

/// Why something stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The stable code, as `precondition_changed`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What can happen to a step. In the journal the variant is the event's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case", deny_unknown_fields)]
pub enum StepEvent {
    /// Written before the effect. A second one means: the target was asked, and the effect had not happened.
    StepStarted {
        attempt: u32,
        /// What a call of a service was about to change, as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
    },
    /// `already` is set when the target said that it had happened before, so that it was not run.
    StepDone {
        rows: Option<u64>,
        already: bool,
    },
    StepFailed {
        effect: Effect,
        cause: Cause,
    },
    StepInDoubt {
        cause: Cause,
    },
    /// Written before the way back is taken.
    UndoStarted {
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
    },
    UndoDone {
        already: bool,
    },
    /// There is no way back.
    UndoImpossible {
        reason: String,
    },
    UndoFailed {
        cause: Cause,
    },
}

/// An event that cannot happen where the step is. It means a defect or a journal of something else; nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a step that is {step:?}")]
pub struct IllegalEvent {
    pub step: Step,
    pub event: StepEvent,
}

impl Step {
    /// The only place a step changes state.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(self, event: StepEvent) -> Result<Self, IllegalEvent> {
        Ok(match (self, event) {
            (Self::Ready, StepEvent::StepStarted { attempt: 1, .. }) => Self::Running { attempt: 1 },
            (Self::Running { attempt: before }, StepEvent::StepStarted { attempt, .. }) if follows(before, attempt) => {
                Self::Running { attempt }
            }
            (Self::Running { .. }, StepEvent::StepDone { .. }) => Self::Done,
            (Self::Running { .. }, StepEvent::StepFailed { effect, .. }) => Self::Failed { effect },
            (
                Self::Done
                | Self::Failed {
                    effect: Effect::Possible,
                },
                StepEvent::UndoStarted { attempt: 1, .. },
            ) => Self::Undoing { attempt: 1 },
            (Self::Undoing { attempt: before }, StepEvent::UndoStarted { attempt, .. }) if follows(before, attempt) => {
                Self::Undoing { attempt }
            }
            (Self::Undoing { .. }, StepEvent::UndoDone { .. }) => Self::Undone,
            (Self::Undoing { .. }, StepEvent::UndoFailed { .. }) => Self::UndoFailed,
            (
                Self::Done
                | Self::Failed {
                    effect: Effect::Possible,
                },
                StepEvent::UndoImpossible { .. },
            ) => Self::Kept,
            (Self::Running { .. } | Self::Undoing { .. }, StepEvent::StepInDoubt { .. }) => Self::InDoubt,
            (step, event) => return Err(IllegalEvent { step, event }),
        })
    }

    /// Whether its effect is, or may be, in the world and nobody has taken it back.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Ready | Self::Undone | Self::Failed { effect: Effect::None } => false,
            Self::Running { .. }
            | Self::Done
            | Self::Failed {
                effect: Effect::Possible,
            }
            | Self::Undoing { .. }
            | Self::Kept
            | Self::UndoFailed
            | Self::InDoubt => true,
        }
    }
}

impl StepEvent {
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::StepFailed { cause, .. } | Self::StepInDoubt { cause } | Self::UndoFailed { cause } => Some(cause),
            Self::StepStarted { .. }
            | Self::StepDone { .. }
            | Self::UndoStarted { .. }
            | Self::UndoDone { .. }
            | Self::UndoImpossible { .. } => None,
        }
    }
}

impl Cause {
    /// Keeps the message to what a log line can carry.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self {
            code: code.into(),
            message: message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect(),
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

fn follows(before: u32, attempt: u32) -> bool {
    before.checked_add(1) == Some(attempt)
}

const MAX_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn cause() -> Cause {
        Cause::new("sql_error", "it broke")
    }

    fn events() -> Vec<StepEvent> {
        vec![
            StepEvent::StepStarted {
                attempt: 1,
                before: None,
            },
            StepEvent::StepStarted {
                attempt: 2,
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
            StepEvent::UndoStarted {
                attempt: 2,
                before: None,
            },
            StepEvent::UndoDone { already: false },
            StepEvent::UndoImpossible { reason: "r".into() },
            StepEvent::UndoFailed { cause: cause() },
        ]
    }

    /// Every state that any sequence of events leads to, with the events that led there.
    fn reachable() -> Vec<(Step, Vec<StepEvent>)> {
        let mut found = vec![(Step::Ready, Vec::new())];
        let mut at = 0;
        while let Some((step, way)) = found.get(at).cloned() {
            for event in events() {
                if let Ok(next) = step.clone().apply(event.clone())
                    && !found.iter().any(|(known, _)| *known == next)
                {
                    let way = way.iter().cloned().chain([event]).collect();
                    found.push((next, way));
                }
            }
            at += 1;
        }
        found
    }

    #[test]
    fn no_step_takes_effect_twice_and_none_is_undone_twice() {
        for (step, way) in reachable() {
            let count = |wanted: fn(&StepEvent) -> bool| way.iter().filter(|event| wanted(event)).count();
            assert!(
                count(|event| matches!(event, StepEvent::StepDone { .. })) <= 1,
                "{step:?}"
            );
            assert!(
                count(|event| matches!(event, StepEvent::UndoDone { .. })) <= 1,
                "{step:?}"
            );
        }
    }

    #[test]
    fn what_a_person_must_look_at_is_never_left_by_itself() {
        for step in [Step::InDoubt, Step::UndoFailed, Step::Kept, Step::Undone] {
            for event in events() {
                assert!(step.clone().apply(event.clone()).is_err(), "{step:?} {event:?}");
            }
        }
    }

    #[test]
    fn nothing_is_undone_that_was_never_done() {
        for step in [
            Step::Ready,
            Step::Running { attempt: 1 },
            Step::Failed { effect: Effect::None },
        ] {
            let refused = step
                .clone()
                .apply(StepEvent::UndoStarted {
                    attempt: 1,
                    before: None,
                })
                .unwrap_err();
            assert_eq!(refused.step, step);
        }
    }

    #[test]
    fn attempts_are_counted_without_a_gap() {
        assert!(
            Step::Ready
                .apply(StepEvent::StepStarted {
                    attempt: 2,
                    before: None
                })
                .is_err()
        );
        let running = Step::Running { attempt: 1 };
        assert!(
            running
                .clone()
                .apply(StepEvent::StepStarted {
                    attempt: 1,
                    before: None
                })
                .is_err()
        );
        assert!(
            running
                .clone()
                .apply(StepEvent::StepStarted {
                    attempt: 3,
                    before: None
                })
                .is_err()
        );
        assert_eq!(
            running
                .apply(StepEvent::StepStarted {
                    attempt: 2,
                    before: None
                })
                .unwrap(),
            Step::Running { attempt: 2 }
        );
    }

    #[test]
    fn an_event_reads_back_from_its_json() {
        for event in events() {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(serde_json::from_value::<StepEvent>(json).unwrap(), event);
        }
    }
}
