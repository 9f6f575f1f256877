//! One statement as policy input: its facts, once it is known that what was judged is what will be sent.

use schemars::JsonSchema;
use serde::Serialize;
use sql_facts::{Facts, Statement};

use crate::decision::Denial;
use crate::input::UNKNOWN;

/// What a statement is and touches, as `sql-facts` reads it; `text` is its canonical text.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Sql {
    concurrently: bool,
    conditions: Vec<String>,
    from: Vec<String>,
    functions: Vec<String>,
    kind: String,
    nested_kinds: Vec<String>,
    opaque: Vec<String>,
    options: Vec<String>,
    output: String,
    relations_read: Vec<String>,
    relations_written: Vec<String>,
    roles: Vec<String>,
    row_locks: bool,
    settings: Vec<String>,
    text: String,
    types: Vec<String>,
    utility: Utility,
}

/// What VACUUM, ANALYZE, DROP, REINDEX, ALTER TABLE, or ALTER ROLE … SET says; empty for all other statements.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Utility {
    cascade: bool,
    columns: Vec<String>,
    commands: Vec<String>,
    database: String,
    if_exists: bool,
    object_type: String,
    objects: Vec<Object>,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Object {
    name: String,
    schema: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Parameter {
    name: String,
    value: String,
}

/// One call of a function; the arguments and `constant` are empty and `limit` is -1 where there is none to speak of.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Call {
    bounded_columns: Vec<String>,
    clause: String,
    constant: String,
    first_argument: String,
    function: String,
    in_root: bool,
    limit: i64,
    pinned_columns: Vec<String>,
    relations: Vec<String>,
    second_argument: String,
}

impl Sql {
    /// Returns what stands where there is no statement.
    pub(crate) fn none() -> Self {
        Self {
            kind: "none".to_owned(),
            ..Self::default()
        }
    }
}

/// What a plan knows of its own statements; of a document that is no plan yet, nothing is known.
pub(crate) type Known<'a> = &'a dyn Fn(&str) -> Option<&'a Facts>;

/// Returns a statement's facts: what was judged must be, byte for byte, what will be sent. So a text whose facts no plan
/// has is parsed once more.
pub(crate) fn read(text: &str, place: &str, known: Known<'_>) -> Result<(Sql, Vec<Call>), Denial> {
    if let Some(facts) = known(text) {
        return Ok((sql(text, facts), facts.calls.iter().map(call).collect()));
    }
    let refusal = |code: &str, message: String| Denial {
        code: code.to_owned(),
        message,
        step: Some(place.to_owned()),
        span: Some(text.chars().take(500).collect()),
        allowed: Some("one statement in its canonical form".to_owned()),
    };
    let statement = Statement::parse(text)
        .map_err(|source| refusal("unreadable_statement", format!("{} ({})", source, source.code())))?;
    if statement.canonical() != text {
        return Err(refusal(
            "not_canonical",
            format!("the canonical form is `{}`", statement.canonical()),
        ));
    }
    let facts = statement.facts();
    Ok((sql(text, facts), facts.calls.iter().map(call).collect()))
}

fn sql(text: &str, facts: &Facts) -> Sql {
    let Facts {
        kind,
        nested_kinds,
        functions,
        relations_read,
        relations_written,
        types,
        roles,
        settings,
        options,
        concurrently,
        row_locks,
        opaque,
        utility,
        from,
        conditions,
        output,
        // Guards count where a call stands, so they come with the calls.
        calls: _,
        where_clause: _,
        where_columns: _,
        pinned_columns: _,
    } = facts.clone();
    Sql {
        text: text.to_owned(),
        kind,
        nested_kinds,
        functions,
        relations_read,
        relations_written,
        types,
        roles,
        settings,
        options,
        concurrently,
        row_locks,
        opaque,
        utility: utility_input(utility),
        from,
        conditions,
        output,
    }
}

fn utility_input(utility: sql_facts::Utility) -> Utility {
    let sql_facts::Utility {
        object_type,
        objects,
        columns,
        commands,
        parameters,
        cascade,
        if_exists,
        database,
    } = utility;
    let objects = objects.into_iter().map(|object| Object {
        schema: object.schema,
        name: object.name,
    });
    let parameters = parameters.into_iter().map(|parameter| Parameter {
        name: parameter.name,
        value: parameter.value,
    });
    Utility {
        object_type,
        objects: objects.collect(),
        columns,
        commands,
        parameters: parameters.collect(),
        cascade,
        if_exists,
        database,
    }
}

fn call(call: &sql_facts::Call) -> Call {
    Call {
        function: call.function.clone(),
        first_argument: call.first_argument.clone().unwrap_or_default(),
        second_argument: call.second_argument.clone().unwrap_or_default(),
        constant: call.constant.clone().unwrap_or_default(),
        clause: call.clause.clone(),
        in_root: call.in_root,
        relations: call.relations.clone(),
        pinned_columns: call.pinned_columns.clone(),
        bounded_columns: call.bounded_columns.clone(),
        limit: call.limit.unwrap_or(UNKNOWN),
    }
}
