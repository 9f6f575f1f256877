//! Puts together what PostgreSQL wrote about one thing: its STATEMENT, DETAIL and CONTEXT are lines of their own, which
//! CloudWatch keeps in one event or splits into several.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::{insights::Row, postgres_line::PostgresLine};

/// One line of the log, with the lines below it that have no beginning of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Option<DateTime<Utc>>,
    /// For RDS and Aurora: the instance.
    pub stream: String,
    /// AWS's pointer to the whole event.
    pub pointer: Option<String>,
    pub session: String,
    pub pid: u32,
    pub severity: String,
    pub message: String,
    /// As PostgreSQL wrote it; lines about one thing share it.
    time: String,
}

/// The lines of an answer.
#[derive(Debug, Default)]
pub struct Entries {
    all: Vec<Entry>,
    /// Where the companions (STATEMENT, DETAIL, …) of one session and second are.
    companions: HashMap<(String, u32, String), Vec<usize>>,
}

impl Entries {
    /// Reads rows of `fields @timestamp, @message, @logStream, @ptr`; what is no line of PostgreSQL is left out.
    pub fn of(rows: &[Row]) -> Self {
        let mut entries = Self::default();
        for row in rows {
            let field = |name: &str| row.get(name).map(String::as_str);
            let Some(message) = field("@message") else {
                continue;
            };
            let mut open: Option<Entry> = None;
            for line in message.lines() {
                match (PostgresLine::parse(line), &mut open) {
                    (Some(parsed), _) => {
                        let next = Entry {
                            at: field("@timestamp").and_then(timestamp),
                            stream: field("@logStream").unwrap_or_default().to_owned(),
                            pointer: field("@ptr").map(str::to_owned),
                            session: parsed.session.to_owned(),
                            pid: parsed.pid,
                            severity: parsed.severity.to_owned(),
                            message: parsed.message.to_owned(),
                            time: parsed.time.to_owned(),
                        };
                        entries.all.extend(open.replace(next));
                    }
                    (None, Some(entry)) => {
                        entry.message.push('\n');
                        entry.message.push_str(line);
                    }
                    (None, None) => {}
                }
            }
            entries.all.extend(open);
        }
        for (position, entry) in entries.all.iter().enumerate() {
            if is_companion(&entry.severity) {
                entries.companions.entry(entry.key()).or_default().push(position);
            }
        }
        entries
    }

    /// The lines that say what happened; those that only add to them are found by [`Self::companion`].
    pub fn events(&self) -> impl Iterator<Item = &Entry> {
        self.all.iter().filter(|entry| !is_companion(&entry.severity))
    }

    /// Returns what `severity` (`STATEMENT`) adds to `entry`; see [`Self::companions`].
    pub fn companion<'e>(&'e self, entry: &'e Entry, severity: &'e str) -> Option<&'e str> {
        self.companions(entry, severity).next()
    }

    /// Returns all that `severity` says beside `entry`: in the same event, or else of the same session in the same second.
    /// Events of one second have no order that could be relied on, so there may be several, also of its neighbours.
    pub fn companions<'e>(&'e self, entry: &'e Entry, severity: &'e str) -> impl Iterator<Item = &'e str> {
        let beside = self.companions.get(&entry.key()).map(Vec::as_slice).unwrap_or_default();
        let beside = beside.iter().filter_map(|position| self.all.get(*position));
        let beside = beside.filter(move |companion| companion.severity == severity);
        let with_it = |companion: &&Entry| entry.pointer.is_some() && companion.pointer == entry.pointer;
        let whole = beside.clone().any(|companion| with_it(&companion));
        beside
            .filter(move |companion| !whole || with_it(companion))
            .map(|companion| companion.message.as_str())
    }
}

impl Entry {
    fn key(&self) -> (String, u32, String) {
        (self.stream.clone(), self.pid, self.time.clone())
    }
}

fn is_companion(severity: &str) -> bool {
    matches!(
        severity,
        "STATEMENT" | "DETAIL" | "HINT" | "CONTEXT" | "QUERY" | "LOCATION" | "BACKTRACE"
    )
}

/// Times come as milliseconds since 1970 or as a date, both in UTC.
pub fn timestamp(value: &str) -> Option<DateTime<Utc>> {
    if let Ok(ms) = value.parse::<i64>() {
        return DateTime::from_timestamp_millis(ms);
    }
    NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S%.f")
        .ok()
        .map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn row(pointer: &str, message: &str) -> Row {
        let fields = [
            ("@timestamp", "2026-11-22 06:40:25.000"),
            ("@logStream", "orders-1"),
            ("@ptr", pointer),
            ("@message", message),
        ];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn line(second: u32, pid: u32, rest: &str) -> String {
        format!("2026-11-22 06:40:{second} UTC:10.0.0.1(5):app@orders:[{pid}]:{rest}")
    }

    #[test]
    fn what_belongs_together_is_found_in_one_event_or_in_several() {
        let whole = format!(
            "{}\n{}\n\tand more\n{}",
            line(25, 7, "ERROR:  deadlock detected"),
            line(25, 7, "DETAIL:  Process 7 waits"),
            line(25, 7, "STATEMENT:  update t")
        );
        let split = [
            line(25, 8, "ERROR:  canceling statement due to lock timeout"),
            line(25, 9, "STATEMENT:  select of another session"),
            line(26, 8, "STATEMENT:  select of another second"),
            line(25, 8, "STATEMENT:  select 1"),
        ];
        let mut rows = vec![row("p0", &whole), row("p9", "no line of PostgreSQL")];
        rows.extend(split.iter().enumerate().map(|(at, line)| row(&format!("q{at}"), line)));
        let entries = Entries::of(&rows);
        let events: Vec<&Entry> = entries.events().collect();
        let [deadlock, timeout] = events.as_slice() else {
            unreachable!("two events in {events:?}");
        };
        assert_eq!(
            entries.companion(deadlock, "DETAIL").unwrap(),
            "Process 7 waits\n\tand more"
        );
        assert_eq!(entries.companion(deadlock, "STATEMENT").unwrap(), "update t");
        assert_eq!(entries.companion(deadlock, "CONTEXT"), None);
        assert_eq!(entries.companion(timeout, "STATEMENT").unwrap(), "select 1");
        assert_eq!((timeout.pid, timeout.pointer.as_deref()), (8, Some("q0")));
    }
}
