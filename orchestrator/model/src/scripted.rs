//! A model whose answers were written beforehand, and which remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::request::{Answer, Model, ModelError, Request, Usage};

/// Gives its answers in order; once they are used up it cannot be reached.
#[derive(Debug, Default)]
pub struct Scripted {
    answers: Mutex<VecDeque<Result<String, ModelError>>>,
    asked: Mutex<Vec<Request>>,
}

impl Scripted {
    #[must_use]
    pub fn answering<T: Into<String>>(answers: impl IntoIterator<Item = T>) -> Self {
        Self::ending(answers.into_iter().map(|text| Ok(text.into())))
    }

    #[must_use]
    pub fn ending(answers: impl IntoIterator<Item = Result<String, ModelError>>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
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
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let next = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let text = next.unwrap_or_else(|| Err(ModelError::Unreachable("the script is over".to_owned())))?;
        Ok(Answer {
            text,
            usage: Usage::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request() -> Request {
        Request {
            system: String::new(),
            messages: Vec::new(),
            schema: None,
            max_output_tokens: 1,
            deadline: Duration::from_secs(1),
        }
    }

    #[tokio::test]
    async fn a_script_that_is_over_is_a_model_that_cannot_be_reached() {
        let model = Scripted::answering(["one"]);
        let first = model.complete(request()).await;
        assert_eq!(first.map(|answer| answer.text), Ok("one".to_owned()));
        let second = model.complete(request()).await;
        assert_eq!(second.map_err(|e| e.code()), Err("model_unreachable"));
        assert_eq!(model.asked().len(), 2);
    }
}
