//! Finds the names in a statement that stand without a schema, and writes schemas in front of them.
//!
//! What a bare name means depends on the session's search_path and on what was created meanwhile. With the schema written
//! into the text, the statement that was judged and the statement that is run cannot mean different objects.

use std::rc::Rc;

use crate::{
    names, parser,
    statement::{ParseError, Statement},
    tree::{self, Fields, Tree},
};

/// One name without a schema: of a relation, a function or a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    pub kind: BareKind,
    pub name: String,
    /// Where it stands in the text, in bytes.
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BareKind {
    Relation,
    Function,
    Type,
}

/// Returns the bare names of `sql`, in no particular order. Names of the statement's own CTEs are not among them.
pub fn bare_names(sql: &str) -> Result<Vec<Bare>, ParseError> {
    let parsed = parser::parse(sql)?;
    let tree = tree::with_positions(&parsed)?;
    let mut found = Vec::new();
    visit(&tree, &Rc::default(), &mut found);
    Ok(found)
}

/// Returns the statement `sql` with a schema before each of these bare names. Refuses unless the result differs from
/// `sql` in nothing but that.
pub fn qualify(sql: &str, with: &[(Bare, String)]) -> Result<Statement, ParseError> {
    let mut edits: Vec<&(Bare, String)> = with.iter().collect();
    edits.sort_by_key(|(bare, _)| std::cmp::Reverse(bare.at));
    let mut text = sql.to_owned();
    for (bare, schema) in edits {
        if !text.is_char_boundary(bare.at) {
            return Err(ParseError::Unreadable {
                message: format!("no place for a schema before `{}`", bare.name),
            });
        }
        text.insert_str(bare.at, &format!("\"{}\".", schema.replace('"', "\"\"")));
    }
    let statement = Statement::parse(&text)?;
    let (mut before, mut after) = (tree::of(&parser::parse(sql)?)?, statement.tree().clone());
    erase(&mut before, with);
    erase(&mut after, with);
    if before != after {
        return Err(ParseError::Unfaithful { canonical: text });
    }
    Ok(statement)
}

fn visit(value: &Tree, ctes: &Rc<Vec<String>>, found: &mut Vec<Bare>) {
    match value {
        Tree::Array(items) => items.iter().for_each(|item| visit(item, ctes, found)),
        Tree::Object(fields) => {
            found.extend(bare(fields, ctes));
            let mut ctes = ctes.clone();
            if let Some(with) = fields.get("with_clause").filter(|with| !with.is_null()) {
                visit_ctes(with, &mut ctes, found);
            }
            let rest = fields.iter().filter(|(key, _)| *key != "with_clause");
            rest.for_each(|(_, value)| visit(value, &ctes, found));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}

/// Without RECURSIVE a CTE sees only those before it.
fn visit_ctes(with: &Tree, ctes: &mut Rc<Vec<String>>, found: &mut Vec<Bare>) {
    let list = with.get("ctes").and_then(Tree::as_array);
    let list = list.unwrap_or_default();
    let name = |cte: &Tree| cte.at("/node/CommonTableExpr/ctename")?.as_str().map(str::to_owned);
    if with.get("recursive").and_then(Tree::as_bool) == Some(true) {
        Rc::make_mut(ctes).extend(list.iter().filter_map(name));
    }
    for cte in list {
        visit(cte, ctes, found);
        Rc::make_mut(ctes).extend(name(cte));
    }
}

fn bare(fields: &Fields, ctes: &[String]) -> Option<Bare> {
    let at = usize::try_from(fields.get("location")?.as_i64()?).ok()?;
    let (kind, name) = match list_of(fields) {
        Some((kind, [only])) => (kind, names::string_node(only)?),
        Some(_) => return None,
        None if is_relation(fields) && !names::is_cte(fields, ctes) => {
            let qualified = ["schemaname", "catalogname"]
                .iter()
                .any(|key| names::text(fields, key).is_some());
            (
                BareKind::Relation,
                names::text(fields, "relname").filter(|_| !qualified)?,
            )
        }
        None => return None,
    };
    Some(Bare {
        kind,
        name: name.to_owned(),
        at,
    })
}

fn is_relation(fields: &Fields) -> bool {
    ["relname", "schemaname", "relpersistence"]
        .iter()
        .all(|key| fields.contains_key(key))
}

/// Returns the list of parts that a function or a type is named by.
fn list_of(fields: &Fields) -> Option<(BareKind, &[Tree])> {
    let has = |keys: [&str; 2]| keys.iter().all(|key| fields.contains_key(key));
    let (kind, key) = if has(["func_variadic", "agg_star"]) {
        (BareKind::Function, "funcname")
    } else if has(["typmods", "setof"]) {
        (BareKind::Type, "names")
    } else {
        return None;
    };
    Some((kind, fields.get(key)?.as_array()?))
}

/// Takes the schemas away that `with` puts in, wherever they stand.
fn erase(value: &mut Tree, with: &[(Bare, String)]) {
    let edited = |kind: BareKind, schema: &str, name: &str| {
        with.iter()
            .any(|(bare, to)| bare.kind == kind && to == schema && bare.name == name)
    };
    match value {
        Tree::Array(items) => items.iter_mut().for_each(|item| erase(item, with)),
        Tree::Object(fields) => {
            let parts = list_of(fields).and_then(|(kind, list)| match list {
                [schema, name] => Some((kind, names::string_node(schema)?, names::string_node(name)?)),
                _ => None,
            });
            let drop_first = parts.is_some_and(|(kind, schema, name)| edited(kind, schema, name));
            let drop_schema = is_relation(fields)
                && matches!((names::text(fields, "schemaname"), names::text(fields, "relname")),
                    (Some(schema), Some(name)) if edited(BareKind::Relation, schema, name));
            if let Some(schema) = fields.get_mut("schemaname").filter(|_| drop_schema) {
                *schema = Tree::String("".into());
            }
            for key in ["funcname", "names"] {
                if let Some(Tree::Array(list)) = fields.get_mut(key).filter(|_| drop_first)
                    && list.len() == 2
                {
                    list.remove(0);
                }
            }
            fields.values_mut().for_each(|value| erase(value, with));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn qualified(sql: &str, names: &[&str]) -> String {
        let with: Vec<_> = bare_names(sql)
            .unwrap()
            .into_iter()
            .filter(|bare| names.contains(&bare.name.as_str()))
            .map(|bare| (bare, "s".to_owned()))
            .collect();
        qualify(sql, &with).unwrap().canonical().to_owned()
    }

    #[test]
    fn schemas_are_written_before_bare_names_and_nowhere_else() {
        assert_eq!(
            qualified(
                "SELECT o.id, f(o.x), 'a'::mood, mood 'b' FROM orders o, public.orders p WHERE o.f = 'orders'",
                &["orders", "f", "mood"]
            ),
            "SELECT o.id, s.f(o.x), 'a'::s.mood, 'b'::s.mood FROM s.orders o, public.orders p WHERE o.f = 'orders'"
        );
        assert_eq!(
            qualified(
                "WITH t AS (SELECT * FROM t) SELECT /* ü */ * FROM t, \"ü\", u WHERE EXISTS (SELECT FROM u)",
                &["t", "u"]
            ),
            "WITH t AS (SELECT * FROM s.t) SELECT * FROM t, \"ü\", s.u WHERE EXISTS (SELECT FROM s.u)"
        );
        assert_eq!(
            qualified(
                "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) TABLE t UNION ALL SELECT * FROM ONLY u",
                &["t", "u"]
            ),
            "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t UNION ALL SELECT * FROM ONLY s.u"
        );
    }

    #[test]
    fn only_bare_names_are_found() {
        let kinds = |sql: &str| -> Vec<(BareKind, String)> {
            let mut found: Vec<_> = bare_names(sql)
                .unwrap()
                .into_iter()
                .map(|bare| (bare.kind, bare.name))
                .collect();
            found.sort();
            found
        };
        assert_eq!(
            kinds("SELECT extract(epoch FROM now()), 1::int, trim(both 'x' from 'y') FROM pg_catalog.pg_class"),
            [(BareKind::Function, "now".to_owned())]
        );
        assert_eq!(kinds("SELECT a.f, t FROM x.t a"), []);
    }
}
