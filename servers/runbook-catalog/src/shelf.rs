//! The catalog that is served, with the text that explains each runbook.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use runbooks::Catalog;

use crate::readme;

pub struct Shelf {
    pub catalog: Catalog,
    readmes: BTreeMap<String, String>,
}

impl Shelf {
    /// Opens the shipped catalog, with a folder laid over it; an entry without its README is served without it.
    pub fn open(dir: Option<&Path>) -> anyhow::Result<Self> {
        let catalog = open_catalog(dir)?;
        let runbooks = catalog.iter().map(|entry| entry.document().id.clone());
        let hand_overs = catalog.hand_overs().map(|entry| entry.document().id.clone());
        let ids = runbooks.chain(hand_overs);
        let readmes = ids.filter_map(|id| Some((id.clone(), readme::of(dir, &id)?))).collect();
        Ok(Self { catalog, readmes })
    }

    pub fn readme(&self, id: &str) -> Option<&str> {
        self.readmes.get(id).map(String::as_str)
    }
}

/// Loads the shipped catalog, with a folder laid over it.
pub fn open_catalog(dir: Option<&Path>) -> anyhow::Result<Catalog> {
    Catalog::open(dir).with_context(|| match dir {
        Some(dir) => format!("could not load the catalog with `{}`", dir.display()),
        None => "the shipped catalog is broken".to_owned(),
    })
}
