//! What is written: an event, and the leaf it becomes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JournalError, canonical::canonical};

/// Something that happened, as the caller tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened: `step_started`. 1 to 128 characters, no control characters.
    pub kind: String,
    /// What it happened to: an incident, a request, a plan digest. At most 512 characters, no control characters.
    pub subject: String,
    pub data: Value,
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The leaf's index in the tree, from 0.
    pub seq: u64,
    /// When it was appended, by this host's clock: RFC 3339, UTC, milliseconds.
    pub at: String,
    pub kind: String,
    pub subject: String,
    pub data: Value,
}

impl Entry {
    pub(crate) fn new(seq: u64, at: String, event: Event) -> Result<Self, JournalError> {
        check_name("kind", &event.kind, 1, 128)?;
        check_name("subject", &event.subject, 0, 512)?;
        Ok(Self {
            seq,
            at,
            kind: event.kind,
            subject: event.subject,
            data: event.data,
        })
    }

    /// Returns the bytes that the tree commits to: the canonical JSON of the whole entry.
    pub(crate) fn leaf(&self) -> Result<String, JournalError> {
        let value = serde_json::to_value(self).map_err(JournalError::tree)?;
        let leaf = canonical(&value)?;
        if leaf.len() > MAX_LEAF_BYTES {
            return Err(JournalError::TooLarge {
                bytes: leaf.len(),
                limit: MAX_LEAF_BYTES,
            });
        }
        Ok(leaf)
    }

    /// Reads a leaf back; bytes that are not their own canonical form are not a leaf.
    pub(crate) fn from_leaf(leaf: &str) -> Result<Self, String> {
        let entry: Self = serde_json::from_str(leaf).map_err(|error| error.to_string())?;
        match entry.leaf() {
            Ok(again) if again == leaf => Ok(entry),
            Ok(_) => Err("its bytes are not canonical JSON".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

// Kind and subject go into the environment of the publishing command, where a NUL cannot go, and into terminals.
fn check_name(what: &str, text: &str, least: usize, most: usize) -> Result<(), JournalError> {
    let length = text.chars().count();
    if length < least || length > most {
        return Err(JournalError::Event {
            reason: format!("{what} must have {least} to {most} characters, not {length}"),
        });
    }
    if text.chars().any(char::is_control) {
        return Err(JournalError::Event {
            reason: format!("{what} has a control character"),
        });
    }
    Ok(())
}

const MAX_LEAF_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;

    fn entry(kind: &str, subject: &str, data: Value) -> Result<Entry, JournalError> {
        Entry::new(
            7,
            "2026-11-23T10:00:00.000Z".to_owned(),
            Event {
                kind: kind.to_owned(),
                subject: subject.to_owned(),
                data,
            },
        )
    }

    #[test]
    fn a_leaf_is_the_canonical_entry_and_reads_back() {
        let entry = entry("step_started", "plan-1", json!({"b": 1, "a": null})).unwrap();
        let leaf = entry.leaf().unwrap();
        assert_eq!(
            leaf,
            r#"{"at":"2026-11-23T10:00:00.000Z","data":{"a":null,"b":1},"kind":"step_started","seq":7,"subject":"plan-1"}"#
        );
        assert_eq!(Entry::from_leaf(&leaf).unwrap(), entry);
        let spaced = leaf.replace(",\"kind\"", ", \"kind\"");
        assert_eq!(
            Entry::from_leaf(&spaced).unwrap_err(),
            "its bytes are not canonical JSON"
        );
    }

    #[test]
    fn odd_names_and_bulk_are_refused() {
        assert_eq!(entry("", "s", json!(1)).unwrap_err().code(), "journal_event");
        assert_eq!(entry("a\0b", "s", json!(1)).unwrap_err().code(), "journal_event");
        assert_eq!(entry("a", "s\n", json!(1)).unwrap_err().code(), "journal_event");
        let bulky = entry("a", "s", json!("x".repeat(MAX_LEAF_BYTES))).unwrap();
        assert_eq!(bulky.leaf().unwrap_err().code(), "journal_event_too_large");
    }
}
