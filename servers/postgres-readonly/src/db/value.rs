//! Turns values in PostgreSQL's text form into JSON, cleaned and bounded: whoever wrote them is not trusted.

use serde::Serialize;
use serde_json::{Map, Number, Value};

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const OID: u32 = 26;
const JSON: u32 = 114;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const NUMERIC: u32 = 1700;
const JSONB: u32 = 3802;

/// Beyond this, readers that hold numbers as doubles would see another number; such a one is written as text.
const MAX_EXACT: u64 = 1 << 53;
/// Decimal digits that a double holds without loss.
const EXACT_DIGITS: usize = 15;

/// Returns the value of a column of type `oid` as JSON, and whether it was cut.
pub fn to_json(oid: u32, text: Option<&[u8]>, max_chars: usize) -> (Value, bool) {
    let Some(text) = text else { return (Value::Null, false) };
    let text = String::from_utf8_lossy(text);
    let typed = match oid {
        BOOL => Some(Value::Bool(text == "t")),
        INT2 | INT4 | OID | INT8 => whole(&text),
        FLOAT4 | FLOAT8 => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
        NUMERIC => whole(&text).or_else(|| decimal(&text)),
        JSON | JSONB if text.len() <= max_chars => serde_json::from_str(&text).ok().map(cleaned),
        _ => None,
    };
    typed.map_or_else(|| bounded(&text, max_chars), |value| (value, false))
}

fn whole(text: &str) -> Option<Value> {
    let number: i64 = text.parse().ok()?;
    (number.unsigned_abs() <= MAX_EXACT).then(|| number.into())
}

fn decimal(text: &str) -> Option<Value> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let number = text.parse().ok().and_then(Number::from_f64)?;
    (digits <= EXACT_DIGITS).then_some(Value::Number(number))
}

fn bounded(text: &str, max_chars: usize) -> (Value, bool) {
    // Counted before cleaning: what cleaning takes away was not cut.
    let cut = text.chars().nth(max_chars).is_some();
    (Value::String(kit::text::clean(text, max_chars)), cut)
}

fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(kit::text::clean(&text, usize::MAX)),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (kit::text::clean(&name, usize::MAX), cleaned(value)))
                .collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

/// Returns how many bytes of JSON a row takes, its comma included; what cannot be written takes more than there are.
pub fn json_bytes(row: &impl Serialize) -> usize {
    serde_json::to_vec(row).map_or(usize::MAX, |json| json.len() + 1)
}

/// Returns as many of the first rows as fit into `max_bytes` of JSON, and whether any was left out.
pub fn bounded_rows<T: Serialize>(rows: Vec<T>, max_bytes: usize) -> (Vec<T>, bool) {
    let total = rows.len();
    let mut left = max_bytes;
    let kept: Vec<T> = rows
        .into_iter()
        .take_while(|row| {
            let bytes = json_bytes(row);
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        })
        .collect();
    let cut = kept.len() < total;
    (kept, cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(oid: u32, text: &str) -> Value {
        to_json(oid, Some(text.as_bytes()), 100).0
    }

    #[test]
    fn numbers_are_numbers_only_while_they_are_exact() {
        assert_eq!(value(INT8, "9007199254740992"), json!(9_007_199_254_740_992_i64));
        assert_eq!(value(INT8, "9007199254740993"), json!("9007199254740993"));
        assert_eq!(value(NUMERIC, "12.50"), json!(12.5));
        assert_eq!(value(NUMERIC, "0.1234567890123456789"), json!("0.1234567890123456789"));
        assert_eq!(value(FLOAT8, "NaN"), json!("NaN"));
        assert_eq!(value(NUMERIC, "Infinity"), json!("Infinity"));
    }

    #[test]
    fn text_is_cleaned_inside_json_too() {
        assert_eq!(
            value(JSONB, "{\"a\\u200b\": [\"x\\u0007y\", 1]}"),
            json!({"a": ["xy", 1]})
        );
        assert_eq!(value(25, "a\u{202e}b"), json!("ab"));
        assert_eq!(to_json(25, None, 100), (Value::Null, false));
    }

    #[test]
    fn a_cut_is_told() {
        assert_eq!(to_json(25, Some(b"abcdef"), 3), (json!("ab…"), true));
        assert!(to_json(JSON, Some(b"[1,2,3,4]"), 3).1);
        assert_eq!(bounded_rows(vec!["aaa", "bbb", "ccc"], 12), (vec!["aaa", "bbb"], true));
    }
}
