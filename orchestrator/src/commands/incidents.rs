//! `incidents list` and `incidents show`: a look at the state, also while another process works on it.

use std::path::Path;

use anyhow::{Context, Result};
use incident::{Event, IncidentId};
use kit::ExitCode;
use serde_json::json;
use store::{StoreError, Viewer};

use crate::post_mortem::in_words;
use crate::terminal::print_line;

pub(crate) fn list(state_dir: &Path, json: bool) -> Result<ExitCode> {
    let incidents = viewer(state_dir)?.list().context("could not read the incidents")?;
    if json {
        print_line(&serde_json::to_string(&incidents)?)?;
        return Ok(ExitCode::Done);
    }
    for one in incidents {
        print_line(&format!(
            "{}  {}  {}  {}  {}",
            one.id, one.opened_at, one.target, one.family, one.state
        ))?;
    }
    Ok(ExitCode::Done)
}

pub(crate) fn show(state_dir: &Path, id: &str, json: bool) -> Result<ExitCode> {
    let viewer = viewer(state_dir)?;
    let id = IncidentId::named(id);
    let incident = match viewer.incident(&id) {
        Ok(incident) => incident,
        Err(error @ StoreError::UnknownIncident(_)) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::Usage);
        }
        Err(error) => return Err(error).context("could not read the incident"),
    };
    let entries = viewer.timeline(&id).context("could not read the journal")?;
    if json {
        print_line(&json!({"incident": incident, "journal": entries}).to_string())?;
        return Ok(ExitCode::Done);
    }
    print_line(&format!("{}  {}  {}", incident.id, incident.target, incident.state))?;
    for entry in entries {
        let words = Event::parse(&entry.kind, entry.data).map_or_else(|_| entry.kind.clone(), |event| in_words(&event));
        print_line(&format!("{}  {}", entry.at, kit::text::clean(&words, 300)))?;
    }
    if let Some(request) = incident.request.filter(|_| incident.approval.is_none()) {
        print_line(&format!(
            "to be approved at {}",
            kit::text::clean(&request.approval_url, 300)
        ))?;
    }
    Ok(ExitCode::Done)
}

fn viewer(state_dir: &Path) -> Result<Viewer> {
    Viewer::open(state_dir).with_context(|| format!("could not open the state in `{}`", state_dir.display()))
}
