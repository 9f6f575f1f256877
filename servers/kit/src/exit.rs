//! The exit codes of every binary, the same everywhere.

use std::process::Termination;

/// What a process says when it ends. Scripts and pipelines rely on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[must_use]
pub enum ExitCode {
    /// Done; for a server: asked to stop, or its client went away.
    Done = 0,
    /// Failed for a reason that no other code names.
    Failed = 1,
    /// Wrong flags or a wrong configuration; nothing was started.
    Usage = 2,
    /// The policy denied it.
    Denied = 3,
    /// No human approved it, or the approval expired.
    NotApproved = 4,
    /// The database did not recover; what was done has been rolled back.
    RolledBack = 5,
    /// The rollback failed as well; a person is needed now.
    RollbackFailed = 6,
    /// A journal, a signature or a digest does not verify.
    NotVerified = 7,
}

impl ExitCode {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.into()
    }
}
