//! What a person signs with, and what it gives: an SSH key or a passkey.

use std::fmt;

use crate::{
    passkey::{Assertion, Passkey},
    public_key::PublicKey,
    sshsig::{Presence, Signature, SignatureError},
    statement::Method,
};

/// A key that may be listed for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApproverKey {
    Ssh(PublicKey),
    Passkey(Passkey),
}

/// A signature of either kind. It proves nothing until [`Proof::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Ssh(Signature),
    Passkey(Assertion),
}

impl ApproverKey {
    /// Reads the line of a list.
    ///
    /// # Errors
    /// When it is neither an SSH key that can be verified nor a passkey; the reason in words.
    pub fn parse(line: &str) -> Result<Self, String> {
        if line.starts_with("passkey ") {
            line.parse()
                .map(Self::Passkey)
                .map_err(|error: crate::PasskeyError| error.to_string())
        } else {
            PublicKey::parse(line).map(Self::Ssh).map_err(|error| error.to_string())
        }
    }

    /// Returns `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Ssh(key) => key.fingerprint(),
            Self::Passkey(passkey) => passkey.fingerprint(),
        }
    }

    /// Returns how this key signs.
    pub fn method(&self) -> Method {
        match self {
            Self::Ssh(_) => Method::Ssh,
            Self::Passkey(_) => Method::Passkey,
        }
    }
}

/// Writes the line of a list.
impl fmt::Display for ApproverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(key) => key.fmt(f),
            Self::Passkey(passkey) => passkey.fmt(f),
        }
    }
}

impl Proof {
    /// Reads the blob of either kind.
    pub(crate) fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        if blob.starts_with(b"{") {
            Assertion::from_blob(blob).map(Self::Passkey)
        } else {
            Signature::from_blob(blob).map(Self::Ssh)
        }
    }

    /// Verifies that `key` signed `message`. The namespace is for SSH keys; what a passkey signs names its kind itself.
    pub(crate) fn verify(
        &self,
        key: &ApproverKey,
        namespace: &str,
        message: &[u8],
    ) -> Result<Presence, SignatureError> {
        match (self, key) {
            (Self::Ssh(signature), ApproverKey::Ssh(key)) => signature.verify(key, namespace, message),
            (Self::Passkey(assertion), ApproverKey::Passkey(passkey)) => assertion.verify(passkey, message),
            (Self::Ssh(_), ApproverKey::Passkey(_)) | (Self::Passkey(_), ApproverKey::Ssh(_)) => {
                Err(SignatureError::OtherKey)
            }
        }
    }

    /// Returns the fingerprint of the key that claims to have signed.
    pub fn key_id(&self) -> String {
        match self {
            Self::Ssh(signature) => signature.key_id(),
            Self::Passkey(assertion) => assertion.key_id(),
        }
    }

    /// Returns the blob that travels.
    pub fn blob(&self) -> &[u8] {
        match self {
            Self::Ssh(signature) => signature.blob(),
            Self::Passkey(assertion) => assertion.blob(),
        }
    }
}

impl From<&Signature> for Proof {
    fn from(signature: &Signature) -> Self {
        Self::Ssh(signature.clone())
    }
}

impl From<&Proof> for Proof {
    fn from(proof: &Proof) -> Self {
        proof.clone()
    }
}

impl From<Assertion> for Proof {
    fn from(assertion: Assertion) -> Self {
        Self::Passkey(assertion)
    }
}
