//! Why a run does not go on, and what is to be done about it.

use crate::execution::IllegalStep;
use crate::outcome::Exit;
use crate::step::Cause;

/// Why a run does not go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It must not: no further step, and what has an effect is undone.
    Stop(Stop),
    /// It cannot now, and something is under way: left as it is for `recover`.
    Suspend(Cause),
    /// It was asked to stop, between two steps.
    Interrupted,
    /// The journal or its state failed: nothing happens any more.
    Fault(Fault),
}

/// Why no further step may start.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) cause: Cause,
    /// The approval ended, was revoked, or cannot be confirmed.
    pub(crate) unapproved: bool,
}

/// The executor's own books failed. Nothing takes effect that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the journal refused")]
    Journal(#[from] journal::JournalError),
    #[error("the executor's state could not be read or written")]
    State(#[from] rusqlite::Error),
    #[error("the journal does not fit")]
    Illegal(#[from] IllegalStep),
}

impl Halt {
    pub(crate) fn stop(cause: Cause) -> Self {
        Self::Stop(Stop {
            cause,
            unapproved: false,
        })
    }

    pub(crate) fn unapproved(cause: Cause) -> Self {
        Self::Stop(Stop {
            cause,
            unapproved: true,
        })
    }
}

impl Fault {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Journal(error) => error.code(),
            Self::State(_) => "state_database",
            Self::Illegal(_) => "journal_does_not_fit",
        }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Journal(journal::JournalError::Broken(_)) | Self::Illegal(_) => Exit::NotVerified,
            Self::Journal(_) | Self::State(_) => Exit::Failed,
        }
    }

    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.code(), crate::chain(self))
    }
}

impl<E: Into<Fault>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}
