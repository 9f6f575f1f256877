//! One parsed statement: its canonical text, its parse tree, and the facts read from that tree.

use pg_query::protobuf::ParseResult;
use prost::Message;

use crate::facts::Facts;
use crate::{
    parser,
    tree::{self, Tree},
    walk,
};

/// The longest text that is parsed, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 65_536;

/// The most bytes that a parse tree may have in its packed form, unless the caller sets less.
pub const MAX_PACKED_BYTES: usize = 1 << 20;

/// Exactly one statement that PostgreSQL's grammar accepts. What it holds was read from the canonical text,
/// which parses to the same tree as the text that was offered: what was judged is what is sent.
#[derive(Debug, Clone)]
pub struct Statement {
    canonical: String,
    tree: Tree,
    facts: Facts,
}

impl Statement {
    /// Returns the statement that `sql` holds. Refuses NUL bytes, texts over [`MAX_STATEMENT_BYTES`], whatever the
    /// grammar refuses, none or several statements, trees larger than [`MAX_PACKED_BYTES`] or deeper than the parser's bound, and any statement whose
    /// canonical text would not parse back to the same tree.
    pub fn parse(sql: &str) -> Result<Self, ParseError> {
        Self::parse_within(sql, MAX_PACKED_BYTES)
    }

    /// Does the same with a bound of the caller's on the packed tree, in bytes: about 13 for each item of an IN list. Unfolded
    /// and judged, a tree takes some hundred times as much memory.
    pub fn parse_within(sql: &str, max_packed: usize) -> Result<Self, ParseError> {
        let parsed = parse_one(sql, max_packed)?;
        let tree = tree::of(&parsed)?;
        let canonical = parser::deparse(&parsed)?;
        // A text that is its own canonical form was parsed above.
        if canonical != sql && tree::of(&parser::parse(&canonical)?)? != tree {
            return Err(ParseError::Unfaithful { canonical });
        }
        let facts = walk::facts_of(&tree)?;
        Ok(Self { canonical, tree, facts })
    }

    /// Returns the tree alone, for who compares it with another and neither judges nor sends it. The same texts are refused,
    /// but for those that only cannot be written back.
    pub fn tree_of(sql: &str) -> Result<Tree, ParseError> {
        tree::of(&parse_one(sql, MAX_PACKED_BYTES)?)
    }

    /// Returns the text that is hashed, shown, and sent: written back from the tree, so comments are gone and
    /// every spelling of the same tree is the same text.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Returns the text of the statement that this one, if it is an EXPLAIN, stands before.
    pub fn explained(&self) -> Result<Option<String>, ParseError> {
        let inner = parser::explained(&parser::parse(&self.canonical)?);
        inner.map(|inner| parser::deparse(&inner)).transpose()
    }

    /// Returns the canonical text, and what it is and touches.
    pub fn into_parts(self) -> (String, Facts) {
        (self.canonical, self.facts)
    }

    /// Returns what the statement is and touches.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the parse tree without source positions, so that two spellings of one statement compare equal.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}

fn parse_one(sql: &str, max_packed: usize) -> Result<ParseResult, ParseError> {
    if sql.len() > MAX_STATEMENT_BYTES {
        return Err(ParseError::TooLong { bytes: sql.len() });
    }
    if sql.contains('\0') {
        return Err(ParseError::NulByte);
    }
    if piles_comments(sql) {
        return Err(ParseError::PiledComments);
    }
    let parsed = parser::parse(sql)?;
    match parsed.stmts.len() {
        0 => return Err(ParseError::Empty),
        1 => {}
        count => return Err(ParseError::Several { count }),
    }
    let packed = parsed.encoded_len();
    if packed > max_packed {
        return Err(ParseError::TooComplex {
            packed,
            max: max_packed,
        });
    }
    Ok(parsed)
}

/// Whether comments open in comments with nothing in between (`/*/*/*…`), more often than anybody means it. At each of them
/// PostgreSQL's scanner reads all that follow, so that 56 KB of them take seconds.
fn piles_comments(sql: &str) -> bool {
    let opened = |run: &[u8]| run.windows(2).filter(|two| two == b"/*").count();
    sql.as_bytes()
        .split(|byte| !OPERATOR_BYTES.contains(byte))
        .any(|run| run.len() > 2 * MAX_PILED_COMMENTS && opened(run) > MAX_PILED_COMMENTS)
}

/// Of these the scanner makes one token, as long as it can.
const OPERATOR_BYTES: &[u8] = b"~!@#^&|`?+-*/%<>=";
const MAX_PILED_COMMENTS: usize = 100;

/// Why a text is no statement that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("statement holds a NUL byte")]
    NulByte,
    #[error("more than {MAX_PILED_COMMENTS} comments are opened inside each other")]
    PiledComments,
    #[error("statement has {bytes} bytes, more than {MAX_STATEMENT_BYTES}")]
    TooLong { bytes: usize },
    #[error("statement is too complex: its parse tree has {packed} bytes, more than {max}")]
    TooComplex { packed: usize, max: usize },
    #[error("not SQL: {message}")]
    Syntax { message: String },
    #[error("no statement in the text")]
    Empty,
    #[error("{count} statements where one is wanted")]
    Several { count: usize },
    /// Nesting beyond what the parser or its tree format carries, or text that is not UTF-8 once unescaped.
    #[error("statement cannot be read back from the parser: {message}")]
    Unreadable { message: String },
    #[error("statement cannot be written back as text: {message}")]
    NoCanonicalForm { message: String },
    #[error("canonical text `{canonical}` does not mean the same as the statement")]
    Unfaithful { canonical: String },
}

impl ParseError {
    /// Returns the stable name of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NulByte => "nul_byte",
            Self::PiledComments => "piled_comments",
            Self::TooLong { .. } => "statement_too_long",
            Self::TooComplex { .. } => "statement_too_complex",
            Self::Syntax { .. } => "syntax_error",
            Self::Empty => "no_statement",
            Self::Several { .. } => "several_statements",
            Self::Unreadable { .. } => "unreadable_statement",
            Self::NoCanonicalForm { .. } => "no_canonical_form",
            Self::Unfaithful { .. } => "unfaithful_canonical_form",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn what_an_explain_stands_before_is_a_statement_of_its_own() {
        let explained = |sql: &str| Statement::parse(sql).unwrap().explained().unwrap();
        assert_eq!(explained("EXPLAIN (ANALYZE) SELECT 1").as_deref(), Some("SELECT 1"));
        assert_eq!(explained("explain delete from t").as_deref(), Some("DELETE FROM t"));
        assert_eq!(explained("SELECT 1"), None);
    }

    #[test]
    fn comments_that_only_open_each_other_are_refused_before_the_scanner_sees_them() {
        let piled = |count: usize| format!("SELECT 1 {}{}", "/*".repeat(count), "*/".repeat(count));
        assert_eq!(Statement::parse(&piled(14_000)).unwrap_err(), ParseError::PiledComments);
        assert_eq!(Statement::parse(&piled(20)).unwrap().canonical(), "SELECT 1");
        let banner = format!("/{0}\n{0}/ SELECT 1 -- {1}", "*".repeat(3000), "-".repeat(3000));
        assert_eq!(Statement::parse(&banner).unwrap().canonical(), "SELECT 1");
    }
}
