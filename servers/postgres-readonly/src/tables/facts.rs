//! One table, and one running VACUUM or ANALYZE, as the statements bring them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Deserialize)]
pub struct TableFact {
    pub relid: u32,
    pub schema: String,
    pub table: String,
    pub kind: String,
    pub pages: i64,
    pub reltuples: f64,
    pub all_frozen_pages: Option<i64>,
    pub block_size: i64,
    pub reloptions: Option<Vec<String>>,
    pub xid_age: Option<i64>,
    pub mxid_age: Option<i64>,
    pub n_live_tup: i64,
    pub n_dead_tup: i64,
    pub n_mod_since_analyze: i64,
    pub n_ins_since_vacuum: i64,
    pub n_tup_ins: i64,
    pub n_tup_upd: i64,
    pub n_tup_del: i64,
    pub n_tup_hot_upd: i64,
    pub seq_scan: i64,
    pub seq_tup_read: i64,
    pub idx_scan: Option<i64>,
    pub indexes: i64,
    pub last_vacuum: Option<String>,
    pub last_autovacuum: Option<String>,
    pub vacuum_age_s: Option<i64>,
    pub last_analyze: Option<String>,
    pub last_autoanalyze: Option<String>,
    pub analyze_age_s: Option<i64>,
    pub toast_pages: Option<i64>,
    pub toast_dead_tup: Option<i64>,
    pub toast_xid_age: Option<i64>,
    pub may_read: bool,
    pub columns: i64,
    pub columns_known: i64,
    pub row_width: Option<f64>,
    pub has_nulls: Option<bool>,
    /// Without a pid it is a prepared transaction.
    pub locked_by: Option<Vec<Option<i32>>>,
}

/// One VACUUM or ANALYZE that runs now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub command: String,
    pub pid: i32,
    pub backend_start: Option<String>,
    #[serde(skip_serializing)]
    pub relid: Option<u32>,
    schema: Option<String>,
    table: Option<String>,
    /// Started by autovacuum and not by hand.
    autovacuum: Option<bool>,
    to_prevent_wraparound: Option<bool>,
    pub running_s: Option<i64>,
    pub phase: Option<String>,
    blocks_total: Option<i64>,
    blocks_scanned: Option<i64>,
    /// Rounds over the indexes; more than one says that maintenance_work_mem is small for the dead rows.
    index_vacuum_count: Option<i64>,
    /// VacuumDelay: it sleeps to spare the server, as its cost settings say.
    pub wait_event: Option<String>,
    pub wait_event_type: Option<String>,
    /// Whose locks it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Vec<i32>>,
}

impl TableFact {
    pub fn analyzed(&self) -> bool {
        self.last_analyze.is_some() || self.last_autoanalyze.is_some() || self.columns_known > 0
    }

    /// Returns dead rows in percent of all.
    pub fn dead_pct(&self) -> f64 {
        share_pct(self.n_dead_tup, self.n_dead_tup + self.n_live_tup).unwrap_or(0.0)
    }

    pub fn hot_update_pct(&self) -> Option<f64> {
        share_pct(self.n_tup_hot_upd, self.n_tup_upd)
    }
}

/// Returns percent with one decimal place.
#[expect(clippy::cast_precision_loss, reason = "counts of rows are shown in percent")]
fn share_pct(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 1000.0 / whole as f64).round() / 10.0)
}
