//! Which columns a statement picks, joins and orders by, and what is made of it to be planned.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use sql_facts::{Condition, Scope, Statement};

fn scopes(sql: &str) -> Vec<Scope> {
    Statement::parse(sql).unwrap().scopes()
}

fn told(scope: &Scope) -> Vec<String> {
    let uses = scope.uses.iter().map(|found| {
        let column = match &found.column.qualifier {
            Some(qualifier) => format!("{qualifier}.{}", found.column.name),
            None => found.column.name.clone(),
        };
        let condition = match &found.condition {
            Condition::Equality => "=",
            Condition::Range => "<",
            Condition::Join(_) => "join",
            Condition::Contains => "@>",
        };
        let function = found
            .function
            .as_ref()
            .map(|name| format!("{name} "))
            .unwrap_or_default();
        format!(
            "{function}{column} {condition}{}",
            if found.required { "" } else { " or" }
        )
    });
    uses.collect()
}

#[test]
fn conditions_are_told_by_kind() {
    let sql = "SELECT * FROM a.t WHERE w = $1 AND x IN (1, 2) AND y = ANY ($2) AND z BETWEEN 1 AND 2 AND c > now() - interval '1 day' \
               AND lower(e) = 'x' AND n IS NULL AND flag AND NOT gone AND j @> '{}' AND (p = 1 OR q < 2) AND r <> 4 AND s + 1 = 5";
    let found = scopes(sql);
    assert_eq!(
        told(&found[0]),
        [
            "w =",
            "x =",
            "y =",
            "z <",
            "c <",
            "lower e =",
            "n =",
            "flag =",
            "gone =",
            "j @>",
            "p = or",
            "q < or"
        ]
    );
    assert_eq!(found[0].tables[0].schema.as_deref(), Some("a"));
}

#[test]
fn joins_and_subqueries_have_their_scopes() {
    let found = scopes(
        "WITH r AS (SELECT id FROM c WHERE c.k = 1) \
         SELECT * FROM orders o JOIN items i ON i.order_id = o.id JOIN r USING (id) \
         WHERE o.state = 'new' AND EXISTS (SELECT 1 FROM notes n WHERE n.order_id = o.id) AND o.u IN (SELECT b.u FROM b WHERE b.v = 2) \
         ORDER BY o.placed DESC, 1 LIMIT 5",
    );
    let all: Vec<_> = found.iter().map(told).collect();
    assert_eq!(all[0], ["c.k ="]);
    assert_eq!(
        all[1],
        ["i.order_id join", "o.id join", "id join", "o.state =", "o.u join"]
    );
    assert_eq!(all[2], ["n.order_id join", "o.id join"]);
    assert_eq!(all[3], ["b.v =", "b.u join"]);
    assert_eq!(
        (found[2].outer, found[1].reads_others, found[1].limited),
        (Some(1), true, true)
    );
    assert_eq!(found[1].order.len(), 1);
    assert!(found[1].order[0].descending);
}

#[test]
fn order_by_follows_names_and_numbers_of_the_output() {
    let found = scopes("SELECT t.a AS x, t.b FROM t ORDER BY x, 2 NULLS FIRST, c + 1, d");
    let names: Vec<&str> = found[0].order.iter().map(|item| item.column.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(found[0].order[1].nulls_first, Some(true));
}

#[test]
fn an_update_reads_what_it_would_change() {
    let read = |sql: &str| {
        let read = Statement::parse(sql).unwrap().read_part().unwrap();
        read.map(|read| read.canonical().to_owned())
    };
    assert_eq!(
        read("UPDATE s.t x SET a = $1 FROM u WHERE x.id = u.id AND u.k = $2").as_deref(),
        Some("SELECT FROM s.t x, u WHERE x.id = u.id AND u.k = $1")
    );
    assert_eq!(
        read("DELETE FROM t WHERE b < $1").as_deref(),
        Some("SELECT FROM t WHERE b < $1")
    );
    assert_eq!(
        read("SELECT a FROM t WHERE b = 1 FOR UPDATE").as_deref(),
        Some("SELECT a FROM t WHERE b = 1")
    );
    assert_eq!(
        read("UPDATE t SET a = $1, b = $11 WHERE c = $12 AND d = '$12' AND e = $3 AND f = $12").as_deref(),
        Some("SELECT FROM t WHERE c = $2 AND d = '$12' AND e = $1 AND f = $2")
    );
    assert_eq!(
        read("INSERT INTO t SELECT a FROM u WHERE b = $2").as_deref(),
        Some("SELECT a FROM u WHERE b = $1")
    );
    assert_eq!(read("INSERT INTO t VALUES (1)"), None);
    assert_eq!(read("INSERT INTO t DEFAULT VALUES"), None);
    assert_eq!(read("WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c"), None);
    assert_eq!(Statement::parse("DELETE FROM t WHERE b < $3").unwrap().parameters(), 3);
}

#[test]
fn schemas_are_written_out_but_not_before_ctes() {
    let sql = "WITH c AS (SELECT * FROM t) SELECT 'é t', (SELECT max(q.x) FROM \"Q y\" q) FROM c JOIN t AS c2 ON true JOIN s.t z ON true WHERE t.x IN (SELECT y FROM ONLY u)";
    let qualified = Statement::parse(sql)
        .unwrap()
        .qualified(|name| (name != "u2").then(|| "p\"p".to_owned()));
    assert_eq!(
        qualified.unwrap().canonical(),
        "WITH c AS (SELECT * FROM \"p\"\"p\".t) SELECT 'é t', (SELECT max(q.x) FROM \"p\"\"p\".\"Q y\" q) FROM c JOIN \"p\"\"p\".t c2 ON true JOIN s.t z ON true WHERE t.x IN (SELECT y FROM ONLY \"p\"\"p\".u)"
    );
}
