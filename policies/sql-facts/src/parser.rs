//! The only calls into libpg_query.

use pg_query::protobuf::{ParseResult, node};
use pg_query::{DeparseOptions, ParserOptions};

use crate::statement::ParseError;

pub(crate) fn parse(sql: &str) -> Result<ParseResult, ParseError> {
    match pg_query::parse(sql, ParserOptions::DEFAULT) {
        Ok(parsed) => Ok(parsed.protobuf),
        Err(pg_query::Error::Parse(message)) => Err(ParseError::Syntax { message }),
        Err(pg_query::Error::Conversion(_)) => Err(ParseError::NulByte),
        Err(other) => Err(ParseError::Unreadable {
            message: other.to_string(),
        }),
    }
}

pub(crate) fn deparse(parsed: &ParseResult) -> Result<String, ParseError> {
    pg_query::deparse(parsed, DeparseOptions::default()).map_err(|source| ParseError::NoCanonicalForm {
        message: source.to_string(),
    })
}

/// Returns the statement that an EXPLAIN stands before, on its own.
pub(crate) fn explained(parsed: &ParseResult) -> Option<ParseResult> {
    let mut inner = parsed.clone();
    let statement = inner.stmts.first_mut()?;
    let Some(node::Node::ExplainStmt(explain)) = statement.stmt.take()?.node else {
        return None;
    };
    statement.stmt = explain.query;
    Some(inner)
}
