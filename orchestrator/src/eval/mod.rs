//! Recorded incidents, replayed through a diagnosis, and what came of it.

mod case;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

pub(crate) use case::{Case, Expectation, Score};
pub(crate) use report::{Report, row};

/// The cases of a folder, in the order of their names.
pub(crate) fn cases_in(folder: &Path) -> Result<Vec<Case>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("could not read `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "`{}` holds no case (*.json)", folder.display());
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Case> {
    let text = std::fs::read(file).with_context(|| format!("could not read `{}`", file.display()))?;
    let case: Case = serde_json::from_slice(&text).with_context(|| format!("`{}` is no case", file.display()))?;
    let damaged = case.evidence.iter().find(|piece| !piece.is_intact());
    if let Some(piece) = damaged {
        anyhow::bail!(
            "`{}`: the digest of {} is not that of its content",
            file.display(),
            piece.id
        );
    }
    Ok(case)
}
