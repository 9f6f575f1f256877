//! The post-mortem: what happened, from the journal alone, for people who were asleep.

mod body;
mod markdown;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;

use incident::{Event, Incident, IncidentId};
use journal::Entry;
use runbooks::Digest;

pub(crate) use timeline::in_words;

use crate::pipeline::{Pipeline, blocking};
use crate::stage::{Halt, Step};

/// All that a post-mortem is made from.
pub(crate) struct Record<'a> {
    pub incident: &'a Incident,
    pub entries: &'a [Entry],
    /// The journal's signed head when this was written.
    pub checkpoint: &'a str,
}

impl Pipeline {
    pub(crate) async fn write_post_mortem(&self, incident: &Incident) -> Step {
        let file = self.post_mortem_file(&incident.id);
        let (store, ended, path) = (Arc::clone(&self.store), incident.clone(), file.clone());
        let text = blocking(move || {
            let entries = store.timeline(&ended.id)?;
            let text = render(&Record {
                incident: &ended,
                entries: &entries,
                checkpoint: &store.checkpoint()?,
            });
            write_durably(&path, &text).map_err(|source| store::StoreError::Io { path, source })?;
            Ok(text)
        })
        .await?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Event::Closed {
            post_mortem: Digest::of(text.as_bytes()),
            file: name,
        }
        .into())
    }

    pub(crate) fn post_mortem_file(&self, id: &IncidentId) -> PathBuf {
        file_in(&self.config.orchestrator.state_dir, id)
    }
}

pub(crate) fn file_in(state_dir: &std::path::Path, id: &IncidentId) -> PathBuf {
    state_dir.join("post-mortems").join(format!("{id}.md"))
}

pub(crate) fn render(record: &Record<'_>) -> String {
    let mut page = markdown::Page::default();
    body::summary(&mut page, record);
    timeline::timeline(&mut page, record);
    body::diagnosis(&mut page, record.incident);
    body::evidence(&mut page, record.incident);
    body::plan(&mut page, record.incident);
    body::debate(&mut page, record.incident);
    body::approval(&mut page, record.incident);
    body::recovery(&mut page, record.incident);
    body::next(&mut page, record.incident);
    body::journal(&mut page, record);
    page.into_text()
}

fn write_durably(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let draft = path.with_extension("md.draft");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(draft, path)
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}
