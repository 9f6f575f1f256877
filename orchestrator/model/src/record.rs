//! Writes down every prompt and every answer, one JSON line each, for replay and for those who look into an incident.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::error::ModelError;
use crate::request::{Answer, Model, Request, Usage};

/// A model whose exchanges are written down before their answers are used. What cannot be written down is not answered.
pub struct Recorder {
    model: Arc<dyn Model>,
    file: Arc<Mutex<File>>,
    redact: bool,
}

#[derive(Debug, Error)]
pub enum RecordError {
    #[error("could not open the record `{path}`")]
    Open {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Prompts hold telemetry.
    #[error("the record `{0}` may be read or written by others; its mode must be 0600")]
    Exposed(PathBuf),
}

/// One line of the record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    Asked {
        /// Of the request; the answer's line has the same.
        digest: String,
        at_unix_ms: u64,
        model: String,
        content: Content,
    },
    Answered {
        digest: String,
        at_unix_ms: u64,
        model: String,
        usage: Usage,
        content: Content,
    },
    Failed {
        digest: String,
        at_unix_ms: u64,
        code: String,
    },
}

/// What was said, or, redacted, how much and its digest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Content {
    Whole(Value),
    Redacted { bytes: usize, sha256: String },
}

impl Recorder {
    /// Appends to this file, made with mode 0600 if it is new.
    pub fn open(model: Arc<dyn Model>, path: &Path, redact: bool) -> Result<Self, RecordError> {
        let open = || -> std::io::Result<(File, u32)> {
            let file = File::options().append(true).create(true).mode(0o600).open(path)?;
            let mode = file.metadata()?.mode();
            Ok((file, mode))
        };
        let (file, mode) = open().map_err(|source| RecordError::Open {
            path: path.to_owned(),
            source,
        })?;
        if mode & 0o077 != 0 {
            return Err(RecordError::Exposed(path.to_owned()));
        }
        Ok(Self {
            model,
            file: Arc::new(Mutex::new(file)),
            redact,
        })
    }

    fn content(&self, said: Value) -> Content {
        if !self.redact {
            return Content::Whole(said);
        }
        let text = said.to_string();
        Content::Redacted {
            bytes: text.len(),
            sha256: hex::encode(Sha256::digest(text)),
        }
    }

    async fn write(&self, line: &Line) -> Result<(), ModelError> {
        let mut text = serde_json::to_string(line).map_err(|_| ModelError::RecordFailed)?;
        text.push('\n');
        let file = Arc::clone(&self.file);
        // One write per line: lines of agents that are asked at the same time do not mix.
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(text.as_bytes()).and_then(|()| file.flush())
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ModelError::RecordFailed),
        }
    }
}

#[async_trait]
impl Model for Recorder {
    fn name(&self) -> &str {
        self.model.name()
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        let digest = request.digest();
        self.write(&Line::Asked {
            digest: digest.clone(),
            at_unix_ms: now(),
            model: self.name().to_owned(),
            content: self.content(request.wire()),
        })
        .await?;
        let end = self.model.complete(request).await;
        let line = match &end {
            Ok(answer) => Line::Answered {
                digest,
                at_unix_ms: now(),
                model: answer.model.clone(),
                usage: answer.usage,
                content: self.content(serde_json::to_value(answer).map_err(|_| ModelError::RecordFailed)?),
            },
            Err(error) => Line::Failed {
                digest,
                at_unix_ms: now(),
                code: error.code().to_owned(),
            },
        };
        self.write(&line).await?;
        end
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::replay::Replay;
    use crate::scripted::{Reply, Scripted};

    fn request(text: &str) -> Request {
        Request::asking("system", text, 10, Duration::from_secs(1))
    }

    async fn record(path: &Path, redact: bool) {
        let replies = vec![
            Ok(Reply::text("the answer")),
            Ok(Reply::calling([("db__overview", json!({"a": 1}))])),
            Err(ModelError::CutOff(10)),
        ];
        let recorder = Recorder::open(Arc::new(Scripted::replying(replies)), path, redact).unwrap();
        for text in ["the question", "another", "a third"] {
            let _end = recorder.complete(request(text)).await;
        }
    }

    #[tokio::test]
    async fn what_was_recorded_is_answered_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.jsonl");
        record(&path, false).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let replay = Replay::open(&path).unwrap();
        let first = replay.complete(request("the question")).await.unwrap();
        assert_eq!((first.text.as_str(), first.model.as_str()), ("the answer", "scripted"));
        let second = replay.complete(request("another")).await.unwrap();
        assert_eq!(second.tool_calls.first().unwrap().name, "db__overview");
        for never in ["a third", "never asked"] {
            assert_eq!(replay.complete(request(never)).await, Err(ModelError::NotRecorded));
        }
    }

    #[tokio::test]
    async fn a_redacted_record_tells_sizes_and_no_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.jsonl");
        record(&path, true).await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 6);
        for word in ["question", "answer\"", "overview", "system"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(text.contains(&request("the question").digest()));
        let nothing = Replay::open(&path).unwrap().complete(request("the question")).await;
        assert_eq!(nothing, Err(ModelError::NotRecorded));
    }

    #[tokio::test]
    async fn a_record_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.jsonl");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let refused = Recorder::open(Arc::new(Scripted::default()), &path, false);
        assert!(matches!(refused, Err(RecordError::Exposed(_))));
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_not_asked() {
        let model = Arc::new(Scripted::answering(["yes"]));
        let recorder = Recorder {
            model: model.clone(),
            file: Arc::new(Mutex::new(File::open("/dev/null").unwrap())),
            redact: false,
        };
        assert_eq!(recorder.complete(request("q")).await, Err(ModelError::RecordFailed));
        assert!(model.asked().is_empty());
    }
}
