//! Steps that are no SQL: calls of services beside the database. A parameter stands in them as one whole value.

use std::collections::{BTreeMap, BTreeSet};

use rds_call::RdsCall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::script::{Action, SqlAction};
use crate::{ParameterValue, RenderError};

/// One call of the RDS API. It goes to the instance or cluster that the executor's own configuration has for the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsRdsAction {
    /// The operation's name in the API, as `ModifyDBInstance`.
    pub operation: String,
    /// Its parameters, under their names in the API.
    pub parameters: BTreeMap<String, Value>,
    /// How long the call may take, in seconds; what it starts may take `max_wait_s` more.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
}

/// One variable in a Terraform file, changed by one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitChangeAction {
    /// The repository, by the name that the executor's configuration has for it.
    pub repository: String,
    /// The file, from the repository's root: a `.tfvars` file, or a `.tf` file that declares the variable.
    pub file: String,
    /// The variable.
    pub variable: String,
    /// What it must be before; anything else ends the step as `precondition_changed`.
    pub from: Value,
    /// What it becomes.
    pub to: Value,
    /// How long fetching and pushing may take, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
}

/// One run of a workflow of GitHub Actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CiDispatchAction {
    /// The repository, by the name that the executor's configuration has for it.
    pub repository: String,
    /// The workflow's file, as `restart.yml`.
    pub workflow: String,
    /// The branch or tag that it runs on.
    pub git_ref: String,
    /// Its inputs. `countersign_id` is not among them: the executor gives it.
    pub inputs: BTreeMap<String, Value>,
    /// How long each request may take, in seconds; the run may take the step's `max_wait_s`.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
}

/// A step's call in words that are the same for every kind, for those who show or judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteCall<'a> {
    /// `aws.rds`, `git.change`, or `ci.dispatch`.
    pub kind: &'static str,
    /// What is called: the operation, `commit`, or `workflow_dispatch`.
    pub operation: &'a str,
    /// With which values, in the order of their names.
    pub arguments: Vec<(&'a str, Value)>,
}

impl Action {
    /// Returns the statement, of a step that is one.
    pub fn sql(&self) -> Option<&SqlAction> {
        match self {
            Self::Sql(action) => Some(action),
            Self::AwsRds(_) | Self::GitChange(_) | Self::CiDispatch(_) => None,
        }
    }

    /// Returns the call, of a step that is no statement.
    pub fn remote(&self) -> Option<RemoteCall<'_>> {
        match self {
            Self::Sql(_) => None,
            Self::AwsRds(action) => Some(RemoteCall {
                kind: "aws.rds",
                operation: &action.operation,
                arguments: named(&action.parameters),
            }),
            Self::GitChange(action) => Some(RemoteCall {
                kind: "git.change",
                operation: "commit",
                arguments: vec![
                    ("file", Value::from(action.file.as_str())),
                    ("from", action.from.clone()),
                    ("repository", Value::from(action.repository.as_str())),
                    ("to", action.to.clone()),
                    ("variable", Value::from(action.variable.as_str())),
                ],
            }),
            Self::CiDispatch(action) => Some(RemoteCall {
                kind: "ci.dispatch",
                operation: "workflow_dispatch",
                arguments: vec![
                    ("git_ref", Value::from(action.git_ref.as_str())),
                    ("inputs", inputs(action)),
                    ("repository", Value::from(action.repository.as_str())),
                    ("workflow", Value::from(action.workflow.as_str())),
                ],
            }),
        }
    }

    /// Returns how long it may take, in seconds.
    pub fn timeout_s(&self) -> u32 {
        match self {
            Self::Sql(action) => action.timeout_s,
            Self::AwsRds(action) => action.timeout_s,
            Self::GitChange(action) => action.timeout_s,
            Self::CiDispatch(action) => action.timeout_s,
        }
    }

    /// Returns what it does in its exact words: the statement, or the call with its values.
    pub fn text(&self) -> String {
        match (self.sql(), self.remote()) {
            (Some(action), _) => action.statement.clone(),
            (None, Some(call)) => call.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Whether it leads back from `step` to the very state before.
    pub(crate) fn reverses(&self, step: &Self) -> bool {
        match (step, self) {
            // What a statement undoes is for its assertions to say.
            (Self::Sql(_), Self::Sql(_)) => true,
            (Self::GitChange(step), Self::GitChange(back)) => {
                let swapped = GitChangeAction {
                    from: step.to.clone(),
                    to: step.from.clone(),
                    timeout_s: back.timeout_s,
                    ..step.clone()
                };
                *back == swapped
            }
            _ => false,
        }
    }

    /// Calls `f` with the place of each value that may be a parameter.
    pub(crate) fn each_value<E>(&mut self, mut f: impl FnMut(&str, &mut Value) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Sql(_) => {}
            Self::AwsRds(action) => {
                for (name, value) in &mut action.parameters {
                    f(&format!("parameters/{name}"), value)?;
                }
            }
            Self::GitChange(action) => {
                f("from", &mut action.from)?;
                f("to", &mut action.to)?;
            }
            Self::CiDispatch(action) => {
                for (name, value) in &mut action.inputs {
                    f(&format!("inputs/{name}"), value)?;
                }
            }
        }
        Ok(())
    }

    /// What is wrong with a call of RDS once its values are there: what the API would not take, or we do not allow.
    pub(crate) fn rds_fault(&self) -> Option<(String, String)> {
        let Self::AwsRds(action) = self else {
            return None;
        };
        let error = RdsCall::parse(&action.operation, &action.parameters).err()?;
        let place = error
            .parameter()
            .map_or("parameters".to_owned(), |name| format!("parameters/{name}"));
        Some((place, error.to_string()))
    }

    /// What is wrong with it, by the place of each fault. Rendered or not: a placeholder stands for any value.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut find = |place: &str, message: String| faults.push((place.to_owned(), message));
        match self {
            Self::Sql(_) => {}
            Self::AwsRds(action) => {
                if !RdsCall::OPERATIONS.contains(&action.operation.as_str()) {
                    find("operation", format!("is none of {}", RdsCall::OPERATIONS.join(", ")));
                }
            }
            Self::GitChange(action) => git_faults(action, &mut find),
            Self::CiDispatch(action) => ci_faults(action, &mut find),
        }
        for value in self.remote().into_iter().flat_map(|call| call.arguments) {
            if has_control(&value.1) {
                find(value.0, "holds a control character".to_owned());
            }
        }
        faults
    }
}

impl std::fmt::Display for RemoteCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.operation)?;
        for (name, value) in &self.arguments {
            write!(f, "\n  {name} = {value}")?;
        }
        Ok(())
    }
}

fn named(values: &BTreeMap<String, Value>) -> Vec<(&str, Value)> {
    values
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect()
}

fn inputs(action: &CiDispatchAction) -> Value {
    let inputs: Map<String, Value> = action.inputs.clone().into_iter().collect();
    Value::Object(inputs)
}

fn git_faults(action: &GitChangeAction, find: &mut impl FnMut(&str, String)) {
    if !is_name(&action.repository) {
        find("repository", NAME.to_owned());
    }
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && part.bytes().all(is_path_byte);
    let parts_plain = action.file.split('/').all(plain);
    if !parts_plain || !(action.file.ends_with(".tfvars") || action.file.ends_with(".tf")) {
        find(
            "file",
            "must be a path from the repository's root to a `.tfvars` or `.tf` file: letters, digits, `_`, `-` and `.`, no part \
             begins with a dot"
                .to_owned(),
        );
    }
    let first = action.variable.bytes().next();
    if !first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') || !is_name(&action.variable) {
        find("variable", "is no Terraform variable's name".to_owned());
    }
    for (place, value) in [("from", &action.from), ("to", &action.to)] {
        if !is_scalar(value) {
            find(place, "must be a whole number, a text or a boolean".to_owned());
        }
    }
    if action.from == action.to {
        find("to", "is what it was before".to_owned());
    }
}

fn ci_faults(action: &CiDispatchAction, find: &mut impl FnMut(&str, String)) {
    if !is_name(&action.repository) {
        find("repository", NAME.to_owned());
    }
    let file = &action.workflow;
    if !(file.ends_with(".yml") || file.ends_with(".yaml"))
        || !file.bytes().all(is_path_byte)
        || file.starts_with(['.', '-'])
    {
        find(
            "workflow",
            "must be the name of a `.yml` or `.yaml` file of `.github/workflows`".to_owned(),
        );
    }
    let reference = &action.git_ref;
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && part.bytes().all(is_path_byte);
    if !reference.split('/').all(plain) {
        find("git_ref", "must be a branch or tag".to_owned());
    }
    if action.inputs.len() > MAX_INPUTS {
        find("inputs", format!("{MAX_INPUTS} are allowed, beside `{CI_KEY}`"));
    }
    for (name, value) in &action.inputs {
        let place = format!("inputs/{name}");
        if !is_name(name) || name == CI_KEY {
            find(
                &place,
                format!("the name must be letters, digits, `_` and `-`, and not `{CI_KEY}`, which the executor gives"),
            );
        }
        if !is_scalar(value) {
            find(&place, "must be a whole number, a text or a boolean".to_owned());
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::Number(number) => number.is_i64(),
        Value::String(text) => text.len() <= MAX_TEXT_BYTES,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn has_control(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().any(char::is_control),
        Value::Array(values) => values.iter().any(has_control),
        Value::Object(values) => values
            .iter()
            .any(|(name, value)| name.chars().any(char::is_control) || has_control(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_path_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// The parameter that a value stands for: `${name}`, and nothing beside it.
fn placeholder(text: &str) -> Result<Option<&str>, RenderError> {
    if !text.contains("${") {
        return Ok(None);
    }
    let bad = || RenderError::BadPlaceholder(text.chars().take(40).collect());
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(bad)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(bad());
    }
    Ok(Some(name))
}

/// Puts a parameter's value where its placeholder stands. Nothing is pasted: the value is the whole leaf.
pub(crate) fn render_value(
    value: &mut Value,
    values: &BTreeMap<String, ParameterValue>,
    used: &mut BTreeSet<String>,
) -> Result<(), RenderError> {
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    if let Some(name) = placeholder(text)? {
        let known = values
            .get(name)
            .ok_or_else(|| RenderError::UnknownParameter(name.to_owned()))?;
        used.insert(name.to_owned());
        *value = known.to_json();
    }
    Ok(())
}

/// The input by which a run of a workflow is found again.
pub const CI_KEY: &str = "countersign_id";
/// GitHub allows 25 inputs, and one of them is ours.
const MAX_INPUTS: usize = 24;
const MAX_TEXT_BYTES: usize = 256;
const NAME: &str = "must be letters, digits, `_` and `-`, as the executor's configuration names it";
