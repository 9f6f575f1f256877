//! `postmortem`: prints what was written when the incident closed, if it still is what the journal has the digest of.

use std::path::Path;

use anyhow::{Context, Result};
use incident::IncidentId;
use kit::ExitCode;
use runbooks::Digest;
use store::Viewer;

use crate::post_mortem::file_in;
use crate::terminal::print;

pub(crate) fn postmortem(state_dir: &Path, id: &str) -> Result<ExitCode> {
    let viewer =
        Viewer::open(state_dir).with_context(|| format!("could not open the state in `{}`", state_dir.display()))?;
    let incident = viewer
        .incident(&IncidentId::named(id))
        .context("could not read the incident")?;
    let Some(digest) = incident.post_mortem else {
        eprintln!(
            "`{id}` is `{}`: its post-mortem is written when it closes",
            incident.state
        );
        return Ok(ExitCode::Failed);
    };
    let file = file_in(state_dir, &incident.id);
    let text = std::fs::read(&file).with_context(|| format!("could not read `{}`", file.display()))?;
    if Digest::of(&text) != digest {
        eprintln!("`{}` is not what the journal has the digest of", file.display());
        return Ok(ExitCode::NotVerified);
    }
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::Done)
}
