//! The journal's own key: it signs checkpoints and nothing else.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::SigningKey;
use rand::{TryRngCore, rngs::OsRng};
use signed_note::{StandardSigner, is_key_name_valid, key_id, new_ed25519_verifier_key};

use crate::JournalError;

/// An Ed25519 note key (C2SP signed-note), named by the journal's origin.
pub(crate) struct NoteKey {
    pub(crate) signer: StandardSigner,
    /// The verifier key, public: `origin+id+base64`.
    pub(crate) vkey: String,
}

impl NoteKey {
    /// Reads the key file, or makes it (0600) where there is none.
    pub(crate) fn load_or_create(path: &Path, origin: &str) -> Result<Self, JournalError> {
        if !is_key_name_valid(origin) || origin.chars().any(char::is_control) || origin.len() > 255 {
            return Err(JournalError::Origin {
                origin: origin.to_owned(),
                reason: "must be 1 to 255 bytes without spaces, pluses and control characters".to_owned(),
            });
        }
        match fs::read_to_string(path) {
            Ok(text) => {
                check_mode(path)?;
                Self::parse(text.trim_end(), origin).map_err(|reason| key_error(path, reason))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(path, origin),
            Err(source) => Err(JournalError::io(path, source)),
        }
    }

    fn create(path: &Path, origin: &str) -> Result<Self, JournalError> {
        let mut seed = [0_u8; 32];
        OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| key_error(path, format!("no randomness: {error}")))?;
        let text = encode(origin, &SigningKey::from_bytes(&seed));
        let key = Self::parse(&text, origin).map_err(|reason| key_error(path, reason))?;
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| JournalError::io(path, source))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(|source| JournalError::io(path, source))?;
        Ok(key)
    }

    fn parse(text: &str, origin: &str) -> Result<Self, String> {
        let signer = StandardSigner::new(text).map_err(|error| error.to_string())?;
        // The last part is base64 and may hold pluses of its own.
        let parts: Vec<&str> = text.splitn(5, '+').collect();
        let [_, _, name, _, key] = parts.as_slice() else {
            return Err("malformed key".to_owned());
        };
        if *name != origin {
            return Err(format!("it is the key of `{name}`, not of `{origin}`"));
        }
        let seed: [u8; 32] = BASE64_STANDARD
            .decode(key)
            .ok()
            .and_then(|bytes| bytes.get(1..)?.try_into().ok())
            .ok_or("malformed key")?;
        let vkey = new_ed25519_verifier_key(origin, &SigningKey::from_bytes(&seed).verifying_key());
        Ok(Self { signer, vkey })
    }
}

fn encode(origin: &str, key: &SigningKey) -> String {
    let public = [&[ALG_ED25519], key.verifying_key().as_bytes().as_slice()].concat();
    let private = [&[ALG_ED25519], key.to_bytes().as_slice()].concat();
    format!(
        "PRIVATE+KEY+{origin}+{:08x}+{}",
        key_id(origin, &public),
        BASE64_STANDARD.encode(private)
    )
}

fn check_mode(path: &Path) -> Result<(), JournalError> {
    let mode = fs::metadata(path)
        .map_err(|source| JournalError::io(path, source))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(key_error(
            path,
            format!("its mode is {:04o}; others must not reach it (0600)", mode & 0o7777),
        ));
    }
    Ok(())
}

fn key_error(path: &Path, reason: impl Into<String>) -> JournalError {
    JournalError::Key {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

const ALG_ED25519: u8 = 1;
