//! How a tool's answer or refusal becomes a result on the wire.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::Serialize;
use serde_json::Value;

use crate::ToolError;

/// How a transport writes structured content, which says the same as the text beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structured {
    /// As a value of its own.
    Value,
    /// As null; the transport puts the text there. Large results are not built a second time, value by value.
    FromText,
}

/// The answer or the refusal, as structured content and, for clients that know no other, as text.
pub fn to_result(outcome: Result<String, ToolError>, structured: Structured, meta: MetaObject) -> CallToolResult {
    let (text, value, failed) = match outcome {
        Ok(text) => {
            let value = match structured {
                Structured::FromText => Value::Null,
                Structured::Value => serde_json::from_str(&text).unwrap_or_default(),
            };
            (text, value, false)
        }
        Err(error) => {
            let value = error.to_value();
            (value.to_string(), value, true)
        }
    };
    let text = vec![ContentBlock::text(text)];
    let mut result = match failed {
        true => CallToolResult::error(text),
        false => CallToolResult::success(text),
    };
    result.structured_content = Some(value);
    result.meta = Some(meta);
    result
}

/// Writes a tool's output, or refuses one that would flood the caller's context.
pub fn written(output: &impl Serialize, max_bytes: usize) -> Result<String, ToolError> {
    let text = serde_json::to_string(output)
        .map_err(|_| ToolError::new("internal", "the result could not be written as JSON"))?;
    let bytes = text.len();
    if bytes <= max_bytes {
        return Ok(text);
    }
    Err(ToolError::new(
        "result_too_large",
        format!("the result has {bytes} bytes, at most {max_bytes} are allowed"),
    )
    .hint("ask for fewer rows, a shorter time range or a narrower filter"))
}
