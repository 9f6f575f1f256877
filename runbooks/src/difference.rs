//! Says where two canonical documents differ, so that a refusal can point to the place.

use serde_json::Value;

/// Where two canonical documents first differ: a JSON pointer, or the byte where JSON itself does not tell.
pub(crate) fn first_difference(given: &[u8], wanted: &[u8]) -> String {
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    if let (Some(given), Some(wanted)) = (parse(given), parse(wanted))
        && let Some(pointer) = differs_at(&given, &wanted)
    {
        return pointer;
    }
    let at = given.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    format!("byte {at}: the bytes are not canonical JSON")
}

fn differs_at(given: &Value, wanted: &Value) -> Option<String> {
    match (given, wanted) {
        (Value::Object(a), Value::Object(b)) => b
            .keys()
            .chain(a.keys())
            .find_map(|key| Some(format!("/{key}{}", differs_or_missing(a.get(key), b.get(key))?))),
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|i| Some(format!("/{i}{}", differs_or_missing(a.get(i), b.get(i))?)))
        }
        (a, b) => (a != b).then(String::new),
    }
}

fn differs_or_missing(given: Option<&Value>, wanted: Option<&Value>) -> Option<String> {
    match (given, wanted) {
        (Some(given), Some(wanted)) => differs_at(given, wanted),
        (None, None) => None,
        _ => Some(String::new()),
    }
}
