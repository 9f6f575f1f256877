//! How a tool's answer or refusal becomes a result on the wire.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::Value;

use crate::ToolError;

/// The answer or the refusal, as structured content and, for clients that know no other, as text.
pub fn to_result(outcome: &Result<Value, ToolError>, meta: MetaObject) -> CallToolResult {
    let (value, failed) = match outcome {
        Ok(value) => (value.clone(), false),
        Err(error) => (error.to_value(), true),
    };
    let text = ContentBlock::text(value.to_string());
    let mut result = if failed {
        CallToolResult::error(vec![text])
    } else {
        CallToolResult::success(vec![text])
    };
    result.structured_content = Some(value);
    result.meta = Some(meta);
    result
}

/// Refuses a result that would flood the caller's context.
pub fn within_budget(value: Value, max_bytes: usize) -> Result<Value, ToolError> {
    let bytes = value.to_string().len();
    if bytes <= max_bytes {
        return Ok(value);
    }
    Err(ToolError::new(
        "result_too_large",
        format!("the result has {bytes} bytes, at most {max_bytes} are allowed"),
    )
    .hint("ask for fewer rows, a shorter time range or a narrower filter"))
}
