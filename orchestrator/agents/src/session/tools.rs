//! What an agent may look up, and who looks it up for it.

use async_trait::async_trait;
use runbooks::Evidence;
use serde_json::{Map, Value};

/// A tool of a server that observes.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// The kind of server, as `postgres-readonly`.
    pub server: String,
    pub tool: String,
    pub description: String,
    /// The JSON Schema of its arguments.
    pub schema: Value,
}

/// One thing that was looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub evidence: Evidence,
    /// How long the call took, in milliseconds.
    pub took_ms: u64,
}

/// The servers of one incident's target. Which of their tools an agent may use is not theirs to say.
#[async_trait]
pub trait Tools: Send + Sync {
    async fn list(&self) -> Vec<ToolSpec>;

    /// Asks, and records the answer under this id. A refusal is its code: its words are not for a model.
    async fn look(&self, id: String, server: &str, tool: &str, arguments: Map<String, Value>) -> Result<Look, String>;
}
