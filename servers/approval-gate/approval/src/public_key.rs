//! Public keys that a signature may come from: Ed25519, P-256, and both on hardware (`sk-`).

use std::fmt;

use ssh_key::{Algorithm, EcdsaCurve, HashAlg};

/// An SSH public key, without its comment. Only kinds that [`crate::Signature`] can verify exist as this type.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(ssh_key::PublicKey);

/// Why text is no public key for us.
#[derive(Debug, thiserror::Error)]
pub enum PublicKeyError {
    #[error("not a line such as `ssh-ed25519 AAAA…`")]
    Malformed,
    /// RSA, DSA and the larger curves are not verified here, on purpose.
    #[error("`{0}` keys are not accepted; use ed25519, ecdsa-p256, or a hardware key of either kind")]
    Algorithm(String),
}

impl PublicKey {
    /// Reads the OpenSSH line; a comment is dropped.
    pub fn parse(line: &str) -> Result<Self, PublicKeyError> {
        let key = ssh_key::PublicKey::from_openssh(line.trim()).map_err(|_| PublicKeyError::Malformed)?;
        Self::new(key.key_data().clone())
    }

    pub(crate) fn new(data: ssh_key::public::KeyData) -> Result<Self, PublicKeyError> {
        match data.algorithm() {
            Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            } => Ok(Self(ssh_key::PublicKey::new(data, ""))),
            other => Err(PublicKeyError::Algorithm(other.to_string())),
        }
    }

    /// Returns the fingerprint as `ssh-keygen -l` prints it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Tells whether the private half lives in a FIDO token.
    pub fn is_hardware(&self) -> bool {
        matches!(
            self.0.algorithm(),
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
        )
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, ssh_key::Error> {
        self.0.to_bytes()
    }

    pub(crate) fn data(&self) -> &ssh_key::public::KeyData {
        self.0.key_data()
    }
}

/// Writes the OpenSSH line without a comment.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.0.to_openssh().map_err(|_| fmt::Error)?;
        f.write_str(line.trim_end())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_line_reads_back_without_its_comment() {
        let key = PublicKey::parse(&format!("{ED25519} user@example.com\n")).unwrap();
        assert_eq!(key.to_string(), ED25519);
        assert!(!key.is_hardware());
        assert_eq!(key.fingerprint().len(), 50);
    }

    #[test]
    fn what_cannot_be_verified_is_not_a_key() {
        assert!(matches!(
            PublicKey::parse("ssh-ed25519 AAAA"),
            Err(PublicKeyError::Malformed)
        ));
        assert!(matches!(PublicKey::parse(""), Err(PublicKeyError::Malformed)));
    }
}
