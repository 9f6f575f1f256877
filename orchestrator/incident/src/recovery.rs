//! What our own telemetry said after the execution: whether the signal held for as long as it had to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The recovery check as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    pub recovered: bool,
    /// The signal in words, as the plan has it.
    pub signal: String,
    pub hold_s: u32,
    pub deadline_s: u32,
    /// How long the signal held without a break at the end, in milliseconds.
    pub held_ms: u64,
    pub readings_taken: u32,
    /// The first, each change, and the last; what lies between repeated the one before.
    pub readings: Vec<Reading>,
    /// Checks on what must not have happened that did not hold.
    #[serde(default)]
    pub collateral: Vec<Reading>,
    /// The root cause that a fresh diagnosis finds now, once the signal has held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosed_after: Option<String>,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The check's id, or `signal`.
    pub check: String,
    pub at: DateTime<Utc>,
    /// `null` when the question could not be asked; then `held` is false: not knowing is not recovered.
    pub value: Value,
    pub held: bool,
}
