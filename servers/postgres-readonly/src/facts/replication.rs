//! Who copies this server and what that keeps on it.

use std::collections::BTreeMap;

use kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inquiry::Inquiry;

const MAX_ROWS: u32 = 100;

/// A row of pg_stat_replication. Lag in bytes is against the WAL of this server now, in seconds as the standby reports it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Standby {
    pub pid: i32,
    pub backend_start: Option<String>,
    pub usename: Option<String>,
    pub application_name: Option<String>,
    pub client_addr: Option<String>,
    pub state: Option<String>,
    pub sync_state: Option<String>,
    pub sent_lag_bytes: Option<i64>,
    pub write_lag_bytes: Option<i64>,
    pub flush_lag_bytes: Option<i64>,
    pub replay_lag_bytes: Option<i64>,
    pub write_lag_s: Option<f64>,
    pub flush_lag_s: Option<f64>,
    pub replay_lag_s: Option<f64>,
    /// Transactions that hot_standby_feedback holds back from vacuum.
    pub xmin_age: Option<i64>,
    #[serde(skip_serializing, default)]
    pub total: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    pub slot_name: String,
    pub slot_type: String,
    pub plugin: Option<String>,
    pub database: Option<String>,
    pub temporary: bool,
    pub active: bool,
    pub active_pid: Option<i32>,
    /// WAL from the slot's restart_lsn on.
    pub retained_wal_bytes: Option<i64>,
    /// What may still be written before the slot is lost; null where max_slot_wal_keep_size is not set.
    pub safe_wal_size: Option<i64>,
    /// reserved, extended, unreserved or lost.
    pub wal_status: Option<String>,
    pub xmin_age: Option<i64>,
    pub catalog_xmin_age: Option<i64>,
    /// From PostgreSQL 17 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalidation_reason: Option<String>,
    #[serde(skip_serializing, default)]
    pub total: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Archiver {
    /// archive_mode.
    pub mode: String,
    pub archived_count: i64,
    pub last_archived_wal: Option<String>,
    pub last_archived_at: Option<String>,
    pub failed_count: i64,
    pub last_failed_wal: Option<String>,
    pub last_failed_at: Option<String>,
    /// The last attempt failed.
    pub failing: bool,
    /// Since the last success, or since the counters were reset where there is none.
    pub since_success_s: Option<i64>,
}

/// Finished WAL segments that the archiver has not copied yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveWaiting {
    pub segments: i64,
    /// Null: none waits.
    pub oldest_age_s: Option<i64>,
}

/// What this server is set to be to others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    pub in_recovery: bool,
    #[serde(skip_serializing)]
    pub server_version_num: i32,
    pub wal_level: String,
    pub synchronous_standby_names: String,
    pub synchronous_commit: String,
    pub hot_standby_feedback: bool,
    pub max_wal_senders: u64,
    pub max_replication_slots: u64,
    /// `-1`: slots may keep WAL without bound.
    pub max_slot_wal_keep_size: String,
    /// Of this database.
    pub publications: u64,
    pub archiver: Archiver,
}

/// How a standby follows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Receiver {
    /// Null: no receiver runs (WAL comes from the archive, or does not come).
    pub status: Option<String>,
    pub pid: Option<i32>,
    pub slot_name: Option<String>,
    pub sender_host: Option<String>,
    pub sender_port: Option<i32>,
    pub last_message_age_s: Option<i64>,
    /// Received and not replayed.
    pub replay_lag_bytes: Option<i64>,
    /// Age of the last replayed commit; 0 while everything received is replayed.
    pub replay_lag_s: Option<f64>,
    pub replay_paused: bool,
    /// Statements that replay cancelled, by kind, in all databases.
    pub conflicts: Option<BTreeMap<String, Option<i64>>>,
}

impl Server {
    pub async fn read(asked: &mut Inquiry<'_>) -> Result<Self, ToolError> {
        asked.row(include_str!("../queries/replication_server.sql")).await
    }
}

impl ArchiveWaiting {
    /// Reads it where WAL is archived: a standby leaves that to its primary, unless it is told to do it itself.
    pub async fn read(server: &Server, asked: &mut Inquiry<'_>) -> Result<Option<Self>, ToolError> {
        let archives = match server.archiver.mode.as_str() {
            "off" => false,
            "always" => true,
            _ => !server.in_recovery,
        };
        if !archives {
            return Ok(None);
        }
        let sql = include_str!("../queries/replication_archive_waiting.sql");
        let what = "finished WAL that waits for the archiver (needs pg_monitor)";
        Ok(asked.part(what, sql, vec![], 1).await?.pop())
    }
}

impl Standby {
    /// Reads the standbys, the furthest behind first.
    pub async fn read(asked: &mut Inquiry<'_>) -> Result<Vec<Self>, ToolError> {
        let sql = include_str!("../queries/replication_standbys.sql");
        asked.part("standbys", sql, vec![], MAX_ROWS).await
    }
}

impl Slot {
    /// Reads the slots, what keeps most WAL first.
    pub async fn read(asked: &mut Inquiry<'_>) -> Result<Vec<Self>, ToolError> {
        let sql = include_str!("../queries/replication_slots.sql");
        asked.part("replication slots", sql, vec![], MAX_ROWS).await
    }

    pub fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.invalidation_reason.is_some()
    }
}

impl Receiver {
    pub async fn read(asked: &mut Inquiry<'_>) -> Result<Option<Self>, ToolError> {
        let sql = include_str!("../queries/replication_receiver.sql");
        Ok(asked.part("the state of replay", sql, vec![], 1).await?.pop())
    }
}

/// Returns whether the standbys that commits wait for are there; None where that is not asked for or cannot be seen.
pub fn is_synchronous_satisfied(server: &Server, standbys: &[Standby]) -> Option<bool> {
    let asked_for = !server.synchronous_standby_names.trim().is_empty();
    let visible = standbys.iter().all(|standby| standby.sync_state.is_some());
    let waits = !matches!(server.synchronous_commit.as_str(), "off" | "local");
    (asked_for && visible && waits && !server.in_recovery)
        .then(|| synchronous_count(standbys) >= wanted(&server.synchronous_standby_names))
}

fn synchronous_count(standbys: &[Standby]) -> usize {
    let streams = |standby: &&Standby| standby.state.as_deref() == Some("streaming");
    let counts = |standby: &&Standby| matches!(standby.sync_state.as_deref(), Some("sync" | "quorum"));
    standbys.iter().filter(streams).filter(counts).count()
}

/// Returns how many standbys `FIRST n (…)`, `ANY n (…)`, `n (…)` or a plain list asks for.
fn wanted(names: &str) -> usize {
    let before_list = names.split_once('(').map(|(before, _)| before.trim());
    let number = before_list.and_then(|before| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn synchronous_standby_names_say_how_many() {
        let all = [
            "a",
            "a, b",
            "2 (a, b)",
            "FIRST 2 (a, b, c)",
            "ANY 3 (*)",
            "any 1(a)",
            "*",
        ];
        assert_eq!(all.map(wanted), [1, 1, 2, 2, 3, 1, 1]);
    }
}
