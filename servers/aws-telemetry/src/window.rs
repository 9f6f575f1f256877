//! The stretch of time that a call looks at.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// From and to, `from` before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Window {
    /// The last `minutes` before `now`; at least one.
    pub fn last(minutes: u32, now: DateTime<Utc>) -> Self {
        Self {
            from: now - TimeDelta::minutes(i64::from(minutes.max(1))),
            to: now,
        }
    }
}

/// `2026-11-23T10:11:12.123Z`
pub fn to_rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
