//! DSSE v1: the envelope, and the bytes that a signature is really over.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{proof::Proof, sshsig::Signature, strict};

pub const STATEMENT_TYPE: &str = "application/vnd.countersign.approval.v1+json";
pub const ORDER_TYPE: &str = "application/vnd.countersign.order.v1+json";
pub const STANDING_TYPE: &str = "application/vnd.countersign.standing.v1+json";
pub const APPROVERS_TYPE: &str = "application/vnd.countersign.approvers.v1+json";
pub const FREEZE_TYPE: &str = "application/vnd.countersign.freeze.v1+json";
pub const INVITATION_TYPE: &str = "application/vnd.countersign.invitation.v1+json";
pub const GRANT_TYPE: &str = "application/vnd.countersign.grant.v1+json";
pub const GRANT_REVOCATION_TYPE: &str = "application/vnd.countersign.grant-revocation.v1+json";

// One SSH namespace per type of document. A key that signs one kind can never be made to have signed another, even if
// the same key is used for both.
pub const STATEMENT_NAMESPACE: &str = "approval@countersign";
pub const ORDER_NAMESPACE: &str = "order@countersign";
pub const STANDING_NAMESPACE: &str = "standing@countersign";
pub const APPROVERS_NAMESPACE: &str = "approvers@countersign";
pub const FREEZE_NAMESPACE: &str = "freeze@countersign";
pub const INVITATION_NAMESPACE: &str = "invitation@countersign";
pub const GRANT_NAMESPACE: &str = "grant@countersign";
pub const GRANT_REVOCATION_NAMESPACE: &str = "grant-revocation@countersign";
/// What the gate attests to have learnt from Slack or PagerDuty, for those who cannot sign there.
pub const ATTESTATION_NAMESPACE: &str = "attestation@countersign";

/// Returns the DSSE pre-authentication encoding: what is signed, with `ssh-keygen -Y sign -n NAMESPACE` for one.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A DSSE envelope as it travels. Nothing in it is checked yet but its form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The exact payload bytes, base64.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature in an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// The key's fingerprint, `SHA256:…`. Never trusted: it must agree with what was verified.
    pub keyid: String,
    /// The binary SSHSIG blob (the armoured file without its armour) or a passkey's answer, base64.
    pub sig: String,
}

/// Why text is no envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("an envelope may have {MAX_ENVELOPE_BYTES} bytes, not {0}")]
    TooLarge(usize),
    #[error("malformed envelope: {0}")]
    Malformed(String),
    #[error("the envelope holds `{found}`, not `{expected}`")]
    Type { expected: &'static str, found: String },
}

impl Envelope {
    /// Makes the envelope of a payload and the one signature over its [`pae`].
    pub fn new(payload_type: &str, payload: &[u8], proof: impl Into<Proof>) -> Self {
        let proof = proof.into();
        Self {
            payload_type: payload_type.to_owned(),
            payload: BASE64_STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature {
                keyid: proof.key_id(),
                sig: BASE64_STANDARD.encode(proof.blob()),
            }],
        }
    }

    /// Reads an envelope; its JSON must be canonical.
    pub fn parse(json: &[u8]) -> Result<Self, EnvelopeError> {
        if json.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge(json.len()));
        }
        strict::parse(json).map_err(EnvelopeError::Malformed)
    }

    /// Returns the canonical JSON.
    pub fn to_json(&self) -> Result<String, EnvelopeError> {
        let bytes = strict::canonical(self).map_err(EnvelopeError::Malformed)?;
        String::from_utf8(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }

    /// Returns the payload and the only signature of an envelope of the expected type. The signature is not verified.
    pub(crate) fn open(&self, expected: &'static str) -> Result<(Vec<u8>, Proof), EnvelopeError> {
        if self.payload_type != expected {
            return Err(EnvelopeError::Type {
                expected,
                found: self.payload_type.clone(),
            });
        }
        let malformed = |what: &str| EnvelopeError::Malformed(what.to_owned());
        let payload = BASE64_STANDARD
            .decode(&self.payload)
            .map_err(|_| malformed("its payload is not base64"))?;
        let [signature] = self.signatures.as_slice() else {
            return Err(malformed("it must have exactly one signature"));
        };
        let blob = BASE64_STANDARD
            .decode(&signature.sig)
            .map_err(|_| malformed("its signature is not base64"))?;
        let parsed = Proof::from_blob(&blob).map_err(|error| malformed(&error.to_string()))?;
        if parsed.key_id() != signature.keyid {
            return Err(malformed("its keyid is not that of the signature"));
        }
        Ok((payload, parsed))
    }

    /// The same for documents that no passkey signs.
    pub(crate) fn open_ssh(&self, expected: &'static str) -> Result<(Vec<u8>, Signature), EnvelopeError> {
        match self.open(expected)? {
            (payload, Proof::Ssh(signature)) => Ok((payload, signature)),
            (_, Proof::Passkey(_)) => Err(EnvelopeError::Malformed(
                "it needs the signature of an SSH key".to_owned(),
            )),
        }
    }
}

const MAX_ENVELOPE_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::GateKey;

    #[test]
    fn the_encoding_is_that_of_the_dsse_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn type_and_payload_cannot_be_moved_into_one_another() {
        assert_ne!(pae("a", b"1 b"), pae("a 1", b"b"));
    }

    #[test]
    fn an_envelope_with_two_signatures_or_a_foreign_keyid_is_malformed() {
        let key = GateKey::generate().unwrap();
        let signature = key.sign(ORDER_NAMESPACE, &pae(ORDER_TYPE, b"{}")).unwrap();
        let envelope = Envelope::new(ORDER_TYPE, b"{}", &signature);
        envelope.open(ORDER_TYPE).unwrap();
        assert!(matches!(
            envelope.open(STATEMENT_TYPE).unwrap_err(),
            EnvelopeError::Type { .. }
        ));

        let mut two = envelope.clone();
        two.signatures.push(two.signatures.first().unwrap().clone());
        assert!(matches!(two.open(ORDER_TYPE), Err(EnvelopeError::Malformed(_))));

        let mut other = envelope.clone();
        other.signatures.first_mut().unwrap().keyid = GateKey::generate().unwrap().public_key().fingerprint();
        assert!(matches!(other.open(ORDER_TYPE), Err(EnvelopeError::Malformed(_))));

        let mut none = envelope;
        none.signatures.clear();
        assert!(matches!(none.open(ORDER_TYPE), Err(EnvelopeError::Malformed(_))));
    }
}
