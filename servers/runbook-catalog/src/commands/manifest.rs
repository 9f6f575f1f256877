//! `manifest`: what the owner of a catalog folder signs.

use std::path::Path;

use anyhow::Context;
use kit::ExitCode;
use runbooks::Catalog;

use super::unusable;

/// Prints one line for each entry of the folder: its id and its digest.
pub fn run(dir: &Path) -> ExitCode {
    match Catalog::load(dir).with_context(|| format!("could not load `{}`", dir.display())) {
        Ok(catalog) => kit::to_stdout(catalog.manifest()),
        Err(error) => unusable(&error),
    }
}
