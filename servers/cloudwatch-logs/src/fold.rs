//! Folds lines that tell of the same thing into one with a count, and keeps the whole within a number of bytes.

use std::collections::HashMap;

use aws_telemetry::{Scrubber, to_rfc3339};
use chrono::DateTime;
use schemars::JsonSchema;
use serde::Serialize;

use crate::postgres_line::fingerprint;

/// One line of the log, or several that differ only in numbers, addresses and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FoldedLine {
    pub count: u64,
    pub first_at: String,
    pub last_at: String,
    /// The log stream of the newest one: for RDS and Aurora, the instance.
    pub stream: String,
    /// The newest one, as untrusted text.
    pub text: String,
}

#[derive(Debug, Default)]
pub struct Fold {
    groups: HashMap<String, Group>,
    taken: u64,
}

#[derive(Debug)]
struct Group {
    count: u64,
    first_ms: i64,
    last_ms: i64,
    stream: String,
    newest: String,
}

impl Fold {
    pub fn taken(&self) -> u64 {
        self.taken
    }

    pub fn add(&mut self, at_ms: i64, stream: &str, text: &str) {
        self.taken += 1;
        let newest = || (stream.to_owned(), text.to_owned());
        let group = self.groups.entry(fingerprint(text)).or_insert_with(|| {
            let (stream, newest) = newest();
            Group {
                count: 0,
                first_ms: at_ms,
                last_ms: at_ms,
                stream,
                newest,
            }
        });
        group.count += 1;
        group.first_ms = group.first_ms.min(at_ms);
        if at_ms > group.last_ms {
            group.last_ms = at_ms;
            (group.stream, group.newest) = newest();
        }
    }

    /// Returns the lines, newest first, as many as fit into `max_bytes`, and how many events the rest stands for.
    pub fn render(self, scrubber: &mut Scrubber, max_chars: usize, max_bytes: usize) -> (Vec<FoldedLine>, u64) {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| a.newest.cmp(&b.newest)));
        let mut lines = Vec::new();
        let mut bytes = 0;
        let mut groups = groups.into_iter();
        for group in groups.by_ref() {
            let text = scrubber.log_line(&group.newest, max_chars);
            let stream = scrubber.line(&group.stream, 200);
            bytes += text.len() + stream.len() + 100;
            if bytes > max_bytes {
                return (lines, group.count + groups.map(|group| group.count).sum::<u64>());
            }
            lines.push(FoldedLine {
                count: group.count,
                first_at: at(group.first_ms),
                last_at: at(group.last_ms),
                stream,
                text,
            });
        }
        (lines, 0)
    }
}

fn at(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), to_rfc3339)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a failed set-up is a failed test")]
    use super::*;

    fn line(pid: u32, text: &str) -> String {
        format!("2026-11-22 06:40:25 UTC:10.0.0.1(1):app@orders:[{pid}]:ERROR:  {text}")
    }

    #[test]
    fn repeated_lines_are_one_with_a_count_newest_first() {
        let mut fold = Fold::default();
        fold.add(1_000, "i-1", &line(1, "deadlock detected"));
        fold.add(3_000, "i-2", &line(2, "deadlock detected"));
        fold.add(2_000, "i-1", &line(3, "division by zero"));
        assert_eq!(fold.taken(), 3);
        let (lines, omitted) = fold.render(&mut Scrubber::default(), 500, 10_000);
        assert_eq!(omitted, 0);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].count, lines[0].stream.as_str()), (2, "i-2"));
        assert_eq!(
            (lines[0].first_at.as_str(), lines[0].last_at.as_str()),
            ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:03.000Z")
        );
        assert!(lines[0].text.contains("[2]:ERROR: deadlock"));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut fold = Fold::default();
        for (at, text) in ["a", "b", "c"].iter().enumerate() {
            fold.add(
                i64::try_from(at).unwrap_or(0),
                "s",
                &format!("{text} {}", "x".repeat(400)),
            );
        }
        let (lines, omitted) = fold.render(&mut Scrubber::default(), 500, 600);
        assert_eq!((lines.len(), omitted), (1, 2));
        assert!(lines[0].text.starts_with("c "));
    }
}
