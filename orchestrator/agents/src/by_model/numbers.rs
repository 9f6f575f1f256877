//! Holds the numbers that a model states against those of the evidence it cites. A number that stands nowhere is told.

use runbooks::Evidence;
use serde_json::Value;

/// The same span or size in other units: milliseconds, minutes, hours, days; kilo, mega and giga, by both counts.
const UNITS: [f64; 11] = [
    1.0,
    0.001,
    60.0,
    3_600.0,
    86_400.0,
    1_000.0,
    1_024.0,
    1_048_576.0,
    1_073_741_824.0,
    1e6,
    1e9,
];
/// A share in percent.
const PERCENT: f64 = 0.01;

/// A number as it was written, and the half of its last digit that is not nought: what rounding may have done.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stated {
    value: f64,
    half_digit: f64,
}

/// The numbers of a text that none of these pieces of evidence shows, as they stand in it.
pub(super) fn unshown<'a>(text: &'a str, evidence: &[&Evidence]) -> Vec<&'a str> {
    let stated = numbers_in(text);
    if stated.is_empty() {
        return Vec::new();
    }
    let mut shown = Vec::new();
    for piece in evidence {
        collect(&piece.result, &mut shown);
    }
    let is_shown = |stated: &Stated| shown.iter().any(|value| fits(*stated, *value));
    // Nought and one are words.
    let is_word = |stated: &Stated| stated.value <= 1.0;
    let mut unshown = Vec::new();
    for (word, number) in stated {
        if !is_word(&number) && !is_shown(&number) && !unshown.contains(&word) {
            unshown.push(word);
        }
    }
    unshown
}

fn fits(stated: Stated, shown: f64) -> bool {
    let is = |unit: f64| (shown / unit - stated.value).abs() <= stated.half_digit;
    UNITS.into_iter().any(is) || (shown <= 1.0 && is(PERCENT))
}

#[expect(clippy::cast_precision_loss, reason = "lengths of lists are far below 2^52")]
fn collect(value: &Value, shown: &mut Vec<f64>) {
    match value {
        Value::Number(number) => shown.extend(number.as_f64().map(f64::abs)),
        Value::String(text) => shown.extend(numbers_in(text).into_iter().map(|(_, stated)| stated.value)),
        Value::Array(items) => {
            shown.push(items.len() as f64);
            items.iter().for_each(|item| collect(item, shown));
        }
        Value::Object(map) => map.values().for_each(|item| collect(item, shown)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Numbers that stand alone: not those of names, as `E4`, `pg_17` or `x86`. Thousands may be set apart by commas.
fn numbers_in(text: &str) -> Vec<(&str, Stated)> {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(b' ');
    let mut found = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        if !at(index).is_ascii_digit() {
            index += 1;
            continue;
        }
        let start = index;
        while at(index).is_ascii_digit() || (matches!(at(index), b'.' | b',') && at(index + 1).is_ascii_digit()) {
            index += 1;
        }
        let before = start.checked_sub(1).map_or(b' ', at);
        let is_of_a_name = before.is_ascii_alphabetic() || before == b'_' || !before.is_ascii();
        if let (false, Some(word)) = (is_of_a_name, text.get(start..index)) {
            found.extend(read(word).map(|stated| (word, stated)));
        }
    }
    found
}

fn read(word: &str) -> Option<Stated> {
    let plain = word.replace(',', "");
    let value: f64 = plain.parse().ok()?;
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let noughts = whole.len().saturating_sub(whole.trim_end_matches('0').len());
    let power = match decimals {
        "" => i32::try_from(noughts).ok()?,
        _ => i32::try_from(decimals.len()).ok()?.checked_neg()?,
    };
    Some(Stated {
        value,
        half_digit: 0.5 * 10_f64.powi(power),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_evidence::record;

    fn of(text: &str) -> Vec<&str> {
        let evidence = record(
            "E4",
            "sessions",
            json!({"pid": 501, "wait_age_s": 42.53, "size_bytes": 7_516_192_768_i64, "started": "2026-11-23 10:00:05",
                   "waiters": [{"pid": 77}, {"pid": 78}, {"pid": 79}]}),
        );
        unshown(text, &[&evidence])
    }

    #[test]
    fn what_stands_in_the_evidence_is_not_told() {
        for text in [
            "501 waits for 42.5 s, as E4 says",
            "3 sessions wait",
            "7 GB, 7,516,192,768 bytes, 7.5 GB",
            "about 500 waits for 42500 ms",
            "since 10:00:05 on 2026-11-23",
            "one session, 1 cause, 0 doubts",
            "pg_17 and x86 are names",
        ] {
            assert_eq!(of(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_stands_nowhere_is_told_once() {
        assert_eq!(
            of("4242 waits, and 4242 again, for 99.5 s, beside 502"),
            ["4242", "99.5", "502"]
        );
    }

    #[test]
    fn a_number_without_end_breaks_nothing() {
        let digits = "9".repeat(5_000);
        assert!(of(&digits).len() <= 1);
    }
}
