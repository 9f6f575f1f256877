//! Answers from a record: the same question gets the answer that it got then, in the order of then.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use thiserror::Error;

use crate::budget::{Budget, Price};
use crate::error::ModelError;
use crate::record::{Content, Line};
use crate::request::{Answer, Model, Request};

pub struct Replay {
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
}

#[derive(Debug, Error)]
pub enum ReplayError {
    #[error("could not read the record `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("line {line} of the record `{path}` is none")]
    Line {
        path: PathBuf,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
}

impl Replay {
    /// Reads a record. Redacted exchanges and failures have nothing to answer with.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReplayError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut answers: HashMap<String, VecDeque<Answer>> = HashMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let refused = |source| ReplayError::Line {
                path: path.to_owned(),
                line: index.saturating_add(1),
                source,
            };
            if let Line::Answered {
                digest,
                content: Content::Whole(answer),
                ..
            } = serde_json::from_str(line).map_err(refused)?
            {
                let answer = serde_json::from_value(answer).map_err(refused)?;
                answers.entry(digest).or_default().push_back(answer);
            }
        }
        Ok(Self {
            answers: Mutex::new(answers),
        })
    }
}

#[async_trait]
impl Model for Replay {
    fn name(&self) -> &str {
        "replay"
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        let digest = request.digest();
        Budget::charge(&request, Price::default(), async {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let recorded = answers.get_mut(&digest).and_then(VecDeque::pop_front);
            recorded.ok_or(ModelError::NotRecorded)
        })
        .await
    }
}
