//! A standing grant as a state machine: its events, its states, and the one pure function between them.

use approval::{GrantTerms, Method};
use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// One person's valid signature under a grant. The envelope itself is kept by its digest: it is part of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSigned {
    /// Who signed.
    pub approver: String,
    /// With which key, as `SHA256:…`.
    pub key_id: String,
    /// How.
    pub method: Method,
    /// Whether the key is a hardware key, touched and with PIN or finger.
    pub hardware: bool,
    /// Under which digest the signed envelope is kept.
    pub envelope: Digest,
    /// When it arrived.
    pub at: Timestamp,
}

/// Who ended a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRevoked {
    /// Who.
    pub approver: String,
    /// Why.
    pub reason: String,
    /// Under which digest the signed envelope is kept.
    pub envelope: Digest,
    /// When it arrived.
    pub at: Timestamp,
}

/// Everything that can happen to a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "snake_case")]
pub enum GrantEvent {
    /// Somebody who may sign put it forward.
    Proposed {
        /// What is granted.
        terms: Box<GrantTerms>,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A listed person signed it.
    Signed(GrantSigned),
    /// Somebody listed ended it.
    Revoked(GrantRevoked),
}

/// A grant: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// `grt-` and 16 hexadecimal digits, from the terms.
    pub id: String,
    /// What is granted.
    pub terms: GrantTerms,
    /// Who put it forward.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who signed, each person once.
    pub signed: Vec<GrantSigned>,
    /// Who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<GrantRevoked>,
}

/// The event cannot happen to this grant; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot happen to this grant")]
pub struct IllegalGrantEvent(&'static str);

impl GrantRecord {
    /// The only place where a grant changes.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn apply(state: Option<Self>, event: GrantEvent) -> Result<Self, IllegalGrantEvent> {
        let name = event.name();
        match (state, event) {
            (None, GrantEvent::Proposed { terms, by, at }) => Ok(Self {
                id: terms.id().map_err(|_| IllegalGrantEvent(name))?,
                terms: *terms,
                proposed_by: by,
                proposed_at: at,
                signed: Vec::new(),
                revoked: None,
            }),
            (Some(mut grant), GrantEvent::Signed(signed))
                if grant.revoked.is_none() && !grant.has_signed_with(&signed.approver, &signed.key_id) =>
            {
                // With another key: the one before may be over.
                grant.signed.retain(|before| before.approver != signed.approver);
                grant.signed.push(signed);
                Ok(grant)
            }
            (Some(grant), GrantEvent::Revoked(revoked)) if grant.revoked.is_none() => Ok(Self {
                revoked: Some(revoked),
                ..grant
            }),
            _ => Err(IllegalGrantEvent(name)),
        }
    }

    /// Whether this person has signed it with this key.
    pub fn has_signed_with(&self, person: &str, key_id: &str) -> bool {
        self.signed
            .iter()
            .any(|signed| signed.approver == person && signed.key_id == key_id)
    }

    /// One of `proposed`, `signed`, `revoked`, `expired`. Whether enough people have signed is judged for each plan.
    pub fn status(&self, now: Timestamp) -> &'static str {
        if self.revoked.is_some() {
            "revoked"
        } else if now >= self.terms.until {
            "expired"
        } else if self.signed.is_empty() {
            "proposed"
        } else {
            "signed"
        }
    }
}

impl GrantEvent {
    /// The name under which the journal keeps it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proposed { .. } => "grant_proposed",
            Self::Signed(_) => "grant_signed",
            Self::Revoked(_) => "grant_revoked",
        }
    }
}
