//! Renders a template's statement. The parse tree of the result equals the template's but for the parameters' leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sql_facts::{ParseError, Statement, Tree};

use crate::ParameterValue;

/// Larger than any number that a template of ours contains, and small enough to parse as an integer.
const FIRST_SENTINEL: i64 = 1_987_600_000;

const FIRST_BIG_SENTINEL: u64 = 9_876_000_000_000_000_000;

/// Why a template could not be rendered. Nothing is ever pasted and hoped for.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// `${` without `}`, or something other than `${name}` or `${name:literal}`.
    #[error("`{0}` is not a placeholder: write `${{name}}` or `${{name:literal}}`")]
    BadPlaceholder(String),
    /// A placeholder that names no parameter.
    #[error("the template names `{0}`, which is not a parameter")]
    UnknownParameter(String),
    /// The template is not one statement.
    #[error("the template is not one SQL statement")]
    Template(#[source] sql_facts::ParseError),
    /// The rendered text is not one statement.
    #[error("the rendered text is not one SQL statement")]
    Rendered(#[source] sql_facts::ParseError),
    /// A value reached beyond its leaf.
    #[error("the rendered statement is not the template's but for its parameters: at `{0}`")]
    TreeChanged(String),
    /// A placeholder stands where it is no leaf: in a comment, or inside a string.
    #[error("`{0}` stands where no literal or identifier may: in a comment, a string or a keyword")]
    NotALeaf(String),
}

/// Renders `template` with `values`, and returns the statement, whose canonical text is what the plan holds.
///
/// # Errors
/// When a placeholder is unknown or misplaced, or a value would change more than its own leaf.
pub(crate) fn render(template: &str, values: &BTreeMap<String, ParameterValue>) -> Result<Statement, RenderError> {
    render_with(template, values, |marked| Statement::tree_of(marked).map(Arc::new))
}

/// Does the same, and keeps the template's tree for the next plan of the same runbook.
pub(crate) fn render_again(
    template: &str,
    values: &BTreeMap<String, ParameterValue>,
) -> Result<Statement, RenderError> {
    render_with(template, values, kept_tree)
}

fn render_with(
    template: &str,
    values: &BTreeMap<String, ParameterValue>,
    tree_of: impl Fn(&str) -> Result<Arc<Tree>, ParseError>,
) -> Result<Statement, RenderError> {
    let pieces = split(template)?;
    let mut marked = String::new();
    let mut rendered = String::new();
    let mut leaves = Vec::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => {
                marked.push_str(text);
                rendered.push_str(text);
            }
            Piece::Slot(slot) => {
                let value = values
                    .get(slot.name)
                    .ok_or_else(|| RenderError::UnknownParameter(slot.name.to_owned()))?;
                let leaf = Leaf::new(leaves.len(), slot, value);
                marked.push_str(&leaf.sentinel_text);
                rendered.push_str(&leaf.value_text);
                leaves.push(leaf);
            }
        }
    }
    let template_tree = tree_of(&marked).map_err(RenderError::Template)?;
    let statement = Statement::parse(&rendered).map_err(RenderError::Rendered)?;
    check_equal(&template_tree, statement.tree(), &mut leaves).map_err(|way| RenderError::TreeChanged(way.0))?;
    if let Some(lost) = leaves.iter().find(|leaf| leaf.seen != 1) {
        return Err(RenderError::NotALeaf(lost.name.clone()));
    }
    // What is hashed, shown and sent is the parser's own writing. That it parses to the same tree is a part of parsing.
    Ok(statement)
}

/// Trees of templates with their sentinels. These depend on the catalog and on the kinds of values, never on a value, so there
/// are few; a process that plans nothing keeps none.
fn kept_tree(marked: &str) -> Result<Arc<Tree>, ParseError> {
    static KEPT: Mutex<BTreeMap<String, Arc<Tree>>> = Mutex::new(BTreeMap::new());
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tree) = kept().get(marked) {
        return Ok(tree.clone());
    }
    let tree = Arc::new(Statement::tree_of(marked)?);
    let mut kept = kept();
    if kept.len() < MAX_KEPT {
        kept.insert(marked.to_owned(), tree.clone());
    }
    Ok(tree)
}

/// Twice what the shipped catalog has.
const MAX_KEPT: usize = 512;

/// The parameters that a template names.
pub(crate) fn placeholders(template: &str) -> Result<Vec<String>, RenderError> {
    Ok(split(template)?
        .iter()
        .filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot.name.to_owned()),
            Piece::Text(_) => None,
        })
        .collect())
}

enum Piece<'a> {
    Text(&'a str),
    Slot(Slot<'a>),
}

struct Slot<'a> {
    name: &'a str,
    literal: bool,
}

fn split(template: &str) -> Result<Vec<Piece<'_>>, RenderError> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, from)) = rest.split_once("${") {
        let bad = || RenderError::BadPlaceholder(from.chars().take(40).collect());
        let (inside, after) = from.split_once('}').ok_or_else(bad)?;
        let (name, literal) = match inside.split_once(':') {
            None => (inside, false),
            Some((name, "literal")) => (name, true),
            Some(_) => return Err(bad()),
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(bad());
        }
        pieces.push(Piece::Text(text));
        pieces.push(Piece::Slot(Slot { name, literal }));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// One placeholder: what stands for it in the template's tree, and what must stand there in the rendered one.
struct Leaf {
    name: String,
    sentinel_text: String,
    sentinel: Tree,
    value_text: String,
    value: Tree,
    seen: u32,
}

impl Leaf {
    fn new(number: usize, slot: &Slot<'_>, value: &ParameterValue) -> Self {
        let mark = format!("__countersign_{number}__");
        let (sentinel_text, sentinel, value_text) = match value {
            // The grammar keeps a number beyond 32 bits as its digits.
            ParameterValue::Number(n) if !slot.literal && i32::try_from(*n).is_err() => {
                let sentinel = FIRST_BIG_SENTINEL
                    .saturating_add(u64::try_from(number).unwrap_or(u64::MAX))
                    .to_string();
                (sentinel.clone(), text_leaf(&sentinel), n.to_string())
            }
            ParameterValue::Number(n) if !slot.literal => {
                let sentinel = FIRST_SENTINEL.saturating_add(i64::try_from(number).unwrap_or(i64::MAX));
                (sentinel.to_string(), Tree::Number(sentinel), n.to_string())
            }
            ParameterValue::Name(name) if !slot.literal => (quote(&mark, '"'), text_leaf(&mark), quote(name, '"')),
            ParameterValue::Number(n) => (quote(&mark, '\''), text_leaf(&mark), quote(&n.to_string(), '\'')),
            ParameterValue::Text(text) | ParameterValue::Name(text) => {
                (quote(&mark, '\''), text_leaf(&mark), quote(text, '\''))
            }
        };
        let value = match (value, slot.literal) {
            (ParameterValue::Number(n), literal) if literal || i32::try_from(*n).is_err() => text_leaf(&n.to_string()),
            (ParameterValue::Number(n), _) => Tree::Number(*n),
            (ParameterValue::Text(text) | ParameterValue::Name(text), _) => text_leaf(text),
        };
        Self {
            name: slot.name.to_owned(),
            sentinel_text,
            sentinel,
            value_text,
            value,
            seen: 0,
        }
    }
}

fn text_leaf(text: &str) -> Tree {
    Tree::String(text.into())
}

/// Quotes as the SQL standard does, by doubling; `standard_conforming_strings` is on wherever we execute.
fn quote(text: &str, mark: char) -> String {
    let doubled = text.replace(mark, &format!("{mark}{mark}"));
    format!("{mark}{doubled}{mark}")
}

/// Walks both trees together. A leaf may differ only where the template has a sentinel and the statement its value.
///
/// # Errors
/// With the way to where they differ otherwise.
fn check_equal(template: &Tree, rendered: &Tree, leaves: &mut [Leaf]) -> Result<(), Way> {
    match (template, rendered) {
        // The parser writes the fields of a node in one order.
        (Tree::Object(a), Tree::Object(b)) if a.len() == b.len() => {
            a.iter()
                .zip(b.iter())
                .try_for_each(|((key, inner), (other_key, other))| {
                    if key != other_key {
                        return Err(Way::default());
                    }
                    check_equal(inner, other, leaves).map_err(|way| way.below(key))
                })
        }
        (Tree::Array(a), Tree::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.try_for_each(|(index, (inner, other))| {
                check_equal(inner, other, leaves).map_err(|way| way.below(&index.to_string()))
            })
        }
        (Tree::Object(_) | Tree::Array(_), _) => Err(Way::default()),
        (a, b) => match leaves.iter_mut().find(|leaf| &leaf.sentinel == a) {
            Some(leaf) if &leaf.value == b => {
                leaf.seen = leaf.seen.saturating_add(1);
                Ok(())
            }
            Some(_) => Err(Way::default()),
            None if a == b => Ok(()),
            None => Err(Way::default()),
        },
    }
}

/// The way to a place in a tree. It is made on the way back, because trees are large and nearly always equal.
#[derive(Debug, Default)]
struct Way(String);

impl Way {
    fn below(self, part: &str) -> Self {
        Self(format!("/{part}{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use proptest::prelude::*;

    fn render(template: &str, values: &BTreeMap<String, ParameterValue>) -> Result<String, RenderError> {
        super::render(template, values).map(|statement| statement.canonical().to_owned())
    }

    fn values(list: &[(&str, ParameterValue)]) -> BTreeMap<String, ParameterValue> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn values_stand_as_literals_and_identifiers() {
        let sql = render(
            "ALTER ROLE ${role} CONNECTION LIMIT ${limit}",
            &values(&[
                ("role", ParameterValue::Name("app\"x".into())),
                ("limit", ParameterValue::Number(-1)),
            ]),
        )
        .unwrap();
        assert_eq!(sql, r#"ALTER ROLE "app""x" WITH CONNECTION LIMIT -1"#);
        for big in [214_748_364_800, 2_147_483_648, i64::MIN + 1, i64::from(i32::MIN) - 1] {
            let sql = render("SELECT ${n} < 0", &values(&[("n", ParameterValue::Number(big))])).unwrap();
            assert_eq!(sql, format!("SELECT {big} < 0"));
        }
        let sql = render(
            "select 1 from pg_roles r where r.rolname = ${role:literal} and 0 < ${n}",
            &values(&[
                ("role", ParameterValue::Name("o'x".into())),
                ("n", ParameterValue::Number(0)),
            ]),
        )
        .unwrap();
        assert_eq!(sql, "SELECT 1 FROM pg_roles r WHERE r.rolname = 'o''x' AND 0 < 0");
    }

    #[test]
    fn a_placeholder_that_is_no_leaf_is_refused() {
        let x = values(&[("x", ParameterValue::Text("v".into()))]);
        for template in [
            "SELECT 'a ${x}'",
            "SELECT 1 -- ${x}",
            "SELECT 1 /* ${x} */",
            "SELECT ${x",
            "SELECT ${X}",
            "SELECT ${y}",
            "SELECT ${x:ident}",
        ] {
            assert!(render(template, &x).is_err(), "{template}");
        }
    }

    #[test]
    fn a_template_of_two_statements_is_refused() {
        let none = BTreeMap::new();
        assert!(matches!(
            render("SELECT 1; SELECT 2", &none),
            Err(RenderError::Template(_))
        ));
        assert!(matches!(render("", &none), Err(RenderError::Template(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
        #[test]
        fn no_text_changes_the_tree(text in hostile()) {
            let template = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.application_name = ${x} AND a.pid = 1";
            // Either it is refused, or the statement is the template's but for that one leaf.
            if let Ok(sql) = render(template, &values(&[("x", ParameterValue::Text(text.clone()))])) {
                let harmless = render(template, &values(&[("x", ParameterValue::Text("zz".into()))])).unwrap();
                let found = replaced(Statement::parse(&sql).unwrap().tree(), &text);
                prop_assert_eq!(&found, &replaced(Statement::parse(&harmless).unwrap().tree(), "zz"));
            }
        }

        #[test]
        fn no_name_changes_the_tree(text in hostile()) {
            if let Ok(sql) = render("ALTER ROLE ${r} CONNECTION LIMIT 5", &values(&[("r", ParameterValue::Name(text.clone()))])) {
                let statement = Statement::parse(&sql).unwrap();
                prop_assert_eq!(&statement.facts().roles, &vec![text]);
            }
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "'",
            "''",
            "\"",
            "\\",
            ";",
            "--",
            "/*",
            "*/",
            "$$",
            "$x$",
            "E'",
            "U&'",
            "\\u0027",
            "DROP TABLE t",
            " ",
            "ʼ",
            "＇",
            "\u{202e}",
            "x",
            "1",
            "${x}",
            "\u{0}",
        ]);
        prop::collection::vec(parts, 0..12).prop_map(|parts| format!("zz{}", parts.concat()))
    }

    fn replaced(tree: &Tree, text: &str) -> String {
        format!("{tree:?}").replace(&format!("{text:?}"), "\"?\"")
    }
}
