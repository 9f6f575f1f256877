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
    /// Opens the catalog in a folder, or the shipped one; a runbook without its README is served without it.
    pub fn open(dir: Option<&Path>) -> anyhow::Result<Self> {
        let catalog = open_catalog(dir)?;
        let ids = catalog.iter().map(|runbook| runbook.document().id.clone());
        let readmes = ids.filter_map(|id| Some((id.clone(), readme::of(dir, &id)?))).collect();
        Ok(Self { catalog, readmes })
    }

    pub fn readme(&self, id: &str) -> Option<&str> {
        self.readmes.get(id).map(String::as_str)
    }
}

/// Loads a catalog folder, or the shipped catalog.
pub fn open_catalog(dir: Option<&Path>) -> anyhow::Result<Catalog> {
    match dir {
        Some(dir) => Catalog::load(dir).with_context(|| format!("could not load the catalog `{}`", dir.display())),
        None => Catalog::shipped().context("the shipped catalog is broken"),
    }
}
