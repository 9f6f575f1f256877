//! A model's key: read from a file or the environment, put into one request header, and shown nowhere.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

const MAX_KEY_BYTES: usize = 8_192;

/// A key. It has no `Display`, no `Serialize` and a `Debug` that says nothing.
///
/// ```compile_fail
/// fn show(key: &model::Key) -> String { key.to_string() }
/// ```
/// ```compile_fail
/// fn write(key: &model::Key) -> String { serde_json::to_string(key).unwrap() }
/// ```
pub struct Key(String);

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("could not read the key file `{path}`")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the environment variable `{0}` is not set, or no text")]
    Environment(String),
    #[error("the key in {0} is empty, too long, or holds what no header may hold")]
    Unusable(String),
}

impl Key {
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, || format!("the file `{}`", path.display()))
    }

    pub fn from_env(name: &str) -> Result<Self, KeyError> {
        let text = std::env::var(name).map_err(|_| KeyError::Environment(name.to_owned()))?;
        Self::parse(&text, || format!("the environment variable `{name}`"))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    fn parse(text: &str, place: impl Fn() -> String) -> Result<Self, KeyError> {
        let key = text.trim();
        let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !printable {
            return Err(KeyError::Unusable(place()));
        }
        Ok(Self(key.to_owned()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn a_key_is_read_trimmed_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "sk-secret-1\n").unwrap();
        let key = Key::from_file(&path).unwrap();
        assert_eq!(key.reveal(), "sk-secret-1");
        assert!(!format!("{key:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_a_header_is_no_key_and_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for bad in ["", "  \n", "sk-1\r\nx-evil: 1", "sk 1", "schlüssel"] {
            std::fs::write(&path, bad).unwrap();
            let refused = Key::from_file(&path).unwrap_err();
            assert!(matches!(refused, KeyError::Unusable(_)), "{bad:?}");
            assert!(!refused.to_string().contains("sk"), "{refused}");
        }
    }
}
