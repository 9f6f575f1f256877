//! `list_runbooks`: which runbook answers which root cause.

use async_trait::async_trait;
use kit::{CallContext, Tool, ToolError};
use runbooks::{HandOverDocument, Risk, Runbook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shelf::Shelf;

pub struct ListRunbooks;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Only runbooks that answer this root cause, as idle_in_transaction_blocker.
    #[schemars(length(max = 128))]
    root_cause: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// What this catalog is pinned by.
    catalog_digest: String,
    runbooks: Vec<Entry>,
    /// Root causes for which nothing is run, and why.
    hand_overs: Vec<HandOverEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HandOverEntry {
    id: String,
    title: String,
    root_cause: String,
    when: String,
    why_no_action: String,
    /// What a person looks at first, in this order.
    look_at: Vec<String>,
    hand_over_to: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    id: String,
    version: u32,
    digest: String,
    title: String,
    root_cause: String,
    when: String,
    when_not: String,
    risk: Risk,
    /// The parameters that a draft must point to in the evidence.
    needs: Vec<String>,
}

#[async_trait]
impl Tool for ListRunbooks {
    type State = Shelf;
    type Input = Input;
    type Output = Output;
    const NAME: &'static str = "list_runbooks";
    const TITLE: &'static str = "List runbooks";
    const DESCRIPTION: &'static str = "Every runbook of the pinned catalog: the root cause it answers, when it is the \
        right answer, when it is not, its risk, and the parameters it needs from evidence. Use it first, to choose a \
        runbook for a diagnosed root cause. Empty means that no runbook answers that root cause; `hand_overs` then says \
        whom to ask and what to look at, for causes that are left to people on purpose.";

    async fn call(shelf: &Shelf, input: Input, _: &CallContext) -> Result<Output, ToolError> {
        let wanted = |cause: &str| input.root_cause.as_ref().is_none_or(|wanted| wanted == cause);
        let runbooks = shelf.catalog.iter();
        let hand_overs = shelf.catalog.hand_overs();
        Ok(Output {
            catalog_digest: shelf.catalog.digest().to_string(),
            runbooks: runbooks
                .filter(|entry| wanted(&entry.document().root_cause))
                .map(entry)
                .collect(),
            hand_overs: hand_overs
                .map(|entry| entry.document())
                .filter(|entry| wanted(&entry.root_cause))
                .map(handed_over)
                .collect(),
        })
    }
}

fn handed_over(entry: &HandOverDocument) -> HandOverEntry {
    HandOverEntry {
        id: entry.id.clone(),
        title: entry.title.clone(),
        root_cause: entry.root_cause.clone(),
        when: entry.when.clone(),
        why_no_action: entry.why_no_action.clone(),
        look_at: entry.look_at.clone(),
        hand_over_to: entry.hand_over_to.clone(),
    }
}

fn entry(runbook: &Runbook) -> Entry {
    let document = runbook.document();
    let needs = document.parameters.iter().filter(|(_, spec)| spec.evidence.is_some());
    Entry {
        id: document.id.clone(),
        version: document.version,
        digest: runbook.digest().to_string(),
        title: document.title.clone(),
        root_cause: document.root_cause.clone(),
        when: document.when.clone(),
        when_not: document.when_not.clone(),
        risk: document.risk,
        needs: needs.map(|(name, _)| name.clone()).collect(),
    }
}
