//! Freezes: a listed person's signed word that nothing more is to run, and the word that ends it.

use runbooks::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    MAX_SKEW_S,
    approvers::Approvers,
    dsse::{Envelope, EnvelopeError, FREEZE_NAMESPACE, FREEZE_TYPE, pae},
    proof::Proof,
    sshsig::SignatureError,
    strict::{self, check_fingerprint, check_id, check_nonce, check_text},
};

/// A freeze or a thaw, as data; [`Freeze::verify`] checks who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Always `countersign.freeze.v1`.
    pub schema: String,
    pub state: FreezeState,
    pub gate: String,
    pub environment: String,
    pub reason: String,
    /// The id of the person who signs.
    pub approver: String,
    /// The fingerprint of the key that signs, `SHA256:…`.
    pub key_id: String,
    /// When it was said. A gate takes only what is newer than the last it took, so an old thaw cannot be replayed.
    pub at: Timestamp,
    /// 32 lower-case hexadecimal digits.
    pub nonce: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeState {
    Frozen,
    Thawed,
}

/// Why a freeze or a thaw is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error("malformed freeze: {0}")]
    Malformed(String),
    #[error("key `{key_id}` of `{approver}` is not listed, or not valid now")]
    UnknownKey { approver: String, key_id: String },
    #[error("the freeze is not signed by `{approver}`")]
    Signature {
        approver: String,
        #[source]
        source: SignatureError,
    },
    #[error("the hardware key of `{0}` was not touched, or asked for neither PIN nor finger")]
    Presence(String),
    #[error("`{0}` is an agent; an agent may freeze, but only people thaw")]
    AgentThaws(String),
    #[error("the freeze is for gate `{0}`")]
    WrongGate(String),
    #[error("the freeze is for environment `{0}`")]
    WrongEnvironment(String),
    #[error("the freeze is of {0}, not of now")]
    Stale(Timestamp),
}

impl FreezeError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_freeze",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Signature { .. } => "bad_signature",
            Self::Presence(_) => "touch_missing",
            Self::AgentThaws(_) => "agent_approves",
            Self::WrongGate(_) => "wrong_gate",
            Self::WrongEnvironment(_) => "wrong_environment",
            Self::Stale(_) => "freeze_stale",
        }
    }
}

impl Freeze {
    pub const SCHEMA: &'static str = "countersign.freeze.v1";

    /// Returns the canonical bytes: the envelope's payload.
    pub fn bytes(&self) -> Result<Vec<u8>, FreezeError> {
        self.check_form().map_err(FreezeError::Malformed)?;
        strict::canonical(self).map_err(FreezeError::Malformed)
    }

    /// Returns what `ssh-keygen -Y sign -n freeze@countersign` signs.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, FreezeError> {
        Ok(pae(FREEZE_TYPE, &self.bytes()?))
    }

    /// Puts the freeze and its signature into an envelope.
    pub fn envelope(&self, proof: impl Into<Proof>) -> Result<Envelope, FreezeError> {
        Ok(Envelope::new(FREEZE_TYPE, &self.bytes()?, proof))
    }

    /// Verifies a freeze or thaw for this gate and environment, said within the last five minutes.
    pub fn verify(
        json: &str,
        approvers: &Approvers,
        gate: &str,
        environment: &str,
        now: Timestamp,
    ) -> Result<Self, FreezeError> {
        let (payload, signature) = Envelope::parse(json.trim_end().as_bytes())?.open(FREEZE_TYPE)?;
        let freeze: Self = strict::parse(&payload).map_err(FreezeError::Malformed)?;
        freeze.check_form().map_err(FreezeError::Malformed)?;
        let key = approvers
            .key(&freeze.key_id)
            .filter(|key| key.person == freeze.approver && now >= key.valid_from && now < key.valid_until)
            .ok_or_else(|| FreezeError::UnknownKey {
                approver: freeze.approver.clone(),
                key_id: freeze.key_id.clone(),
            })?;
        let presence = signature
            .verify(&key.public_key, FREEZE_NAMESPACE, &pae(FREEZE_TYPE, &payload))
            .map_err(|source| FreezeError::Signature {
                approver: freeze.approver.clone(),
                source,
            })?;
        match freeze.state {
            FreezeState::Frozen => {}
            FreezeState::Thawed if key.agent => return Err(FreezeError::AgentThaws(freeze.approver)),
            FreezeState::Thawed if !presence.is_touched() || !presence.is_verified() => {
                return Err(FreezeError::Presence(freeze.approver));
            }
            FreezeState::Thawed => {}
        }
        freeze.check_addressed(gate, environment, now)?;
        Ok(freeze)
    }

    fn check_addressed(&self, gate: &str, environment: &str, now: Timestamp) -> Result<(), FreezeError> {
        if self.gate != gate {
            return Err(FreezeError::WrongGate(self.gate.clone()));
        }
        if self.environment != environment {
            return Err(FreezeError::WrongEnvironment(self.environment.clone()));
        }
        if !(-MAX_SKEW_S..=MAX_AGE_S).contains(&now.since(self.at)) {
            return Err(FreezeError::Stale(self.at));
        }
        Ok(())
    }

    fn check_form(&self) -> Result<(), String> {
        if self.schema != Self::SCHEMA {
            return Err(format!("schema must be `{}`", Self::SCHEMA));
        }
        check_text("gate", &self.gate, 128)?;
        check_text("environment", &self.environment, 128)?;
        check_text("reason", &self.reason, 512)?;
        check_id("approver", &self.approver)?;
        check_fingerprint(&self.key_id)?;
        check_nonce(&self.nonce)
    }
}

impl From<EnvelopeError> for FreezeError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

const MAX_AGE_S: i64 = 300;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::test_support::{Scene, at};

    fn freeze(scene: &Scene, state: FreezeState, who: &str) -> Freeze {
        Freeze {
            schema: Freeze::SCHEMA.to_owned(),
            state,
            gate: "gate-1".to_owned(),
            environment: "demo".to_owned(),
            reason: "deploy goes wrong".to_owned(),
            approver: who.to_owned(),
            key_id: scene.key(who).public_key().fingerprint(),
            at: at(0),
            nonce: "00112233445566778899aabbccddeeff".to_owned(),
        }
    }

    fn code_at(scene: &Scene, freeze: &Freeze, signer: &str, now: i64) -> &'static str {
        let bytes = freeze.signing_bytes().unwrap();
        let signature = scene.key(signer).sign(FREEZE_NAMESPACE, &bytes).unwrap();
        let json = freeze.envelope(&signature).unwrap().to_json().unwrap();
        match Freeze::verify(&json, &scene.approvers(), "gate-1", "demo", at(now)) {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn anyone_listed_freezes_and_only_people_thaw() {
        let scene = Scene::new();
        for (state, who, code) in [
            (FreezeState::Frozen, "alice", "ok"),
            (FreezeState::Frozen, "bot", "ok"),
            (FreezeState::Thawed, "alice", "ok"),
            (FreezeState::Thawed, "bot", "agent_approves"),
            (FreezeState::Frozen, "mallory", "unknown_key"),
        ] {
            assert_eq!(code_at(&scene, &freeze(&scene, state, who), who, 0), code, "{who}");
        }
        let of_alice = freeze(&scene, FreezeState::Thawed, "alice");
        assert_eq!(code_at(&scene, &of_alice, "bob", 0), "bad_signature");
    }

    #[test]
    fn a_freeze_is_for_one_gate_and_for_now() {
        let scene = Scene::new();
        let mut elsewhere = freeze(&scene, FreezeState::Frozen, "alice");
        elsewhere.gate = "gate-2".to_owned();
        assert_eq!(code_at(&scene, &elsewhere, "alice", 0), "wrong_gate");
        let mut elsewhere = freeze(&scene, FreezeState::Frozen, "alice");
        elsewhere.environment = "production".to_owned();
        assert_eq!(code_at(&scene, &elsewhere, "alice", 0), "wrong_environment");

        let freeze = freeze(&scene, FreezeState::Thawed, "alice");
        for (now, code) in [(-31, "freeze_stale"), (-30, "ok"), (300, "ok"), (301, "freeze_stale")] {
            assert_eq!(code_at(&scene, &freeze, "alice", now), code);
        }
    }

    #[test]
    fn an_approval_is_no_freeze() {
        let scene = Scene::new();
        let json = scene.signed(&scene.statement("alice")).to_json().unwrap();
        let error = Freeze::verify(&json, &scene.approvers(), "gate-1", "demo", at(0)).unwrap_err();
        assert_eq!(error.code(), "malformed_freeze");
    }
}
