//! SSHSIG (what `ssh-keygen -Y sign` makes), read strictly and verified against one key and one namespace.

use base64::{Engine, prelude::BASE64_STANDARD};
use ssh_key::{Algorithm, HashAlg, LineEnding, SshSig};

use crate::public_key::{PublicKey, PublicKeyError};

/// A parsed signature blob. It proves nothing until [`Signature::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    sshsig: SshSig,
    key: PublicKey,
    blob: Vec<u8>,
}

/// Who was there when it was signed, as far as the signature itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A key in a file or an agent: it says nothing about a person.
    Software,
    /// A FIDO token.
    Hardware {
        /// UP: somebody touched it.
        touched: bool,
        /// UV: the token verified a PIN or a finger.
        verified: bool,
    },
    /// A passkey.
    Passkey {
        /// UP: somebody was there.
        touched: bool,
        /// UV: the authenticator verified who.
        verified: bool,
        /// BE: it may be copied to the person's other devices.
        synced: bool,
    },
}

impl Presence {
    /// Tells whether a key that only one device can hold signed.
    pub fn is_hardware(self) -> bool {
        matches!(self, Self::Hardware { .. } | Self::Passkey { synced: false, .. })
    }

    /// Tells whether somebody was there, as far as the key can say: a key in a file cannot.
    pub fn is_touched(self) -> bool {
        match self {
            Self::Software => true,
            Self::Hardware { touched, .. } | Self::Passkey { touched, .. } => touched,
        }
    }

    /// Tells whether the key made sure who was there, as far as it can.
    pub fn is_verified(self) -> bool {
        match self {
            Self::Software => true,
            Self::Hardware { verified, .. } | Self::Passkey { verified, .. } => verified,
        }
    }
}

/// Why a signature is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("malformed signature: {0}")]
    Malformed(String),
    #[error("made with a key that is not accepted")]
    Key(#[from] PublicKeyError),
    #[error("made by another key")]
    OtherKey,
    #[error("made for `{found}`, not for `{expected}`")]
    Namespace { expected: String, found: String },
    #[error("made at `{found}`, not at `{expected}`")]
    Origin { expected: String, found: String },
    #[error("not over these bytes")]
    Invalid,
}

impl Signature {
    /// Reads the armoured text that `ssh-keygen -Y sign` writes.
    pub fn from_armored(text: &str) -> Result<Self, SignatureError> {
        let mut lines = text.trim().lines().map(str::trim_end);
        if lines.next() != Some(BEGIN) || lines.next_back() != Some(END) {
            return Err(malformed("its armour is broken"));
        }
        let blob = BASE64_STANDARD.decode(lines.collect::<String>()).map_err(malformed)?;
        Self::from_blob(&blob)
    }

    /// Reads the binary blob. A blob has one spelling: what the library reads must give these very bytes again.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        if blob.len() > MAX_BLOB_BYTES {
            return Err(malformed("it is too long"));
        }
        // The crate decodes only armour.
        let sshsig = SshSig::from_pem(armor(blob)).map_err(malformed)?;
        let key = PublicKey::new(sshsig.public_key().clone())?;
        if sshsig.signature().algorithm() != key.data().algorithm() {
            return Err(malformed("its signature is of another kind than its key"));
        }
        // The crate (0.6.7) takes a nested length that is too long, and version 0 for 1: neither is signed, so both would
        // leave the signature valid.
        if encode(&sshsig, &key)? != blob {
            return Err(malformed("it is not canonical, or not of version 1"));
        }
        Ok(Self {
            sshsig,
            key,
            blob: blob.to_owned(),
        })
    }

    // Only for signatures made here, by software keys: the crate (0.6.7) writes those of sk-ecdsa keys wrongly, and the
    // blob of a signature that came from outside is kept as it came.
    pub(crate) fn from_sshsig(sshsig: &SshSig) -> Result<Self, SignatureError> {
        Self::from_armored(&sshsig.to_pem(LineEnding::LF).map_err(malformed)?)
    }

    /// Verifies that `key` signed `message` for `namespace`, and returns what the signature says about the signer's
    /// presence. The caller decides whether that is enough: neither the library nor OpenSSH looks at it.
    pub fn verify(&self, key: &PublicKey, namespace: &str, message: &[u8]) -> Result<Presence, SignatureError> {
        if self.key != *key {
            return Err(SignatureError::OtherKey);
        }
        if self.sshsig.namespace() != namespace {
            return Err(SignatureError::Namespace {
                expected: namespace.to_owned(),
                found: self.sshsig.namespace().to_owned(),
            });
        }
        match self.sshsig.hash_alg() {
            HashAlg::Sha256 | HashAlg::Sha512 => {}
            // The enum may grow.
            _ => return Err(malformed("its hash is neither sha256 nor sha512")),
        }
        ssh_key::PublicKey::new(key.data().clone(), "")
            .verify(namespace, message, &self.sshsig)
            .map_err(|_| SignatureError::Invalid)?;
        self.presence()
    }

    /// Returns the fingerprint of the key that claims to have signed.
    pub fn key_id(&self) -> String {
        self.key.fingerprint()
    }

    /// Returns the binary blob.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Returns the armoured text that `ssh-keygen -Y verify` reads.
    pub fn to_armored(&self) -> String {
        armor(&self.blob)
    }

    fn presence(&self) -> Result<Presence, SignatureError> {
        match self.key.data().algorithm() {
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
                // signature || flags (1 byte) || counter (4 bytes); the token signs flags and counter with the message.
                let bytes = self.sshsig.signature_bytes();
                let flags = bytes
                    .len()
                    .checked_sub(SK_TRAILER_BYTES)
                    .and_then(|at| bytes.get(at))
                    .ok_or_else(|| malformed("it has no flags"))?;
                Ok(Presence::Hardware {
                    touched: flags & USER_PRESENT != 0,
                    verified: flags & USER_VERIFIED != 0,
                })
            }
            _ => Ok(Presence::Software),
        }
    }
}

// By hand, because the crate (0.6.7) writes the signatures of sk-ecdsa keys wrongly. The reserved field is written empty.
fn encode(sshsig: &SshSig, key: &PublicKey) -> Result<Vec<u8>, SignatureError> {
    let bytes = sshsig.signature_bytes();
    let trailer = if key.is_hardware() { SK_TRAILER_BYTES } else { 0 };
    let (raw, trailer) = bytes
        .len()
        .checked_sub(trailer)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or_else(|| malformed("its signature is too short"))?;
    let algorithm = sshsig.algorithm();
    let signature = [string(algorithm.as_ref().as_bytes())?, string(raw)?, trailer.to_vec()].concat();
    Ok([
        b"SSHSIG".to_vec(),
        SshSig::VERSION.to_be_bytes().to_vec(),
        string(&key.to_bytes().map_err(malformed)?)?,
        string(sshsig.namespace().as_bytes())?,
        string(b"")?,
        string(sshsig.hash_alg().as_str().as_bytes())?,
        string(&signature)?,
    ]
    .concat())
}

fn string(bytes: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let length = u32::try_from(bytes.len()).map_err(malformed)?;
    Ok([&length.to_be_bytes(), bytes].concat())
}

fn armor(blob: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(blob);
    let mut text = format!("{BEGIN}\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE_WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str(END);
    text.push('\n');
    text
}

fn malformed(reason: impl ToString) -> SignatureError {
    SignatureError::Malformed(reason.to_string())
}

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const LINE_WIDTH: usize = 70;
const SK_TRAILER_BYTES: usize = 5;
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const MAX_BLOB_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
