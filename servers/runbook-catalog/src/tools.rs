//! The tools, one file each.

mod get_runbook;
mod list_runbooks;
mod render_plan;

use std::sync::Arc;

use kit::{Server, ServerInfo};

use crate::{resources::RunbookResources, shelf::Shelf};

pub const INFO: ServerInfo = ServerInfo {
    name: "runbook-catalog",
    version: env!("CARGO_PKG_VERSION"),
    instructions: "The pinned runbooks: what may be done about a database incident. `list_runbooks` tells which runbook \
        answers which root cause, `get_runbook` tells what it needs and does, `render_plan` makes the exact plan from \
        recorded evidence. Nothing here executes anything or touches a database. The runbook's text is also the \
        resource runbook://{id}/readme.",
};

/// Puts the server together.
pub fn server(shelf: Shelf) -> Server<Shelf> {
    Server::new(INFO, Arc::new(shelf))
        .tool::<list_runbooks::ListRunbooks>()
        .tool::<get_runbook::GetRunbook>()
        .tool::<render_plan::RenderPlan>()
        .resources(RunbookResources)
}
