//! Who may approve: a list signed by an offline administrator key, whose version only grows.

use std::collections::{BTreeMap, BTreeSet};

use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    dsse::{APPROVERS_NAMESPACE, APPROVERS_TYPE, Envelope, EnvelopeError, pae},
    proof::ApproverKey,
    public_key::{PublicKey, PublicKeyError},
    sshsig::{Signature, SignatureError},
    statement::Method,
    strict::{self, check_id, check_text},
};

/// The list as data: what an administrator proposes and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproversDocument {
    /// Always `countersign.approvers.v1`.
    pub schema: String,
    /// From 1; a list with a smaller one than seen before is refused.
    pub version: u64,
    pub people: Vec<Person>,
    /// Grants that count nowhere any more, whatever a gate says of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked_grants: Vec<String>,
}

/// One person (or agent), however many keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The identity that counts: `a-z 0-9 . _ @ -`, so that no two look alike.
    pub id: String,
    /// For display only.
    pub name: String,
    pub groups: Vec<String>,
    /// Agents may be listed, so that their signatures are known for what they are; they never approve.
    pub agent: bool,
    pub keys: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
}

/// A key and when it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The OpenSSH line without a comment, `ssh-ed25519 AAAA…`, or the line of a passkey.
    pub public_key: String,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
    /// Whether it cannot leave its device. For an SSH key it must say what the key is, a FIDO key or not; for a passkey it is
    /// the administrator's word, and counts only as long as the passkey says the same.
    pub hardware: bool,
}

/// An account that is the person's elsewhere. What is done there the gate can only attest: by default nothing counts that
/// was said so, but a no.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case", deny_unknown_fields)]
pub enum Account {
    /// Ids, never names: anybody may take any display name.
    Slack {
        team: String,
        user: String,
    },
    Pagerduty {
        user: String,
    },
}

/// A list whose signature and version were checked. It is made by [`Approvers::verify`] and by nothing else:
///
/// ```compile_fail,E0277
/// let forged: approval::Approvers = serde_json::from_str("{}").unwrap();
/// ```
/// ```compile_fail,E0451
/// fn forge(people: Vec<approval::Person>, digest: runbooks::Digest) -> approval::Approvers {
///     approval::Approvers { version: 1, people, revoked_grants: Vec::new(), keys: Default::default(), digest }
/// }
/// ```
#[derive(Debug)]
pub struct Approvers {
    version: u64,
    people: Vec<Person>,
    revoked_grants: Vec<String>,
    keys: BTreeMap<String, ListedKey>,
    digest: Digest,
}

#[derive(Debug)]
pub(crate) struct ListedKey {
    pub(crate) person: String,
    pub(crate) agent: bool,
    pub(crate) public_key: ApproverKey,
    pub(crate) hardware: bool,
    pub(crate) valid_from: Timestamp,
    pub(crate) valid_until: Timestamp,
}

/// Why a list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ApproversError {
    #[error("malformed approver list: {0}")]
    Malformed(String),
    #[error("the administrator's public key is not usable")]
    AdminKey(#[from] PublicKeyError),
    #[error("the approver list is not signed by the administrator's key")]
    Signature(#[from] SignatureError),
    #[error("the administrator's hardware key was not touched, or asked for neither PIN nor finger")]
    Presence,
    /// An older list would bring back people and keys that were taken off.
    #[error("approver list {offered} is older than {seen}, which was seen before")]
    RolledBack { offered: u64, seen: u64 },
}

impl ApproversError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_approvers",
            Self::AdminKey(_) => "admin_key",
            Self::Signature(_) | Self::Presence => "approvers_bad_signature",
            Self::RolledBack { .. } => "approvers_rolled_back",
        }
    }
}

impl ApproversDocument {
    pub const SCHEMA: &'static str = "countersign.approvers.v1";

    /// Checks the document and returns the canonical bytes: the envelope's payload.
    pub fn bytes(&self) -> Result<Vec<u8>, ApproversError> {
        self.index()?;
        strict::canonical(self).map_err(ApproversError::Malformed)
    }

    /// Returns what the administrator signs with `ssh-keygen -Y sign -n approvers@countersign`.
    pub fn signing_bytes(&self) -> Result<Vec<u8>, ApproversError> {
        Ok(pae(APPROVERS_TYPE, &self.bytes()?))
    }

    /// Puts document and signature into the envelope that becomes `approvers.json`.
    pub fn envelope(&self, signature: &Signature) -> Result<Envelope, ApproversError> {
        Ok(Envelope::new(APPROVERS_TYPE, &self.bytes()?, signature))
    }

    fn index(&self) -> Result<BTreeMap<String, ListedKey>, ApproversError> {
        let malformed = ApproversError::Malformed;
        if self.schema != Self::SCHEMA {
            return Err(malformed(format!("schema must be `{}`", Self::SCHEMA)));
        }
        if self.version == 0 || self.version > strict::MAX_INTEGER {
            return Err(malformed(format!("version must be 1 to {}", strict::MAX_INTEGER)));
        }
        for grant in &self.revoked_grants {
            check_id("a grant", grant).map_err(malformed)?;
        }
        let mut ids = BTreeSet::new();
        let mut keys = BTreeMap::new();
        let mut accounts = BTreeSet::new();
        let mut credentials = BTreeSet::new();
        for person in &self.people {
            check_id("a person's id", &person.id).map_err(malformed)?;
            check_text("a person's name", &person.name, 128).map_err(malformed)?;
            for group in &person.groups {
                check_id("a group", group).map_err(malformed)?;
            }
            if !ids.insert(&person.id) {
                return Err(malformed(format!("`{}` is listed twice", person.id)));
            }
            for account in &person.accounts {
                account.check().map_err(malformed)?;
                // One account for two people would let one of them be counted as both.
                if !accounts.insert(account) {
                    return Err(malformed(format!("an account of `{}` is listed twice", person.id)));
                }
            }
            for key in &person.keys {
                let (fingerprint, listed) = key.check(person)?;
                // A browser knows a passkey by its credential alone.
                if let ApproverKey::Passkey(passkey) = &listed.public_key
                    && !credentials.insert(passkey.credential().to_vec())
                {
                    return Err(malformed(format!(
                        "a passkey of `{}` has another one's credential",
                        person.id
                    )));
                }
                // One key for two people would let one of them be counted as both.
                if let Some(other) = keys.insert(fingerprint.clone(), listed) {
                    return Err(malformed(format!(
                        "key `{fingerprint}` of `{}` is also listed for `{}`",
                        person.id, other.person
                    )));
                }
            }
        }
        Ok(keys)
    }
}

impl Account {
    /// Returns how a decision from there is made.
    pub fn method(&self) -> Method {
        match self {
            Self::Slack { .. } => Method::Slack,
            Self::Pagerduty { .. } => Method::Pagerduty,
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Slack { team, user } => {
                check_account_id("a Slack team", team)?;
                check_account_id("a Slack user", user)
            }
            Self::Pagerduty { user } => check_account_id("a PagerDuty user", user),
        }
    }
}

fn check_account_id(what: &str, id: &str) -> Result<(), String> {
    if (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("{what} is named by its id, 1 to 64 characters of `A-Z 0-9`"))
    }
}

impl Key {
    fn check(&self, person: &Person) -> Result<(String, ListedKey), ApproversError> {
        let malformed = |reason: &str| ApproversError::Malformed(format!("a key of `{}`: {reason}", person.id));
        let public_key = ApproverKey::parse(&self.public_key).map_err(|error| malformed(&error))?;
        if public_key.to_string() != self.public_key {
            return Err(malformed("write it as `TYPE BASE64`, without options and comment"));
        }
        if let ApproverKey::Ssh(key) = &public_key
            && key.is_hardware() != self.hardware
        {
            return Err(malformed("`hardware` contradicts its type"));
        }
        if self.valid_from >= self.valid_until {
            return Err(malformed("its validity ends before it begins"));
        }
        let listed = ListedKey {
            person: person.id.clone(),
            agent: person.agent,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            hardware: self.hardware,
            public_key,
        };
        Ok((listed.public_key.fingerprint(), listed))
    }
}

impl Approvers {
    /// Verifies `approvers.json`: signed by the administrator's key, well formed, and not older than the newest version
    /// that the caller has seen (0: none yet; the caller keeps it across restarts).
    pub fn verify(json: &str, admin_public_key: &str, newest_seen_version: u64) -> Result<Self, ApproversError> {
        let admin = PublicKey::parse(admin_public_key)?;
        let (payload, signature) = Envelope::parse(json.trim_end().as_bytes())?.open_ssh(APPROVERS_TYPE)?;
        let presence = signature.verify(&admin, APPROVERS_NAMESPACE, &pae(APPROVERS_TYPE, &payload))?;
        if !presence.is_touched() || !presence.is_verified() {
            return Err(ApproversError::Presence);
        }
        let document: ApproversDocument = strict::parse(&payload).map_err(ApproversError::Malformed)?;
        let keys = document.index()?;
        if document.version < newest_seen_version {
            return Err(ApproversError::RolledBack {
                offered: document.version,
                seen: newest_seen_version,
            });
        }
        Ok(Self {
            version: document.version,
            people: document.people,
            revoked_grants: document.revoked_grants,
            keys,
            digest: Digest::of(&payload),
        })
    }

    /// Returns the version, for the caller to remember.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the digest of the signed document.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns everyone listed, agents too.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Tells whether the administrator has revoked a grant.
    pub fn is_revoked(&self, grant: &str) -> bool {
        self.revoked_grants.iter().any(|revoked| revoked == grant)
    }

    /// Finds a person by id.
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    /// Finds whose key a fingerprint (`SHA256:…`) is.
    pub fn person_of_key(&self, fingerprint: &str) -> Option<&Person> {
        self.person(&self.keys.get(fingerprint)?.person)
    }

    /// Finds whose account this is.
    pub fn person_of_account(&self, account: &Account) -> Option<&Person> {
        self.people.iter().find(|person| person.accounts.contains(account))
    }

    /// Finds a listed key, valid now or not.
    pub fn find_key(&self, fingerprint: &str) -> Option<&ApproverKey> {
        self.key(fingerprint).map(|key| &key.public_key)
    }

    /// Returns a person's keys that are valid at this moment.
    pub fn keys_of(&self, person: &str, now: Timestamp) -> Vec<&ApproverKey> {
        let is_theirs = |key: &&ListedKey| key.person == person && key.valid_from <= now && now < key.valid_until;
        self.keys
            .values()
            .filter(is_theirs)
            .map(|key| &key.public_key)
            .collect()
    }

    pub(crate) fn key(&self, fingerprint: &str) -> Option<&ListedKey> {
        self.keys.get(fingerprint)
    }
}

impl From<EnvelopeError> for ApproversError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

#[cfg(test)]
mod tests;
