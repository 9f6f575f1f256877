//! Why the journal refused, each with its stable code.

use std::path::PathBuf;

use crate::verify::VerifyError;

/// Why a journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process (or another handle in this one) has the journal open.
    #[error("journal `{path}` is in use by another process")]
    InUse { path: PathBuf },
    #[error("could not use `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the journal's database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The key file is not readable as a note key, is open to others, or belongs to another journal.
    #[error("journal key `{path}`: {reason}")]
    Key { path: PathBuf, reason: String },
    /// The origin is no valid key name, or the file was made under another origin.
    #[error("journal origin `{origin}`: {reason}")]
    Origin { origin: String, reason: String },
    #[error("event refused: {reason}")]
    Event { reason: String },
    /// RFC 8785 numbers are doubles; an integer beyond ±(2^53-1) would silently become another one.
    #[error("event refused: the integer at `{pointer}` does not survive canonical JSON; write it as text")]
    Number { pointer: String },
    #[error("event refused: {bytes} bytes are more than the {limit} an event may have; keep bulk aside, by hash")]
    TooLarge { bytes: usize, limit: usize },
    /// The log does not verify. Nothing is appended to a broken log.
    #[error("the journal does not verify")]
    Broken(#[source] VerifyError),
    /// The rows are durable, but their checkpoint has not left this host: the caller must not act.
    #[error("checkpoint of size {size} could not be published: {reason}")]
    Unpublished { size: u64, reason: String },
    /// A tree or note library refused; it means a defect, not a state of the file.
    #[error("the journal's tree failed: {reason}")]
    Tree { reason: String },
}

impl JournalError {
    /// Returns the stable code, the same in tool results, logs and the docs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "journal_in_use",
            Self::Io { .. } => "journal_io",
            Self::Sqlite(_) => "journal_database",
            Self::Key { .. } => "journal_key",
            Self::Origin { .. } => "journal_origin",
            Self::Event { .. } => "journal_event",
            Self::Number { .. } => "journal_number",
            Self::TooLarge { .. } => "journal_event_too_large",
            Self::Broken(_) => "journal_broken",
            Self::Unpublished { .. } => "journal_unpublished",
            Self::Tree { .. } => "journal_tree",
        }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn tree(reason: impl std::fmt::Display) -> Self {
        Self::Tree {
            reason: reason.to_string(),
        }
    }
}
