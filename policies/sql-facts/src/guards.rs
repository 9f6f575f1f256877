//! What a WHERE clause limits: the columns that it names, pins to one constant, or keeps below one.

use std::collections::BTreeSet;

use pg_query::protobuf::{AExprKind, BoolExprType};

use crate::names::{last, operator_schema};
use crate::tree::Tree;

/// Adds every column that `expression` names, without its qualifier.
pub(crate) fn columns(expression: &Tree, found: &mut BTreeSet<String>) {
    match expression {
        Tree::Array(items) => items.iter().for_each(|item| columns(item, found)),
        Tree::Object(fields) => {
            if let Some(name) = fields.get("ColumnRef").and_then(column) {
                found.insert(name);
            }
            fields.values().for_each(|value| columns(value, found));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}

/// What a WHERE clause says of columns and constants, alone or under AND at its top level. Anything under OR or NOT
/// says nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Guards {
    /// `column = constant`.
    pub pinned: BTreeSet<String>,
    /// `column = constant`, `column <= constant`, `column < constant`.
    pub bounded: BTreeSet<String>,
}

impl Guards {
    pub(crate) fn of(where_clause: Option<&Tree>) -> Self {
        let mut guards = Self::default();
        if let Some(clause) = where_clause {
            guards.add(clause);
        }
        guards
    }

    fn add(&mut self, condition: &Tree) {
        if let Some(all) = condition.at("/node/BoolExpr") {
            if all.get("boolop").and_then(Tree::as_i64) == Some(BoolExprType::AndExpr as i64) {
                let parts = all.get("args").and_then(Tree::as_array).unwrap_or_default();
                parts.iter().for_each(|part| self.add(part));
            }
            return;
        }
        let Some(comparison) = condition.at("/node/AExpr").and_then(Tree::as_object) else {
            return;
        };
        if comparison.get("kind").and_then(Tree::as_i64) != Some(AExprKind::AexprOp as i64)
            || operator_schema(comparison).is_some_and(|schema| schema != "pg_catalog")
        {
            return;
        }
        let (Some(left), Some(right)) = (comparison.get("lexpr"), comparison.get("rexpr")) else {
            return;
        };
        let (column, operator_wanted) = match (bare_column(left), bare_column(right)) {
            (Some(column), None) if is_constant(right) => (column, ["<", "<="]),
            (None, Some(column)) if is_constant(left) => (column, [">", ">="]),
            _ => return,
        };
        match last(comparison.get("name")) {
            Some("=") => {
                self.bounded.insert(column.clone());
                self.pinned.insert(column);
            }
            Some(operator) if operator_wanted.contains(&operator) => {
                self.bounded.insert(column);
            }
            Some(_) | None => {}
        }
    }
}

/// Returns the column that `node` is, if it is nothing else.
pub(crate) fn bare_column(node: &Tree) -> Option<String> {
    node.at("/node/ColumnRef").and_then(column)
}

fn column(column_ref: &Tree) -> Option<String> {
    last(column_ref.get("fields")).map(str::to_owned)
}

fn is_constant(node: &Tree) -> bool {
    match node.at("/node/TypeCast/arg") {
        Some(inner) => is_constant(inner),
        None => node
            .at("/node/AConst")
            .is_some_and(|constant| constant.get("isnull").and_then(Tree::as_bool) == Some(false)),
    }
}
