//! What VACUUM, DROP, REINDEX, ALTER TABLE and ALTER ROLE … SET say, part by part.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use sql_facts::{Facts, Object, Statement, Utility};

#[test]
fn the_object_is_told_without_quotes_and_only_with_its_own_schema() {
    for (sql, schema, name) in [
        ("VACUUM public.orders", "public", "orders"),
        ("vacuum PUBLIC.Orders", "public", "orders"),
        ("ANALYZE \"My Shop\".\"a.b\"", "My Shop", "a.b"),
        ("VACUUM orders", "", "orders"),
        ("VACUUM shop.public.orders", "", "orders"),
        ("DROP INDEX CONCURRENTLY public.\"Ix\"", "public", "Ix"),
        ("DROP INDEX ix", "", "ix"),
        ("DROP INDEX a.b.c", "", ""),
        ("REINDEX INDEX CONCURRENTLY public.ix", "public", "ix"),
        ("ALTER TABLE public.orders RESET (fillfactor)", "public", "orders"),
    ] {
        let expected = Object {
            schema: schema.into(),
            name: name.into(),
        };
        assert_eq!(utility(sql).objects, [expected], "{sql}");
    }
}

#[test]
fn every_object_counts_as_often_as_it_is_named() {
    for (sql, objects) in [
        ("VACUUM", 0),
        ("VACUUM a.b, a.b, a.c", 3),
        ("DROP INDEX a.b, a.b", 2),
        ("REINDEX DATABASE shop", 0),
        ("DROP TABLE t", 1),
    ] {
        assert_eq!(utility(sql).objects.len(), objects, "{sql}");
    }
    assert_eq!(utility("ANALYZE a.b (c, \"D\"), a.e (f)").columns, ["c", "D", "f"]);
}

#[test]
fn the_kind_of_object_is_told() {
    for (sql, kind) in [
        ("DROP INDEX a.b", "index"),
        ("DROP TABLE a.b", "table"),
        ("DROP MATERIALIZED VIEW a.b", "matview"),
        ("REINDEX INDEX a.b", "index"),
        ("REINDEX TABLE a.b", "table"),
        ("REINDEX SCHEMA a", "schema"),
        ("REINDEX SYSTEM a", "system"),
        ("ALTER TABLE a.b SET (fillfactor = 70)", "table"),
        ("ALTER INDEX a.b SET (fillfactor = 70)", "index"),
    ] {
        assert_eq!(utility(sql).object_type, kind, "{sql}");
    }
}

#[test]
fn options_are_told_with_their_values_in_order() {
    for (sql, parameters) in [
        (
            "VACUUM (FREEZE, INDEX_CLEANUP off, TRUNCATE off) a.b",
            "freeze index_cleanup=off truncate=off",
        ),
        ("VACUUM FULL ANALYZE a.b", "full analyze"),
        ("VACUUM (FULL off, FULL on) a.b", "full=off full=on"),
        (
            "VACUUM (PARALLEL 4, INDEX_CLEANUP AUTO) a.b",
            "parallel=4 index_cleanup=auto",
        ),
        ("REINDEX (VERBOSE) INDEX CONCURRENTLY a.b", "verbose concurrently"),
        (
            "ALTER TABLE a.b SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_enabled = off)",
            "autovacuum_vacuum_scale_factor=0.01 autovacuum_enabled=off",
        ),
        (
            "ALTER TABLE a.b SET (autovacuum_enabled = false, autovacuum_vacuum_threshold = -1)",
            "autovacuum_enabled=false autovacuum_vacuum_threshold=-1",
        ),
        (
            "ALTER TABLE a.b SET (toast.autovacuum_enabled)",
            "toast.autovacuum_enabled",
        ),
        (
            "ALTER TABLE a.b SET (autovacuum_enabled = pg_catalog.int4)",
            "autovacuum_enabled=?",
        ),
        ("ALTER TABLE a.b RESET (autovacuum_enabled)", "autovacuum_enabled"),
        ("ALTER ROLE r SET work_mem = '64MB'", "work_mem=64MB"),
        ("ALTER ROLE r SET WORK_MEM TO 65536", "work_mem=65536"),
        ("ALTER ROLE r SET temp_file_limit TO -1", "temp_file_limit=-1"),
        ("ALTER ROLE r SET search_path TO a, b", "search_path=a search_path=b"),
        ("ALTER ROLE r SET seq_page_cost TO 1.5", "seq_page_cost=1.5"),
        ("ALTER ROLE r RESET work_mem", ""),
    ] {
        let told: Vec<String> = utility(sql)
            .parameters
            .into_iter()
            .map(|parameter| match parameter.value.as_str() {
                "" => parameter.name,
                value => format!("{}={value}", parameter.name),
            })
            .collect();
        assert_eq!(told.join(" "), parameters, "{sql}");
    }
}

#[test]
fn every_command_is_told() {
    for (sql, commands) in [
        (
            "ALTER TABLE a.b SET (autovacuum_enabled = on), DROP COLUMN c",
            "set_rel_options drop_column",
        ),
        ("ALTER TABLE a.b RESET (autovacuum_enabled)", "reset_rel_options"),
        ("ALTER TABLE a.b ALTER COLUMN c SET (n_distinct = 5)", "set_options"),
        ("ALTER ROLE r SET work_mem TO 1", "set_value"),
        ("ALTER ROLE r SET work_mem TO DEFAULT", "set_default"),
        ("ALTER ROLE r SET work_mem FROM CURRENT", "set_current"),
        ("ALTER ROLE r RESET work_mem", "reset"),
        ("ALTER ROLE r RESET ALL", "reset_all"),
    ] {
        assert_eq!(utility(sql).commands.join(" "), commands, "{sql}");
    }
    assert_eq!(
        utility("ALTER ROLE r IN DATABASE \"Shop\" RESET work_mem").database,
        "Shop"
    );
}

#[test]
fn cascade_and_if_exists_are_told_wherever_they_stand() {
    for (sql, cascade, if_exists) in [
        ("DROP INDEX a.b", false, false),
        ("DROP INDEX a.b CASCADE", true, false),
        ("DROP INDEX a.b RESTRICT", false, false),
        ("DROP INDEX IF EXISTS a.b", false, true),
        ("ALTER TABLE IF EXISTS a.b RESET (fillfactor)", false, true),
        ("ALTER TABLE a.b DROP COLUMN c CASCADE", true, false),
        ("ALTER TABLE a.b DROP COLUMN IF EXISTS c", false, true),
    ] {
        let utility = utility(sql);
        assert_eq!((utility.cascade, utility.if_exists), (cascade, if_exists), "{sql}");
    }
}

#[test]
fn concurrently_that_is_switched_off_is_off() {
    for (sql, concurrently) in [
        ("REINDEX INDEX CONCURRENTLY a.b", true),
        ("REINDEX (CONCURRENTLY) INDEX a.b", true),
        ("REINDEX (CONCURRENTLY on) INDEX a.b", true),
        ("REINDEX (CONCURRENTLY 1) INDEX a.b", true),
        ("REINDEX (CONCURRENTLY off) INDEX a.b", false),
        ("REINDEX (CONCURRENTLY 0) INDEX a.b", false),
        ("REINDEX (CONCURRENTLY, CONCURRENTLY false) INDEX a.b", false),
        ("REINDEX (CONCURRENTLY false, CONCURRENTLY) INDEX a.b", false),
        ("REINDEX INDEX a.b", false),
        ("DROP INDEX CONCURRENTLY a.b", true),
    ] {
        assert_eq!(facts(sql).concurrently, concurrently, "{sql}");
    }
}

#[test]
fn other_statements_say_nothing_here() {
    for sql in [
        "SELECT 1",
        "ALTER ROLE r CONNECTION LIMIT 5",
        "TRUNCATE a.b CASCADE",
        "CREATE INDEX ON a.b (c)",
    ] {
        assert_eq!(utility(sql), Utility::default(), "{sql}");
    }
}

fn facts(sql: &str) -> Facts {
    Statement::parse(sql).unwrap().facts().clone()
}

fn utility(sql: &str) -> Utility {
    facts(sql).utility
}
