//! The parse tree as JSON, without anything that only says where in the text it stood.

use pg_query::protobuf::ParseResult;
use serde_json::Value;

use crate::statement::ParseError;

const POSITIONS: [&str; 11] = [
    "location",
    "stmt_location",
    "stmt_len",
    "arg_location",
    "name_location",
    "conninfo_location",
    "payload_location",
    "list_start",
    "list_end",
    "rexpr_list_start",
    "rexpr_list_end",
];

/// How each of them ends.
const ENDS: [&str; 4] = ["location", "_len", "_start", "_end"];

pub(crate) fn of(parsed: &ParseResult) -> Result<Value, ParseError> {
    let unreadable = |message: String| ParseError::Unreadable { message };
    let first = parsed
        .stmts
        .first()
        .and_then(|raw| raw.stmt.as_deref())
        .ok_or(ParseError::Empty)?;
    let mut tree = serde_json::to_value(first).map_err(|source| unreadable(source.to_string()))?;
    strip(&mut tree);
    Ok(tree)
}

// Most names end otherwise, and this is asked of every field of every tree.
fn is_position(name: &str) -> bool {
    ENDS.iter().any(|end| name.ends_with(end)) && POSITIONS.contains(&name)
}

fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(fields) => {
            fields.retain(|name, _| !is_position(name));
            fields.values_mut().for_each(strip);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
