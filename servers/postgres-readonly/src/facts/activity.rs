//! How busy the server is, how full, and what its counters say.

use std::collections::BTreeMap;

use kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inquiry::Inquiry;

/// PostgreSQL 17 moved the checkpointer's counters.
const CHECKPOINTER_VIEW: i32 = 170_000;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    pub max_connections: u64,
    /// Places within max_connections that ordinary roles cannot take.
    pub reserved: u64,
    /// Client sessions now, this server's own among them.
    pub used: u64,
    /// `used` in percent of `max_connections`, rounded down.
    pub used_pct: u64,
    pub by_state: BTreeMap<String, u64>,
}

/// What clients do now; this server's own session is not counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    pub connections: Connections,
    pub active: u64,
    pub waiting_on_locks: u64,
    pub longest_lock_wait_s: Option<i64>,
    pub idle_in_transaction: u64,
    /// The one that has been so for longest.
    pub longest_idle_in_transaction: Option<NamedSession>,
    pub longest_transaction: Option<NamedSession>,
    /// The longest statement that runs.
    pub longest_query: Option<NamedSession>,
    pub prepared_transactions: u64,
    pub oldest_prepared: Option<Prepared>,
}

/// A session and its age in what it is named for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NamedSession {
    pub pid: i32,
    pub backend_start: Option<String>,
    pub usename: Option<String>,
    pub application_name: Option<String>,
    pub age_s: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    pub gid: String,
    pub owner: Option<String>,
    pub database: Option<String>,
    pub age_s: Option<i64>,
}

/// Counters since `stats_reset`, or since the database was made where that is null.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseCounters {
    pub database: String,
    pub backends: i64,
    pub commits: i64,
    pub rollbacks: i64,
    pub deadlocks: i64,
    /// Statements that replay cancelled, on a standby.
    pub conflicts: i64,
    pub temp_files: i64,
    pub temp_bytes: i64,
    pub stats_reset: Option<String>,
}

/// The counters of all databases together.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Counters {
    pub deadlocks: i64,
    pub conflicts: i64,
    pub temp_bytes: i64,
    pub checksum_failures: i64,
    pub window_s: Option<i64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoints {
    pub timed: i64,
    pub requested: i64,
}

impl Checkpoints {
    pub async fn read(asked: &mut Inquiry<'_>, server_version_num: i32) -> Result<Option<Self>, ToolError> {
        let sql = if server_version_num < CHECKPOINTER_VIEW {
            include_str!("../queries/checkpoints.sql")
        } else {
            include_str!("../queries/checkpoints_17.sql")
        };
        Ok(asked.part("checkpoints", sql, vec![], 1).await?.pop())
    }
}
