//! Says what is dangerous in what was read: facts in, risks out, nothing asked of the database.

pub mod limits;
pub mod load;
pub mod replication;
pub mod settings;
pub mod upkeep;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// Something that is wrong or will be.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Risk {
    pub code: &'static str,
    pub severity: Severity,
    /// One sentence with the numbers.
    pub what: String,
    pub evidence: Map<String, Value>,
    /// The tool that shows more.
    pub look_at: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Critical,
    Warning,
    Info,
}

impl Risk {
    pub fn new(
        code: &'static str,
        severity: Severity,
        what: impl Into<String>,
        evidence: Value,
        look_at: &'static str,
    ) -> Self {
        let evidence = match evidence {
            Value::Object(evidence) => evidence,
            _ => Map::new(),
        };
        Self {
            code,
            severity,
            what: what.into(),
            evidence,
            look_at,
        }
    }
}

/// Puts the worst first; among equals the order in which they were found stays.
pub fn worst_first(mut risks: Vec<Risk>) -> Vec<Risk> {
    risks.sort_by_key(|risk| risk.severity);
    risks
}

/// Writes a duration as a reader would say it.
pub fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Writes bytes as a reader would say them.
pub fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes.unsigned_abs() < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if value.abs() < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", rounded(value))
}

/// Rounds to one decimal.
pub fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(bytes(512), "512 bytes");
        assert_eq!(bytes(16 << 20), "16 MB");
        assert_eq!(bytes(3 << 29), "1.5 GB");
        assert_eq!(bytes(-2048), "-2 kB");
        assert_eq!([duration(90), duration(301), duration(7200)], ["90 s", "5 min", "2 h"]);
    }
}
