//! What a model is asked, and what it answers.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::budget::Budget;
use crate::error::ModelError;

/// Something that completes a conversation. Every call is bounded by the request's own deadline, output limit and budget.
#[async_trait]
pub trait Model: Send + Sync {
    /// The model's name as its maker gives it, for the journal.
    fn name(&self) -> &str;

    async fn complete(&self, request: Request) -> Result<Answer, ModelError>;
}

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The standing instructions.
    pub system: String,
    pub messages: Vec<Message>,
    /// What the model may ask for before it answers. Whether it gets it is the caller's to say.
    pub tools: Vec<Tool>,
    /// The JSON Schema that the answer's text has to fit, where the maker supports one. The caller checks all the same.
    pub schema: Option<Value>,
    pub max_output_tokens: u32,
    pub deadline: Duration,
    /// What every attempt is charged to.
    pub budget: Budget,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    User { text: String },
    Assistant { text: String, tool_calls: Vec<ToolCall> },
    ToolResults { results: Vec<ToolResult> },
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Letters, digits, `_` and `-`, at most 64 of them.
    pub name: String,
    pub description: String,
    /// The JSON Schema of its arguments.
    pub schema: Value,
}

/// What the model wants to be looked up. Foreign in every part: the name may be of no tool, the arguments of any shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Value,
    /// What some makers want back with the result, unread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}

/// The answer to a call, under the call's own id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    pub call: String,
    pub name: String,
    pub content: String,
}

/// One answer. Text and calls are foreign: data to be parsed, never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub text: String,
    /// All of one turn; they may be answered in any order.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Which model it was, where several could have answered.
    pub model: String,
    pub usage: Usage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub input_tokens: u32,
    pub output_tokens: u32,
    /// In millionths of the currency that the prices are in.
    #[serde(default)]
    pub cost_micros: u64,
}

impl Request {
    /// A question without tools, on no budget but its own bounds.
    #[must_use]
    pub fn asking(
        system: impl Into<String>,
        text: impl Into<String>,
        max_output_tokens: u32,
        deadline: Duration,
    ) -> Self {
        Self {
            system: system.into(),
            messages: vec![Message::User { text: text.into() }],
            tools: Vec::new(),
            schema: None,
            max_output_tokens,
            deadline,
            budget: Budget::unlimited(),
        }
    }

    /// What is sent, without the bounds: the same question has the same digest.
    #[must_use]
    pub fn wire(&self) -> Value {
        serde_json::json!({
            "system": self.system,
            "messages": self.messages,
            "tools": self.tools,
            "schema": self.schema,
            "max_output_tokens": self.max_output_tokens,
        })
    }

    /// SHA-256 over what is sent, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.wire().to_string()))
    }

    /// No fewer tokens than the input has, as far as can be told without the maker's own counter: no tokenizer in use
    /// makes more than one of two bytes of JSON or English, over a whole prompt.
    #[must_use]
    pub fn input_tokens_at_most(&self) -> u32 {
        u32::try_from(self.wire().to_string().len().div_ceil(2)).unwrap_or(u32::MAX)
    }
}
