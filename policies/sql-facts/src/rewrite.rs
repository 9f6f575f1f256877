//! Other statements made of one: what it reads, and the same with every table's schema written out.

use pg_query::protobuf::{LimitOption, Node, ParseResult, RawStmt, SelectStmt, SetOperation, node::Node as Kind};

use crate::{
    parser,
    qualify::{Bare, BareKind, bare_names, qualify},
    statement::{ParseError, Statement},
    tree::{self, Fields, Tree},
};

impl Statement {
    /// Returns how many parameters (`$1` …) the statement takes.
    pub fn parameters(&self) -> usize {
        highest_parameter(self.tree())
    }

    /// Returns the SELECT that finds the rows an UPDATE or DELETE would change, an INSERT would take from elsewhere, or a
    /// SELECT would lock, its parameters counted anew. Anything else has none.
    pub fn read_part(&self) -> Result<Option<Self>, ParseError> {
        if self.facts().kind == "select" && !self.facts().row_locks {
            return Ok(Some(self.clone()));
        }
        let mut parsed = parser::parse(self.canonical())?;
        let root = parsed.stmts.pop().and_then(|raw| raw.stmt).and_then(|node| node.node);
        let (relation, mut others, where_clause, with_clause) = match root {
            Some(Kind::SelectStmt(mut select)) => {
                select.locking_clause.clear();
                return only(parsed.version, Kind::SelectStmt(select)).map(Some);
            }
            Some(Kind::InsertStmt(insert)) => {
                return match (insert.select_stmt.and_then(|source| source.node), insert.with_clause) {
                    (Some(Kind::SelectStmt(select)), None) if select.values_lists.is_empty() => {
                        only(parsed.version, Kind::SelectStmt(select)).map(Some)
                    }
                    _ => Ok(None),
                };
            }
            Some(Kind::UpdateStmt(update)) => (
                update.relation,
                update.from_clause,
                update.where_clause,
                update.with_clause,
            ),
            Some(Kind::DeleteStmt(delete)) => (
                delete.relation,
                delete.using_clause,
                delete.where_clause,
                delete.with_clause,
            ),
            _ => return Ok(None),
        };
        let Some(relation) = relation else { return Ok(None) };
        let mut from_clause = vec![node(Kind::RangeVar(relation))];
        from_clause.append(&mut others);
        let select = SelectStmt {
            from_clause,
            where_clause,
            with_clause,
            limit_option: LimitOption::Default as i32,
            op: SetOperation::SetopNone as i32,
            ..SelectStmt::default()
        };
        only(parsed.version, Kind::SelectStmt(Box::new(select))).map(Some)
    }

    /// Returns the statement with the schema that `schema_of` knows before each table that is written without one. What
    /// bears the name of a CTE stays as it is.
    pub fn qualified(&self, schema_of: impl Fn(&str) -> Option<String>) -> Result<Self, ParseError> {
        let bare = bare_names(self.canonical())?.into_iter();
        let with: Vec<(Bare, String)> = bare
            .filter(|bare| bare.kind == BareKind::Relation)
            .filter_map(|bare| schema_of(&bare.name).map(|schema| (bare, schema)))
            .collect();
        match with.is_empty() {
            true => Ok(self.clone()),
            false => qualify(self.canonical(), &with),
        }
    }
}

fn only(version: i32, root: Kind) -> Result<Statement, ParseError> {
    let parsed = ParseResult {
        version,
        stmts: vec![RawStmt {
            stmt: Some(Box::new(node(root))),
            ..RawStmt::default()
        }],
    };
    Statement::parse(&renumbered(parser::deparse(&parsed)?)?)
}

/// Returns the text with its parameters counted from 1 without gaps: a server cannot tell the type of one that is not there.
fn renumbered(mut text: String) -> Result<String, ParseError> {
    let tree = tree::with_positions(&parser::parse(&text)?)?;
    let mut found: Vec<(usize, u64)> = Vec::new();
    find(&tree, "ParamRef", &mut |node| {
        let field = |name: &str| node.get("ParamRef")?.get(name)?.as_u64();
        let at = field("location").and_then(|at| usize::try_from(at).ok());
        found.extend(at.zip(field("number")));
    });
    found.sort_unstable();
    let mut numbers: Vec<u64> = found.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for (at, number) in found.into_iter().rev() {
        let written = format!("${number}");
        let place = numbers.iter().position(|known| *known == number).unwrap_or(0) + 1;
        if text.get(at..).is_some_and(|rest| rest.starts_with(&written)) {
            text.replace_range(at..at + written.len(), &format!("${place}"));
        }
    }
    Ok(text)
}

fn node(kind: Kind) -> Node {
    Node { node: Some(kind) }
}

fn highest_parameter(value: &Tree) -> usize {
    match value {
        Tree::Array(items) => items.iter().map(highest_parameter).max().unwrap_or(0),
        Tree::Object(fields) => {
            let own = fields.get("ParamRef").and_then(|parameter| parameter.get("number"));
            let own = own
                .and_then(Tree::as_u64)
                .and_then(|number| usize::try_from(number).ok());
            let inside = fields.values().map(highest_parameter).max();
            own.unwrap_or(0).max(inside.unwrap_or(0))
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => 0,
    }
}

fn find(value: &Tree, key: &str, found: &mut impl FnMut(&Fields)) {
    match value {
        Tree::Array(items) => items.iter().for_each(|item| find(item, key, found)),
        Tree::Object(fields) => {
            if fields.contains_key(key) {
                found(fields);
            }
            fields.values().for_each(|value| find(value, key, found));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}
