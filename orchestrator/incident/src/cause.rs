//! The closed vocabulary of root causes, and the two answers that are not a cause.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a hypothesis may say is wrong. A word outside this list cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootCause {
    /// A session sits in an open transaction, does nothing, and others wait for its locks.
    IdleInTransactionBlocker,
    /// A DDL statement waits behind a long transaction, and everyone else queues behind the DDL.
    DdlLockQueue,
    /// One client holds so many sessions that the server has few or none left.
    ConnectionSaturation,
    /// The evidence shows a healthy database: the cause lies elsewhere, or is over.
    NoDatabaseAction,
    /// Something is wrong, or could not be seen, and no cause fits: a human is needed.
    Unexplained,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a root cause of this vocabulary")]
pub struct UnknownCause(String);

impl RootCause {
    pub const ALL: [Self; 5] = [
        Self::IdleInTransactionBlocker,
        Self::DdlLockQueue,
        Self::ConnectionSaturation,
        Self::NoDatabaseAction,
        Self::Unexplained,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdleInTransactionBlocker => "idle_in_transaction_blocker",
            Self::DdlLockQueue => "ddl_lock_queue",
            Self::ConnectionSaturation => "connection_saturation",
            Self::NoDatabaseAction => "no_database_action",
            Self::Unexplained => "unexplained",
        }
    }

    /// Whether a runbook could answer it.
    #[must_use]
    pub const fn is_actionable(self) -> bool {
        !matches!(self, Self::NoDatabaseAction | Self::Unexplained)
    }
}

impl fmt::Display for RootCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RootCause {
    type Err = UnknownCause;

    fn from_str(word: &str) -> Result<Self, UnknownCause> {
        Self::ALL
            .into_iter()
            .find(|cause| cause.as_str() == word)
            .ok_or_else(|| UnknownCause(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn the_spoken_and_the_written_word_are_the_same() {
        for cause in RootCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
            assert_eq!(cause.as_str().parse::<RootCause>().unwrap(), cause);
        }
    }

    #[test]
    fn a_word_outside_the_vocabulary_is_no_cause() {
        assert_eq!(
            "drop_everything".parse::<RootCause>(),
            Err(UnknownCause("drop_everything".to_owned()))
        );
    }
}
