//! Why the store refused, each with its stable code.

use incident::{IllegalEvent, IncidentId};
use journal::JournalError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the journal refused")]
    Journal(#[from] JournalError),
    #[error("there is no incident `{0}`")]
    UnknownIncident(IncidentId),
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    #[error("event {seq} of incident `{incident}` cannot be replayed: {reason}")]
    Unreplayable {
        incident: IncidentId,
        seq: u64,
        reason: String,
    },
    /// As many incidents are open as may be; the sender has to try again.
    #[error("{open} incidents are open, and no more are taken")]
    Full { open: u64 },
    #[error("evidence `{id}` of incident `{incident}` is missing, or is not what the journal has the digest of")]
    EvidenceChanged { incident: IncidentId, id: String },
    #[error("could not write or read JSON")]
    Json(#[from] serde_json::Error),
    #[error("could not use `{path}`")]
    Io {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Journal(cause) => cause.code(),
            Self::UnknownIncident(_) => "unknown_incident",
            Self::Illegal(_) => "illegal_event",
            Self::Unreplayable { .. } => "unreplayable_event",
            Self::Full { .. } => "too_many_incidents",
            Self::EvidenceChanged { .. } => "evidence_changed",
            Self::Json(_) => "store_json",
            Self::Io { .. } => "store_io",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Journal(JournalError::from(source))
    }
}
