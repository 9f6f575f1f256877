//! The records that this process has shown, so that one of them can be asked for in full, and none that it has not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use kit::ToolError;

/// As many as are remembered, newest first.
const MAX_RECORDS: usize = 5_000;

#[derive(Debug, Default)]
pub struct Records(Mutex<Issued>);

#[derive(Debug, Default)]
struct Issued {
    pointers: BTreeMap<u64, String>,
    last: u64,
}

impl Records {
    /// Remembers AWS's pointer to a record and returns the name that callers get: `r17`.
    pub fn issue(&self, pointer: &str) -> String {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.last += 1;
        let number = issued.last;
        issued.pointers.insert(number, pointer.to_owned());
        if issued.pointers.len() > MAX_RECORDS {
            issued.pointers.pop_first();
        }
        format!("r{number}")
    }

    /// Returns the pointer behind a name; any other text is `unknown_record`.
    pub fn pointer(&self, name: &str) -> Result<String, ToolError> {
        let issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = name.strip_prefix('r').and_then(|digits| digits.parse::<u64>().ok());
        let known = number.and_then(|number| issued.pointers.get(&number));
        known.cloned().ok_or_else(|| {
            ToolError::new(
                "unknown_record",
                "this record was not shown by this server, or too long ago",
            )
            .hint("take `record` from an answer of another tool, as in r17")
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn only_what_was_shown_can_be_asked_for() {
        let records = Records::default();
        let name = records.issue("CmEKJg==");
        assert_eq!(records.pointer(&name).unwrap(), "CmEKJg==");
        for other in ["r2", "CmEKJg==", "r", "1", "r-1", "", "r1 "] {
            assert_eq!(records.pointer(other).unwrap_err().code, "unknown_record", "{other}");
        }
        for _ in 0..MAX_RECORDS {
            records.issue("x");
        }
        assert_eq!(records.pointer(&name).unwrap_err().code, "unknown_record");
    }
}
