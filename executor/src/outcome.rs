//! How a run ends, and the exit code and report that say so.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::step::Cause;

/// The end of an execution. In the journal as `{"is": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Every step is done and recovery was verified; or, for a rollback, everything that could be undone is.
    Done { kept: Vec<String> },
    /// Nothing was changed. The order is spent.
    Failed { cause: Cause },
    /// The approval ended, was revoked or frozen before the first effect. Nothing was changed.
    NotApproved { cause: Cause },
    /// It did not recover. What had a way back is undone; `kept` names the steps that have none.
    RolledBack { cause: Cause, kept: Vec<String> },
    /// It did not recover, and no step has a way back.
    NotRecovered { cause: Cause, kept: Vec<String> },
    /// The way back did not work. A person is needed.
    RollbackFailed { cause: Cause },
    /// Nobody knows whether a step took effect. A person is needed.
    InDoubt { cause: Cause },
}

/// What a call to run something came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The execution is over.
    With(Outcome),
    /// The order was refused; nothing was touched, and no credential was obtained.
    Refused {
        code: String,
        message: String,
        by_policy: bool,
    },
    /// It was asked to stop between two steps; `recover` goes on from there.
    Interrupted,
    /// It cannot go on now, and something may be changed; `recover` goes on from there.
    Suspended { cause: Cause },
}

/// The exit codes, the same in every binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    DeniedByPolicy = 3,
    NotApproved = 4,
    NotRecovered = 5,
    PersonNeeded = 6,
    NotVerified = 7,
}

impl Outcome {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Done { .. } => Exit::Done,
            Self::Failed { .. } => Exit::Failed,
            Self::NotApproved { .. } => Exit::NotApproved,
            Self::RolledBack { .. } | Self::NotRecovered { .. } => Exit::NotRecovered,
            Self::RollbackFailed { .. } | Self::InDoubt { .. } => Exit::PersonNeeded,
        }
    }

    /// Returns the kind of the last report to the gate. It knows no doubt: what needs a person is `rollback_failed`.
    pub fn report_kind(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::NotApproved { .. } => "refused",
            Self::RolledBack { .. } => "rolled_back",
            Self::NotRecovered { .. } => "not_recovered",
            Self::RollbackFailed { .. } | Self::InDoubt { .. } => "rollback_failed",
        }
    }

    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Done { .. } => None,
            Self::Failed { cause }
            | Self::NotApproved { cause }
            | Self::RolledBack { cause, .. }
            | Self::NotRecovered { cause, .. }
            | Self::RollbackFailed { cause }
            | Self::InDoubt { cause } => Some(cause),
        }
    }
}

impl Ended {
    pub fn exit(&self) -> Exit {
        match self {
            Self::With(outcome) => outcome.exit(),
            Self::Refused { by_policy: true, .. } => Exit::DeniedByPolicy,
            Self::Refused { by_policy: false, .. } => Exit::NotApproved,
            Self::Interrupted => Exit::Failed,
            Self::Suspended { .. } => Exit::PersonNeeded,
        }
    }

    /// Returns the stable code: `done`, or why not.
    pub fn code(&self) -> &str {
        match self {
            Self::With(outcome) => outcome.cause().map_or("done", |cause| cause.code.as_str()),
            Self::Refused { code, .. } => code,
            Self::Interrupted => "interrupted",
            Self::Suspended { cause } => &cause.code,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::With(outcome) => write!(f, "{outcome}"),
            Self::Refused { code, message, .. } => write!(f, "refused: {message} ({code}); nothing was touched"),
            Self::Interrupted => f.write_str("stopped between two steps; `executor recover` goes on from here"),
            Self::Suspended { cause } => {
                write!(
                    f,
                    "cannot go on now: {cause}; look at the target, then `executor recover`"
                )
            }
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done { kept } if kept.is_empty() => f.write_str("done"),
            Self::Done { kept } => write!(f, "done; without a way back: {}", kept.join(", ")),
            Self::Failed { cause } => write!(f, "failed, nothing was changed: {cause}"),
            Self::NotApproved { cause } => write!(f, "not approved any more, nothing was changed: {cause}"),
            Self::RolledBack { cause, kept } if kept.is_empty() => write!(f, "rolled back: {cause}"),
            Self::RolledBack { cause, kept } => {
                write!(f, "rolled back but for {}: {cause}", kept.join(", "))
            }
            Self::NotRecovered { cause, kept } => {
                write!(f, "not recovered, and {} cannot be undone: {cause}", kept.join(", "))
            }
            Self::RollbackFailed { cause } => write!(f, "the rollback failed, a person is needed: {cause}"),
            Self::InDoubt { cause } => write!(f, "in doubt, a person is needed: {cause}"),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
