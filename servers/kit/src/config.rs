//! Reads a configuration file into a type and shows the result.

use std::{
    cell::RefCell,
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

thread_local! {
    /// The folder of the file being read. Set only while [`load`] reads, on its own thread.
    static BASE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("could not read the configuration `{path}`")]
    Unreadable { path: PathBuf, source: io::Error },
    /// The message names the key and the line.
    #[error("the configuration `{path}` is wrong: {message}")]
    Wrong { path: PathBuf, message: String },
    #[error("the configuration cannot be shown")]
    Unprintable(#[from] toml::ser::Error),
}

impl ConfigError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config_unreadable",
            Self::Wrong { .. } => "config_wrong",
            Self::Unprintable(_) => "config_unprintable",
        }
    }
}

/// A path in a configuration; a relative one is meant from the folder of the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FilePath(PathBuf);

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok(Self(BASE.with_borrow(|base| {
            base.as_deref().map_or_else(|| path.clone(), |base| base.join(&path))
        })))
    }
}

impl From<PathBuf> for FilePath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Deref for FilePath {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// Reads `path` as `T`, whose structs should all `deny_unknown_fields`. Paths of type [`FilePath`] become absolute.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let base = std::path::absolute(path)
        .map_err(unreadable)?
        .parent()
        .map(Path::to_owned);
    BASE.set(base);
    let parsed = toml::from_str(&text);
    BASE.set(None);
    parsed.map_err(|error: toml::de::Error| {
        // The error's own text quotes the line, and with it perhaps a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Wrong {
            path: path.to_owned(),
            message: format!("line {line}: {}", error.message().trim_end()),
        }
    })
}

/// Returns what `--print-config` shows. Secrets have no `Serialize`; a field that holds one says [`crate::masked`].
pub fn print(config: &impl Serialize) -> Result<String, ConfigError> {
    Ok(toml::to_string_pretty(config)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::Secret;

    #[derive(Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Demo {
        key_file: FilePath,
        #[serde(serialize_with = "crate::masked")]
        password: Secret<String>,
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn relative_paths_are_meant_from_the_files_folder() {
        let (folder, path) = written("key_file = 'keys/gate'\npassword = 'x'");
        let demo: Demo = load(&path).unwrap();
        assert_eq!(&*demo.key_file, folder.path().join("keys/gate"));
        assert_eq!(FilePath::from(PathBuf::from("a")).as_ref(), Path::new("a"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let (_folder, path) = written("key_file = 'k'\npassword = 'x'\npasword = 'y'");
        let error = load::<Demo>(&path).err().unwrap();
        assert_eq!(error.code(), "config_wrong");
        let message = error.to_string();
        assert!(message.contains("line 3") && message.contains("`pasword`"), "{message}");
    }

    #[test]
    fn secrets_are_masked_when_shown() {
        let (_folder, path) = written("key_file = '/k'\npassword = 'hunter2'");
        let demo: Demo = load(&path).unwrap();
        assert_eq!(demo.password.expose(), "hunter2");
        assert_eq!(print(&demo).unwrap(), "key_file = \"/k\"\npassword = \"***\"\n");
    }
}
