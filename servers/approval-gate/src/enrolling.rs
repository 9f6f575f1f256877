//! Invitations to make a passkey, and what was made. A registered passkey counts for nothing until the administrator signs
//! a list that holds it.

use std::collections::BTreeMap;

use approval::{Invitation, Passkey};
use runbooks::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::gate::Gate;
use crate::refusal::Refusal;

/// An invitation that was taken, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invited {
    envelope: String,
    #[serde(default)]
    registered: Option<Registered>,
}

/// A passkey that somebody made who followed an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The invitation.
    pub invitation: String,
    /// Who was invited.
    pub person: String,
    /// The line for the list.
    pub public_key: String,
    /// Its fingerprint: what the person sees on the page must be what the administrator signs.
    pub key_id: String,
    /// Whether it may be copied to other devices of the person, in which case it is no hardware key.
    pub synced: bool,
    /// When.
    pub at: Timestamp,
}

impl Gate {
    /// Takes an invitation that the administrator signed. The same one again changes nothing.
    ///
    /// # Errors
    /// When it is not for this gate's pages, over, or not signed by the administrator.
    pub fn invite(&self, envelope: &str) -> Result<Invitation, Refusal> {
        let invitation = self.verify_invitation(envelope)?;
        let id = invitation.id();
        self.store.change(|change| {
            if change.mark::<Invited>(&mark(&id))?.is_some() {
                return Ok(());
            }
            let kept = change.keep(envelope.trim_end().as_bytes())?;
            let data = json!({
                "person": invitation.person, "valid_until": invitation.valid_until, "envelope": kept,
            });
            let invited = Invited {
                envelope: envelope.trim_end().to_owned(),
                registered: None,
            };
            change.set_sealed("approver_invited", &id, data, &mark(&id), &invited)
        })?;
        Ok(invitation)
    }

    /// The invitation whose secret this is, and the bytes that the new passkey answers for.
    ///
    /// # Errors
    /// When there is none, or it is over or was followed already.
    pub fn invitation(&self, nonce: &str) -> Result<(Invitation, Vec<u8>), Refusal> {
        let unknown = || Refusal::new("unknown_invitation", "there is no such invitation");
        let id = Invitation::id_of(nonce);
        let invited: Invited = self.store.view(|rows| rows.mark(&mark(&id)))?.ok_or_else(unknown)?;
        let invitation = self.verify_invitation(&invited.envelope)?;
        if invitation.nonce != nonce {
            return Err(unknown());
        }
        if let Some(registered) = invited.registered {
            let message = format!("this invitation was followed at {}", registered.at);
            return Err(Refusal::new("invitation_followed", message).hint("ask your administrator for another one"));
        }
        let bytes = invitation
            .signing_bytes()
            .map_err(|error| Refusal::because("internal", &error))?;
        Ok((invitation, bytes))
    }

    /// Takes the passkey that was made for an invitation, once.
    ///
    /// # Errors
    /// When it answers another invitation, was made elsewhere, or nobody was verified.
    pub fn register(&self, nonce: &str, client_data: &[u8], authenticator_data: &[u8]) -> Result<Registered, Refusal> {
        let now = self.now();
        let (invitation, asked) = self.invitation(nonce)?;
        let (passkey, synced) = Passkey::register(client_data, authenticator_data, &asked, &invitation.origin)
            .map_err(|error| Refusal::because("malformed_passkey", &error))?;
        let registered = Registered {
            invitation: invitation.id(),
            person: invitation.person,
            public_key: passkey.to_string(),
            key_id: passkey.fingerprint(),
            synced,
            at: now,
        };
        self.store.change(|change| {
            let mark = mark(&registered.invitation);
            let invited: Option<Invited> = change.mark(&mark)?;
            let invited = invited
                .filter(|invited| invited.registered.is_none())
                .ok_or_else(|| Refusal::new("invitation_followed", "this invitation was followed a moment ago"))?;
            let data = serde_json::to_value(&registered)?;
            let invited = Invited {
                registered: Some(registered.clone()),
                ..invited
            };
            change.set_sealed("passkey_registered", &registered.invitation, data, &mark, &invited)
        })?;
        Ok(registered)
    }

    /// The passkeys that were registered, the oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn registered(&self) -> Result<Vec<Registered>, Refusal> {
        let invited: BTreeMap<String, Invited> = self.store.view(|rows| rows.marks(&mark("")))?;
        let mut registered: Vec<Registered> = invited.into_values().filter_map(|one| one.registered).collect();
        registered.sort_by_key(|one| one.at);
        Ok(registered)
    }

    fn verify_invitation(&self, envelope: &str) -> Result<Invitation, Refusal> {
        let admin = &self.approver_file.admin_key;
        Invitation::verify(envelope, admin, &self.id, self.base_url(), self.now())
            .map_err(|error| Refusal::because(error.code(), &error))
    }
}

fn mark(id: &str) -> String {
    format!("invitation {id}")
}
