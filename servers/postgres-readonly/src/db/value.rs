//! Turns values in PostgreSQL's text form into JSON, cleaned and bounded: whoever wrote them is not trusted.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::{Map, Number, Value};

use crate::{masked, wire::TextRow};

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

/// Rows that are written as JSON arrays straight from PostgreSQL's text form.
#[derive(Debug)]
pub struct Rows {
    rows: Vec<TextRow>,
    oids: Vec<u32>,
    max_chars: usize,
}

impl Rows {
    /// Keeps as many of the first rows as take about `max_bytes` of JSON; returns whether a row or part of a value was
    /// left out.
    pub fn bounded(mut rows: Vec<TextRow>, oids: Vec<u32>, max_chars: usize, max_bytes: usize) -> (Self, bool) {
        let (mut left, mut cut) = (max_bytes, false);
        let fitting = rows.iter().take_while(|row| {
            let mut bytes = 3;
            for value in row.values().flatten() {
                // Counted before cleaning: what cleaning takes away was not cut.
                let too_long = value.len() > max_chars && text_of(value).chars().nth(max_chars).is_some();
                cut |= too_long;
                bytes += match too_long {
                    true => max_chars * 2,
                    false => value.iter().map(|byte| written_bytes(*byte)).sum::<usize>(),
                };
            }
            bytes += row.values().count() * 4;
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        });
        let (kept, all) = (fitting.count(), rows.len());
        rows.truncate(kept);
        let rows = Self { rows, oids, max_chars };
        (rows, cut || kept < all)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// How many bytes a byte takes inside a JSON string.
fn written_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\t' => 2,
        _ => 1,
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Cells(row, self)))
    }
}

struct Cells<'a>(&'a TextRow, &'a Rows);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, Rows { oids, max_chars, .. }) = self;
        let mut cells = serializer.serialize_seq(Some(oids.len()))?;
        for (oid, text) in oids.iter().zip(row.values()) {
            cells.serialize_element(&Cell {
                oid: *oid,
                text,
                max_chars: *max_chars,
            })?;
        }
        cells.end()
    }
}

struct Cell<'a> {
    oid: u32,
    text: Option<&'a [u8]>,
    max_chars: usize,
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(text) = self.text else {
            return serializer.serialize_unit();
        };
        let text = text_of(text);
        match self.oid {
            BOOL => return serializer.serialize_bool(text == "t"),
            INT2 | INT4 | OID | INT8 | NUMERIC => {
                if let Some(number) = exact(&text) {
                    return serializer.serialize_i64(number);
                }
            }
            _ => {}
        }
        if has_form(self.oid)
            && let Some(value) = typed(self.oid, &text, self.max_chars)
        {
            return value.serialize(serializer);
        }
        match masked::may_hold(&text) {
            true => serializer.serialize_str(&masked::text(&kit::text::cleaned(&text, self.max_chars))),
            false => serializer.serialize_str(&kit::text::cleaned(&text, self.max_chars)),
        }
    }
}

/// The server was asked for UTF-8, but a function may still give it something else.
fn text_of(value: &[u8]) -> Cow<'_, str> {
    // Looked at once where there is nothing to replace, which is faster than looking for what to replace.
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

fn has_form(oid: u32) -> bool {
    matches!(
        oid,
        BOOL | INT8 | INT2 | INT4 | OID | JSON | FLOAT4 | FLOAT8 | NUMERIC | JSONB
    )
}

/// Returns the value of a column of type `oid` as JSON; text longer than `max_chars` is cut.
pub fn to_json(oid: u32, text: Option<&[u8]>, max_chars: usize) -> Value {
    let Some(text) = text else { return Value::Null };
    let text = text_of(text);
    typed(oid, &text, max_chars).unwrap_or_else(|| Value::String(masked::text(&kit::text::clean(&text, max_chars))))
}

/// Returns the value in JSON's own form, where it has one that loses nothing.
fn typed(oid: u32, text: &str, max_chars: usize) -> Option<Value> {
    match oid {
        BOOL => Some(Value::Bool(text == "t")),
        INT2 | INT4 | OID | INT8 => whole(text),
        FLOAT4 | FLOAT8 => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
        NUMERIC => whole(text).or_else(|| decimal(text)),
        JSON | JSONB if text.len() <= max_chars => serde_json::from_str(text).ok().map(cleaned),
        _ => None,
    }
}

fn whole(text: &str) -> Option<Value> {
    exact(text).map(Value::from)
}

fn exact(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.unsigned_abs() <= MAX_EXACT).then_some(number)
}

fn decimal(text: &str) -> Option<Value> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let number = text.parse().ok().and_then(Number::from_f64)?;
    (digits <= EXACT_DIGITS).then_some(Value::Number(number))
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
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use super::*;
    use serde_json::json;

    fn value(oid: u32, text: &str) -> Value {
        let (rows, _) = Rows::bounded(vec![row(text)], vec![oid], 100, 10_000);
        let written = serde_json::to_value(&rows).unwrap();
        assert_eq!(written, json!([[to_json(oid, Some(text.as_bytes()), 100)]]));
        written[0][0].clone()
    }

    fn row(text: &str) -> TextRow {
        let mut body = vec![0, 1];
        body.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
        TextRow::read(body.into()).unwrap()
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
    fn passwords_are_masked_wherever_they_stand() {
        assert_eq!(
            value(25, "host=a password=hunter2 user=b"),
            json!("host=a password=*** user=b")
        );
        assert_eq!(
            value(25, "ALTER ROLE a PASSWORD 'hunter2'"),
            json!("ALTER ROLE a PASSWORD ***")
        );
        assert_eq!(value(25, "postgres://a:hunter2@b/c"), json!("postgres://a:***@b/c"));
        assert_eq!(
            value(25, "SELECT password FROM users WHERE a = 'b'"),
            json!("SELECT password FROM users WHERE a = 'b'")
        );
    }

    #[test]
    fn text_is_cleaned_inside_json_too() {
        assert_eq!(
            value(JSONB, "{\"a\\u200b\": [\"x\\u0007y\", 1]}"),
            json!({"a": ["xy", 1]})
        );
        assert_eq!(value(25, "a\u{202e}b"), json!("ab"));
        assert_eq!(to_json(25, None, 100), Value::Null);
    }

    #[test]
    fn a_cut_is_told() {
        assert_eq!(to_json(25, Some(b"abcdef"), 3), json!("ab…"));
        let cut = |rows: Vec<TextRow>, oid, max_chars, max_bytes| {
            let (rows, cut) = Rows::bounded(rows, vec![oid], max_chars, max_bytes);
            (serde_json::to_value(&rows).unwrap(), cut)
        };
        assert_eq!(cut(vec![row("abcdef")], 25, 3, 100), (json!([["ab…"]]), true));
        assert!(cut(vec![row("[1,2,3,4]")], JSON, 3, 100).1);
        assert_eq!(
            cut(vec![row("abc"), row("def")], 25, 3, 100),
            (json!([["abc"], ["def"]]), false)
        );
        assert_eq!(cut(vec![row("abc"), row("def")], 25, 3, 15), (json!([["abc"]]), true));
        assert_eq!(bounded_rows(vec!["aaa", "bbb", "ccc"], 12), (vec!["aaa", "bbb"], true));
    }
}
