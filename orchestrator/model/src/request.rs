//! What a model is asked, what it answers, and how asking can fail.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Something that completes a conversation. Every call is bounded by the request's own deadline and output limit.
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
    /// The JSON Schema that the answer's text has to fit, where the maker supports one. The caller checks all the same.
    pub schema: Option<Value>,
    pub max_output_tokens: u32,
    pub deadline: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
}

/// One answer. Its text is foreign: data to be parsed, never an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub text: String,
    pub usage: Usage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u32,
    pub output_tokens: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelError {
    #[error("the model did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the model could not be reached: {0}")]
    Unreachable(String),
    #[error("the model asks to be left alone for {0:?}")]
    Throttled(Duration),
    #[error("the model refused to answer: {0}")]
    Refused(String),
    #[error("the model's answer was cut off at {0} tokens")]
    CutOff(u32),
}

impl ModelError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "model_timed_out",
            Self::Unreachable(_) => "model_unreachable",
            Self::Throttled(_) => "model_throttled",
            Self::Refused(_) => "model_refused",
            Self::CutOff(_) => "model_cut_off",
        }
    }
}
