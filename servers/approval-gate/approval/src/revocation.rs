//! The end of a grant: a listed person's signed word that it covers nothing any more.

use runbooks::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    approvers::Approvers,
    dsse::{Envelope, GRANT_REVOCATION_NAMESPACE, GRANT_REVOCATION_TYPE, pae},
    proof::Proof,
    refusal::Refusal,
    signer::{self, Claim},
    statement::Method,
    strict::{self, check_fingerprint, check_id, check_text},
};

/// A revocation, as data; [`GrantRevocation::verify`] checks who signed it. There is no way back from it, so saying it again
/// does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRevocation {
    /// Always `countersign.grant-revocation.v1`.
    pub schema: String,
    pub gate: String,
    /// The grant's id.
    pub grant: String,
    pub reason: String,
    /// The id of the person, or agent, who signs.
    pub approver: String,
    /// The fingerprint of the key that signs, `SHA256:…`.
    pub key_id: String,
    pub method: Method,
    /// When it was said.
    pub at: Timestamp,
}

impl GrantRevocation {
    pub const SCHEMA: &'static str = "countersign.grant-revocation.v1";

    /// Returns the canonical bytes: the envelope's payload.
    ///
    /// # Errors
    /// When a field is not as it must be.
    pub fn bytes(&self) -> Result<Vec<u8>, Refusal> {
        self.check_form().map_err(Refusal::MalformedGrant)?;
        strict::canonical(self).map_err(Refusal::MalformedGrant)
    }

    /// Returns what `ssh-keygen -Y sign -n grant-revocation@countersign` signs.
    ///
    /// # Errors
    /// When a field is not as it must be.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, Refusal> {
        Ok(pae(GRANT_REVOCATION_TYPE, &self.bytes()?))
    }

    /// Puts the revocation and its signature into an envelope.
    ///
    /// # Errors
    /// When a field is not as it must be.
    pub fn envelope(&self, proof: impl Into<Proof>) -> Result<Envelope, Refusal> {
        Ok(Envelope::new(GRANT_REVOCATION_TYPE, &self.bytes()?, proof))
    }

    /// Verifies that somebody listed revokes a grant of this gate. Agents may: it only stops.
    ///
    /// # Errors
    /// When not.
    pub fn verify(envelope: &Envelope, approvers: &Approvers, gate: &str, now: Timestamp) -> Result<Self, Refusal> {
        let (payload, proof) = envelope.open(GRANT_REVOCATION_TYPE)?;
        let revocation: Self = strict::parse(&payload).map_err(Refusal::MalformedGrant)?;
        revocation.check_form().map_err(Refusal::MalformedGrant)?;
        let claim = Claim {
            approver: &revocation.approver,
            key_id: &revocation.key_id,
            method: revocation.method,
        };
        let message = pae(GRANT_REVOCATION_TYPE, &payload);
        signer::check(&claim, &proof, GRANT_REVOCATION_NAMESPACE, &message, approvers, now)?;
        if revocation.gate != gate {
            return Err(Refusal::WrongGate {
                found: revocation.gate,
                expected: gate.to_owned(),
            });
        }
        Ok(revocation)
    }

    fn check_form(&self) -> Result<(), String> {
        if self.schema != Self::SCHEMA {
            return Err(format!("schema must be `{}`", Self::SCHEMA));
        }
        check_text("gate", &self.gate, 128)?;
        check_id("grant", &self.grant)?;
        check_text("reason", &self.reason, 512)?;
        check_id("approver", &self.approver)?;
        check_fingerprint(&self.key_id)
    }
}
