//! Standing grants: what people sign ahead of time. A grant says which pinned runbook may run, on which targets, with which
//! values, how often, when, and until when. It is no autonomy: each execution under it carries these people's signatures,
//! and ends with the list that no longer names them.

use std::collections::{BTreeMap, BTreeSet};

use policies::{ChangeCalendar, WindowEntry};
use runbooks::{BoundParameter, Digest, RunbookRef, Target, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    approvers::Approvers,
    dsse::{Envelope, GRANT_NAMESPACE, GRANT_TYPE, pae},
    passkey::Assertion,
    proof::Proof,
    refusal::Refusal,
    signer::{self, Claim, Signer},
    statement::Method,
    strict::{self, check_fingerprint, check_id, check_nonce, check_text},
};

/// How long a grant may last, in days: people look at it again each quarter.
pub const MAX_GRANT_DAYS: i64 = 92;

/// What is granted: the same bytes, whoever signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// Always `countersign.grant.v1`.
    pub schema: String,
    /// The gate whose requests it covers.
    pub gate: String,
    /// The executor that may act on it.
    pub audience: String,
    /// The runbook, pinned: another version needs another grant.
    pub runbook: RunbookRef,
    /// Where it may run: 1 to 16 targets, each in full.
    pub targets: Vec<Target>,
    /// For every parameter of the runbook, the values that it may have.
    pub parameters: BTreeMap<String, Bound>,
    /// At most so many executions within any 24 hours, 1 to 1 000.
    pub max_per_day: u32,
    /// When a step may start; without any window, always.
    pub windows: Vec<WindowEntry>,
    pub not_before: Timestamp,
    /// At most 92 days later.
    pub until: Timestamp,
    /// Why, for those who read it later.
    pub reason: String,
    /// 32 lower-case hexadecimal digits.
    pub nonce: String,
}

/// The values that one parameter may have. The runbook's own bounds hold beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// Whatever the runbook allows: for a pid that nobody can know ahead of time.
    Any,
    /// One of these numbers or texts.
    OneOf(Vec<Scalar>),
    /// A text that begins so.
    Prefix(String),
    /// A number within these bounds, both included.
    Range { min: i64, max: i64 },
}

/// A parameter's value: a whole number or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Number(i64),
    Text(String),
}

/// What one person signs: the terms, and who signs them with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub terms: GrantTerms,
    /// The id of the person who signs.
    pub approver: String,
    /// The fingerprint of the key that signs, `SHA256:…`.
    pub key_id: String,
    /// How it is signed; nobody else's word will do.
    pub method: Method,
}

/// A grant that the person it names has signed, with a key that is listed for him and valid now. It is made by checking a
/// signature and by nothing else:
///
/// ```compile_fail,E0451
/// fn forge(grant: approval::Grant, envelope: approval::Envelope) -> approval::SignedGrant {
///     approval::SignedGrant { grant, hardware: true, proof: todo!(), envelope }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct SignedGrant {
    grant: Grant,
    hardware: bool,
    proof: Proof,
    envelope: Envelope,
}

/// What the verifier's own books say of the grant in a token. Nothing here may come from the token or the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrantBook {
    /// Executions under it within the last 24 hours, the one that is judged left out.
    pub uses_last_day: u32,
    /// Whether the verifier knows it to be revoked.
    pub revoked: bool,
}

impl GrantTerms {
    pub const SCHEMA: &'static str = "countersign.grant.v1";

    /// Returns `grt-` and the first 16 hexadecimal digits of the SHA-256 over the canonical terms.
    ///
    /// # Errors
    /// When the terms contradict themselves.
    pub fn id(&self) -> Result<String, Refusal> {
        self.check().map_err(Refusal::MalformedGrant)?;
        let bytes = strict::canonical(self).map_err(Refusal::MalformedGrant)?;
        let digest = Digest::of(&bytes).hex();
        Ok(format!("grt-{}", digest.get(..16).unwrap_or(&digest)))
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != Self::SCHEMA {
            return Err(format!("schema must be `{}`", Self::SCHEMA));
        }
        check_text("gate", &self.gate, 128)?;
        check_text("audience", &self.audience, 128)?;
        check_text("reason", &self.reason, 512)?;
        check_text("the runbook's id", &self.runbook.id, 128)?;
        if !(1..=MAX_TARGETS).contains(&self.targets.len()) {
            return Err(format!("a grant is for 1 to {MAX_TARGETS} targets"));
        }
        for target in &self.targets {
            check_text("a target's name", &target.name, 128)?;
        }
        if self.parameters.len() > MAX_PARAMETERS {
            return Err(format!("a grant bounds at most {MAX_PARAMETERS} parameters"));
        }
        for (name, bound) in &self.parameters {
            bound.check(name)?;
        }
        if !(1..=MAX_PER_DAY).contains(&self.max_per_day) {
            return Err(format!("max_per_day must be 1 to {MAX_PER_DAY}"));
        }
        if self.windows.len() > MAX_WINDOWS {
            return Err(format!("a grant has at most {MAX_WINDOWS} windows"));
        }
        if self.windows.iter().any(|window| window.days.len() > 7) {
            return Err("a window has at most seven days".to_owned());
        }
        self.calendar()?;
        if self.until <= self.not_before || self.until.since(self.not_before) > MAX_GRANT_DAYS * 86_400 {
            return Err(format!(
                "until must be after not_before, and at most {MAX_GRANT_DAYS} days after it"
            ));
        }
        check_nonce(&self.nonce)
    }

    pub(crate) fn calendar(&self) -> Result<ChangeCalendar, String> {
        ChangeCalendar::of(self.windows.clone()).map_err(|error| error.to_string())
    }
}

impl Bound {
    /// Tells whether a parameter may have this value. A list, an object or a fraction never may.
    pub fn holds(&self, value: &Value) -> bool {
        let scalar = match value {
            Value::Number(number) => number.as_i64().map(Scalar::Number),
            Value::String(text) => Some(Scalar::Text(text.clone())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match (self, scalar) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::OneOf(allowed), Some(scalar)) => allowed.contains(&scalar),
            (Self::Prefix(prefix), Some(Scalar::Text(text))) => text.starts_with(prefix),
            (Self::Range { min, max }, Some(Scalar::Number(number))) => (*min..=*max).contains(&number),
            (Self::Prefix(_), Some(Scalar::Number(_))) | (Self::Range { .. }, Some(Scalar::Text(_))) => false,
        }
    }

    fn check(&self, name: &str) -> Result<(), String> {
        check_text("a parameter's name", name, 64)?;
        let text = |text: &str| check_text(&format!("a value of `{name}`"), text, 256);
        match self {
            Self::Any => Ok(()),
            Self::OneOf(values) if !(1..=MAX_VALUES).contains(&values.len()) => {
                Err(format!("`{name}` is one of 1 to {MAX_VALUES} values"))
            }
            Self::OneOf(values) => values.iter().try_for_each(|value| match value {
                Scalar::Number(number) if number.unsigned_abs() > strict::MAX_INTEGER => {
                    Err(format!("a value of `{name}` is too large"))
                }
                Scalar::Number(_) => Ok(()),
                Scalar::Text(value) => text(value),
            }),
            Self::Prefix(prefix) => text(prefix),
            Self::Range { min, max } if min > max || min.max(max).unsigned_abs() > strict::MAX_INTEGER => {
                Err(format!("the range of `{name}` is empty or too large"))
            }
            Self::Range { min, .. } if min.unsigned_abs() > strict::MAX_INTEGER => {
                Err(format!("the range of `{name}` is too large"))
            }
            Self::Range { .. } => Ok(()),
        }
    }
}

impl Grant {
    /// Returns the canonical bytes: the envelope's payload.
    ///
    /// # Errors
    /// When the grant contradicts itself.
    pub fn bytes(&self) -> Result<Vec<u8>, Refusal> {
        self.check().map_err(Refusal::MalformedGrant)?;
        strict::canonical(self).map_err(Refusal::MalformedGrant)
    }

    /// Returns what `ssh-keygen -Y sign -n grant@countersign` signs; a passkey is challenged with its SHA-256.
    ///
    /// # Errors
    /// When the grant contradicts itself.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, Refusal> {
        Ok(pae(GRANT_TYPE, &self.bytes()?))
    }

    /// Puts the grant and its signature into an envelope.
    ///
    /// # Errors
    /// When the grant contradicts itself.
    pub fn envelope(&self, proof: impl Into<Proof>) -> Result<Envelope, Refusal> {
        Ok(Envelope::new(GRANT_TYPE, &self.bytes()?, proof))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let grant: Self = strict::parse(bytes).map_err(Refusal::MalformedGrant)?;
        grant.check().map_err(Refusal::MalformedGrant)?;
        Ok(grant)
    }

    fn check(&self) -> Result<(), String> {
        self.terms.check()?;
        check_id("approver", &self.approver)?;
        check_fingerprint(&self.key_id)
    }
}

impl SignedGrant {
    /// Checks the signature of one person under a grant: form, person, key and signature; and that it is a person.
    ///
    /// # Errors
    /// When anything of it does not hold.
    pub fn verify(envelope: &Envelope, approvers: &Approvers, now: Timestamp) -> Result<Self, Refusal> {
        let (payload, proof) = envelope.open(GRANT_TYPE)?;
        let grant = Grant::parse(&payload)?;
        let claim = Claim {
            approver: &grant.approver,
            key_id: &grant.key_id,
            method: grant.method,
        };
        let message = pae(GRANT_TYPE, &payload);
        let Signer { hardware, agent } = signer::check(&claim, &proof, GRANT_NAMESPACE, &message, approvers, now)?;
        if agent {
            return Err(Refusal::AgentApproves {
                approver: grant.approver,
            });
        }
        Ok(Self {
            hardware,
            envelope: Envelope::new(GRANT_TYPE, &payload, &proof),
            proof,
            grant,
        })
    }

    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Tells whether a hardware key signed, touched and with PIN or finger.
    pub fn is_hardware(&self) -> bool {
        self.hardware
    }

    /// Returns what a passkey answered, for its counter; none for an SSH key.
    pub fn assertion(&self) -> Option<&Assertion> {
        match &self.proof {
            Proof::Passkey(assertion) => Some(assertion),
            Proof::Ssh(_) => None,
        }
    }

    /// Returns the envelope as it goes into a token.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

/// Checks that every parameter has a bound, that every bound has a parameter, and that each value is within.
pub(crate) fn check_bounds(
    bounds: &BTreeMap<String, Bound>,
    parameters: &BTreeMap<String, BoundParameter>,
) -> Result<(), Refusal> {
    let names: BTreeSet<&String> = bounds.keys().chain(parameters.keys()).collect();
    for name in names {
        let within = match (bounds.get(name), parameters.get(name)) {
            (Some(bound), Some(parameter)) => bound.holds(&parameter.value),
            (Some(_), None) | (None, Some(_)) | (None, None) => false,
        };
        if !within {
            return Err(Refusal::GrantOutOfBounds {
                parameter: name.clone(),
            });
        }
    }
    Ok(())
}

const MAX_TARGETS: usize = 16;
const MAX_PARAMETERS: usize = 32;
const MAX_PER_DAY: u32 = 1_000;
const MAX_WINDOWS: usize = 16;
const MAX_VALUES: usize = 64;

#[cfg(test)]
mod tests;
