//! JSON Schemas of tools, in the plain dialect that every model vendor and client accepts.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::Tool;

/// Returns the schema of the arguments: an object that admits nothing unnamed, optional members without `null`.
pub fn of_input<T: Tool>() -> Result<JsonObject, String> {
    let mut schema = plain::<T::Input>(SchemaSettings::draft2020_12().for_deserialize(), T::NAME)?;
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    let mut schema = Value::Object(schema);
    walk(&mut schema, &mut optional_without_null);
    into_object(schema, T::NAME)
}

/// Returns the schema of what `structuredContent` may be: the output, or the error of [`crate::ToolError`].
/// The error belongs in it because TypeScript clients validate error results as well and would hide the message.
pub fn of_output<T: Tool>() -> Result<JsonObject, String> {
    let output = plain::<T::Output>(SchemaSettings::draft2020_12().for_serialize(), T::NAME)?;
    let schema = json!({
        "type": "object",
        "anyOf": [output, {
            "title": "Error",
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "retryable": {"type": "boolean"},
                "hint": {"type": "string"},
            },
            "required": ["code", "message", "retryable"],
        }],
    });
    into_object(schema, T::NAME)
}

fn plain<T: JsonSchema>(mut settings: SchemaSettings, tool: &str) -> Result<JsonObject, String> {
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    walk(&mut schema, &mut |object| {
        // Rust's own names ("uint32", "double"): strict validators refuse a format they do not know.
        if object.get("format").and_then(Value::as_str).is_some_and(|format| {
            format.starts_with("int") || format.starts_with("uint") || matches!(format, "float" | "double")
        }) {
            object.remove("format");
        }
    });
    let mut schema = into_object(schema, tool)?;
    schema.remove("title");
    schema.remove("description");
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(format!("the schema of tool `{tool}` is not an object"));
    }
    Ok(schema)
}

fn into_object(schema: Value, tool: &str) -> Result<JsonObject, String> {
    match schema {
        Value::Object(object) => Ok(object),
        _ => Err(format!("the schema of tool `{tool}` is not an object")),
    }
}

/// Calls `f` on every object schema inside, children first.
fn walk(schema: &mut Value, f: &mut impl FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(|child| walk(child, f));
            f(object);
        }
        Value::Array(items) => items.iter_mut().for_each(|child| walk(child, f)),
        _ => {}
    }
}

/// Turns `["string","null"]` and `anyOf: [X, null]` into the type itself wherever the member may be left out.
fn optional_without_null(object: &mut Map<String, Value>) {
    let required: Vec<String> = match object.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = object.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if let Value::Object(property) = property
            && !required.contains(name)
        {
            without_null(property);
        }
    }
}

fn without_null(property: &mut Map<String, Value>) {
    if property.get("default") == Some(&Value::Null) {
        property.remove("default");
    }
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(choices)) = property.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice != &json!({"type": "null"}));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        property.remove("anyOf");
        for (key, value) in only {
            property.entry(key).or_insert(value);
        }
    }
}
