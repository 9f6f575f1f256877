//! Standings: the gate's signed word, a moment old, that a plan is neither revoked nor frozen.

use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    MAX_SKEW_S,
    dsse::{Envelope, EnvelopeError, STANDING_NAMESPACE, STANDING_TYPE, pae},
    gate_key::{GateKey, GateKeyError},
    public_key::{PublicKey, PublicKeyError},
    sshsig::SignatureError,
    strict::{self, check_text},
};

/// How old a standing may be when a step starts, in seconds.
pub const MAX_STANDING_AGE_S: i64 = 60;

/// Where a plan stands, as of a moment. The executor wants a fresh one before each step and stops without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Always `countersign.standing.v1`.
    pub schema: String,
    pub gate: String,
    pub plan_digest: Digest,
    pub state: StandingState,
    pub as_of: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingState {
    Valid,
    Revoked,
    Frozen,
}

/// Why no step may start.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    #[error("malformed standing: {0}")]
    Malformed(String),
    #[error("the gate's public key is not usable")]
    GateKey(#[from] PublicKeyError),
    #[error("the standing is not signed by the gate's key")]
    Signature(#[from] SignatureError),
    #[error("the gate could not sign the standing")]
    Sign(#[from] GateKeyError),
    #[error("the standing is of gate `{found}`, not `{expected}`")]
    WrongGate { found: String, expected: String },
    #[error("the standing is of plan `{found}`, not `{expected}`")]
    WrongPlan { found: Digest, expected: Digest },
    #[error("the standing is of {as_of}, more than {MAX_STANDING_AGE_S} s from {now}")]
    Stale { as_of: Timestamp, now: Timestamp },
    #[error("the approval was revoked")]
    Revoked,
    #[error("the gate is frozen")]
    Frozen,
}

impl StandingError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_standing",
            Self::GateKey(_) => "gate_key",
            Self::Signature(_) | Self::Sign(_) => "standing_bad_signature",
            Self::WrongGate { .. } => "wrong_gate",
            Self::WrongPlan { .. } => "wrong_plan",
            Self::Stale { .. } => "standing_stale",
            Self::Revoked => "revoked",
            Self::Frozen => "frozen",
        }
    }
}

impl Standing {
    pub const SCHEMA: &'static str = "countersign.standing.v1";

    /// Signs the standing and returns the envelope's JSON.
    pub fn sign(&self, key: &GateKey) -> Result<String, StandingError> {
        let payload = strict::canonical(self).map_err(StandingError::Malformed)?;
        let signature = key.sign(STANDING_NAMESPACE, &pae(STANDING_TYPE, &payload))?;
        Ok(Envelope::new(STANDING_TYPE, &payload, &signature).to_json()?)
    }

    /// Verifies that the gate signed it. What it says is judged by [`Standing::check`].
    pub fn verify(json: &str, gate_public_key: &str) -> Result<Self, StandingError> {
        let key = PublicKey::parse(gate_public_key)?;
        let (payload, signature) = Envelope::parse(json.trim_end().as_bytes())?.open_ssh(STANDING_TYPE)?;
        signature.verify(&key, STANDING_NAMESPACE, &pae(STANDING_TYPE, &payload))?;
        let standing: Self = strict::parse(&payload).map_err(StandingError::Malformed)?;
        standing.check_form()?;
        Ok(standing)
    }

    /// Checks that it lets a step of this plan start now: right gate and plan, fresh, neither revoked nor frozen.
    pub fn check(&self, gate: &str, plan_digest: Digest, now: Timestamp) -> Result<(), StandingError> {
        if self.gate != gate {
            return Err(StandingError::WrongGate {
                found: self.gate.clone(),
                expected: gate.to_owned(),
            });
        }
        if self.plan_digest != plan_digest {
            return Err(StandingError::WrongPlan {
                found: self.plan_digest,
                expected: plan_digest,
            });
        }
        let age = now.since(self.as_of);
        if !(-MAX_SKEW_S..=MAX_STANDING_AGE_S).contains(&age) {
            return Err(StandingError::Stale { as_of: self.as_of, now });
        }
        match self.state {
            StandingState::Valid => Ok(()),
            StandingState::Revoked => Err(StandingError::Revoked),
            StandingState::Frozen => Err(StandingError::Frozen),
        }
    }

    pub(crate) fn check_form(&self) -> Result<(), StandingError> {
        if self.schema != Self::SCHEMA {
            return Err(StandingError::Malformed(format!("schema must be `{}`", Self::SCHEMA)));
        }
        check_text("gate", &self.gate, 128).map_err(StandingError::Malformed)
    }
}

impl From<EnvelopeError> for StandingError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::{ORDER_NAMESPACE, ORDER_TYPE};

    const NOW: i64 = 1_795_000_000;

    fn standing(state: StandingState) -> Standing {
        Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            plan_digest: Digest::of(b"plan"),
            state,
            as_of: Timestamp::from_unix(NOW),
        }
    }

    fn code(standing: &Standing, gate: &str, plan: &[u8], after_s: i64) -> &'static str {
        match standing.check(gate, Digest::of(plan), Timestamp::from_unix(NOW + after_s)) {
            Ok(()) => "ok",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn only_a_fresh_valid_standing_of_this_plan_lets_a_step_start() {
        let valid = standing(StandingState::Valid);
        assert_eq!(code(&valid, "gate-1", b"plan", 0), "ok");
        assert_eq!(code(&valid, "gate-1", b"plan", 60), "ok");
        assert_eq!(code(&valid, "gate-1", b"plan", 61), "standing_stale");
        assert_eq!(code(&valid, "gate-1", b"plan", -30), "ok");
        assert_eq!(code(&valid, "gate-1", b"plan", -31), "standing_stale");
        assert_eq!(code(&valid, "gate-2", b"plan", 0), "wrong_gate");
        assert_eq!(code(&valid, "gate-1", b"other", 0), "wrong_plan");
        assert_eq!(code(&standing(StandingState::Revoked), "gate-1", b"plan", 0), "revoked");
        assert_eq!(code(&standing(StandingState::Frozen), "gate-1", b"plan", 0), "frozen");
    }

    #[test]
    fn only_the_gates_signature_for_this_purpose_counts() {
        let key = GateKey::generate().unwrap();
        let public = key.public_key().to_string();
        let standing = standing(StandingState::Valid);
        let json = standing.sign(&key).unwrap();
        assert_eq!(Standing::verify(&json, &public).unwrap(), standing);

        let other = GateKey::generate().unwrap().public_key().to_string();
        assert_eq!(
            Standing::verify(&json, &other).unwrap_err().code(),
            "standing_bad_signature"
        );

        // The same bytes, signed by the same key for orders.
        let payload = strict::canonical(&standing).unwrap();
        let signature = key.sign(ORDER_NAMESPACE, &pae(ORDER_TYPE, &payload)).unwrap();
        let moved = Envelope::new(STANDING_TYPE, &payload, &signature).to_json().unwrap();
        assert_eq!(
            Standing::verify(&moved, &public).unwrap_err().code(),
            "standing_bad_signature"
        );
        let as_order = Envelope::new(ORDER_TYPE, &payload, &signature).to_json().unwrap();
        assert_eq!(
            Standing::verify(&as_order, &public).unwrap_err().code(),
            "malformed_standing"
        );
    }
}
