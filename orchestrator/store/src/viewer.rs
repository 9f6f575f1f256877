//! Looks at a store that another process writes to. Nothing here can write.

use std::path::Path;

use incident::{Evidence, Incident, IncidentId};
use journal::Entry;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::rows::{self, Summary};
use crate::store::FILE;

pub struct Viewer {
    sql: Connection,
}

impl Viewer {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sql = Connection::open_with_flags(dir.join(FILE), flags)?;
        sql.busy_timeout(std::time::Duration::from_secs(2))?;
        Ok(Self { sql })
    }

    /// Newest first.
    pub fn list(&self) -> Result<Vec<Summary>, StoreError> {
        rows::summaries(&self.sql)
    }

    pub fn incident(&self, id: &IncidentId) -> Result<Incident, StoreError> {
        rows::fold(&self.sql, id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone()))
    }

    pub fn timeline(&self, id: &IncidentId) -> Result<Vec<Entry>, StoreError> {
        rows::timeline(&self.sql, id)
    }

    pub fn evidence(&self, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
        rows::evidence(&self.sql, incident)
    }
}
