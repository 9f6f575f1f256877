//! The pinned catalog: the runbooks that this process knows, and the digest of all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{Digest, Finding, HandOver, Runbook};

/// One entry of the catalog, as its folder holds it.
struct Shipped {
    id: &'static str,
    file: &'static str,
    text: &'static str,
    readme: &'static str,
}

macro_rules! shipped {
    ($id:literal, $file:literal) => {
        Shipped {
            id: $id,
            file: $file,
            text: include_str!(concat!("../catalog/", $id, "/", $file)),
            readme: include_str!(concat!("../catalog/", $id, "/README.md")),
        }
    };
}

/// What ships inside the binary.
const SHIPPED: &[Shipped] = &[
    shipped!("active-blocker", "hand-over.json"),
    shipped!("advisory-lock-holder", "hand-over.json"),
    shipped!("authentication-failure", "hand-over.json"),
    shipped!("autovacuum-behind", "runbook.json"),
    shipped!("backup-failure", "hand-over.json"),
    shipped!("capacity-ceiling", "hand-over.json"),
    shipped!("checkpoint-storm", "hand-over.json"),
    shipped!("connection-saturation", "runbook.json"),
    shipped!("corruption", "hand-over.json"),
    shipped!("ddl-lock-queue", "runbook.json"),
    shipped!("deadlock-storm", "hand-over.json"),
    shipped!("failover", "hand-over.json"),
    shipped!("idle-in-transaction-blocker", "runbook.json"),
    shipped!("inactive-replication-slot", "runbook.json"),
    shipped!("integer-key-exhaustion", "hand-over.json"),
    shipped!("invalid-index", "runbook.json"),
    shipped!("io-saturation", "runbook.json"),
    shipped!("lock-manager-contention", "runbook.json"),
    shipped!("long-transaction", "runbook.json"),
    shipped!("memory-pressure", "runbook.json"),
    shipped!("missing-index", "hand-over.json"),
    shipped!("pending-maintenance", "hand-over.json"),
    shipped!("prepared-transaction", "hand-over.json"),
    shipped!("replica-query-blocks-replay", "hand-over.json"),
    shipped!("stale-statistics", "runbook.json"),
    shipped!("storage-full", "hand-over.json"),
    shipped!("synchronous-standby", "hand-over.json"),
    shipped!("temp-file-spill", "runbook.json"),
    shipped!("transaction-id-wraparound", "runbook.json"),
];

/// The file of an entry that can run, and of one that only says whom to ask.
pub const RUNBOOK_FILE: &str = "runbook.json";
pub const HAND_OVER_FILE: &str = "hand-over.json";

/// A set of runbooks and hand-overs, each valid, each id once.
#[derive(Debug, Clone)]
pub struct Catalog {
    runbooks: BTreeMap<String, Runbook>,
    hand_overs: BTreeMap<String, HandOver>,
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
    /// An entry is not valid.
    #[error("`{name}` is refused: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The file, or the shipped runbook's place.
        name: String,
        /// Each fault with its JSON pointer.
        findings: Vec<Finding>,
    },
    /// Two entries have one id.
    #[error("two entries have the id `{0}`")]
    Duplicate(String),
    /// There is none.
    #[error("no runbook was found in `{0}`: expected `<id>/runbook.json` or `<id>/hand-over.json`")]
    Empty(PathBuf),
}

/// Returns the text for people of an entry that ships inside the binary.
pub fn shipped_readme(id: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|entry| entry.id == id).map(|entry| entry.readme)
}

impl Catalog {
    /// The catalog that ships inside the binary.
    ///
    /// # Errors
    /// Never in a tested build; a build with a broken runbook refuses to start.
    pub fn shipped() -> Result<Self, CatalogError> {
        let entries = SHIPPED
            .iter()
            .map(|entry| (format!("{}/{}", entry.id, entry.file), entry.text.to_owned()));
        Self::parse(entries)
    }

    /// The shipped catalog, with the entries of a folder laid over it: an entry of the folder replaces the shipped one of
    /// its id, and a hand-over replaces a runbook that is not to be used.
    ///
    /// # Errors
    /// As [`Self::load`] and [`Self::shipped`].
    pub fn open(dir: Option<&Path>) -> Result<Self, CatalogError> {
        let shipped = Self::shipped()?;
        match dir {
            Some(dir) => Ok(shipped.overlaid(Self::load(dir)?)),
            None => Ok(shipped),
        }
    }

    /// Reads a folder of `<id>/runbook.json` and `<id>/hand-over.json`.
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
            let folder = entry.map_err(unreadable(dir))?.path();
            for file in [RUNBOOK_FILE, HAND_OVER_FILE].map(|name| folder.join(name)) {
                if file.is_file() {
                    let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
                    texts.push((file.display().to_string(), text));
                }
            }
        }
        if texts.is_empty() {
            return Err(CatalogError::Empty(dir.to_owned()));
        }
        Self::parse(texts.into_iter())
    }

    fn parse(texts: impl Iterator<Item = (String, String)>) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            runbooks: BTreeMap::new(),
            hand_overs: BTreeMap::new(),
        };
        for (name, text) in texts {
            let id = match name.ends_with(HAND_OVER_FILE) {
                true => {
                    let entry = HandOver::parse(&text).map_err(|findings| CatalogError::Invalid { name, findings })?;
                    let id = entry.document().id.clone();
                    catalog
                        .hand_overs
                        .insert(id.clone(), entry)
                        .map_or(Ok(id.clone()), |_| Err(id))
                }
                false => {
                    let entry = Runbook::parse(&text).map_err(|findings| CatalogError::Invalid { name, findings })?;
                    let id = entry.document().id.clone();
                    catalog
                        .runbooks
                        .insert(id.clone(), entry)
                        .map_or(Ok(id.clone()), |_| Err(id))
                }
            };
            let id = id.map_err(CatalogError::Duplicate)?;
            if catalog.runbooks.contains_key(&id) && catalog.hand_overs.contains_key(&id) {
                return Err(CatalogError::Duplicate(id));
            }
        }
        Ok(catalog)
    }

    /// The runbook with this id.
    pub fn get(&self, id: &str) -> Option<&Runbook> {
        self.runbooks.get(id)
    }

    /// All runbooks, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Runbook> {
        self.runbooks.values()
    }

    /// The hand-over with this id.
    pub fn hand_over(&self, id: &str) -> Option<&HandOver> {
        self.hand_overs.get(id)
    }

    /// All hand-overs, by id.
    pub fn hand_overs(&self) -> impl Iterator<Item = &HandOver> {
        self.hand_overs.values()
    }

    /// The catalog with the entries of `over` in it; one of the same id replaces what was there, whatever it was.
    #[must_use]
    pub fn overlaid(mut self, over: Self) -> Self {
        for id in over.runbooks.keys().chain(over.hand_overs.keys()) {
            self.runbooks.remove(id);
            self.hand_overs.remove(id);
        }
        self.runbooks.extend(over.runbooks);
        self.hand_overs.extend(over.hand_overs);
        self
    }

    /// One line for each entry, by id: `<id> sha256:<64 hex>`. It is what a catalog's digest is taken over.
    pub fn manifest(&self) -> String {
        let runbooks = self.runbooks.iter().map(|(id, entry)| (id, entry.digest()));
        let hand_overs = self.hand_overs.iter().map(|(id, entry)| (id, entry.digest()));
        let lines: BTreeMap<_, _> = runbooks.chain(hand_overs).collect();
        lines.iter().map(|(id, digest)| format!("{id} {digest}\n")).collect()
    }

    /// The digest over all ids and digests of entries: what a catalog is pinned by.
    pub fn digest(&self) -> Digest {
        Digest::of(self.manifest().as_bytes())
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

    #[test]
    fn a_folder_lies_over_what_is_shipped_and_can_take_a_runbook_away() {
        let shipped = Catalog::shipped().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let text = SHIPPED.iter().find(|entry| entry.id == "deadlock-storm").unwrap().text;
        let entry = dir.path().join("ddl-lock-queue");
        fs::create_dir(&entry).unwrap();
        fs::write(
            entry.join(HAND_OVER_FILE),
            text.replace("deadlock-storm", "ddl-lock-queue"),
        )
        .unwrap();
        let over = Catalog::open(Some(dir.path())).unwrap();
        assert!(over.get("ddl-lock-queue").is_none() && over.hand_over("ddl-lock-queue").is_some());
        assert_eq!(over.iter().count() + 1, shipped.iter().count());
        assert_ne!(over.digest(), shipped.digest());
        assert_eq!(Catalog::open(None).unwrap().digest(), shipped.digest());
    }
}
