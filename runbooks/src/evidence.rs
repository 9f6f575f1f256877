//! What a tool really said, when, and its digest: the only place a plan's values come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Timestamp};

/// One recorded tool call and its result. The result is foreign text: it is data and never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// `E1`, `E2`, … within one incident.
    pub id: String,
    /// The server that was asked, as `postgres-readonly`.
    pub server: String,
    /// The tool that was called.
    pub tool: String,
    /// The arguments it was called with.
    pub arguments: Value,
    /// When the answer came.
    pub taken_at: Timestamp,
    /// SHA-256 over the canonical JSON of all fields but `id` and `digest`.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// The structured result, as the tool gave it.
    pub result: Value,
}

/// What an evidence digest is taken over.
#[derive(Serialize)]
pub struct EvidenceFacts<'a> {
    server: &'a str,
    tool: &'a str,
    arguments: &'a Value,
    taken_at: Timestamp,
    result: &'a Value,
}

impl Evidence {
    /// Records a tool call.
    ///
    /// # Errors
    /// When the result has no canonical JSON.
    pub fn record(
        id: impl Into<String>,
        server: impl Into<String>,
        tool: impl Into<String>,
        arguments: Value,
        taken_at: Timestamp,
        result: Value,
    ) -> Result<Self, serde_json::Error> {
        let mut evidence = Self {
            id: id.into(),
            server: server.into(),
            tool: tool.into(),
            arguments,
            taken_at,
            digest: Digest::of(&[]),
            result,
        };
        evidence.digest = evidence.computed_digest()?;
        Ok(evidence)
    }

    /// Whether the digest is that of the content.
    pub fn is_intact(&self) -> bool {
        self.computed_digest().is_ok_and(|computed| computed == self.digest)
    }

    fn computed_digest(&self) -> Result<Digest, serde_json::Error> {
        Digest::of_json(&EvidenceFacts {
            server: &self.server,
            tool: &self.tool,
            arguments: &self.arguments,
            taken_at: self.taken_at,
            result: &self.result,
        })
    }
}
