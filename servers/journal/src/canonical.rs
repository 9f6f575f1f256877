//! Canonical JSON (RFC 8785), and what may not enter it.

use serde_json::Value;

use crate::JournalError;

/// Returns the value's RFC 8785 text. Integers that a double cannot hold and trees too deep to be read back are refused,
/// so that every leaf can be parsed and rendered again to the same bytes.
pub(crate) fn canonical(value: &Value) -> Result<String, JournalError> {
    check(value, &mut String::new(), 0)?;
    serde_json_canonicalizer::to_string(value).map_err(JournalError::tree)
}

fn check(value: &Value, pointer: &mut String, depth: usize) -> Result<(), JournalError> {
    if depth > MAX_DEPTH {
        return Err(JournalError::Event {
            reason: format!("nested deeper than {MAX_DEPTH} levels"),
        });
    }
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => {
            let exact = match (number.as_i64(), number.as_u64()) {
                (Some(n), _) => n.unsigned_abs() <= MAX_EXACT,
                (None, Some(n)) => n <= MAX_EXACT,
                // A whole double beyond 2^53 is written without exponent below 1e21 and would come back as another
                // integer's text, so doubles are held to the same bound there.
                (None, None) => number
                    .as_f64()
                    .is_some_and(|n| n.is_finite() && (n.fract() != 0.0 || n.abs() <= MAX_EXACT as f64)),
            };
            if exact {
                Ok(())
            } else {
                Err(JournalError::Number {
                    pointer: pointer.clone(),
                })
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                within(pointer, &index.to_string(), |pointer| check(item, pointer, depth + 1))?;
            }
            Ok(())
        }
        Value::Object(members) => {
            for (name, member) in members {
                let token = name.replace('~', "~0").replace('/', "~1");
                within(pointer, &token, |pointer| check(member, pointer, depth + 1))?;
            }
            Ok(())
        }
    }
}

fn within<T>(pointer: &mut String, token: &str, then: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(token);
    let result = then(pointer);
    pointer.truncate(length);
    result
}

const MAX_EXACT: u64 = (1 << 53) - 1;
/// serde_json reads back at most 128 levels.
const MAX_DEPTH: usize = 100;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_sorted_and_numbers_are_shortest() {
        let text = canonical(&json!({"b": 1.0, "a": [1e3, 0.5, "é\n"]})).unwrap();
        assert_eq!(text, r#"{"a":[1000,0.5,"é\n"],"b":1}"#);
    }

    #[test]
    fn an_integer_that_a_double_cannot_hold_is_refused_by_its_pointer() {
        for odd in [json!(9_007_199_254_740_992_u64), json!(i64::MIN), json!(1e20)] {
            let error = canonical(&json!({"rows": [{"a/b": odd}]})).unwrap_err();
            assert_eq!(error.code(), "journal_number");
            assert!(error.to_string().contains("`/rows/0/a~1b`"), "{error}");
        }
        canonical(&json!([9_007_199_254_740_991_u64, -9_007_199_254_740_991_i64])).unwrap();
    }

    #[test]
    fn a_tree_too_deep_to_be_read_back_is_refused() {
        let deep = (0..MAX_DEPTH + 1).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(canonical(&deep).unwrap_err().code(), "journal_event");
    }
}
