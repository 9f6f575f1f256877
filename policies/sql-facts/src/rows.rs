//! Which rows a plain SELECT keeps, said as far as it can be said in short sentences: what must be true of each row,
//! and what is returned of it.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::protobuf::{AExprKind, BoolExprType, JoinType, SetOperation};

use crate::names;
use crate::tree::{Fields, Tree};

/// Stands for whatever is read that is no plain relation.
const NOT_A_RELATION: &str = "?";

#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub from: Vec<String>,
    pub conditions: BTreeSet<String>,
    pub output: String,
}

impl Rows {
    /// Returns what the root says of its rows: nothing if it is no SELECT, or has a WITH, UNION or the like.
    pub(crate) fn of(root: &str, body: &Fields) -> Self {
        let alone = body.get("op").and_then(Tree::as_i64) == Some(SetOperation::SetopNone as i64)
            && body.get("with_clause").is_none_or(Tree::is_null);
        if root != "SelectStmt" || !alone {
            return Self::default();
        }
        let mut sources = Sources::default();
        let mut filters = Vec::new();
        for source in list(body.get("from_clause")) {
            sources.add(source, true, &mut filters);
        }
        filters.extend(body.get("where_clause"));
        let mut conditions = BTreeSet::new();
        for filter in filters {
            sources.add_conditions(filter, &mut conditions);
        }
        let output = sources.output(body);
        let mut from = sources.relations;
        from.sort();
        Self {
            from,
            conditions,
            output,
        }
    }
}

/// What FROM names.
#[derive(Debug, Default)]
struct Sources {
    relations: Vec<String>,
    /// The relation that each alias stands for.
    by_alias: BTreeMap<String, String>,
}

impl Sources {
    /// `filtering`: what ON asks for is asked of every row. Beside an outer join it is not.
    fn add<'t>(&mut self, source: &'t Tree, filtering: bool, filters: &mut Vec<&'t Tree>) {
        if let Some(join) = source.at("/node/JoinExpr").and_then(Tree::as_object) {
            let filtering =
                filtering && join.get("jointype").and_then(Tree::as_i64) == Some(JoinType::JoinInner as i64);
            for side in ["larg", "rarg"].iter().filter_map(|side| join.get(side)) {
                self.add(side, filtering, filters);
            }
            // An alias of the whole join hides those inside it.
            match join.get("alias").is_none_or(Tree::is_null) {
                true => filters.extend(join.get("quals").filter(|quals| filtering && !quals.is_null())),
                false => self.by_alias.clear(),
            }
            return;
        }
        let relation = source
            .at("/node/RangeVar")
            .and_then(Tree::as_object)
            .filter(|range_var| !renames_columns(range_var));
        match relation.and_then(|range_var| Some((alias(range_var)?, names::relation(range_var)?))) {
            Some((alias, name)) => {
                self.relations.push(name.clone());
                self.by_alias.insert(alias, name);
            }
            None => self.relations.push(NOT_A_RELATION.to_owned()),
        }
    }

    fn add_conditions(&self, condition: &Tree, found: &mut BTreeSet<String>) {
        match condition.at("/node/BoolExpr") {
            Some(all) if all.get("boolop").and_then(Tree::as_i64) == Some(BoolExprType::AndExpr as i64) => {
                list(all.get("args")).for_each(|part| self.add_conditions(part, found));
            }
            Some(_) | None => found.extend(self.condition(condition)),
        }
    }

    /// Returns `column`, `NOT column`, `column = 'constant'` or `column = column`; none for anything else.
    fn condition(&self, node: &Tree) -> Option<String> {
        if let Some(column) = self.column(node) {
            return Some(column);
        }
        if let Some(not) = node.at("/node/BoolExpr") {
            let negates = not.get("boolop").and_then(Tree::as_i64) == Some(BoolExprType::NotExpr as i64);
            return negates
                .then(|| self.column(not.at("/args/0")?))
                .flatten()
                .map(|column| format!("NOT {column}"));
        }
        let comparison = node.at("/node/AExpr")?.as_object()?;
        let equals = comparison.get("kind").and_then(Tree::as_i64) == Some(AExprKind::AexprOp as i64)
            && names::last(comparison.get("name")) == Some("=")
            && names::operator_schema(comparison).is_none_or(|schema| schema == "pg_catalog");
        let (left, right) = (comparison.get("lexpr")?, comparison.get("rexpr")?);
        let sides = match (self.column(left), self.column(right)) {
            (Some(a), Some(b)) if a <= b => (a, b),
            (Some(a), Some(b)) => (b, a),
            (Some(column), None) => (column, text_constant(right)?),
            (None, Some(column)) => (column, text_constant(left)?),
            (None, None) => return None,
        };
        equals.then(|| format!("{} = {}", sides.0, sides.1))
    }

    /// Returns a column with its relation. Without a qualifier it is one of the only relation there is.
    fn column(&self, node: &Tree) -> Option<String> {
        let parts: Vec<&str> = list(node.at("/node/ColumnRef/fields"))
            .filter_map(names::string_node)
            .collect();
        let relation = match (parts.as_slice(), self.relations.as_slice()) {
            ([alias, _], _) => self.by_alias.get(*alias)?,
            ([_], [only]) if only != NOT_A_RELATION => only,
            _ => return None,
        };
        Some(format!("{relation}.{}", names::quoted(parts.last()?)))
    }

    /// Returns `count(*)` or the condition that is the only thing returned; empty for anything else.
    fn output(&self, body: &Fields) -> String {
        let mut targets = list(body.get("target_list"));
        let (Some(only), None) = (targets.next(), targets.next()) else {
            return String::new();
        };
        let value = only.at("/node/ResTarget/val");
        let counts = value
            .and_then(|value| value.at("/node/FuncCall"))
            .is_some_and(counts_rows);
        match counts {
            true => "count(*)".to_owned(),
            false => value.and_then(|value| self.condition(value)).unwrap_or_default(),
        }
    }
}

fn counts_rows(call: &Tree) -> bool {
    let name = names::dotted(call.get("funcname"));
    let plain = ["agg_filter", "over"]
        .iter()
        .all(|key| call.get(key).is_none_or(Tree::is_null));
    matches!(name.as_deref(), Some("count" | "pg_catalog.count"))
        && call.get("agg_star").and_then(Tree::as_bool) == Some(true)
        && plain
}

fn alias(range_var: &Fields) -> Option<String> {
    let given = range_var
        .get("alias")
        .and_then(|alias| alias.get("aliasname"))
        .and_then(Tree::as_str);
    given.or_else(|| names::text(range_var, "relname")).map(str::to_owned)
}

fn renames_columns(range_var: &Fields) -> bool {
    let columns = range_var.get("alias").and_then(|alias| alias.get("colnames"));
    list(columns).next().is_some()
}

/// Returns a string constant, quoted. Under a cast it may be another one, so a cast is none.
fn text_constant(node: &Tree) -> Option<String> {
    let text = node.at("/node/AConst/val/Sval/sval")?.as_str()?;
    Some(format!("'{}'", text.replace('\'', "''")))
}

fn list(value: Option<&Tree>) -> impl Iterator<Item = &Tree> {
    value.and_then(Tree::as_array).into_iter().flatten()
}
