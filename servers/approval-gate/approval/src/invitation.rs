//! Invitations: an administrator's signed word that one person may make a passkey for one gate's pages.
//!
//! What is made so counts for nothing yet: it becomes a key of that person when the administrator signs the next list with
//! it. The gate's pages show the person the fingerprint, so a gate that has been taken over could show its own: where that
//! matters, people sign with SSH keys (`Floor::ssh`).

use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    dsse::{Envelope, EnvelopeError, INVITATION_NAMESPACE, INVITATION_TYPE, pae},
    passkey::check_origin,
    public_key::{PublicKey, PublicKeyError},
    sshsig::{Signature, SignatureError},
    strict::{self, check_id, check_nonce, check_text},
};

/// An invitation as data; [`Invitation::verify`] checks who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Always `countersign.invitation.v1`.
    pub schema: String,
    pub gate: String,
    /// Where the passkey will count: scheme, host and port of the gate's pages.
    pub origin: String,
    /// The id of the person who is invited.
    pub person: String,
    pub valid_until: Timestamp,
    /// 32 lower-case hexadecimal digits. Whoever has them may follow the invitation.
    pub nonce: String,
}

/// Why an invitation is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    #[error("malformed invitation: {0}")]
    Malformed(String),
    #[error("the administrator's public key is not usable")]
    AdminKey(#[from] PublicKeyError),
    #[error("the invitation is not signed by the administrator's key")]
    Signature(#[from] SignatureError),
    #[error("the administrator's hardware key was not touched, or asked for neither PIN nor finger")]
    Presence,
    #[error("the invitation is to gate `{found}`, not `{expected}`")]
    WrongGate { found: String, expected: String },
    #[error("the invitation is for the pages at `{found}`, but people reach this gate at `{expected}`")]
    WrongOrigin { found: String, expected: String },
    #[error("the invitation ended at {0}")]
    Expired(Timestamp),
}

impl InvitationError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_invitation",
            Self::AdminKey(_) => "admin_key",
            Self::Signature(_) | Self::Presence => "invitation_bad_signature",
            Self::WrongGate { .. } => "wrong_gate",
            Self::WrongOrigin { .. } => "wrong_origin",
            Self::Expired(_) => "invitation_expired",
        }
    }
}

impl Invitation {
    pub const SCHEMA: &'static str = "countersign.invitation.v1";

    /// Returns what the administrator signs with `ssh-keygen -Y sign -n invitation@countersign`; the new passkey is
    /// challenged with its SHA-256.
    ///
    /// # Errors
    /// When a field is not what it must be.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, InvitationError> {
        Ok(pae(INVITATION_TYPE, &self.bytes()?))
    }

    /// Puts invitation and signature into an envelope.
    ///
    /// # Errors
    /// When a field is not what it must be.
    pub fn envelope(&self, signature: &Signature) -> Result<Envelope, InvitationError> {
        Ok(Envelope::new(INVITATION_TYPE, &self.bytes()?, signature))
    }

    /// Verifies that the administrator invites somebody to this gate's pages, until later than now.
    ///
    /// # Errors
    /// When not.
    pub fn verify(
        json: &str,
        admin_public_key: &str,
        gate: &str,
        origin: &str,
        now: Timestamp,
    ) -> Result<Self, InvitationError> {
        let admin = PublicKey::parse(admin_public_key)?;
        let (payload, signature) = Envelope::parse(json.trim_end().as_bytes())?.open_ssh(INVITATION_TYPE)?;
        let presence = signature.verify(&admin, INVITATION_NAMESPACE, &pae(INVITATION_TYPE, &payload))?;
        if !presence.is_touched() || !presence.is_verified() {
            return Err(InvitationError::Presence);
        }
        let invitation: Self = strict::parse(&payload).map_err(InvitationError::Malformed)?;
        invitation.check_form().map_err(InvitationError::Malformed)?;
        if invitation.gate != gate {
            return Err(InvitationError::WrongGate {
                found: invitation.gate,
                expected: gate.to_owned(),
            });
        }
        if invitation.origin != origin {
            return Err(InvitationError::WrongOrigin {
                found: invitation.origin,
                expected: origin.to_owned(),
            });
        }
        if now >= invitation.valid_until {
            return Err(InvitationError::Expired(invitation.valid_until));
        }
        Ok(invitation)
    }

    /// Returns the name that stands for it where its nonce must not be seen.
    pub fn id(&self) -> String {
        Self::id_of(&self.nonce)
    }

    /// The same, from the nonce alone.
    pub fn id_of(nonce: &str) -> String {
        let digest = Digest::of(nonce.as_bytes()).hex();
        format!("inv-{}", digest.get(..16).unwrap_or(&digest))
    }

    fn bytes(&self) -> Result<Vec<u8>, InvitationError> {
        self.check_form().map_err(InvitationError::Malformed)?;
        strict::canonical(self).map_err(InvitationError::Malformed)
    }

    fn check_form(&self) -> Result<(), String> {
        if self.schema != Self::SCHEMA {
            return Err(format!("schema must be `{}`", Self::SCHEMA));
        }
        check_text("gate", &self.gate, 128)?;
        check_origin(&self.origin)?;
        check_id("person", &self.person)?;
        check_nonce(&self.nonce)
    }
}

impl From<EnvelopeError> for InvitationError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::{
        APPROVERS_NAMESPACE,
        test_support::{Scene, at},
    };

    const ORIGIN: &str = "https://gate.example.com";

    fn code(json: &str, scene: &Scene, gate: &str, origin: &str, now: i64) -> &'static str {
        match Invitation::verify(json, &scene.admin.public_key().to_string(), gate, origin, at(now)) {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn only_the_administrator_invites_and_only_to_one_gate_for_a_while() {
        let scene = Scene::new();
        let invitation = Invitation {
            schema: Invitation::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            origin: ORIGIN.to_owned(),
            person: "alice".to_owned(),
            valid_until: at(3600),
            nonce: "00112233445566778899aabbccddeeff".to_owned(),
        };
        let bytes = invitation.signing_bytes().unwrap();
        let signed = |key: &crate::GateKey, namespace: &str| {
            let signature = key.sign(namespace, &bytes).unwrap();
            invitation.envelope(&signature).unwrap().to_json().unwrap()
        };
        let json = signed(&scene.admin, INVITATION_NAMESPACE);
        assert_eq!(code(&json, &scene, "gate-1", ORIGIN, 0), "ok");
        assert_eq!(code(&json, &scene, "gate-2", ORIGIN, 0), "wrong_gate");
        assert_eq!(
            code(&json, &scene, "gate-1", "https://gate.example.org", 0),
            "wrong_origin"
        );
        assert_eq!(code(&json, &scene, "gate-1", ORIGIN, 3600), "invitation_expired");
        for odd in [
            signed(scene.key("alice"), INVITATION_NAMESPACE),
            signed(&scene.admin, APPROVERS_NAMESPACE),
        ] {
            assert_eq!(code(&odd, &scene, "gate-1", ORIGIN, 0), "invitation_bad_signature");
        }
        assert_eq!(code("{}", &scene, "gate-1", ORIGIN, 0), "malformed_invitation");
    }
}
