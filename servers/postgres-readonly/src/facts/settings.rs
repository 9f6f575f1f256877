//! Settings as the server gives them to others, not as this server's own session has set them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    masked,
    risks::{bytes, rounded},
};

/// What this server's sessions say at their start, which hides what the server would have given them.
const OURS_AT_START: [&str; 15] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "DateStyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "IntervalStyle",
    "jit",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "TimeZone",
];

/// A row of pg_settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub name: String,
    pub value: Option<String>,
    pub unit: Option<String>,
    pub vartype: String,
    pub source: String,
    pub context: String,
    pub boot_val: Option<String>,
    pub reset_val: Option<String>,
    pub pending_restart: bool,
    pub sourcefile: Option<String>,
    pub sourceline: Option<i64>,
    pub wanted: bool,
    pub description: Option<String>,
    pub values: Option<String>,
}

/// What ALTER ROLE … SET or ALTER DATABASE … SET says, as `name=value`.
#[derive(Debug, Clone, Deserialize)]
pub struct OverrideRow {
    pub database: Option<String>,
    pub role: Option<String>,
    pub setting: String,
    pub total: usize,
}

/// A line of a configuration file that is in force.
#[derive(Debug, Clone, Deserialize)]
pub struct FileRow {
    pub name: String,
    pub setting: Option<String>,
    pub sourcefile: Option<String>,
}

/// All settings, with what the server gives to sessions other than this one.
#[derive(Debug, Default)]
pub struct Settings {
    pub all: BTreeMap<String, Setting>,
}

#[derive(Debug, Clone)]
pub struct Setting {
    pub row: Row,
    /// In `row.unit`; None where this session's own value hides it.
    pub value: Option<String>,
    pub source: Option<String>,
}

impl Settings {
    /// `files` is None where the configuration files cannot be read.
    pub fn of(rows: Vec<Row>, overrides: &[OverrideRow], files: Option<&[FileRow]>, role: &str) -> Self {
        let ours: BTreeSet<&str> = overrides
            .iter()
            .filter(|row| row.role.as_deref() == Some(role))
            .filter_map(|row| row.setting.split_once('=').map(|(name, _)| name))
            .chain(OURS_AT_START)
            .collect();
        let all = rows.into_iter().map(|row| {
            let (value, source) = if ours.contains(row.name.as_str()) {
                let line = files.and_then(|files| files.iter().rfind(|line| line.name == row.name));
                match (line, files) {
                    (Some(line), _) => (
                        line.setting.as_deref().map(|value| in_unit(value, &row)),
                        Some(source_name("configuration file", line.sourcefile.as_deref())),
                    ),
                    (None, Some(_)) => (row.boot_val.clone(), Some("default".to_owned())),
                    (None, None) => (None, None),
                }
            } else if row.source == "session" {
                let source = if row.reset_val == row.boot_val {
                    "default"
                } else {
                    "server"
                };
                (row.reset_val.clone(), Some(source.to_owned()))
            } else {
                (
                    row.value.clone(),
                    Some(source_name(&row.source, row.sourcefile.as_deref())),
                )
            };
            (row.name.clone(), Setting { row, value, source })
        });
        Self { all: all.collect() }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.value.as_deref()
    }

    pub fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == Some(value)
    }

    /// Returns the number, in the setting's own unit.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    pub fn bytes(&self, name: &str) -> Option<f64> {
        let setting = self.all.get(name)?;
        Some(self.number(name)? * unit_bytes(setting.row.unit.as_deref()?)?)
    }
}

impl Setting {
    /// Returns the value as it may be shown.
    pub fn shown(&self) -> Option<String> {
        self.value
            .as_deref()
            .map(|value| masked::setting(&self.row.name, value))
    }

    /// Returns the built-in default as it may be shown.
    pub fn default(&self) -> Option<String> {
        self.row
            .boot_val
            .as_deref()
            .map(|value| masked::setting(&self.row.name, value))
    }

    /// Returns the value with a unit that a reader takes in at once.
    pub fn human(&self) -> Option<String> {
        let number: f64 = self.value.as_deref()?.parse().ok().filter(|number| *number > 0.0)?;
        let unit = self.row.unit.as_deref()?;
        match unit_bytes(unit) {
            Some(size) => Some(bytes((number * size) as i64)),
            None => Some(human_ms(number * unit_ms(unit)?)),
        }
    }
}

fn source_name(source: &str, file: Option<&str>) -> String {
    match file {
        Some(file) if file.ends_with("postgresql.auto.conf") => "ALTER SYSTEM".to_owned(),
        _ => source.to_owned(),
    }
}

fn human_ms(ms: f64) -> String {
    let (value, unit) = match ms {
        ..1000.0 => (ms, "ms"),
        1000.0..120_000.0 => (ms / 1000.0, "s"),
        120_000.0..7_200_000.0 => (ms / 60_000.0, "min"),
        7_200_000.0..172_800_000.0 => (ms / 3_600_000.0, "h"),
        _ => (ms / 86_400_000.0, "days"),
    };
    format!("{} {unit}", rounded(value))
}

fn unit_bytes(unit: &str) -> Option<f64> {
    let letters = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = unit.strip_suffix(letters).filter(|count| !count.is_empty());
    let count: f64 = count.map_or(Some(1.0), |count| count.parse().ok())?;
    let size = match letters {
        "B" => 1.0,
        "kB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        "TB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(count * size)
}

fn unit_ms(unit: &str) -> Option<f64> {
    Some(match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    })
}

/// Returns a value out of a configuration file as pg_settings would write it.
fn in_unit(value: &str, row: &Row) -> String {
    if row.vartype == "bool" {
        let on = matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1");
        return if on { "on" } else { "off" }.to_owned();
    }
    let converted = row.unit.as_deref().and_then(|unit| {
        let letters = value.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
        let number: f64 = value.strip_suffix(letters)?.parse().ok()?;
        let given = letters.trim();
        let factor = match (unit_bytes(given), unit_bytes(unit)) {
            (Some(given), Some(unit)) => given / unit,
            _ => unit_ms(given)? / unit_ms(unit)?,
        };
        (!given.is_empty()).then(|| (number * factor).to_string())
    });
    converted.unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;

    fn row(name: &str, value: &str, unit: Option<&str>, source: &str) -> Row {
        serde_json::from_value(json!({
            "name": name, "value": value, "unit": unit, "vartype": "integer", "source": source, "context": "user",
            "boot_val": "0", "reset_val": "15000", "pending_restart": false, "wanted": false,
        }))
        .unwrap()
    }

    fn read(row: Row, overrides: &[OverrideRow], files: Option<&[FileRow]>) -> (Option<String>, Option<String>) {
        let name = row.name.clone();
        let settings = Settings::of(vec![row], overrides, files, "reader");
        let setting = settings.all.get(&name).unwrap();
        (setting.value.clone(), setting.source.clone())
    }

    #[test]
    fn what_this_session_set_for_itself_is_not_taken_for_the_servers() {
        let timeout = || row("statement_timeout", "5000", Some("ms"), "session");
        assert_eq!(read(timeout(), &[], None), (None, None));
        assert_eq!(
            read(timeout(), &[], Some(&[])),
            (Some("0".to_owned()), Some("default".to_owned()))
        );
        let line = FileRow {
            name: "statement_timeout".to_owned(),
            setting: Some("2min".to_owned()),
            sourcefile: Some("/data/postgresql.auto.conf".to_owned()),
        };
        let said = (Some("120000".to_owned()), Some("ALTER SYSTEM".to_owned()));
        assert_eq!(read(timeout(), &[], Some(&[line])), said);
        let idle = || row("idle_in_transaction_session_timeout", "10000", Some("ms"), "session");
        assert_eq!(read(idle(), &[], None).0.as_deref(), Some("15000"));
        let own = OverrideRow {
            database: None,
            role: Some("reader".to_owned()),
            setting: "idle_in_transaction_session_timeout=15s".to_owned(),
            total: 1,
        };
        assert_eq!(read(idle(), &[own], None).0, None);
    }

    #[test]
    fn values_read_well() {
        let human = |value: &str, unit: &str| {
            let row = row("x", value, Some(unit), "default");
            Settings::of(vec![row], &[], None, "reader")
                .all
                .get("x")
                .unwrap()
                .human()
        };
        assert_eq!(human("16384", "8kB").as_deref(), Some("128 MB"));
        assert_eq!(human("300", "s").as_deref(), Some("5 min"));
        assert_eq!(human("200", "ms").as_deref(), Some("200 ms"));
        assert_eq!(human("-1", "kB"), None);
    }
}
