//! `schema`: what objects there are, and how one is made.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, Bounds, Read, bounded_rows},
    ddl,
    relation::{Definitions, Kind, Relation},
    state::{MAX_RESULT_BYTES, Source, State, misshapen},
};

const DEFAULT_RELATIONS: u32 = 50;
const MAX_SCHEMAS: u32 = 200;
const MAX_DDL_CHARS: usize = 60_000;
const MAX_DEFINITION_BYTES: usize = 4 << 20;
/// Definitions can be read only under a lock of the relation. Others may hold one for hours, and behind a schema change
/// that waits even a reader stands in everybody's way: so it is asked for only this long.
const SHORT_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = 50";

pub struct Schema;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// `schema.table` (or any relation) for everything about it, with its DDL; a part of a name or a pattern with * to search
    name: Option<String>,
    /// Only relations of this kind; indexes are listed only when asked for
    kind: Option<Kind>,
    /// How many relations are listed; 50 by default
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Output {
    /// Relations that fit, listed or not.
    total: u64,
    truncated: bool,
    /// Without a name: schemas with what is in them, at most 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schemas: Vec<SchemaCounts>,
    /// Biggest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relations: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<Box<Relation>>,
    /// Rendered from the catalog, for reading; schema-qualified.
    #[serde(skip_serializing_if = "Option::is_none")]
    ddl: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SchemaCounts {
    schema: String,
    owner: String,
    comment: Option<String>,
    tables: i64,
    views: i64,
    indexes: i64,
    sequences: i64,
    functions: i64,
    /// By the catalog's count of pages.
    bytes: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    oid: u32,
    schema: String,
    name: String,
    #[serde(skip_serializing)]
    relkind: String,
    #[serde(skip_deserializing)]
    kind: Kind,
    estimated_rows: Option<f64>,
    bytes: Option<i64>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Deserialize)]
struct ListedRow {
    #[serde(flatten)]
    listed: Listed,
    total: u64,
}

#[derive(Deserialize)]
struct RelationRow {
    #[serde(flatten)]
    relation: Relation,
    matches: u64,
    locked: bool,
}

/// What the caller named: schema and name, either one exact or a pattern.
#[derive(Debug, PartialEq)]
struct Name {
    schema: Option<String>,
    name: String,
}

#[async_trait]
impl Tool for Schema {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "schema";
    const TITLE: &'static str = "Schema";
    const DESCRIPTION: &'static str = "Without a name: schemas and the biggest relations. With `schema.table`: columns, constraints, indexes, triggers, policies, partitions, \
        view definition, owner, privileges, and `ddl`. With a part of a name or a pattern (*): what matches. Rows and sizes are the catalog's estimates. \
        Never waits for a lock: definitions of a locked relation are left out, and `hidden` says so.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let source = state.source(input.target.as_deref())?;
        let limit = input.limit.unwrap_or(DEFAULT_RELATIONS);
        let kinds = input.kind.map_or(Kind::ALL, Kind::relkinds);
        let Some(name) = input.name.as_deref().filter(|name| !name.trim().is_empty()) else {
            return list_all(source, kinds, limit, call).await;
        };
        let named = Name::parse(name);
        if !name.contains(['*', '%'])
            && let Some(answer) = describe(source, &named, call).await?
        {
            return Ok(answer);
        }
        list(source, Some(&named), kinds, limit, call).await
    }
}

async fn list_all(
    source: &Source,
    kinds: &'static str,
    limit: u32,
    call: &CallContext,
) -> Result<Answer<Output>, ToolError> {
    let schemas = source
        .ask(include_str!("../queries/schema_schemas.sql"), vec![], MAX_SCHEMAS, call)
        .await?;
    let rows: Vec<SchemaCounts> = schemas.decode().map_err(misshapen)?;
    let (rows, cut) = bounded_rows(rows, MAX_RESULT_BYTES / 4);
    let answer = list(source, None, kinds, limit, call).await?;
    Ok(answer.costing(&schemas).mapped(|output| Output {
        schemas: rows,
        truncated: output.truncated || cut || schemas.truncated(),
        ..output
    }))
}

async fn list(
    source: &Source,
    name: Option<&Name>,
    kinds: &'static str,
    limit: u32,
    call: &CallContext,
) -> Result<Answer<Output>, ToolError> {
    let parameters = vec![
        name.and_then(|name| name.schema.as_deref()).map(like),
        name.map(|name| like_anywhere(&name.name)),
        Some(kinds.to_owned()),
        Some(limit.to_string()),
    ];
    let reading = source
        .ask(include_str!("../queries/schema_list.sql"), parameters, limit, call)
        .await?;
    let rows: Vec<ListedRow> = reading.decode().map_err(misshapen)?;
    let total = rows.first().map_or(0, |row| row.total);
    let relations = rows.into_iter().map(|row| Listed {
        kind: Kind::of(&row.listed.relkind),
        ..row.listed
    });
    let (relations, cut) = bounded_rows(relations.collect(), MAX_RESULT_BYTES / 2);
    Ok(reading.answer(Output {
        total,
        truncated: cut || (relations.len() as u64) < total,
        relations,
        ..Output::default()
    }))
}

/// Returns nothing where no relation has exactly this name.
async fn describe(source: &Source, name: &Name, call: &CallContext) -> Result<Option<Answer<Output>>, ToolError> {
    let parameters = vec![name.schema.clone(), Some(name.name.clone())];
    let reading = source
        .ask(include_str!("../queries/schema_object.sql"), parameters, 1, call)
        .await?;
    let rows: Vec<RelationRow> = reading.decode().map_err(misshapen)?;
    let Some(RelationRow {
        mut relation,
        matches,
        locked,
    }) = rows.into_iter().next()
    else {
        return Ok(None);
    };
    relation.kind = Kind::of(&relation.relkind);
    let mut hidden = Vec::new();
    if matches > 1 {
        hidden.push(format!(
            "{} more relation(s) named `{}`: write schema.name",
            matches - 1,
            relation.name
        ));
    }
    let mut statistics = Vec::new();
    let mut cost = None;
    let read = if locked {
        None
    } else {
        definitions(source, relation.oid, call).await?
    };
    if let Some((mut told, also)) = read {
        statistics = told.statistics.take().unwrap_or_default();
        relation.define(told);
        cost = Some(also);
    } else if relation.kind != Kind::Sequence {
        hidden.push(format!(
            "`{}.{}` is locked, or what it refers to is: definitions of checks, indexes, triggers, policies, generated columns and views not read; see blocking_tree",
            relation.schema, relation.name
        ));
    }
    let ddl = kit::text::clean(&ddl::render(&relation, &statistics), MAX_DDL_CHARS);
    let truncated = relation.columns_total > i64::try_from(relation.columns.len()).unwrap_or(i64::MAX)
        || relation.children_total > i64::try_from(relation.children.len()).unwrap_or(i64::MAX);
    let answer = reading.answer(Output {
        total: 1,
        truncated,
        relation: Some(Box::new(relation)),
        ddl: Some(ddl),
        ..Output::default()
    });
    let answer = match &cost {
        Some(also) => answer.costing(also),
        None => answer,
    };
    Ok(Some(answer.hiding(hidden)))
}

/// Returns nothing when that would have waited for a lock.
async fn definitions(
    source: &Source,
    oid: u32,
    call: &CallContext,
) -> Result<Option<(Definitions, crate::db::Reading)>, ToolError> {
    let bounds = Bounds {
        max_rows: 1,
        max_bytes: MAX_DEFINITION_BYTES,
    };
    let statement = include_str!("../queries/schema_definitions.sql");
    let read = Read::own(statement, vec![Some(oid.to_string())], bounds).after(SHORT_LOCK_TIMEOUT.to_owned());
    match source.read(read, call).await {
        Ok(reading) => {
            let rows: Vec<Definitions> = reading.decode().map_err(misshapen)?;
            Ok(rows.into_iter().next().map(|definitions| (definitions, reading)))
        }
        Err(error) if error.code == "lock_timeout" => Ok(None),
        Err(error) => Err(error),
    }
}

impl Name {
    /// Reads `name`, `schema.name`, and either part in double quotes.
    fn parse(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut quoted = false;
        for letter in text.trim().chars() {
            match letter {
                '"' => quoted = !quoted,
                '.' if !quoted && parts.len() == 1 => parts.push(String::new()),
                letter => {
                    if let Some(part) = parts.last_mut() {
                        part.push(letter);
                    }
                }
            }
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop().filter(|schema| !schema.is_empty());
        Self { schema, name }
    }
}

/// Makes an ILIKE pattern: `*` and `%` stand for anything, and an underscore for itself.
fn like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('_', "\\_").replace('*', "%")
}

fn like_anywhere(text: &str) -> String {
    if text.contains(['*', '%']) {
        like(text)
    } else {
        format!("%{}%", like(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_schema_and_quotes() {
        let parsed = |text: &str| {
            let name = Name::parse(text);
            (name.schema, name.name)
        };
        assert_eq!(parsed("orders"), (None, "orders".to_owned()));
        assert_eq!(
            parsed("public.orders"),
            (Some("public".to_owned()), "orders".to_owned())
        );
        assert_eq!(
            parsed("\"My.Schema\".\"T\""),
            (Some("My.Schema".to_owned()), "T".to_owned())
        );
        assert_eq!(parsed("a.b.c"), (Some("a".to_owned()), "b.c".to_owned()));
    }

    #[test]
    fn a_pattern_takes_an_underscore_for_itself() {
        assert_eq!(like("order_*"), "order\\_%");
        assert_eq!(like_anywhere("ord"), "%ord%");
        assert_eq!(like_anywhere("ord*"), "ord%");
    }
}
