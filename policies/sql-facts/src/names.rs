//! Reads names out of parse tree nodes, and knows which functions run text as code.

use pg_query::protobuf::RoleSpecType;

use crate::tree::{Fields, Tree};

/// Functions whose argument is itself SQL: what they do is not in the tree.
const RUNS_TEXT: [&str; 18] = [
    "connectby",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "pg_background_launch",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
];
const RUNS_TEXT_PREFIXES: [&str; 3] = ["dblink", "crosstab", "xpath_table"];
const RUNS_TEXT_SCHEMAS: [&str; 3] = ["cron.", "aws_lambda.", "pgagent."];

/// Functions that reach the server's files.
const SERVER_FILE_PREFIXES: [&str; 5] = [
    "lo_export",
    "lo_import",
    "pg_file_",
    "pg_read_file",
    "pg_read_binary_file",
];

/// Returns why a call of `name` (as written, perhaps qualified) hides what it does, if it does.
pub(crate) fn hides(name: &str) -> Option<String> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let runs_text = RUNS_TEXT.contains(&bare)
        || RUNS_TEXT_PREFIXES.iter().any(|prefix| bare.starts_with(prefix))
        || RUNS_TEXT_SCHEMAS.iter().any(|schema| name.starts_with(schema));
    if runs_text {
        return Some(format!("dynamic sql: {name}"));
    }
    let touches_files = SERVER_FILE_PREFIXES.iter().any(|prefix| bare.starts_with(prefix));
    touches_files.then(|| format!("server file: {name}"))
}

/// Returns the non-empty text of a field.
pub(crate) fn text<'t>(fields: &'t Fields, key: &str) -> Option<&'t str> {
    fields.get(key).and_then(Tree::as_str).filter(|text| !text.is_empty())
}

/// Tells whether a relation is one of these CTEs. Only a bare name can be: `WITH "a.b" AS (…)` says nothing of the table
/// `a.b`, which PostgreSQL goes on reading.
pub(crate) fn is_cte(range_var: &Fields, ctes: &[String]) -> bool {
    let qualified = text(range_var, "schemaname").is_some() || text(range_var, "catalogname").is_some();
    !qualified && text(range_var, "relname").is_some_and(|name| ctes.iter().any(|cte| cte == name))
}

/// Returns a list of `String` nodes as one dotted name.
pub(crate) fn dotted(list: Option<&Tree>) -> Option<String> {
    let parts: Vec<String> = list?.as_array()?.iter().filter_map(string_node).map(quoted).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// Returns the last part of a name, bare, as a list of `String` nodes spells it.
pub(crate) fn last(list: Option<&Tree>) -> Option<&str> {
    list?.as_array()?.last().and_then(string_node)
}

/// Returns the schema that an operator is qualified with, as in `OPERATOR(schema.=)`.
pub(crate) fn operator_schema(expression: &Fields) -> Option<&str> {
    match expression.get("name")?.as_array()? {
        [schema, _operator] => string_node(schema),
        _ => None,
    }
}

// Without quotes the one identifier "public.orders" would read like the table orders in schema public.
pub(crate) fn quoted(part: &str) -> String {
    let plain = part
        .chars()
        .all(|letter| letter.is_alphanumeric() && !letter.is_uppercase() || "_$".contains(letter));
    if plain {
        part.to_owned()
    } else {
        format!("\"{}\"", part.replace('"', "\"\""))
    }
}

/// Returns what a `String` node holds.
pub(crate) fn string_node(node: &Tree) -> Option<&str> {
    node.at("/node/String/sval").and_then(Tree::as_str)
}

/// Returns a relation's name, qualified as it was written.
pub(crate) fn relation(range_var: &Fields) -> Option<String> {
    let relname = text(range_var, "relname")?;
    let qualifiers = ["catalogname", "schemaname"]
        .iter()
        .filter_map(|key| text(range_var, key));
    let parts: Vec<String> = qualifiers.chain([relname]).map(quoted).collect();
    Some(parts.join("."))
}

/// Returns a role's name, or the keyword that stands for one.
pub(crate) fn role(role_spec: &Fields) -> Option<String> {
    let kind = role_spec
        .get("roletype")
        .and_then(Tree::as_i64)
        .and_then(|kind| i32::try_from(kind).ok())?;
    match RoleSpecType::try_from(kind) {
        Ok(RoleSpecType::RolespecCstring) => text(role_spec, "rolename").map(str::to_owned),
        Ok(RoleSpecType::RolespecCurrentRole) => Some("current_role".to_owned()),
        Ok(RoleSpecType::RolespecCurrentUser) => Some("current_user".to_owned()),
        Ok(RoleSpecType::RolespecSessionUser) => Some("session_user".to_owned()),
        Ok(RoleSpecType::RolespecPublic) => Some("public".to_owned()),
        Ok(RoleSpecType::Undefined) | Err(_) => None,
    }
}

/// Returns the kind that a statement node's name stands for: `AlterRoleSetStmt` is `alter_role_set`. Only ANALYZE has
/// none of its own in the grammar.
pub(crate) fn kind(node: &str, body: &Fields) -> String {
    if node == "VacuumStmt" && body.get("is_vacuumcmd").and_then(Tree::as_bool) == Some(false) {
        return "analyze".to_owned();
    }
    snake(node.strip_suffix("Stmt").unwrap_or(node))
}

pub(crate) fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
