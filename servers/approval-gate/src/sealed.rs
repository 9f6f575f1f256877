//! What the rows must say. The running gate remembers the digest of each: of requests, executions and grants since their
//! events were folded, of other values since they were journalled. A row that somebody else changes, takes away or adds is
//! refused when it is read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::Entry;
use runbooks::Digest;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// The values that may stand in the rows, by name. While a change is being written there are two: before and after.
#[derive(Debug, Default)]
pub struct Sealed(Mutex<BTreeMap<String, Allowed>>);

#[derive(Debug, Clone)]
enum Allowed {
    /// Written before values were journalled by their digests.
    Anything,
    OneOf(Vec<Option<Digest>>),
}

impl Sealed {
    /// Takes in what an entry of the journal says of a value.
    pub fn fold(&self, entry: &Entry) {
        let Some(name) = named(entry) else { return };
        let allowed = match entry.data.get("sealed") {
            None => Allowed::Anything,
            Some(sealed) => {
                let digest = sealed.get("value").and_then(Value::as_str);
                Allowed::OneOf(vec![digest.and_then(|text| text.parse().ok())])
            }
        };
        self.lock().insert(name, allowed);
    }

    /// Refuses a value that is not the one last journalled under this name.
    pub fn check(&self, name: &str, found: Option<&str>) -> Result<(), Refusal> {
        if !is_sealed(name) {
            return Ok(());
        }
        let found = found.map(|text| Digest::of(text.as_bytes()));
        let is_allowed = match self.lock().get(name) {
            Some(Allowed::Anything) => true,
            Some(Allowed::OneOf(values)) => values.contains(&found),
            // An older gate did not journal counters; one that somebody adds can only deny its passkey.
            None => found.is_none() || name.starts_with("sign_count "),
        };
        if is_allowed {
            return Ok(());
        }
        Err(Refusal::new(
            "state_changed",
            format!("the row of `{name}` is not what the journal says"),
        )
        .hint("somebody changed the gate's database; restore it from a copy that fits its journal"))
    }

    /// The names of all values that were ever journalled by their digests.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// What is about to be written under this name.
    pub fn expect(&self, name: &str, value: Digest) {
        let mut names = self.lock();
        let known = names.entry(name.to_owned()).or_insert(Allowed::OneOf(vec![None]));
        if let Allowed::OneOf(values) = known {
            values.push(Some(value));
        }
    }

    /// What was expected has been written, or has not.
    pub fn settle(&self, expected: &[(String, Digest)], written: bool) {
        let mut known = self.lock();
        for (name, value) in expected {
            let Some(Allowed::OneOf(values)) = known.get_mut(name) else {
                if written {
                    known.insert(name.clone(), Allowed::OneOf(vec![Some(*value)]));
                }
                continue;
            };
            // Somebody else's change may be under way already: its value comes later in the list.
            let place = values.iter().position(|one| *one == Some(*value));
            match place {
                Some(place) if written => values.drain(..place).for_each(drop),
                Some(place) => drop(values.remove(place)),
                None if written => *values = vec![Some(*value)],
                None => {}
            }
        }
    }

    /// What a row must be that was just compared with the fold of its events.
    pub fn know(&self, name: String, value: Digest) {
        self.lock().insert(name, Allowed::OneOf(vec![Some(value)]));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Allowed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the journal keeps of a sealed value, beside why it changed.
pub fn seal(name: &str, value: Digest) -> Value {
    json!({"name": name, "value": value})
}

/// Whether a value decides something: what was told to whom in a channel does not.
pub fn is_sealed(name: &str) -> bool {
    let first = name.split(' ').next().unwrap_or_default();
    matches!(
        first,
        "freeze" | "approvers" | "invitation" | "sign_count" | "grant" | "request" | "execution"
    )
}

fn named(entry: &Entry) -> Option<String> {
    if let Some(name) = entry.data.pointer("/sealed/name") {
        return name.as_str().map(str::to_owned);
    }
    match entry.kind.as_str() {
        "gate_frozen" | "gate_thawed" => Some("freeze".to_owned()),
        "approvers_applied" => Some("approvers".to_owned()),
        "approver_invited" | "passkey_registered" => Some(format!("invitation {}", entry.subject)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn entry(kind: &str, data: Value) -> Entry {
        serde_json::from_value(json!({"seq": 0, "at": "", "kind": kind, "subject": "inv-1", "data": data})).unwrap()
    }

    #[test]
    fn only_the_value_that_was_journalled_last_is_read() {
        let sealed = Sealed::default();
        assert!(sealed.check("freeze", None).is_ok());
        assert!(sealed.check("freeze", Some("thawed")).is_err());
        sealed.fold(&entry(
            "gate_frozen",
            json!({"sealed": seal("freeze", Digest::of(b"frozen"))}),
        ));
        assert!(sealed.check("freeze", Some("frozen")).is_ok());
        for changed in [None, Some("thawed")] {
            assert_eq!(sealed.check("freeze", changed).unwrap_err().code, "state_changed");
        }
        assert!(sealed.check("notice slack req-1", Some("anything")).is_ok());
    }

    #[test]
    fn while_a_change_is_written_both_values_are_right_and_then_one() {
        for (written, right, wrong) in [(true, "new", "old"), (false, "old", "new")] {
            let sealed = Sealed::default();
            sealed.fold(&entry(
                "gate_frozen",
                json!({"sealed": seal("freeze", Digest::of(b"old"))}),
            ));
            sealed.expect("freeze", Digest::of(b"new"));
            assert!(sealed.check("freeze", Some("old")).is_ok() && sealed.check("freeze", Some("new")).is_ok());
            sealed.settle(&[("freeze".to_owned(), Digest::of(b"new"))], written);
            assert!(sealed.check("freeze", Some(right)).is_ok());
            assert!(sealed.check("freeze", Some(wrong)).is_err());
        }
    }

    #[test]
    fn what_an_older_gate_wrote_is_believed_until_it_changes() {
        let sealed = Sealed::default();
        sealed.fold(&entry("approver_invited", json!({})));
        assert!(sealed.check("invitation inv-1", Some("anything")).is_ok());
        let data = json!({"sealed": seal("invitation inv-1", Digest::of(b"this"))});
        sealed.fold(&entry("passkey_registered", data));
        assert!(sealed.check("invitation inv-1", Some("anything")).is_err());
    }
}
