//! The gate's own key: an SSH Ed25519 key in an OpenSSH file. It signs orders and standings, never approvals.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rand::{TryRngCore, rngs::OsRng};
use ssh_key::{
    HashAlg, LineEnding, PrivateKey,
    private::{Ed25519Keypair, KeypairData},
};

use crate::{public_key::PublicKey, sshsig::Signature};

/// A private signing key. It has no `Debug`, `Clone` or `Serialize`, and leaves this type only as a 0600 file.
pub struct GateKey {
    private: PrivateKey,
    public: PublicKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum GateKeyError {
    #[error("could not use key file `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("key file `{path}` has mode {mode:04o}; others must not reach it (0600)")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("key file `{path}`: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("the key could not sign: {0}")]
    Sign(String),
    #[error("no randomness: {0}")]
    Random(String),
}

impl GateKey {
    /// Reads the key file, or makes it (0600, readable by `ssh-keygen`) where there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, GateKeyError> {
        let io = |source| GateKeyError::Io {
            path: path.to_owned(),
            source,
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path).map_err(io)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(GateKeyError::Exposed {
                        path: path.to_owned(),
                        mode: mode & 0o7777,
                    });
                }
                let unusable = |reason: String| GateKeyError::Unusable {
                    path: path.to_owned(),
                    reason,
                };
                let private = PrivateKey::from_openssh(text).map_err(|error| unusable(error.to_string()))?;
                if private.is_encrypted() {
                    return Err(unusable("it has a passphrase".to_owned()));
                }
                Self::new(private).map_err(unusable)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = Self::generate()?;
                key.save(path)?;
                Ok(key)
            }
            Err(source) => Err(io(source)),
        }
    }

    /// Makes a key that lives in memory only.
    pub fn generate() -> Result<Self, GateKeyError> {
        let mut seed = [0_u8; 32];
        OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| GateKeyError::Random(error.to_string()))?;
        let data = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        let private = PrivateKey::new(data, "countersign").map_err(|error| GateKeyError::Sign(error.to_string()))?;
        Self::new(private).map_err(GateKeyError::Sign)
    }

    /// Writes the key to a new file, mode 0600; an existing file is not touched.
    pub fn save(&self, path: &Path) -> Result<(), GateKeyError> {
        let io = |source| GateKeyError::Io {
            path: path.to_owned(),
            source,
        };
        let text = self
            .private
            .to_openssh(LineEnding::LF)
            .map_err(|error| GateKeyError::Sign(error.to_string()))?;
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)
    }

    /// Signs the bytes for a namespace, as `ssh-keygen -Y sign -n NAMESPACE` would.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, GateKeyError> {
        let sshsig = self
            .private
            .sign(namespace, HashAlg::Sha512, message)
            .map_err(|error| GateKeyError::Sign(error.to_string()))?;
        Signature::from_sshsig(&sshsig).map_err(|error| GateKeyError::Sign(error.to_string()))
    }

    /// Returns the public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn new(private: PrivateKey) -> Result<Self, String> {
        if private.key_data().ed25519().is_none() {
            return Err("it is not an ed25519 key".to_owned());
        }
        let public = PublicKey::new(private.public_key().key_data().clone()).map_err(|error| error.to_string())?;
        Ok(Self { private, public })
    }
}
