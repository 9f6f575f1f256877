//! Asks the server for plans: of a statement that the guard admits, with or without indexes that do not exist.

use kit::{CallContext, ToolError};
use serde::Deserialize;
use serde_json::Value;
use sql_facts::Statement;

use crate::{
    db::{Bounds, Read, Reading},
    extensions::Extension,
    guard::{self, Explained, Parameters},
    hypothetical::{self, Held, Index},
    plan::Plan,
    state::{MAX_OWN_BYTES, Source, misshapen},
};

const ONE_PLAN: Bounds = Bounds {
    max_rows: 1,
    max_bytes: MAX_OWN_BYTES,
};

/// A plan in both forms.
#[derive(Debug)]
pub struct Planned {
    pub plan: Plan,
    pub json: Value,
    pub reading: Reading,
}

/// Indexes that do not exist, and the extension that can pretend they do.
#[derive(Clone, Copy)]
pub struct Pretended<'a> {
    pub extension: &'a Extension,
    pub indexes: &'a [Index],
}

/// Plans the statement; does not execute it.
pub async fn plan(
    source: &Source,
    major: u32,
    statement: &Statement,
    pretended: Option<Pretended<'_>>,
    call: &CallContext,
) -> Result<Planned, ToolError> {
    let admitted = guard::admit_planned(statement.canonical(), &source.catalog, &source.db, &call.cancelled).await?;
    let parameters = Parameters {
        count: statement.parameters(),
        major,
    };
    let mut read = Read::explained(Explained::planned(admitted, parameters), ONE_PLAN);
    if let Some(Pretended { extension, indexes }) = pretended.filter(|pretended| !pretended.indexes.is_empty()) {
        read = read
            .after(hypothetical::setup(extension, indexes))
            .and_then(hypothetical::epilogue(extension));
    }
    parsed(source.read(read, call).await?)
}

/// Executes the statement under EXPLAIN ANALYZE. It must be a SELECT without parameters.
pub async fn run(source: &Source, statement: &Statement, call: &CallContext) -> Result<Planned, ToolError> {
    let admitted = guard::admit(statement.canonical(), &source.catalog, &source.db, &call.cancelled).await?;
    guard::cost::check(&admitted, source, call).await?;
    if statement.facts().kind != "select" {
        return Err(ToolError::new("statement_refused", "only a SELECT is executed"));
    }
    parsed(
        source
            .read(Read::explained(Explained::run(admitted), ONE_PLAN), call)
            .await?,
    )
}

/// Returns name and size of each index, in their order, as hypopg sees them.
pub async fn held(
    source: &Source,
    pretended: Pretended<'_>,
    call: &CallContext,
) -> Result<(Vec<Held>, Reading), ToolError> {
    let Pretended { extension, indexes } = pretended;
    let sql = include_str!("queries/hypothetical_indexes.sql");
    let bounds = Bounds {
        max_rows: 1000,
        max_bytes: MAX_OWN_BYTES,
    };
    let read = Read::of_extension(sql, extension, vec![], bounds)
        .after(hypothetical::setup(extension, indexes))
        .and_then(hypothetical::epilogue(extension));
    let reading = source.read(read, call).await?;
    let held: Vec<Held> = reading.decode().map_err(misshapen)?;
    match held.len() == indexes.len() {
        true => Ok((held, reading)),
        false => Err(ToolError::new(
            "internal",
            "hypopg did not make every index that it was asked for",
        )),
    }
}

fn parsed(reading: Reading) -> Result<Planned, ToolError> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "QUERY PLAN")]
        plan: Value,
    }
    let row = reading.decode::<Row>().map_err(misshapen)?.pop();
    let explained = row.map(|row| row.plan).filter(|plan| !plan.is_string());
    let explained = explained.ok_or_else(|| ToolError::new("plan_too_large", "the plan is too large to be read"))?;
    let (plan, json) = Plan::parse(explained).map_err(misshapen)?;
    Ok(Planned { plan, json, reading })
}
