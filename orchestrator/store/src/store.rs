//! The open store: one writer per directory; an event and its rows commit together, or not at all.

use std::path::PathBuf;

use chrono::{SecondsFormat, Utc};
use incident::{Event, Evidence, Incident, IncidentId};
use journal::{Entry, Journal, JournalConfig, Publish, Tx};

use crate::error::StoreError;
use crate::rows;

pub(crate) const FILE: &str = "journal.sqlite";
const KEY_FILE: &str = "journal.key";

#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Made with the files in it where there is none.
    pub dir: PathBuf,
    /// The journal's name in its checkpoints.
    pub origin: String,
    pub publish: Option<Publish>,
}

/// The store, open for writing. A second opener of the same directory is refused.
pub struct Store {
    pub(crate) journal: Journal,
}

impl Store {
    /// Opens or makes it, and replays every incident that is not closed: a store that cannot be replayed is not opened.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&config.dir).map_err(|source| StoreError::Io {
            path: config.dir.clone(),
            source,
        })?;
        let journal = Journal::open(&JournalConfig {
            path: config.dir.join(FILE),
            origin: config.origin.clone(),
            key_file: config.dir.join(KEY_FILE),
            publish: config.publish.clone(),
        })?;
        journal.migrate(include_str!("schema.sql"))?;
        let store = Self { journal };
        for id in store.open_incidents()? {
            store.incident(&id)?;
        }
        Ok(store)
    }

    /// Journals an event, and returns the incident after it. The event is durable, and its checkpoint published, on return.
    pub fn record(&self, id: &IncidentId, event: Event) -> Result<Incident, StoreError> {
        self.record_with(id, event, &[])
    }

    /// The same, with the bodies of the evidence that the event tells of.
    pub fn record_with(&self, id: &IncidentId, event: Event, evidence: &[Evidence]) -> Result<Incident, StoreError> {
        self.journal.transact(|tx| {
            let incident = rows::fold(tx.sql(), id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone()))?;
            let journalled = journal_event(id, &event)?;
            let incident = incident.apply(event)?;
            tx.append(journalled)?;
            rows::put_evidence(tx.sql(), id, evidence)?;
            rows::put_index(tx.sql(), &incident, &now())?;
            Ok(incident)
        })
    }

    /// Publishes what a failed publishing left behind. Nothing may be done for an incident before this succeeds.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.journal.transact(|_| Ok(()))
    }

    /// Replays one incident.
    pub fn incident(&self, id: &IncidentId) -> Result<Incident, StoreError> {
        self.journal
            .view(|sql| rows::fold(sql, id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone())))
    }

    /// The incidents that are not closed, oldest first.
    pub fn open_incidents(&self) -> Result<Vec<IncidentId>, StoreError> {
        self.journal.view(rows::open_ids)
    }

    pub fn evidence(&self, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
        self.journal.view(|sql| rows::evidence(sql, incident))
    }

    /// The journal entries of one incident, oldest first.
    pub fn timeline(&self, id: &IncidentId) -> Result<Vec<Entry>, StoreError> {
        self.journal.view(|sql| rows::timeline(sql, id))
    }

    /// The signed tree head.
    pub fn checkpoint(&self) -> Result<String, StoreError> {
        Ok(self.journal.checkpoint()?)
    }
}

/// Opens an incident within a transaction.
pub(crate) fn open_incident(tx: &Tx<'_>, id: &IncidentId, event: &Event) -> Result<(), StoreError> {
    let not_opening = || StoreError::UnknownIncident(id.clone());
    let incident = Incident::open(id.clone(), event).ok_or_else(not_opening)?;
    tx.append(journal_event(id, event)?)?;
    rows::put_index(tx.sql(), &incident, &now())
}

pub(crate) fn journal_event(id: &IncidentId, event: &Event) -> Result<journal::Event, StoreError> {
    Ok(journal::Event {
        kind: event.kind().to_owned(),
        subject: id.as_str().to_owned(),
        data: event.data()?,
    })
}

pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
