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
        let entries = shelf.catalog.iter().flat_map(|runbook| {
            let document = runbook.document();
            let uri = format!("{SCHEME}{}", document.id);
            let readme = shelf.readme(&document.id).map(|_| ResourceEntry {
                uri: format!("{uri}/readme"),
                name: format!("{}/readme", document.id),
                description: format!("{}: the text for people", document.title),
                mime_type: "text/markdown",
            });
            let json = ResourceEntry {
                uri,
                name: document.id.clone(),
                description: document.title.clone(),
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
            None => shelf
                .catalog
                .get(path)
                .map(|runbook| ResourceBody::json(runbook.document()))
                .transpose()?,
        };
        Ok(body.map(|body| body.fresh_for_ms(FRESH_FOR_MS)))
    }
}
