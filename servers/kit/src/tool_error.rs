//! The one shape of a refusal: `{code, message, retryable, hint}` and, where a tool has more to say, its data.

use serde_json::{Map, Value};

/// A tool's refusal or failure, shown to the model as an error result. Codes are stable and documented by the tool.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ToolError {
    pub code: &'static str,
    /// A lower-case fragment without secrets or connection strings.
    pub message: String,
    /// The same call may succeed later.
    pub retryable: bool,
    /// What to do instead, in one sentence.
    pub hint: Option<String>,
    /// An object whose members stand beside `code` and `message`; it cannot replace those. Boxed to keep results small.
    pub data: Option<Box<Value>>,
}

impl ToolError {
    /// Makes an error that will stay one however often the call is repeated.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            hint: None,
            data: None,
        }
    }

    /// An argument is unknown, missing, of the wrong type or out of bounds.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new("invalid_arguments", message)
    }

    pub fn retryable(self) -> Self {
        Self {
            retryable: true,
            ..self
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub fn data(self, data: Value) -> Self {
        Self {
            data: Some(Box::new(data)),
            ..self
        }
    }

    /// Returns the object that callers get as `structuredContent`.
    pub fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert("code".to_owned(), self.code.into());
        object.insert("message".to_owned(), self.message.clone().into());
        object.insert("retryable".to_owned(), self.retryable.into());
        if let Some(hint) = &self.hint {
            object.insert("hint".to_owned(), hint.clone().into());
        }
        match self.data.as_deref() {
            None => {}
            Some(Value::Object(data)) => {
                for (key, value) in data {
                    object.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            Some(other) => {
                object.insert("data".to_owned(), other.clone());
            }
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_stands_beside_the_code_and_cannot_replace_it() {
        let error = ToolError::new("approval_required", "a human must approve")
            .retryable()
            .data(json!({"request_id": "r1", "code": "ok"}));
        assert_eq!(
            error.to_value(),
            json!({"code": "approval_required", "message": "a human must approve", "retryable": true, "request_id": "r1"})
        );
    }
}
