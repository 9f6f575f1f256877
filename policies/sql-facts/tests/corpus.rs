//! Statements as they are met, disguised ones among them, and the facts that must be read from each.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use serde_json::{Map, Value};
use sql_facts::{MAX_STATEMENT_BYTES, Statement};

/// One line each: the text, and either its facts (those that are not empty; calls, utilities and rows are tested apart) or the refusal.
const CORPUS: &str = include_str!("corpus.jsonl");

#[test]
fn every_statement_of_the_corpus_has_its_facts() {
    let mut seen = 0;
    for line in CORPUS.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let sql = case["sql"].as_str().unwrap();
        match Statement::parse(sql) {
            Ok(statement) => assert_eq!(Value::Object(told(&statement)), case["facts"], "{sql}"),
            Err(refusal) => assert_eq!(Value::from(refusal.code()), case["refused"], "{sql}: {refusal}"),
        }
        seen += 1;
    }
    assert!(seen >= 140, "{seen} statements");
}

#[test]
fn canonical_text_is_its_own_canonical_text_and_has_the_same_tree_and_facts() {
    for line in CORPUS.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Ok(statement) = Statement::parse(case["sql"].as_str().unwrap()) else {
            continue;
        };
        let again = Statement::parse(statement.canonical()).unwrap();
        assert_eq!(again.canonical(), statement.canonical());
        assert_eq!(again.tree(), statement.tree());
        assert_eq!(again.facts(), statement.facts());
    }
}

#[test]
fn canonical_text_has_no_comment_and_no_text_that_depends_on_a_setting() {
    let statement = Statement::parse("select /* DROP */ 'a\\b' -- squawk-ignore-file\n, $q$it's$q$").unwrap();
    assert_eq!(statement.canonical(), r"SELECT E'a\\b', 'it''s'");
}

#[test]
fn a_position_in_the_text_is_no_part_of_the_tree() {
    let narrow = Statement::parse("SELECT a FROM t WHERE b IN (1,2)").unwrap();
    let wide = Statement::parse("SELECT  a\n FROM  t  WHERE b  IN ( 1 , 2 ) ;").unwrap();
    assert_eq!(narrow.tree(), wide.tree());
    let text = format!("{:?}", narrow.tree());
    assert!(
        !text.contains("location") && !text.contains("stmt_len") && !text.contains("list_start"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_one_statement_is_refused_by_name() {
    let long = format!("SELECT '{}'", "x".repeat(MAX_STATEMENT_BYTES));
    for (sql, code) in [
        ("", "no_statement"),
        (" ;; ", "no_statement"),
        ("SELECT 1; SELECT 2", "several_statements"),
        ("SELECT 1 \0; DROP TABLE t", "nul_byte"),
        (long.as_str(), "statement_too_long"),
        ("\\gexec", "syntax_error"),
        ("SELECT E'\\xff'", "syntax_error"),
    ] {
        assert_eq!(
            Statement::parse(sql).map_err(|refusal| refusal.code()).unwrap_err(),
            code,
            "{sql:.40}"
        );
    }
}

#[test]
fn depth_is_an_error_and_never_a_crash() {
    let nest = |open: &str, inner: &str, close: &str, times: usize| {
        format!("SELECT {}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let deep = [
        nest("(", "1", ")", 20_000),
        nest("NOT ", "true", "", 10_000),
        nest("(SELECT ", "1", ")", 5_000),
        nest("f(", "1", ")", 10_000),
        nest("1+", "1", "", 20_000),
        nest("ARRAY[", "1", "]", 9_000),
        nest("CASE WHEN true THEN ", "1", " END", 2_000),
        format!("{}SELECT 1", "EXPLAIN ".repeat(5_000)),
    ];
    for sql in deep {
        let refusal = Statement::parse(&sql).map_err(|refusal| refusal.code()).unwrap_err();
        assert!(
            ["syntax_error", "unreadable_statement"].contains(&refusal),
            "{refusal}: {sql:.60}"
        );
    }
    let wide = format!("SELECT 1 WHERE {}", vec!["a = 1"; 5_000].join(" AND "));
    assert!(Statement::parse(&wide).is_ok(), "breadth is no depth");
}

#[test]
fn depth_is_an_error_on_a_small_stack_too() {
    let parse = || Statement::parse(&format!("SELECT {}1", "1+".repeat(20_000))).map_err(|refusal| refusal.code());
    let small = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(parse)
        .unwrap();
    assert!(small.join().unwrap().is_err());
}

#[test]
fn many_threads_read_the_same_facts() {
    let read = || {
        CORPUS
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|case| Statement::parse(case["sql"].as_str().unwrap()).ok().map(|s| told(&s)))
            .collect::<Vec<_>>()
    };
    let alone = read();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        assert!(others.into_iter().all(|other| other.join().unwrap() == alone));
    });
}

fn told(statement: &Statement) -> Map<String, Value> {
    let Value::Object(facts) = serde_json::to_value(statement.facts()).unwrap() else {
        unreachable!()
    };
    let is_apart = |name: &str| ["calls", "utility", "from", "conditions", "output"].contains(&name);
    let is_told = |name: &str, value: &Value| match value {
        _ if is_apart(name) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Bool(yes) => *yes || name == "where_clause",
        Value::Null => false,
        Value::String(_) | Value::Number(_) | Value::Object(_) => true,
    };
    facts.into_iter().filter(|(name, value)| is_told(name, value)).collect()
}
