//! `explain`: how the server would run a statement, and how it would with indexes that do not exist.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sql_facts::Statement;

use crate::{
    advice::Tables,
    db::{Answer, Reading},
    extensions::Surroundings,
    hypothetical::{Index, Key, Method},
    plan::{self, Finding, Known},
    planner::{self, Planned, Pretended},
    state::{Source, State, misshapen},
};

const MAX_PLAN_BYTES: usize = 48 * 1024;
const MAX_RELATIONS: u32 = 200;

pub struct Explain;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// One SELECT, or an INSERT … SELECT, UPDATE or DELETE, of which the part that reads is planned; $1, $2 … in place of
    /// values get the generic plan
    #[schemars(length(min = 1, max = 65_536))]
    sql: String,
    /// Execute it and measure (EXPLAIN ANALYZE, BUFFERS); false by default
    analyze: Option<bool>,
    /// Plan also as if these indexes existed (needs hypopg)
    #[schemars(length(max = 5))]
    hypothetical_indexes: Option<Vec<Hypothetical>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hypothetical {
    /// schema.table
    #[schemars(length(min = 1, max = 200))]
    table: String,
    #[schemars(length(min = 1, max = 8))]
    columns: Vec<String>,
    /// btree by default
    method: Option<Method>,
    unique: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// It was executed to measure it.
    executed: bool,
    /// The statement changes or locks rows; this SELECT, which finds them, was planned in its place. What the change itself
    /// costs (indexes, triggers, checks) is not in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    planned_instead: Option<String>,
    /// Planned without values for its parameters.
    generic: bool,
    total_cost: f64,
    plan_rows: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    planning_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_ms: Option<f64>,
    /// One line for each node.
    text: String,
    /// What is worth a look, at most 20.
    findings: Vec<Finding>,
    indexes_used: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hypothetical: Option<WithIndexes>,
    /// EXPLAIN's own JSON.
    plan: Value,
    /// Nodes or lines were left out.
    truncated: bool,
}

/// The same statement with the hypothetical indexes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WithIndexes {
    total_cost: f64,
    /// Below zero: cheaper.
    cost_change_pct: f64,
    indexes: Vec<HypotheticalOut>,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct HypotheticalOut {
    ddl: String,
    /// About how large it would be.
    size_bytes: i64,
    /// The planner uses it.
    used: bool,
}

#[async_trait]
impl Tool for Explain {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "explain";
    const TITLE: &'static str = "Explain";
    const DESCRIPTION: &'static str = "How PostgreSQL would run a SELECT, or find the rows that an UPDATE or DELETE changes: plan, costs, indexes used, findings. \
        Never executes unless analyze is true. Takes normalised text with $1 as `top_queries` shows it. \
        With hypothetical_indexes it says what the plan would cost if they existed, their size and whether the planner would use them; nothing is made.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let source = state.source(input.target.as_deref())?;
        source.paced(answer(source, input, call), call).await
    }
}

async fn answer(source: &Source, input: Input, call: &CallContext) -> Result<Answer<Output>, ToolError> {
    let (statement, instead) = parsed(&input.sql)?;
    let wanted = input.hypothetical_indexes.unwrap_or_default();
    let analyze = input.analyze.unwrap_or(false);
    let generic = statement.parameters() > 0;
    if analyze && instead {
        return Err(ToolError::invalid_argument(
            "a statement that changes or locks rows is never executed: leave `analyze` out, or give the SELECT that finds them",
        ));
    }
    if analyze && !wanted.is_empty() {
        return Err(ToolError::invalid_argument(
            "hypothetical indexes can be planned with, not executed: leave `analyze` or `hypothetical_indexes` out",
        ));
    }
    if analyze && generic {
        return Err(ToolError::invalid_argument(
            "a statement with $1 cannot be executed: write values in its place, or leave `analyze` out",
        ));
    }
    let (around, first) = Surroundings::of(source, call).await?;
    let planned = match analyze {
        true => planner::run(source, &statement, call).await?,
        false => planner::plan(source, around.major, &statement, None, call).await?,
    };
    let (known, catalog) = known(source, &planned, call).await?;
    let mut answer_hidden = Vec::new();
    let mut with_indexes = None;
    if !wanted.is_empty() {
        match around.hypopg() {
            Err(missing) => answer_hidden.push(missing),
            Ok(extension) => {
                let indexes = resolved(source, wanted, call).await?;
                let pretended = Pretended {
                    extension,
                    indexes: &indexes,
                };
                with_indexes = Some(hypothetical(source, around.major, &statement, &planned, pretended, call).await?);
            }
        }
    }
    let root = &planned.plan.root;
    let (text, lines_cut) = plan::as_text(root);
    let (json, nodes_cut) = plan::bounded_json(planned.json, MAX_PLAN_BYTES);
    let body = Output {
        executed: analyze,
        planned_instead: instead.then(|| statement.canonical().to_owned()),
        generic,
        total_cost: root.total_cost,
        plan_rows: root.plan_rows,
        planning_ms: planned.plan.planning_ms,
        execution_ms: planned.plan.execution_ms,
        text,
        findings: plan::findings(root, &known),
        indexes_used: planned.plan.indexes(),
        hypothetical: with_indexes,
        plan: json,
        truncated: lines_cut || nodes_cut,
    };
    let answer = planned.reading.answer(body).costing(&first).costing(&catalog);
    Ok(answer.hiding(answer_hidden))
}

/// Returns the SELECT to plan, and whether it stands in for a statement that changes or locks rows.
fn parsed(sql: &str) -> Result<(Statement, bool), ToolError> {
    let refuse = |message: &str| ToolError::new("statement_refused", kit::text::clean(message, 400));
    let statement = Statement::parse(sql).map_err(|error| refuse(&error.to_string()))?;
    match statement.facts().kind.as_str() {
        "select" if !statement.facts().row_locks => Ok((statement, false)),
        "select" | "insert" | "update" | "delete" => {
            match statement.read_part().map_err(|error| refuse(&error.to_string()))? {
                Some(read) => Ok((read, true)),
                None => Err(refuse("this INSERT reads nothing whose plan could be shown")),
            }
        }
        "explain" => {
            Err(refuse("the statement is already an EXPLAIN").hint("give the statement alone, without EXPLAIN"))
        }
        _ => Err(refuse(
            "only SELECT, INSERT … SELECT, UPDATE and DELETE can be explained",
        )),
    }
}

async fn known(source: &Source, planned: &Planned, call: &CallContext) -> Result<(Vec<Known>, Reading), ToolError> {
    let mut names: Vec<_> = planned
        .plan
        .root
        .all()
        .into_iter()
        .filter_map(|node| node.table())
        .collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<_> = names
        .into_iter()
        .take(MAX_RELATIONS as usize)
        .map(|(schema, name)| json!({"schema": schema, "name": name}))
        .collect();
    let sql = include_str!("../queries/explain_relations.sql");
    let reading = source
        .ask(sql, vec![Some(json!(names).to_string())], MAX_RELATIONS, call)
        .await?;
    Ok((reading.decode().map_err(misshapen)?, reading))
}

/// Finds the tables and columns in the catalog: what goes into a hypothetical index is a name that exists.
async fn resolved(source: &Source, wanted: Vec<Hypothetical>, call: &CallContext) -> Result<Vec<Index>, ToolError> {
    let split = |table: &str| {
        table
            .split_once('.')
            .map(|(schema, name)| (schema.to_owned(), name.to_owned()))
    };
    let unknown = |what: &str| ToolError::invalid_argument(kit::text::clean(what, 300));
    let mut names = Vec::new();
    for index in &wanted {
        let (schema, name) = split(&index.table).ok_or_else(|| unknown("`table` is written schema.table"))?;
        names.push((Some(schema), name));
    }
    let (tables, _) = Tables::load(source, &names, call).await?;
    let mut indexes = Vec::new();
    for (index, (schema, name)) in wanted.into_iter().zip(names) {
        let schema = schema.unwrap_or_default();
        let table = tables
            .find(&schema, &name)
            .ok_or_else(|| unknown(&format!("there is no table `{schema}.{name}`")))?;
        let method = index.method.unwrap_or_default();
        if !method.can_be_hypothetical() {
            return Err(unknown(&format!(
                "hypopg has no hypothetical {} indexes",
                method.name()
            )));
        }
        if let Some(missing) = index.columns.iter().find(|column| table.column(column).is_none()) {
            return Err(unknown(&format!("`{schema}.{name}` has no column `{missing}`")));
        }
        indexes.push(Index {
            schema,
            table: name,
            keys: index.columns.iter().map(|column| Key::plain(column)).collect(),
            method,
            unique: index.unique.unwrap_or(false),
        });
    }
    Ok(indexes)
}

async fn hypothetical(
    source: &Source,
    major: u32,
    statement: &Statement,
    without: &Planned,
    pretended: Pretended<'_>,
    call: &CallContext,
) -> Result<WithIndexes, ToolError> {
    let (held, _) = planner::held(source, pretended, call).await?;
    let with = planner::plan(source, major, statement, Some(pretended), call).await?;
    let used = with.plan.indexes();
    let indexes = pretended
        .indexes
        .iter()
        .zip(&held)
        .map(|(index, held)| HypotheticalOut {
            ddl: index.ddl(),
            size_bytes: held.size_bytes,
            used: used.iter().any(|name| held.is(name)),
        });
    let (before, after) = (without.plan.root.total_cost, with.plan.root.total_cost);
    Ok(WithIndexes {
        total_cost: after,
        cost_change_pct: ((after / before.max(0.01) - 1.0) * 1e3).round() / 10.0,
        indexes: indexes.collect(),
        text: plan::as_text(&with.plan.root).0,
    })
}
