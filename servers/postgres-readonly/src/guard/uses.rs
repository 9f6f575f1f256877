//! What a parse tree names that can bring code: functions, operators, types, columns.

use std::collections::BTreeSet;

use sql_facts::{Fields, Tree};

/// A name as it was written, its schema first if it has one.
pub type Name = (Option<String>, String);

/// Operators that a statement can use without writing them: IN, BETWEEN, USING, CASE x WHEN y.
pub const UNWRITTEN: [&str; 6] = ["=", "<>", "<", ">", "<=", ">="];

/// The names in one tree. Relations are not here: which of them are CTEs is known to `sql_facts`.
#[derive(Debug, Default)]
pub struct Uses {
    pub functions: BTreeSet<Name>,
    pub operators: BTreeSet<Name>,
    pub types: BTreeSet<Name>,
    /// Last parts of column references, and fields taken out of composite values: `f` in `t.f` and in `(x).f`.
    pub columns: BTreeSet<String>,
    /// Every column, or a whole row, is asked for somewhere.
    pub star: bool,
    /// Something is sorted, grouped or made distinct.
    pub sorts: bool,
    /// A window's frame is bounded by offsets.
    pub frames: bool,
    /// An operator is used that is not written.
    pub unwritten: bool,
    /// Functions and operators with a call of which no argument is plainly a column, so that the planner might compute it.
    pub constant: BTreeSet<String>,
}

impl Uses {
    pub fn of(tree: &Tree) -> Self {
        let mut uses = Self::default();
        // Depth is bounded by the parser; the work list keeps this off the stack all the same.
        let mut rows = BTreeSet::new();
        let mut left = vec![tree];
        while let Some(value) = left.pop() {
            match value {
                Tree::Array(items) => left.extend(items),
                Tree::Object(fields) => {
                    uses.note(fields);
                    rows.extend(
                        fields
                            .get("aliasname")
                            .or(fields.get("relname"))
                            .and_then(Tree::as_str)
                            .map(str::to_owned),
                    );
                    left.extend(fields.values());
                }
                Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
            }
        }
        // A relation named like a column is a whole row.
        uses.star |= uses.columns.iter().any(|column| rows.contains(column));
        uses
    }

    /// Returns the functions and operators that are found by the search path.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let bare = self
            .functions
            .iter()
            .chain(&self.operators)
            .filter(|(schema, _)| schema.is_none());
        let unwritten = UNWRITTEN.into_iter().filter(|_| self.unwritten);
        bare.map(|(_, name)| name.as_str()).chain(unwritten)
    }

    fn note(&mut self, fields: &Fields) {
        let has = |keys: &[&str]| keys.iter().all(|key| fields.contains_key(key));
        if has(&["funcname", "func_variadic", "agg_star"])
            && let Some(name) = name(fields.get("funcname"))
        {
            let arguments = fields.get("args").and_then(Tree::as_array);
            if !arguments.is_some_and(|all| all.iter().any(is_column)) {
                self.constant.insert(name.1.clone());
            }
            self.functions.insert(name);
        } else if has(&["names", "typmods", "setof"]) {
            self.types.extend(name(fields.get("names")));
        } else if has(&["lexpr", "rexpr", "name"])
            && let Some(name) = name(fields.get("name"))
        {
            if !["lexpr", "rexpr"]
                .iter()
                .any(|side| fields.get(side).is_some_and(is_column))
            {
                self.constant.insert(name.1.clone());
            }
            self.operators.insert(name);
        }
        self.note_shape(fields);
        self.operators
            .extend(["oper_name", "use_op"].iter().filter_map(|key| name(fields.get(key))));
        if let Some(parts) = fields
            .get("ColumnRef")
            .and_then(|column| column.get("fields"))
            .and_then(Tree::as_array)
        {
            self.columns.extend(parts.last().and_then(text).map(str::to_owned));
            self.star |= parts.iter().any(is_star);
        }
        if let Some(parts) = fields
            .get("AIndirection")
            .and_then(|field| field.get("indirection"))
            .and_then(Tree::as_array)
        {
            self.columns.extend(parts.iter().filter_map(text).map(str::to_owned));
            self.star |= parts.iter().any(is_star);
        }
    }
}

impl Uses {
    fn note_shape(&mut self, fields: &Fields) {
        let filled = |key: &str| {
            fields
                .get(key)
                .and_then(Tree::as_array)
                .is_some_and(|list| !list.is_empty())
        };
        let sorting = [
            "distinct_clause",
            "sort_clause",
            "group_clause",
            "partition_clause",
            "order_clause",
            "agg_order",
        ];
        let is_set_operation = fields.get("larg").is_some_and(|side| !side.is_null()) && fields.contains_key("all");
        let true_at = |key: &str| fields.get(key) == Some(&Tree::Bool(true));
        let given = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
        self.frames |= given("start_offset") || given("end_offset");
        self.sorts |= fields.contains_key("MinMaxExpr");
        self.sorts |= sorting.iter().any(|key| filled(key)) || is_set_operation || true_at("agg_distinct");
        // A list of names behind an alias gives columns other names: none of the relation's own says then what is read.
        self.star |= true_at("is_natural") || (fields.contains_key("aliasname") && filled("colnames"));
        let comparing = ["CaseExpr", "SubLink", "RowExpr", "RangeTableFunc", "JoinExpr"];
        let between = name(fields.get("name")).is_some_and(|(_, name)| name.contains("BETWEEN"));
        self.unwritten |= between || comparing.iter().any(|node| fields.contains_key(node));
        if let Some(columns) = fields.get("using_clause").and_then(Tree::as_array) {
            self.columns.extend(columns.iter().filter_map(text).map(str::to_owned));
        }
    }
}

/// Takes a list of `String` nodes apart; of a name with a database in front, the server checks that it is this one.
fn name(list: Option<&Tree>) -> Option<Name> {
    let parts: Vec<&str> = list?.as_array()?.iter().filter_map(text).collect();
    match parts.as_slice() {
        [] => None,
        [name] => Some((None, (*name).to_owned())),
        [.., schema, name] => Some((Some((*schema).to_owned()), (*name).to_owned())),
    }
}

fn text(node: &Tree) -> Option<&str> {
    node.at("/node/String/sval")?.as_str()
}

fn is_star(node: &Tree) -> bool {
    node.at("/node/AStar").is_some()
}

/// Tells whether an argument is a column and nothing else, so that no plan can know its value beforehand.
fn is_column(node: &Tree) -> bool {
    let bare = node.at("/node/TypeCast/arg").unwrap_or(node);
    bare.at("/node/ColumnRef").is_some()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn uses(sql: &str) -> Uses {
        Uses::of(sql_facts::Statement::parse(sql).unwrap().tree())
    }

    #[test]
    fn every_place_that_names_code_is_seen() {
        let uses = uses(
            "SELECT a.f(1), (t).g, t.h, x OPERATOR(s.<~>) y, z::s.kind, 1 IN (SELECT 2), a = ANY (SELECT 1) \
             FROM t ORDER BY x USING OPERATOR(s.<<)",
        );
        assert!(uses.functions.contains(&(Some("a".into()), "f".into())));
        assert!(["g", "h", "x"].iter().all(|column| uses.columns.contains(*column)));
        assert!(
            ["<~>", "<<"]
                .iter()
                .all(|operator| uses.operators.contains(&(Some("s".into()), (*operator).into())))
        );
        assert!(uses.types.contains(&(Some("s".into()), "kind".into())));
        assert!(uses.operators.contains(&(None, "=".into())), "{uses:?}");
    }

    #[test]
    fn a_call_over_a_column_is_no_constant() {
        let uses = uses("SELECT f(x, 1), g(1), h(y::text), x <~> 1, 2 <-> 1, i(f(1))");
        assert_eq!(uses.constant.into_iter().collect::<Vec<_>>(), ["<->", "f", "g", "i"]);
    }
}
