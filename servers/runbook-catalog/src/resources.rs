//! Runbooks for reading: `runbook://{id}` as JSON, `runbook://{id}/readme` as text for people.

use async_trait::async_trait;
use kit::{ResourceBody, ResourceEntry, ResourceTemplate, Resources, ToolError};

use crate::shelf::Shelf;

const SCHEME: &str = "runbook://";
/// A catalog changes only with the process.
const FRESH_FOR_MS: u64 = 300_000;

pub struct RunbookResources;

#[async_trait]
impl Resources<Shelf> for RunbookResources {
    async fn list(&self, shelf: &Shelf) -> Result<Vec<ResourceEntry>, ToolError> {
        let runbooks = shelf.catalog.iter().map(|entry| entry.document());
        let runbooks = runbooks.map(|document| (&document.id, &document.title));
        let hand_overs = shelf.catalog.hand_overs().map(|entry| entry.document());
        let hand_overs = hand_overs.map(|document| (&document.id, &document.title));
        let entries = runbooks.chain(hand_overs).flat_map(|(id, title)| {
            let uri = format!("{SCHEME}{id}");
            let readme = shelf.readme(id).map(|_| ResourceEntry {
                uri: format!("{uri}/readme"),
                name: format!("{id}/readme"),
                description: format!("{title}: the text for people"),
                mime_type: "text/markdown",
            });
            let json = ResourceEntry {
                uri,
                name: id.clone(),
                description: title.clone(),
                mime_type: "application/json",
            };
            std::iter::once(json).chain(readme)
        });
        Ok(entries.collect())
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![
            ResourceTemplate {
                uri_template: "runbook://{id}",
                name: "runbook",
                description: "A runbook as it is written down",
                mime_type: "application/json",
            },
            ResourceTemplate {
                uri_template: "runbook://{id}/readme",
                name: "runbook-readme",
                description: "A runbook's text for people",
                mime_type: "text/markdown",
            },
        ]
    }

    async fn read(&self, shelf: &Shelf, uri: &str) -> Result<Option<ResourceBody>, ToolError> {
        let Some(path) = uri.strip_prefix(SCHEME) else {
            return Ok(None);
        };
        let body = match path.strip_suffix("/readme") {
            Some(id) => shelf.readme(id).map(ResourceBody::markdown),
            None => match (shelf.catalog.get(path), shelf.catalog.hand_over(path)) {
                (Some(runbook), _) => Some(ResourceBody::json(runbook.document())?),
                (None, Some(entry)) => Some(ResourceBody::json(entry.document())?),
                (None, None) => None,
            },
        };
        Ok(body.map(|body| body.fresh_for_ms(FRESH_FOR_MS)))
    }
}
