//! How a call to a server can end, other than well.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum CallError {
    #[error("the target has no server of kind `{kind}`")]
    NoServer { kind: String },
    #[error("server `{server}` did not start within {after:?}")]
    StartTimedOut { server: String, after: Duration },
    #[error("server `{server}` could not be started or reached: {reason}")]
    Unreachable { server: String, reason: String },
    /// Another program answers than the one that was configured.
    #[error("server `{server}` calls itself `{calls_itself}`, but `{wanted}` was configured")]
    WrongServer {
        server: String,
        calls_itself: String,
        wanted: String,
    },
    #[error("server `{server}` speaks MCP `{version}`, which is not spoken here")]
    WrongProtocol { server: String, version: String },
    #[error("`{tool}` gave no answer within {after:?}")]
    TimedOut { tool: String, after: Duration },
    #[error("the connection broke during `{tool}`: {reason}")]
    Broken { tool: String, reason: String },
    #[error("`{tool}` answered with something that cannot be read: {reason}")]
    Malformed { tool: String, reason: String },
    /// The tool itself said no; its own code and structure are kept.
    #[error("`{tool}` refused: {code}: {message}")]
    Refused {
        tool: String,
        code: String,
        message: String,
        structured: Box<Value>,
    },
}

impl CallError {
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NoServer { .. } => "no_server",
            Self::StartTimedOut { .. } => "server_start_timed_out",
            Self::Unreachable { .. } => "server_unreachable",
            Self::WrongServer { .. } => "wrong_server",
            Self::WrongProtocol { .. } => "wrong_protocol",
            Self::TimedOut { .. } => "call_timed_out",
            Self::Broken { .. } => "connection_broken",
            Self::Malformed { .. } => "malformed_answer",
            Self::Refused { code, .. } => code,
        }
    }

    /// Whether the same call may fare better on a fresh connection.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    /// Whether waiting may help: the server is not there, or did not answer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::StartTimedOut { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Refused { structured, .. } => structured.get("retryable") == Some(&Value::Bool(true)),
            Self::NoServer { .. } | Self::WrongServer { .. } | Self::WrongProtocol { .. } | Self::Malformed { .. } => {
                false
            }
        }
    }
}
