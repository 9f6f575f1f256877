//! Turns a call's arguments into a tool's input, or says which argument is wrong and why.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ToolError;

/// Checks `arguments` against the schema's names and bounds, then reads them as `T`.
pub fn parse<T: DeserializeOwned>(mut arguments: JsonObject, schema: &JsonObject) -> Result<T, ToolError> {
    drop_optional_nulls(&mut arguments, schema);
    check_object(&arguments, schema, "")?;
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner().to_string();
        ToolError::invalid_argument(if path == "." {
            cause
        } else {
            format!("`{path}`: {cause}")
        })
    })
}

/// Many callers send `null` for what they leave out.
fn drop_optional_nulls(arguments: &mut JsonObject, schema: &JsonObject) {
    let known = |name: &str| matches!(schema.get("properties"), Some(Value::Object(all)) if all.contains_key(name));
    let required =
        |name: &str| matches!(schema.get("required"), Some(Value::Array(all)) if all.iter().any(|n| n == name));
    arguments.retain(|name, value| !value.is_null() || required(name) || !known(name));
}

fn check(value: &Value, schema: &Value, path: &str) -> Result<(), ToolError> {
    let Value::Object(schema) = schema else {
        return Ok(());
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let refuse = |what: String| Err(ToolError::invalid_argument(format!("`{path}`: {what}")));
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            match (bound("minimum"), bound("maximum")) {
                (Some(least), _) if number < least => refuse(format!("{number} is less than {least}")),
                (_, Some(most)) if number > most => refuse(format!("{number} is more than {most}")),
                _ => Ok(()),
            }
        }
        Value::String(text) => check_len(
            text.chars().count(),
            "characters",
            bound("minLength"),
            bound("maxLength"),
            path,
        ),
        Value::Array(items) => {
            check_len(items.len(), "items", bound("minItems"), bound("maxItems"), path)?;
            let Some(of) = schema.get("items") else {
                return Ok(());
            };
            items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| check(item, of, &format!("{path}[{at}]")))
        }
        Value::Object(members) => check_object(members, schema, path),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn check_object(members: &Map<String, Value>, schema: &Map<String, Value>, path: &str) -> Result<(), ToolError> {
    let empty = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        _ => &empty,
    };
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, value) in members {
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match properties.get(name) {
            Some(property) => check(value, property, &inner)?,
            None if closed => return Err(unknown(&inner, properties)),
            None => {}
        }
    }
    Ok(())
}

fn unknown(path: &str, properties: &Map<String, Value>) -> ToolError {
    // The name is the caller's own text, so it is bounded before it is repeated.
    let error = ToolError::invalid_argument(format!("unknown argument `{}`", crate::text::clean(path, 80)));
    let known: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
    match known.as_slice() {
        [] => error.hint("this takes no arguments"),
        known => error.hint(format!("known: {}", known.join(", "))),
    }
}

fn check_len(len: usize, unit: &str, least: Option<f64>, most: Option<f64>, path: &str) -> Result<(), ToolError> {
    #[expect(clippy::cast_precision_loss, reason = "no argument has 2^52 characters")]
    let len = len as f64;
    match (least, most) {
        (Some(least), _) if len < least => Err(ToolError::invalid_argument(format!(
            "`{path}`: {len} {unit}, at least {least} expected"
        ))),
        (_, Some(most)) if len > most => Err(ToolError::invalid_argument(format!(
            "`{path}`: {len} {unit}, at most {most} allowed"
        ))),
        _ => Ok(()),
    }
}
