//! What one SELECT reads and how it is limited: where a function call in it gets its arguments from.

use std::collections::BTreeMap;

use pg_query::protobuf::{LimitOption, SetOperation};

use crate::guards::{Guards, bare_column};
use crate::names;
use crate::tree::{Fields, Tree};

/// The fields that only a SELECT has all of.
const CLAUSES: [&str; 4] = ["target_list", "from_clause", "where_clause", "values_lists"];
const OTHER_CLAUSES: [&str; 5] = [
    "group_clause",
    "having_clause",
    "sort_clause",
    "limit_count",
    "limit_offset",
];
/// Stands for whatever is read that is no plain relation.
const NOT_A_RELATION: &str = "?";

/// One SELECT; with the plain subquery that it alone reads, if so, seen as one.
#[derive(Debug, Default)]
pub(crate) struct Select {
    pub relations: Vec<String>,
    pub guards: Guards,
    pub limit: Option<i64>,
    /// Where a subquery stands between: the columns that it hands through unchanged, by the name they get.
    handed_through: Option<BTreeMap<String, String>>,
}

impl Select {
    pub(crate) fn of(body: &Fields, ctes: &[String]) -> Self {
        match only_subquery(body) {
            Some(inner) => {
                let own_limit = limit(body);
                let within = Self::plain(inner, ctes);
                let limit = [own_limit, within.limit].into_iter().flatten().min();
                Self {
                    limit,
                    handed_through: Some(handed_through(inner)),
                    ..within
                }
            }
            None => Self::plain(body, ctes),
        }
    }

    /// Returns the column of the relation read that `argument` is, if it is nothing else.
    pub(crate) fn column(&self, argument: &Tree) -> Option<String> {
        let column = bare_column(argument)?;
        match &self.handed_through {
            Some(columns) => columns.get(&column).cloned(),
            None => Some(column),
        }
    }

    fn plain(body: &Fields, ctes: &[String]) -> Self {
        let mut relations = Vec::new();
        body.get("from_clause")
            .iter()
            .for_each(|from| add_relations(from, ctes, &mut relations));
        Self {
            relations,
            guards: Guards::of(body.get("where_clause")),
            limit: limit(body),
            handed_through: None,
        }
    }
}

/// Whether these are the fields of a SELECT, which in an arm of a UNION carries no name.
pub(crate) fn is_select(body: &Fields) -> bool {
    CLAUSES.iter().all(|clause| body.contains_key(clause))
}

/// Returns the name of a SELECT's clause, `other` for the lesser ones.
pub(crate) fn clause(key: &str) -> &'static str {
    CLAUSES
        .into_iter()
        .chain(OTHER_CLAUSES)
        .find(|clause| *clause == key)
        .unwrap_or("other")
}

fn only_subquery(body: &Fields) -> Option<&Fields> {
    let [only] = body.get("from_clause")?.as_array()? else {
        return None;
    };
    let subselect = only.at("/node/RangeSubselect")?;
    let inner = subselect.at("/subquery/node/SelectStmt")?.as_object()?;
    let plain = inner.get("op").and_then(Tree::as_i64) == Some(SetOperation::SetopNone as i64)
        && inner.get("with_clause").is_none_or(Tree::is_null)
        && !renames_columns(subselect);
    plain.then_some(inner)
}

fn handed_through(inner: &Fields) -> BTreeMap<String, String> {
    let targets = inner.get("target_list").and_then(Tree::as_array).unwrap_or_default();
    let mut columns = BTreeMap::new();
    for target in targets
        .iter()
        .filter_map(|target| target.at("/node/ResTarget")?.as_object())
    {
        let source = target.get("val").and_then(bare_column);
        let name = names::text(target, "name")
            .map(str::to_owned)
            .or_else(|| source.clone());
        if let (Some(name), Some(source)) = (name, source) {
            columns.insert(name, source);
        }
    }
    columns
}

fn add_relations(from: &Tree, ctes: &[String], relations: &mut Vec<String>) {
    match from {
        Tree::Array(items) => items.iter().for_each(|item| add_relations(item, ctes, relations)),
        Tree::Object(_) => match from.at("/node/RangeVar") {
            Some(range_var) => {
                // An alias with a column list gives the relation's columns other names.
                let fields = range_var.as_object();
                let hidden = fields.is_some_and(|fields| names::is_cte(fields, ctes)) || renames_columns(range_var);
                let plain = fields.and_then(names::relation).filter(|_| !hidden);
                relations.push(plain.unwrap_or_else(|| NOT_A_RELATION.to_owned()));
            }
            None => match from.at("/node/JoinExpr").and_then(Tree::as_object) {
                Some(join) => {
                    for side in ["larg", "rarg"].iter().filter_map(|side| join.get(side)) {
                        add_relations(side, ctes, relations);
                    }
                }
                None => relations.push(NOT_A_RELATION.to_owned()),
            },
        },
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}

fn renames_columns(source: &Tree) -> bool {
    source
        .at("/alias/colnames")
        .and_then(Tree::as_array)
        .is_some_and(|names| !names.is_empty())
}

fn limit(body: &Fields) -> Option<i64> {
    // WITH TIES may return more rows than it says.
    if body.get("limit_option").and_then(Tree::as_i64) != Some(LimitOption::Count as i64) {
        return None;
    }
    body.get("limit_count")?.at("/node/AConst/val/Ival/ival")?.as_i64()
}
