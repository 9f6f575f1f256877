//! No text makes the parser panic, and whatever it accepts keeps its promises.

use proptest::prelude::*;
use sql_facts::Statement;

/// Pieces that a hostile author would put together.
const PIECES: [&str; 62] = [
    "SELECT",
    "DELETE FROM",
    "UPDATE",
    "SET",
    "INSERT INTO",
    "VALUES",
    "DROP TABLE",
    "TRUNCATE",
    "WITH",
    "RECURSIVE",
    "AS",
    "(",
    ")",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "=",
    "<=",
    "t",
    "public.t",
    "\"T\"",
    "x",
    "1",
    "-1",
    "1.5",
    "NULL",
    "'a'",
    "E'\\''",
    "U&'\\0041'",
    "$$",
    "$q$",
    "'",
    "\"",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    ",",
    "*",
    "EXPLAIN ANALYZE",
    "COPY",
    "TO PROGRAM",
    "DO",
    "EXECUTE",
    "PREPARE p AS",
    "ALTER ROLE r",
    "CONNECTION LIMIT",
    "pg_terminate_backend(pid)",
    "query_to_xml('x')",
    "LIMIT",
    "UNION",
    "CASE WHEN",
    "END",
    "::int",
    "[1]",
    "\\",
    "\u{202e}",
    "ß",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in ".{0,200}") {
        holds(&text)?;
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..24)) {
        holds(&pieces.join(" "))?;
    }

    #[test]
    fn a_literal_stays_a_literal(value in ".{0,60}") {
        let quoted = format!("SELECT '{}'", value.replace('\'', "''"));
        if let Ok(statement) = Statement::parse(&quoted) {
            prop_assert_eq!(&statement.facts().kind, "select");
            let literal = "/node/SelectStmt/target_list/0/node/ResTarget/val/node/AConst/val/Sval/sval";
            prop_assert_eq!(statement.tree().at(literal).and_then(sql_facts::Tree::as_str), Some(value.as_str()));
        }
    }
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    if let Ok(statement) = Statement::parse(text) {
        let again = Statement::parse(statement.canonical());
        let again = again.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?;
        prop_assert_eq!(again.tree(), statement.tree());
        prop_assert_eq!(again.facts(), statement.facts());
    }
    Ok(())
}
