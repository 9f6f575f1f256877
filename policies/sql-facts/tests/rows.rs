//! What a SELECT asks of its rows and returns of them, and what it does not ask although it looks so.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use sql_facts::{Facts, Statement};

const JOINED: &str = "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid";

fn facts(sql: &str) -> Facts {
    Statement::parse(sql).unwrap().facts().clone()
}

#[test]
fn conditions_name_relations_and_not_aliases() {
    let facts = facts(&format!(
        "SELECT count(*) {JOINED} WHERE c.relname = 'it''s' AND (NOT i.indisvalid AND i.indisready) AND '5' = c.relkind"
    ));
    assert_eq!(facts.from, ["pg_catalog.pg_class", "pg_catalog.pg_index"]);
    assert_eq!(
        facts.conditions,
        [
            "NOT pg_catalog.pg_index.indisvalid",
            "pg_catalog.pg_class.oid = pg_catalog.pg_index.indexrelid",
            "pg_catalog.pg_class.relkind = '5'",
            "pg_catalog.pg_class.relname = 'it''s'",
            "pg_catalog.pg_index.indisready",
        ]
    );
    assert_eq!(facts.output, "count(*)");
}

#[test]
fn a_bare_column_belongs_to_the_only_relation() {
    let alone = facts("SELECT NOT active FROM pg_catalog.pg_replication_slots WHERE slot_name = 'a'");
    assert_eq!(alone.conditions, ["pg_catalog.pg_replication_slots.slot_name = 'a'"]);
    assert_eq!(alone.output, "NOT pg_catalog.pg_replication_slots.active");
    assert_eq!(facts("SELECT 1 FROM a.b, a.c WHERE d = 'x'").conditions, [""; 0]);
}

#[test]
fn what_need_not_be_true_of_every_row_is_no_condition() {
    for rest in [
        "FROM a.b WHERE c = 'x' OR d = 'y'",
        "FROM a.b WHERE NOT (c = 'x')",
        "FROM a.b WHERE c <> 'x'",
        "FROM a.b WHERE c OPERATOR(evil.=) 'x'",
        "FROM a.b WHERE c = 'xy'::varchar(1)",
        "FROM a.b WHERE c = ANY (ARRAY['x'])",
        "FROM a.b WHERE c IS NOT DISTINCT FROM 'x'",
        "FROM a.b WHERE c = (SELECT 'x')",
        "FROM a.b WHERE other.c = 'x'",
        "FROM a.b t(c) WHERE t.c = 'x'",
        "FROM (SELECT 'x' AS c) t WHERE t.c = 'x'",
        "FROM a.b LEFT JOIN a.d ON b.c = 'x'",
        "FROM a.b LEFT JOIN (a.d JOIN a.e ON d.c = 'x') ON true",
        "FROM a.b FULL JOIN a.d ON b.c = 'x'",
        "FROM (a.b JOIN a.d ON true) AS j WHERE b.c = 'x'",
    ] {
        assert_eq!(facts(&format!("SELECT 1 {rest}")).conditions, [""; 0], "{rest}");
    }
}

#[test]
fn a_select_with_more_than_one_part_says_nothing() {
    for sql in [
        "SELECT 1 FROM a.b WHERE c = 'x' UNION SELECT 2",
        "WITH w AS (SELECT 1) SELECT 1 FROM a.b WHERE c = 'x'",
        "EXPLAIN SELECT 1 FROM a.b WHERE c = 'x'",
        "DELETE FROM a.b WHERE c = 'x'",
    ] {
        let facts = facts(sql);
        assert_eq!((facts.from, facts.conditions), (vec![], vec![]), "{sql}");
    }
}

#[test]
fn only_what_is_returned_alone_is_the_output() {
    for (select, output) in [
        ("count(*)", "count(*)"),
        ("pg_catalog.count(*)", "count(*)"),
        ("count(*) FILTER (WHERE false)", ""),
        ("count(*) OVER ()", ""),
        ("count(c)", ""),
        ("evil.count(*)", ""),
        ("count(*), 1", ""),
        ("NOT c", "NOT a.b.c"),
        ("NOT NOT c", ""),
        ("c = 'x'", "a.b.c = 'x'"),
        ("*", ""),
    ] {
        assert_eq!(facts(&format!("SELECT {select} FROM a.b")).output, output, "{select}");
    }
}

#[test]
fn a_relation_read_twice_and_what_is_no_relation_are_seen() {
    assert_eq!(
        facts("SELECT 1 FROM a.b x, a.b y, f(1), a.b z(c)").from,
        ["?", "?", "a.b", "a.b"]
    );
    assert_eq!(facts("SELECT 1 FROM \"a.b\"").from, ["\"a.b\""]);
}

#[test]
fn the_only_argument_is_told_where_it_is_a_string() {
    for (call, constant) in [
        ("f('s')", Some("s")),
        ("f(E'\\x73')", Some("s")),
        ("f('s', true)", None),
        ("f(name => 's')", None),
        ("f('s'::text)", None),
        ("f(7)", None),
        ("f()", None),
    ] {
        let calls = facts(&format!("SELECT {call}")).calls;
        let found = calls.first().unwrap().constant.as_deref();
        assert_eq!(found, constant, "{call}");
    }
}
