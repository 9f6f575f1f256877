//! The statements that advice is about: those that cost most, and those that the caller names.

use kit::{CallContext, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sql_facts::{Scope, Statement};

use super::{Limits, Skipped, tables::Tables};
use crate::{
    db::Reading,
    extensions::Extension,
    state::{Source, misshapen},
};

const MAX_SHOWN_CHARS: usize = 300;

/// Where a statement comes from.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Origin {
    /// From pg_stat_statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queryid: Option<String>,
    /// From `queries`, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<f64>,
    /// Others' text, shortened.
    pub query: String,
}

/// A statement that can be planned: a read, every table with its schema.
pub struct Asked {
    pub origin: Origin,
    pub statement: Statement,
    pub scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Row {
    queryid: String,
    calls: u64,
    total_ms: f64,
    query: String,
}

/// Returns the statements that took most time in this database, as texts.
pub async fn top(
    source: &Source,
    extension: &Extension,
    limits: &Limits,
    call: &CallContext,
) -> Result<(Vec<(Origin, String)>, Reading), ToolError> {
    let sql = include_str!("../queries/advice_workload.sql");
    let parameters = vec![
        Some(limits.workload_statements.to_string()),
        Some(limits.statement_chars.to_string()),
    ];
    let rows = u32::try_from(limits.workload_statements).unwrap_or(u32::MAX);
    let reading = source.ask_extension(extension, sql, parameters, rows, call).await?;
    let rows: Vec<Row> = reading.decode().map_err(misshapen)?;
    let texts = rows.into_iter().map(|row| {
        let origin = Origin {
            queryid: Some(row.queryid),
            calls: Some(row.calls),
            total_ms: Some(crate::statement_counters::rounded(row.total_ms)),
            ..Origin::shown(&row.query)
        };
        (origin, row.query)
    });
    Ok((texts.collect(), reading))
}

/// Returns the caller's own statements, as texts.
pub fn given(queries: &[String]) -> Vec<(Origin, String)> {
    let numbered = queries.iter().enumerate().map(|(at, query)| {
        let origin = Origin {
            query_number: Some(at + 1),
            ..Origin::shown(query)
        };
        (origin, query.clone())
    });
    numbered.collect()
}

impl Origin {
    fn shown(query: &str) -> Self {
        Self {
            query: kit::text::clean(query, MAX_SHOWN_CHARS),
            ..Self::default()
        }
    }

    /// Returns whether the caller asked for this statement by name.
    pub fn is_given(&self) -> bool {
        self.query_number.is_some()
    }
}

/// Parses the texts; what is no read of the caller's is told, what is none of the workload's is left out.
pub fn parse(texts: Vec<(Origin, String)>, skipped: &mut Vec<Skipped>) -> Vec<(Origin, Statement)> {
    let mut parsed = Vec::new();
    for (origin, text) in texts {
        match Statement::parse(&text).and_then(|statement| statement.read_part()) {
            Ok(Some(read)) => parsed.push((origin, read)),
            Ok(None) if origin.is_given() => skipped.push(Skipped::of(&origin, "it finds no rows by a condition")),
            Err(error) if origin.is_given() => skipped.push(Skipped::of(&origin, &error.to_string())),
            Ok(None) | Err(_) => {}
        }
    }
    parsed
}

/// Returns the names of all tables that the statements read.
pub fn table_names(parsed: &[(Origin, Statement)]) -> Vec<(Option<String>, String)> {
    let mut names: Vec<_> = parsed
        .iter()
        .flat_map(|(_, statement)| statement.scopes())
        .flat_map(|scope| scope.tables)
        .map(|table| (table.schema, table.name))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Writes the schema before every table, so that the statement means here what it means where it runs. What reads no table
/// of this size is left out, and so is what comes after as many as are planned.
pub fn qualify(
    parsed: Vec<(Origin, Statement)>,
    tables: &Tables,
    limits: &Limits,
    skipped: &mut Vec<Skipped>,
) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (origin, statement) in parsed {
        if tables.largest(&statement.scopes()) < limits.table_pages || asked.len() >= limits.planned_statements {
            continue;
        }
        match statement.qualified(|name| tables.schema_of(name)) {
            Ok(statement) => asked.push(Asked {
                scopes: statement.scopes(),
                origin,
                statement,
            }),
            Err(error) => skipped.push(Skipped::of(&origin, &error.to_string())),
        }
    }
    asked
}
