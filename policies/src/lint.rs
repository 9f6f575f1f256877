//! Checks rules before they decide anything: what they call, and which fields of the input they ask for. The engine
//! itself loads a rule that calls a function it lacks, or asks for a field that does not exist, and finds out too late.

use std::collections::BTreeSet;

use regorus::Engine;
use serde_json::Value;

use crate::bundle::PolicyError;
use crate::input::input_schema;

/// The rule that the engine asks for.
const ASKED: &str = "decision";
const PACKAGE: &str = "data.countersign.";

/// Functions that only compute. None of them reads a clock, a network, an environment, or chance.
const COMPUTES: [&str; 58] = [
    "abs",
    "all",
    "any",
    "array.concat",
    "array.reverse",
    "array.slice",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.marshal",
    "lower",
    "max",
    "min",
    "net.cidr_contains",
    "numbers.range",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "product",
    "regex.match",
    "replace",
    "round",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "substring",
    "sum",
    "time.add_date",
    "time.clock",
    "time.date",
    "time.parse_rfc3339_ns",
    "time.weekday",
    "to_number",
    "trim",
    "trim_prefix",
    "trim_space",
    "trim_suffix",
    "union",
    "upper",
];

pub(crate) fn check(engine: &Engine) -> Result<(), PolicyError> {
    let unprepared = |message: String| PolicyError::Unprepared { message };
    let ast = engine
        .get_ast_as_json()
        .map_err(|source| unprepared(source.to_string()))?;
    let modules: Value = serde_json::from_str(&ast).map_err(|source| unprepared(source.to_string()))?;
    let modules: Vec<&Value> = modules.as_array().into_iter().flatten().collect();
    let schema = input_schema().to_value();
    let rules: BTreeSet<String> = modules
        .iter()
        .filter_map(|module| module.pointer("/ast/rules"))
        .flat_map(rule_names)
        .collect();
    if !rules.contains(ASKED) {
        return Err(PolicyError::MissingRule { rule: ASKED });
    }
    for module in modules {
        let file = module
            .pointer("/source/file")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let lint = Lint {
            file,
            rules: &rules,
            schema: &schema,
        };
        let imports = module
            .pointer("/ast/imports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        imports.into_iter().try_for_each(|import| lint.import(import))?;
        lint.node(module.pointer("/ast/rules").unwrap_or(&Value::Null))?;
    }
    Ok(())
}

struct Lint<'a> {
    file: &'a str,
    rules: &'a BTreeSet<String>,
    schema: &'a Value,
}

impl Lint<'_> {
    // A name for a part of the input or of other data would lead past the checks below.
    fn import(&self, import: &Value) -> Result<(), PolicyError> {
        match import.get("refr").and_then(path).map(|path| path.join(".")).as_deref() {
            Some("rego.v1") => Ok(()),
            _ => Err(PolicyError::Import {
                file: self.file.to_owned(),
                line: line(import),
            }),
        }
    }

    fn node(&self, node: &Value) -> Result<(), PolicyError> {
        match node {
            Value::Array(items) => items.iter().try_for_each(|item| self.node(item)),
            Value::Object(fields) => {
                if let Some(call) = fields.get("Call") {
                    self.call(call)?;
                    // The name of a function is no path into the input.
                    return self.node(call.get("params").unwrap_or(&Value::Null));
                }
                if fields.contains_key("RefDot") || fields.contains_key("RefBrack") {
                    self.reference(node)?;
                    return indices(node).into_iter().try_for_each(|index| self.node(index));
                }
                if node.pointer("/Var/value").and_then(Value::as_str) == Some("data") {
                    return Err(self.unknown_path(node, "data".to_owned()));
                }
                fields.values().try_for_each(|value| self.node(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn call(&self, call: &Value) -> Result<(), PolicyError> {
        let name = call
            .get("fcn")
            .and_then(path)
            .map(|path| path.join("."))
            .unwrap_or_default();
        let own = self.rules.contains(name.strip_prefix(PACKAGE).unwrap_or(&name));
        if own || COMPUTES.contains(&name.as_str()) {
            return Ok(());
        }
        Err(PolicyError::UnknownCall {
            file: self.file.to_owned(),
            line: line(call),
            call: name,
        })
    }

    /// A path from `input`, or from a variable that is named after a type of the input and so holds one, must lead
    /// through fields that exist; a path from `data` must lead to a rule.
    fn reference(&self, node: &Value) -> Result<(), PolicyError> {
        let Some(path) = path(node) else { return Ok(()) };
        let [root, fields @ ..] = path.as_slice() else {
            return Ok(());
        };
        let known = match root.as_str() {
            "input" => leads_somewhere(self.schema, self.schema, fields),
            "data" => match fields {
                [package, rule, ..] => format!("data.{package}.") == PACKAGE && self.rules.contains(rule),
                [] | [_] => false,
            },
            name => match self.schema.pointer(&format!("/$defs/{}", type_name(name))) {
                Some(definition) => leads_somewhere(self.schema, definition, fields),
                None => true,
            },
        };
        if known {
            Ok(())
        } else {
            Err(self.unknown_path(node, path.join(".")))
        }
    }

    fn unknown_path(&self, node: &Value, path: String) -> PolicyError {
        PolicyError::UnknownPath {
            file: self.file.to_owned(),
            line: line(node),
            path,
        }
    }
}

/// Returns the names of the rules in a module.
pub(crate) fn rule_names(rules: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten() {
        let head = rule
            .pointer("/Spec/head")
            .and_then(Value::as_object)
            .and_then(|head| head.values().next());
        let refr = head
            .and_then(|head| head.get("refr"))
            .or_else(|| rule.pointer("/Default/refr"));
        names.extend(refr.and_then(path).map(|path| path.join(".")));
    }
    names
}

/// Returns a reference as its parts, `[]` for an index that is not written out; none if it does not start at a name.
pub(crate) fn path(node: &Value) -> Option<Vec<String>> {
    if let Some(name) = node.pointer("/Var/value").and_then(Value::as_str) {
        return Some(vec![name.to_owned()]);
    }
    let (refr, part) = match (node.get("RefDot"), node.get("RefBrack")) {
        (Some(dot), _) => (dot.get("refr")?, dot.pointer("/field/1")?.as_str()?.to_owned()),
        (None, Some(bracket)) => {
            let written = bracket.pointer("/index/String/value").and_then(Value::as_str);
            (bracket.get("refr")?, written.unwrap_or("[]").to_owned())
        }
        (None, None) => return None,
    };
    let mut parts = path(refr)?;
    parts.push(part);
    Some(parts)
}

/// Returns what stands in the brackets of a reference, and what it starts from where that is no name.
fn indices(node: &Value) -> Vec<&Value> {
    let (refr, index) = match (node.get("RefDot"), node.get("RefBrack")) {
        (Some(dot), _) => (dot.get("refr"), None),
        (None, Some(bracket)) => (bracket.get("refr"), bracket.get("index")),
        (None, None) if node.get("Var").is_some() => return Vec::new(),
        (None, None) => return vec![node],
    };
    refr.into_iter().flat_map(indices).chain(index).collect()
}

fn leads_somewhere(root: &Value, schema: &Value, fields: &[String]) -> bool {
    if let Some(target) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix('#'))
    {
        return root
            .pointer(target)
            .is_some_and(|target| leads_somewhere(root, target, fields));
    }
    let [field, rest @ ..] = fields else { return true };
    let next = match field.as_str() {
        "[]" => schema.get("items"),
        name => schema.get("properties").and_then(|properties| properties.get(name)),
    };
    next.is_some_and(|next| leads_somewhere(root, next, rest))
}

/// Returns the type that a variable is named after: `evidence_text` holds an `EvidenceText`.
fn type_name(variable: &str) -> String {
    let capital = |word: &str| {
        word.chars()
            .take(1)
            .map(|first| first.to_ascii_uppercase())
            .chain(word.chars().skip(1))
            .collect::<String>()
    };
    variable.split('_').map(capital).collect()
}

fn line(node: &Value) -> u64 {
    match node {
        Value::Object(fields) => match node.pointer("/span/line").and_then(Value::as_u64) {
            Some(line) => line,
            None => fields.values().map(line).find(|line| *line > 0).unwrap_or(0),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => 0,
    }
}
