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
    let mut output = Value::Object(plain::<T::Output>(
        SchemaSettings::draft2020_12().for_serialize(),
        T::NAME,
    )?);
    // A type that contains itself is referred to from the root, which is no longer the output's own.
    walk(&mut output, &mut |object| {
        if object.get("$ref").and_then(Value::as_str) == Some("#") {
            object.insert("$ref".to_owned(), "#/anyOf/0".into());
        }
    });
    let definitions = output.as_object_mut().and_then(|output| output.remove("$defs"));
    let mut schema = json!({
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
    if let (Some(definitions), Value::Object(schema)) = (definitions, &mut schema) {
        schema.insert("$defs".to_owned(), definitions);
    }
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

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use async_trait::async_trait;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{CallContext, ToolError};

    struct Demo;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Input {
        place: Option<Place>,
        limit: Option<u32>,
        must: Option<Option<String>>,
        #[schemars(required)]
        nullable: Option<i64>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Place {
        row: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Tree {
        leaves: Vec<Tree>,
        roots: Vec<Root>,
        weight: f64,
    }

    #[derive(Serialize, JsonSchema)]
    struct Root {
        roots: Vec<Root>,
    }

    #[async_trait]
    impl Tool for Demo {
        type State = ();
        type Input = Input;
        type Output = Tree;
        const NAME: &'static str = "demo";
        const TITLE: &'static str = "Demo";
        const DESCRIPTION: &'static str = "For tests.";

        async fn call(_: &(), _: Input, _: &CallContext) -> Result<Tree, ToolError> {
            Err(ToolError::new("unused", "never called"))
        }
    }

    #[test]
    fn what_may_be_left_out_is_never_null_at_any_depth() {
        let schema = of_input::<Demo>().unwrap();
        assert_eq!(schema["additionalProperties"], false);
        let properties = &schema["properties"];
        assert_eq!(properties["limit"], json!({"type": "integer", "minimum": 0}));
        assert_eq!(properties["must"]["type"], "string");
        assert_eq!(
            properties["place"],
            json!({"type": "object", "properties": {"row": {"type": "string"}}})
        );
    }

    #[test]
    fn an_output_that_contains_itself_can_be_resolved_from_the_root() {
        let schema = of_output::<Demo>().unwrap();
        let result = &schema["anyOf"][0];
        assert_eq!(result["properties"]["weight"], json!({"type": "number"}));
        assert_eq!(result["properties"]["leaves"]["items"]["$ref"], "#/anyOf/0");
        assert_eq!(
            schema["$defs"]["Root"]["properties"]["roots"]["items"]["$ref"],
            "#/$defs/Root"
        );
        assert_eq!(schema["anyOf"][1]["required"], json!(["code", "message", "retryable"]));
    }
}
