//! How near databases are to a forced vacuum and to wraparound.

use kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{inquiry::Inquiry, risks::rounded};

const MAX_DATABASES: u32 = 50;
/// Ids are compared modulo 2^32: so many in the past are the past.
const HALF: f64 = 2_147_483_648.0;

#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub database: String,
    pub xid_age: i64,
    pub mxid_age: i64,
    pub freeze_max_age: i64,
    pub multixact_freeze_max_age: i64,
    pub total: usize,
}

/// The age of a database's oldest unfrozen ids.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatabaseAge {
    pub database: String,
    pub xid_age: i64,
    /// In percent of autovacuum_freeze_max_age: from 100 on a vacuum is forced.
    pub xid_forced_pct: f64,
    /// In percent of 2^31: shortly before 100 nothing can be written any more.
    pub xid_wraparound_pct: f64,
    pub mxid_age: i64,
    /// In percent of autovacuum_multixact_freeze_max_age.
    pub mxid_forced_pct: f64,
    pub mxid_wraparound_pct: f64,
}

/// The oldest databases, and the limits that count for them.
#[derive(Debug, Clone, Default)]
pub struct Ages {
    pub databases: Vec<DatabaseAge>,
    pub total: usize,
    pub freeze_max_age: i64,
    pub multixact_freeze_max_age: i64,
}

impl Ages {
    pub async fn read(asked: &mut Inquiry<'_>) -> Result<Self, ToolError> {
        let sql = include_str!("../queries/freeze_databases.sql");
        let rows: Vec<Row> = asked.rows(sql, vec![], MAX_DATABASES).await?;
        Ok(Self::of(rows))
    }

    pub fn of(rows: Vec<Row>) -> Self {
        let first = rows.first();
        Self {
            total: first.map_or(0, |row| row.total),
            freeze_max_age: first.map_or(0, |row| row.freeze_max_age),
            multixact_freeze_max_age: first.map_or(0, |row| row.multixact_freeze_max_age),
            databases: rows.into_iter().map(DatabaseAge::from).collect(),
        }
    }
}

impl From<Row> for DatabaseAge {
    fn from(row: Row) -> Self {
        let pct = |age: i64, of: f64| rounded(100.0 * age as f64 / of.max(1.0));
        Self {
            xid_forced_pct: pct(row.xid_age, row.freeze_max_age as f64),
            xid_wraparound_pct: pct(row.xid_age, HALF),
            mxid_forced_pct: pct(row.mxid_age, row.multixact_freeze_max_age as f64),
            mxid_wraparound_pct: pct(row.mxid_age, HALF),
            database: row.database,
            xid_age: row.xid_age,
            mxid_age: row.mxid_age,
        }
    }
}
