//! By which columns a statement picks, joins and orders its rows: one scope for each SELECT, UPDATE or DELETE in it.

use pg_query::protobuf::{AExprKind, BoolExprType, NullTestType, SortByDir, SortByNulls};

use crate::{
    guards, names, select,
    statement::Statement,
    tree::{Fields, Tree},
};

/// Deeper than any statement that somebody wants explained.
const MAX_DEPTH: usize = 200;

/// One SELECT, UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The scope around it, whose tables its conditions may name too.
    pub outer: Option<usize>,
    pub tables: Vec<Table>,
    /// It also reads what is no table (a subquery, a CTE, a function): a column without qualifier may be of that.
    pub reads_others: bool,
    pub uses: Vec<Use>,
    /// The leading items of ORDER BY that are plain columns.
    pub order: Vec<Ordered>,
    /// It has a LIMIT.
    pub limited: bool,
}

/// A table or view as FROM names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub schema: Option<String>,
    pub name: String,
    /// What its columns are qualified with: its alias, else its name.
    pub alias: String,
}

/// A column as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub qualifier: Option<String>,
    pub name: String,
}

/// One condition on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub column: Column,
    /// The function that is called with the column alone, where the condition is on its result: `lower(email) = …`.
    pub function: Option<String>,
    pub condition: Condition,
    /// Every row must meet it: it stands alone or under AND.
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `=`, `IN`, `= ANY`, `IS NULL`, a bare boolean.
    Equality,
    /// `<`, `<=`, `>`, `>=`, `BETWEEN`.
    Range,
    /// Equal to something that another row brings: that column, where it is one.
    Join(Option<Column>),
    /// `@>`, `<@`, `&&`, `?`, `@@` and the like: what inverted indexes answer.
    Contains,
}

/// One item of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    pub column: Column,
    pub descending: bool,
    /// NULLS FIRST or LAST, where it is written.
    pub nulls_first: Option<bool>,
}

impl Statement {
    /// Returns the scopes of the statement, outer ones before those inside.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut walk = Walk::default();
        walk.statement(self.tree(), None, 0);
        walk.scopes
    }
}

#[derive(Default)]
struct Walk {
    scopes: Vec<Scope>,
    ctes: Vec<String>,
}

impl Walk {
    fn statement(&mut self, node: &Tree, outer: Option<usize>, depth: usize) {
        let Some(inner) = node.get("node").and_then(Tree::as_object) else {
            return;
        };
        for (kind, body) in inner.iter() {
            let Some(body) = body.as_object() else { continue };
            match kind {
                "SelectStmt" => self.select(body, outer, depth),
                "UpdateStmt" | "DeleteStmt" => self.modification(body, outer, depth),
                _ => self.subqueries(&Tree::Object(body.clone()), outer, depth),
            }
        }
    }

    fn open(&mut self, body: &Fields, outer: Option<usize>, depth: usize) -> usize {
        let ctes = body
            .get("with_clause")
            .and_then(|with| with.get("ctes"))
            .and_then(Tree::as_array);
        for cte in ctes
            .into_iter()
            .flatten()
            .filter_map(|cte| cte.at("/node/CommonTableExpr"))
        {
            self.ctes
                .extend(cte.get("ctename").and_then(Tree::as_str).map(str::to_owned));
            if let Some(query) = cte.get("ctequery") {
                self.statement(query, outer, depth + 1);
            }
        }
        self.scopes.push(Scope {
            outer,
            ..Scope::default()
        });
        self.scopes.len() - 1
    }

    fn select(&mut self, body: &Fields, outer: Option<usize>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let scope = self.open(body, outer, depth);
        for arm in ["larg", "rarg"].iter().filter_map(|arm| body.get(arm)?.as_object()) {
            self.select(arm, outer, depth + 1);
        }
        self.from(body.get("from_clause"), scope, depth);
        self.condition(body.get("where_clause"), true, scope, depth);
        for clause in [
            "target_list",
            "having_clause",
            "values_lists",
            "limit_count",
            "limit_offset",
        ] {
            if let Some(clause) = body.get(clause) {
                self.subqueries(clause, Some(scope), depth);
            }
        }
        let order = ordered(body);
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope.order = order;
            scope.limited = body.get("limit_count").is_some_and(|count| !count.is_null());
        }
    }

    fn modification(&mut self, body: &Fields, outer: Option<usize>, depth: usize) {
        let scope = self.open(body, outer, depth);
        if let Some(relation) = body.get("relation").and_then(Tree::as_object) {
            self.table(relation, scope);
        }
        self.from(body.get("from_clause"), scope, depth);
        self.from(body.get("using_clause"), scope, depth);
        self.condition(body.get("where_clause"), true, scope, depth);
        if let Some(targets) = body.get("target_list") {
            self.subqueries(targets, Some(scope), depth);
        }
    }

    fn from(&mut self, from: Option<&Tree>, scope: usize, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match from {
            Some(Tree::Array(items)) => items.iter().for_each(|item| self.from(Some(item), scope, depth + 1)),
            Some(item @ Tree::Object(_)) => {
                if let Some(relation) = item.at("/node/RangeVar").and_then(Tree::as_object) {
                    self.table(relation, scope);
                } else if let Some(join) = item.at("/node/JoinExpr") {
                    self.from(join.get("larg"), scope, depth + 1);
                    self.from(join.get("rarg"), scope, depth + 1);
                    self.condition(join.get("quals"), true, scope, depth);
                    let using = join.get("using_clause").and_then(Tree::as_array);
                    for name in using.into_iter().flatten().filter_map(names::string_node) {
                        self.note(
                            scope,
                            Column::bare(name),
                            None,
                            Condition::Join(Some(Column::bare(name))),
                            true,
                        );
                    }
                } else {
                    self.other(scope);
                    if let Some(subquery) = item.at("/node/RangeSubselect/subquery") {
                        self.statement(subquery, Some(scope), depth + 1);
                    } else {
                        self.subqueries(item, Some(scope), depth);
                    }
                }
            }
            _ => {}
        }
    }

    fn table(&mut self, relation: &Fields, scope: usize) {
        let alias = relation.get("alias").filter(|alias| !alias.is_null());
        let renamed = alias.and_then(|alias| alias.get("colnames")).and_then(Tree::as_array);
        let hidden = names::is_cte(relation, &self.ctes) || renamed.is_some_and(|names| !names.is_empty());
        let Some(name) = names::text(relation, "relname").filter(|_| !hidden) else {
            return self.other(scope);
        };
        let table = Table {
            schema: names::text(relation, "schemaname").map(str::to_owned),
            alias: alias
                .and_then(|alias| alias.get("aliasname"))
                .and_then(Tree::as_str)
                .unwrap_or(name)
                .to_owned(),
            name: name.to_owned(),
        };
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope.tables.push(table);
        }
    }

    fn other(&mut self, scope: usize) {
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope.reads_others = true;
        }
    }

    fn condition(&mut self, condition: Option<&Tree>, required: bool, scope: usize, depth: usize) {
        let Some(condition) = condition.filter(|_| depth <= MAX_DEPTH) else {
            return;
        };
        let Some((kind, body)) = tagged(condition) else { return };
        match kind {
            "BoolExpr" => {
                let operator = body.get("boolop").and_then(Tree::as_i64);
                let both = operator == Some(BoolExprType::AndExpr as i64);
                let not = operator == Some(BoolExprType::NotExpr as i64);
                for part in body.get("args").and_then(Tree::as_array).into_iter().flatten() {
                    match not {
                        // What must not hold is no way to rows; only a boolean column is.
                        true if column(part).is_none() => self.subqueries(part, Some(scope), depth),
                        _ => self.condition(Some(part), required && (both || not), scope, depth + 1),
                    }
                }
            }
            "AExpr" => {
                self.comparison(body, required, scope);
                self.subqueries(condition, Some(scope), depth);
            }
            "NullTest" if body.get("nulltesttype").and_then(Tree::as_i64) == Some(NullTestType::IsNull as i64) => {
                self.noted(body.get("arg"), &Condition::Equality, required, scope);
            }
            "BooleanTest" => self.noted(body.get("arg"), &Condition::Equality, required, scope),
            "ColumnRef" => self.noted(Some(condition), &Condition::Equality, required, scope),
            "SubLink" => {
                if body.get("testexpr").is_some_and(|test| !test.is_null()) {
                    let inner = body.get("subselect").and_then(only_target);
                    self.noted(body.get("testexpr"), &Condition::Join(inner.clone()), required, scope);
                    let at = self.scopes.len();
                    self.subqueries(condition, Some(scope), depth);
                    if let Some(inner) = inner.filter(|_| at < self.scopes.len()) {
                        self.note(at, inner, None, Condition::Join(None), true);
                    }
                } else {
                    self.subqueries(condition, Some(scope), depth);
                }
            }
            _ => self.subqueries(condition, Some(scope), depth),
        }
    }

    fn comparison(&mut self, body: &Fields, required: bool, scope: usize) {
        let kind = body.get("kind").and_then(Tree::as_i64).unwrap_or_default();
        let is = |wanted: AExprKind| kind == wanted as i64;
        let operator = names::last(body.get("name")).unwrap_or_default();
        let (left, right) = (body.get("lexpr"), body.get("rexpr"));
        if is(AExprKind::AexprOp) {
            let condition = match operator {
                "=" => Condition::Equality,
                "<" | "<=" | ">" | ">=" => Condition::Range,
                "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "@@" | "@?" => Condition::Contains,
                _ => return,
            };
            for (side, other) in [(left, right), (right, left)] {
                let Some(other) = other else { continue };
                match (&condition, has_column(other)) {
                    (Condition::Equality, true) => {
                        self.noted(side, &Condition::Join(column(other)), required, scope);
                    }
                    (_, true) => {}
                    (condition, false) => self.noted(side, condition, required, scope),
                }
            }
        } else if (is(AExprKind::AexprOpAny) || is(AExprKind::AexprIn)) && operator == "=" {
            if !right.is_some_and(has_column) {
                self.noted(left, &Condition::Equality, required, scope);
            }
        } else if (is(AExprKind::AexprBetween) || is(AExprKind::AexprBetweenSym)) && !right.is_some_and(has_column) {
            self.noted(left, &Condition::Range, required, scope);
        }
    }

    /// Notes the condition if `side` is a column, or a function of one column alone.
    fn noted(&mut self, side: Option<&Tree>, condition: &Condition, required: bool, scope: usize) {
        let Some(side) = side else { return };
        if let Some(column) = column(side) {
            return self.note(scope, column, None, condition.clone(), required);
        }
        let Some(call) = side.at("/node/FuncCall").and_then(Tree::as_object) else {
            return;
        };
        let arguments = call.get("args").and_then(Tree::as_array);
        if let (Some([argument]), Some(function)) = (arguments, names::dotted(call.get("funcname")))
            && let Some(column) = column(argument)
        {
            self.note(scope, column, Some(function), condition.clone(), required);
        }
    }

    fn note(&mut self, scope: usize, column: Column, function: Option<String>, condition: Condition, required: bool) {
        let found = Use {
            column,
            function,
            condition,
            required,
        };
        if let Some(scope) = self.scopes.get_mut(scope).filter(|scope| !scope.uses.contains(&found)) {
            scope.uses.push(found);
        }
    }

    /// Finds the SELECTs anywhere in `value` and opens a scope for each.
    fn subqueries(&mut self, value: &Tree, outer: Option<usize>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Tree::Array(items) => items.iter().for_each(|item| self.subqueries(item, outer, depth + 1)),
            Tree::Object(fields) => match fields.get("SelectStmt").and_then(Tree::as_object) {
                Some(select) => self.select(select, outer, depth + 1),
                None if select::is_select(fields) => self.select(fields, outer, depth + 1),
                None => fields
                    .values()
                    .for_each(|value| self.subqueries(value, outer, depth + 1)),
            },
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
        }
    }
}

impl Column {
    fn bare(name: &str) -> Self {
        Self {
            qualifier: None,
            name: name.to_owned(),
        }
    }
}

fn tagged(value: &Tree) -> Option<(&str, &Fields)> {
    let (kind, body) = value.get("node")?.as_object()?.iter().next()?;
    Some((kind, body.as_object()?))
}

fn column(node: &Tree) -> Option<Column> {
    let fields = node.at("/node/ColumnRef/fields")?.as_array()?;
    let parts: Option<Vec<&str>> = fields.iter().map(names::string_node).collect();
    match parts?.as_slice() {
        [name] => Some(Column::bare(name)),
        [.., qualifier, name] => Some(Column {
            qualifier: Some((*qualifier).to_owned()),
            name: (*name).to_owned(),
        }),
        [] => None,
    }
}

fn has_column(expression: &Tree) -> bool {
    let mut found = std::collections::BTreeSet::new();
    guards::columns(expression, &mut found);
    !found.is_empty()
}

/// Returns the one plain column that a subquery yields.
fn only_target(subquery: &Tree) -> Option<Column> {
    let targets = subquery.at("/node/SelectStmt/target_list")?.as_array()?;
    match targets {
        [only] => column(only.at("/node/ResTarget/val")?),
        _ => None,
    }
}

fn ordered(body: &Fields) -> Vec<Ordered> {
    let items = body.get("sort_clause").and_then(Tree::as_array).into_iter().flatten();
    let targets = body.get("target_list").and_then(Tree::as_array).unwrap_or_default();
    items
        .map_while(|item| {
            let sort = item.at("/node/SortBy")?;
            let direction = sort.get("sortby_dir").and_then(Tree::as_i64)?;
            if direction == SortByDir::SortbyUsing as i64 {
                return None;
            }
            let nulls = sort.get("sortby_nulls").and_then(Tree::as_i64)?;
            Some(Ordered {
                column: sorted_column(sort.get("node")?, targets)?,
                descending: direction == SortByDir::SortbyDesc as i64,
                nulls_first: match nulls {
                    nulls if nulls == SortByNulls::SortbyNullsFirst as i64 => Some(true),
                    nulls if nulls == SortByNulls::SortbyNullsLast as i64 => Some(false),
                    _ => None,
                },
            })
        })
        .collect()
}

/// ORDER BY names an output column by its name or number before it names a column of a table.
fn sorted_column(node: &Tree, targets: &[Tree]) -> Option<Column> {
    let value = |target: &Tree| column(target.at("/node/ResTarget/val")?);
    if let Some(number) = node.at("/node/AConst/val/Ival/ival").and_then(Tree::as_u64) {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        return targets.get(index).and_then(value);
    }
    let plain = column(node)?;
    let named = |target: &&Tree| {
        let name = target.at("/node/ResTarget/name").and_then(Tree::as_str);
        plain.qualifier.is_none() && name == Some(plain.name.as_str())
    };
    match targets.iter().find(named) {
        Some(target) => value(target),
        None => Some(plain),
    }
}
