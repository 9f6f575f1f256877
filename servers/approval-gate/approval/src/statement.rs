//! What a person signs: one decision, about one plan, for one executor, within two windows.

use runbooks::{Digest, Target, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    dsse::{STATEMENT_TYPE, pae},
    strict::{self, check_fingerprint, check_id, check_nonce, check_text},
};

/// A signed decision, as data. It is worth nothing without its signature: [`crate::Vote`] is the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Always `countersign.approval.v1`.
    pub schema: String,
    pub decision: Decision,
    /// The gate's request that this answers.
    pub request: String,
    pub action: Action,
    /// SHA-256 over the exact bytes of the plan.
    pub plan_digest: Digest,
    pub target: Target,
    /// The gate that asked.
    pub gate: String,
    /// The executor that may act on it.
    pub audience: String,
    pub not_before: Timestamp,
    /// Until when the person may sign.
    pub approve_by: Timestamp,
    /// Until when the last step may start.
    pub execute_by: Timestamp,
    /// Always 1.
    pub max_executions: u32,
    /// Who asked; never the approver.
    pub requester: String,
    /// The id of the person who signs.
    pub approver: String,
    /// The fingerprint of the key that signs, `SHA256:…`.
    pub key_id: String,
    /// How it is signed.
    pub method: Method,
    /// The policy under which the plan was permitted.
    pub policy_digest: Digest,
    /// 32 lower-case hexadecimal digits.
    pub nonce: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    /// Ends the request, whoever else approves.
    Reject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Run the plan's steps.
    Execute,
    /// Run the plan's rollback, which was rendered and hashed with it.
    Rollback,
}

/// How a decision is made, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a passkey on the approval page.
    Passkey,
    /// By an SSH key.
    Ssh,
    /// By a click in Slack, which the gate attests. The weak kind: whoever holds the gate could have made it up.
    Slack,
    /// By a note in PagerDuty, which the gate attests.
    Pagerduty,
}

impl Method {
    /// Returns the name by which policies allow it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Ssh => "ssh",
            Self::Slack => "slack",
            Self::Pagerduty => "pagerduty",
        }
    }

    /// Tells whether nobody but the gate vouches for it.
    pub fn is_attested(self) -> bool {
        matches!(self, Self::Slack | Self::Pagerduty)
    }
}

/// Why bytes are no statement.
#[derive(Debug, thiserror::Error)]
#[error("malformed statement: {0}")]
pub struct StatementError(String);

impl Statement {
    pub const SCHEMA: &'static str = "countersign.approval.v1";

    /// Reads a statement; bytes that are not its canonical form are refused, and so is a statement whose own fields
    /// contradict each other.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(StatementError("it is too long".to_owned()));
        }
        let statement: Self = strict::parse(bytes).map_err(StatementError)?;
        statement.check().map_err(StatementError)?;
        Ok(statement)
    }

    /// Returns the canonical bytes: the envelope's payload.
    pub fn bytes(&self) -> Result<Vec<u8>, StatementError> {
        self.check().map_err(StatementError)?;
        strict::canonical(self).map_err(StatementError)
    }

    /// Returns what `ssh-keygen -Y sign -n approval@countersign` signs; a passkey is challenged with its SHA-256.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, StatementError> {
        Ok(pae(STATEMENT_TYPE, &self.bytes()?))
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != Self::SCHEMA {
            return Err(format!("schema must be `{}`", Self::SCHEMA));
        }
        if self.max_executions != 1 {
            return Err("max_executions must be 1".to_owned());
        }
        if self.not_before > self.approve_by || self.approve_by > self.execute_by {
            return Err("not_before, approve_by and execute_by must not go backwards".to_owned());
        }
        check_text("request", &self.request, 128)?;
        check_text("gate", &self.gate, 128)?;
        check_text("audience", &self.audience, 128)?;
        check_text("requester", &self.requester, 128)?;
        check_id("approver", &self.approver)?;
        check_fingerprint(&self.key_id)?;
        check_nonce(&self.nonce)
    }
}

const MAX_STATEMENT_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::test_support::Scene;

    #[test]
    fn a_statement_reads_back_from_its_own_bytes_only() {
        let statement = Scene::new().statement("alice");
        let bytes = statement.bytes().unwrap();
        assert_eq!(Statement::parse(&bytes).unwrap(), statement);

        let text = String::from_utf8(bytes).unwrap();
        for odd in [
            text.replace("\"max_executions\":1", "\"max_executions\":1.0"),
            text.replace("\"max_executions\":1", "\"max_executions\":2"),
            text.replace("\"max_executions\":1", "\"max_executions\":1,\"max_executions\":1"),
            text.replace("\"method\":\"ssh\"", "\"method\":\"fax\""),
            text.replace("countersign.approval.v1", "countersign.approval.v2"),
            text.replace("\"decision\":\"approve\"", "\"decision\":\"approve\",\"extra\":1"),
            text.replace("\"action\":\"execute\",", ""),
            format!("{text} "),
            format!(" {text}"),
        ] {
            assert_ne!(odd, text);
            assert!(Statement::parse(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn windows_that_go_backwards_are_malformed() {
        let mut statement = Scene::new().statement("alice");
        statement.approve_by = statement.execute_by.plus_s(1);
        assert!(statement.bytes().is_err());
    }
}
