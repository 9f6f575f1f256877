//! Orders: what the gate hands to an executor. The gate's signature says whom it came from; the right to act is in the
//! token inside, which the executor verifies by itself.

use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    dsse::{Envelope, EnvelopeError, ORDER_NAMESPACE, ORDER_TYPE, pae},
    gate_key::{GateKey, GateKeyError},
    public_key::{PublicKey, PublicKeyError},
    sshsig::SignatureError,
    standing::{Standing, StandingError},
    statement::Action,
    strict::{self, check_text},
};

/// A plan and its token, addressed to one executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Always `countersign.order.v1`.
    pub schema: String,
    pub id: String,
    pub action: Action,
    pub gate: String,
    /// The executor.
    pub audience: String,
    pub environment: String,
    /// The exact canonical text of the plan.
    pub plan: String,
    pub token: String,
    pub issued_at: Timestamp,
    /// The plan's standing at that moment, so that a one-shot executor need not ask for the first step.
    pub standing: Standing,
}

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("malformed order: {0}")]
    Malformed(String),
    #[error("the gate's public key is not usable")]
    GateKey(#[from] PublicKeyError),
    #[error("the order is not signed by the gate's key")]
    Signature(#[from] SignatureError),
    #[error("the gate could not sign the order")]
    Sign(#[from] GateKeyError),
    #[error("the order's own standing does not belong to it")]
    Standing(#[from] StandingError),
    #[error("the order is of gate `{found}`, not `{expected}`")]
    WrongGate { found: String, expected: String },
    #[error("the order is for executor `{found}`, not `{expected}`")]
    WrongAudience { found: String, expected: String },
    #[error("the order is for environment `{found}`, not `{expected}`")]
    WrongEnvironment { found: String, expected: String },
}

impl OrderError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_order",
            Self::GateKey(_) => "gate_key",
            Self::Signature(_) | Self::Sign(_) => "order_bad_signature",
            Self::Standing(error) => error.code(),
            Self::WrongGate { .. } => "wrong_gate",
            Self::WrongAudience { .. } => "wrong_audience",
            Self::WrongEnvironment { .. } => "wrong_environment",
        }
    }
}

impl Order {
    pub const SCHEMA: &'static str = "countersign.order.v1";

    /// Signs the order and returns the envelope's JSON.
    pub fn sign(&self, key: &GateKey) -> Result<String, OrderError> {
        self.check_form()?;
        let payload = strict::canonical(self).map_err(OrderError::Malformed)?;
        let signature = key.sign(ORDER_NAMESPACE, &pae(ORDER_TYPE, &payload))?;
        Ok(Envelope::new(ORDER_TYPE, &payload, &signature).to_json()?)
    }

    /// Verifies that the gate signed it and that its parts belong together. That says nothing yet about people: verify
    /// the token.
    pub fn verify(json: &str, gate_public_key: &str) -> Result<Self, OrderError> {
        let key = PublicKey::parse(gate_public_key)?;
        let (payload, signature) = Envelope::parse(json.trim_end().as_bytes())?.open_ssh(ORDER_TYPE)?;
        signature.verify(&key, ORDER_NAMESPACE, &pae(ORDER_TYPE, &payload))?;
        let order: Self = strict::parse(&payload).map_err(OrderError::Malformed)?;
        order.check_form()?;
        Ok(order)
    }

    /// Checks that the order is addressed to this executor.
    pub fn check_addressed(&self, gate: &str, audience: &str, environment: &str) -> Result<(), OrderError> {
        if self.gate != gate {
            return Err(OrderError::WrongGate {
                found: self.gate.clone(),
                expected: gate.to_owned(),
            });
        }
        if self.audience != audience {
            return Err(OrderError::WrongAudience {
                found: self.audience.clone(),
                expected: audience.to_owned(),
            });
        }
        if self.environment != environment {
            return Err(OrderError::WrongEnvironment {
                found: self.environment.clone(),
                expected: environment.to_owned(),
            });
        }
        Ok(())
    }

    /// Returns the digest of the plan text as it came. The plan itself is admitted by the catalog.
    pub fn plan_digest(&self) -> Digest {
        Digest::of(self.plan.as_bytes())
    }

    fn check_form(&self) -> Result<(), OrderError> {
        if self.schema != Self::SCHEMA {
            return Err(OrderError::Malformed(format!("schema must be `{}`", Self::SCHEMA)));
        }
        for (what, text) in [
            ("id", &self.id),
            ("gate", &self.gate),
            ("audience", &self.audience),
            ("environment", &self.environment),
        ] {
            check_text(what, text, 128).map_err(OrderError::Malformed)?;
        }
        self.standing.check_form()?;
        if self.standing.gate != self.gate || self.standing.plan_digest != self.plan_digest() {
            return Err(OrderError::Malformed(
                "its standing is of another gate or plan".to_owned(),
            ));
        }
        Ok(())
    }
}

impl From<EnvelopeError> for OrderError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::{STANDING_NAMESPACE, STANDING_TYPE, StandingState, test_support::at};

    fn order() -> Order {
        Order {
            schema: Order::SCHEMA.to_owned(),
            id: "order-1".to_owned(),
            action: Action::Execute,
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            environment: "demo".to_owned(),
            plan: "{\"plan\":1}".to_owned(),
            token: "token".to_owned(),
            issued_at: at(0),
            standing: Standing {
                schema: Standing::SCHEMA.to_owned(),
                gate: "gate-1".to_owned(),
                plan_digest: Digest::of(b"{\"plan\":1}"),
                state: StandingState::Valid,
                as_of: at(0),
            },
        }
    }

    #[test]
    fn only_the_gates_signature_over_these_bytes_makes_an_order() {
        let key = GateKey::generate().unwrap();
        let public = key.public_key().to_string();
        let json = order().sign(&key).unwrap();
        assert_eq!(Order::verify(&json, &public).unwrap(), order());
        assert_eq!(Order::verify(&format!("{json}\n"), &public).unwrap(), order());

        let other = GateKey::generate().unwrap().public_key().to_string();
        assert_eq!(Order::verify(&json, &other).unwrap_err().code(), "order_bad_signature");

        let payload = strict::canonical(&order()).unwrap();
        let signature = key.sign(STANDING_NAMESPACE, &pae(STANDING_TYPE, &payload)).unwrap();
        let moved = Envelope::new(ORDER_TYPE, &payload, &signature).to_json().unwrap();
        assert_eq!(
            Order::verify(&moved, &public).unwrap_err().code(),
            "order_bad_signature"
        );
    }

    #[test]
    fn an_edited_order_is_refused() {
        let key = GateKey::generate().unwrap();
        let public = key.public_key().to_string();
        let envelope = Envelope::parse(order().sign(&key).unwrap().as_bytes()).unwrap();
        let (payload, signature) = envelope.open(ORDER_TYPE).unwrap();
        let edited = String::from_utf8(payload)
            .unwrap()
            .replace("\"token\":\"token\"", "\"token\":\"other\"");
        let json = Envelope::new(ORDER_TYPE, edited.as_bytes(), &signature)
            .to_json()
            .unwrap();
        assert_eq!(Order::verify(&json, &public).unwrap_err().code(), "order_bad_signature");
    }

    #[test]
    fn a_standing_of_another_plan_or_gate_makes_it_malformed() {
        let key = GateKey::generate().unwrap();
        let mut other = order();
        other.standing.plan_digest = Digest::of(b"another");
        assert_eq!(other.sign(&key).unwrap_err().code(), "malformed_order");
        let mut other = order();
        other.standing.gate = "gate-2".to_owned();
        assert_eq!(other.sign(&key).unwrap_err().code(), "malformed_order");

        // Signed all the same, by a gate that lies.
        let payload = strict::canonical(&other).unwrap();
        let signature = key.sign(ORDER_NAMESPACE, &pae(ORDER_TYPE, &payload)).unwrap();
        let json = Envelope::new(ORDER_TYPE, &payload, &signature).to_json().unwrap();
        let error = Order::verify(&json, &key.public_key().to_string()).unwrap_err();
        assert_eq!(error.code(), "malformed_order");
    }

    #[test]
    fn an_order_for_somebody_else_is_refused() {
        let order = order();
        order.check_addressed("gate-1", "executor-1", "demo").unwrap();
        let code = |gate, audience, environment| order.check_addressed(gate, audience, environment).unwrap_err().code();
        assert_eq!(code("gate-2", "executor-1", "demo"), "wrong_gate");
        assert_eq!(code("gate-1", "executor-2", "demo"), "wrong_audience");
        assert_eq!(code("gate-1", "executor-1", "production"), "wrong_environment");
    }
}
