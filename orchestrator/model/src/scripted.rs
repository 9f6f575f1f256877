//! A model whose answers were written beforehand, and which remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use crate::budget::{Budget, Price};
use crate::error::ModelError;
use crate::request::{Answer, Model, Request, ToolCall, Usage};

/// Gives its answers in order; once they are used up it cannot be reached.
#[derive(Debug, Default)]
pub struct Scripted {
    replies: Mutex<VecDeque<Result<Reply, ModelError>>>,
    asked: Mutex<Vec<Request>>,
}

/// One answer of a script.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub text: String,
    pub tool_calls: Vec<ToolCall>,
    pub usage: Usage,
}

impl Reply {
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Calls of one turn, each a tool's name and its arguments.
    #[must_use]
    pub fn calling<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let calls = calls
            .into_iter()
            .enumerate()
            .map(|(index, (name, arguments))| ToolCall {
                id: format!("call-{index}"),
                name: name.to_owned(),
                arguments,
                signatures: Vec::new(),
            });
        Self {
            tool_calls: calls.collect(),
            ..Self::default()
        }
    }
}

impl Scripted {
    #[must_use]
    pub fn answering<T: Into<String>>(answers: impl IntoIterator<Item = T>) -> Self {
        Self::replying(answers.into_iter().map(|text| Ok(Reply::text(text))))
    }

    #[must_use]
    pub fn replying(replies: impl IntoIterator<Item = Result<Reply, ModelError>>) -> Self {
        Self {
            replies: Mutex::new(replies.into_iter().collect()),
            asked: Mutex::default(),
        }
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        Budget::charge(&request, Price::default(), async {
            self.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request.clone());
            let next = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let reply = next.unwrap_or_else(|| Err(ModelError::Unreachable("the script is over".to_owned())))?;
            Ok(Answer {
                text: reply.text,
                tool_calls: reply.tool_calls,
                model: self.name().to_owned(),
                usage: reply.usage,
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_script_that_is_over_is_a_model_that_cannot_be_reached() {
        let request = Request::asking("", "", 1, Duration::from_secs(1));
        let model = Scripted::answering(["one"]);
        let first = model.complete(request.clone()).await;
        assert_eq!(first.map(|answer| answer.text), Ok("one".to_owned()));
        let second = model.complete(request).await;
        assert_eq!(second.map_err(|e| e.code()), Err("model_unreachable"));
        assert_eq!(model.asked().len(), 2);
    }
}
