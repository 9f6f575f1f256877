//! The pinned catalog: the runbooks that this process knows, and the digest of all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{Digest, Finding, Runbook};

/// The runbooks that ship inside the binary.
const SHIPPED: &[&str] = &[
    include_str!("../catalog/connection-saturation/runbook.json"),
    include_str!("../catalog/ddl-lock-queue/runbook.json"),
    include_str!("../catalog/idle-in-transaction-blocker/runbook.json"),
];

/// A set of runbooks, each valid, each id once.
#[derive(Debug, Clone)]
pub struct Catalog {
    runbooks: BTreeMap<String, Runbook>,
}

/// Why a catalog cannot be used. A catalog with one bad runbook is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file or folder could not be read.
    #[error("could not read `{path}`")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A runbook is not valid.
    #[error("runbook `{name}` is refused: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The file, or the shipped runbook's place.
        name: String,
        /// Each fault with its JSON pointer.
        findings: Vec<Finding>,
    },
    /// Two runbooks have one id.
    #[error("two runbooks have the id `{0}`")]
    Duplicate(String),
    /// There is none.
    #[error("no runbook was found in `{0}`: expected `<id>/runbook.json`")]
    Empty(PathBuf),
}

impl Catalog {
    /// The catalog that ships inside the binary.
    ///
    /// # Errors
    /// Never in a tested build; a build with a broken runbook refuses to start.
    pub fn shipped() -> Result<Self, CatalogError> {
        Self::parse(SHIPPED.iter().map(|text| ("shipped".to_owned(), (*text).to_owned())))
    }

    /// Reads a folder of `<id>/runbook.json`.
    ///
    /// # Errors
    /// When a file cannot be read, a runbook is not valid, an id stands twice, or there is none.
    pub fn load(dir: &Path) -> Result<Self, CatalogError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogError::Unreadable { path, source }
        };
        let mut texts = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
            let file = entry.map_err(unreadable(dir))?.path().join("runbook.json");
            if file.is_file() {
                let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
                texts.push((file.display().to_string(), text));
            }
        }
        if texts.is_empty() {
            return Err(CatalogError::Empty(dir.to_owned()));
        }
        Self::parse(texts.into_iter())
    }

    fn parse(texts: impl Iterator<Item = (String, String)>) -> Result<Self, CatalogError> {
        let mut runbooks = BTreeMap::new();
        for (name, text) in texts {
            let runbook = Runbook::parse(&text).map_err(|findings| CatalogError::Invalid { name, findings })?;
            let id = runbook.document().id.clone();
            if runbooks.insert(id.clone(), runbook).is_some() {
                return Err(CatalogError::Duplicate(id));
            }
        }
        Ok(Self { runbooks })
    }

    /// The runbook with this id.
    pub fn get(&self, id: &str) -> Option<&Runbook> {
        self.runbooks.get(id)
    }

    /// All runbooks, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Runbook> {
        self.runbooks.values()
    }

    /// The digest over all ids and runbook digests: what a catalog is pinned by.
    pub fn digest(&self) -> Digest {
        let lines: String = self
            .runbooks
            .iter()
            .map(|(id, runbook)| format!("{id} {}\n", runbook.digest()))
            .collect();
        Digest::of(lines.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn the_shipped_catalog_is_valid_and_is_that_of_the_folder() {
        let shipped = Catalog::shipped().unwrap();
        let folder = Catalog::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog")).unwrap();
        assert_eq!(shipped.digest(), folder.digest());
    }
}
