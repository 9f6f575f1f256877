//! Damages an input in every place and every way, to see that no damage is allowed: a policy that is sure of a plan
//! must be unsure of the same plan with anything missing, null, or of another type.

use serde_json::{Map, Value};

/// One damaged place of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Damage {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// How: `dropped`, `null`, or the type that stands there instead.
    pub how: &'static str,
    /// The whole input with this damage.
    pub input: Value,
}

/// Returns the input with each field in turn dropped, null, and of each other type; and each element of each list in
/// turn null and of each other type. An element that is dropped is no damage: a plan with one step less is a plan.
pub fn damages(input: &Value) -> impl Iterator<Item = Damage> {
    places(input, "")
        .into_iter()
        .flat_map(|pointer| damages_at(input, &pointer))
}

fn damages_at(input: &Value, pointer: &str) -> Vec<Damage> {
    let mut damages = Vec::new();
    let mut note = |how, damaged| {
        damages.push(Damage {
            pointer: pointer.to_owned(),
            how,
            input: damaged,
        });
    };
    for (how, other) in input.pointer(pointer).map(others).unwrap_or_default() {
        let mut damaged = input.clone();
        if let Some(place) = damaged.pointer_mut(pointer) {
            *place = other;
            note(how, damaged);
        }
    }
    let mut damaged = input.clone();
    if drop_field(&mut damaged, pointer) {
        note("dropped", damaged);
    }
    damages
}

/// Returns every place but the root, as JSON pointers.
fn places(value: &Value, prefix: &str) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let inner = inner
        .into_iter()
        .map(|(name, value)| (format!("{prefix}/{name}"), value));
    inner
        .flat_map(|(place, value)| places(value, &place).into_iter().chain([place]).collect::<Vec<_>>())
        .collect()
}

fn others(found: &Value) -> Vec<(&'static str, Value)> {
    let kind = std::mem::discriminant(found);
    [
        ("null", Value::Null),
        ("boolean", Value::Bool(true)),
        ("number", Value::from(1)),
        ("text", Value::from("1")),
        ("list", Value::Array(Vec::new())),
        ("object", Value::Object(Map::new())),
    ]
    .into_iter()
    .filter(|(_, other)| std::mem::discriminant(other) != kind)
    .collect()
}

fn drop_field(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return false;
    };
    let fields = value.pointer_mut(parent).and_then(Value::as_object_mut);
    fields.is_some_and(|fields| fields.remove(&name.replace("~1", "/").replace("~0", "~")).is_some())
}
