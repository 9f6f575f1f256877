//! `schema`: what there is, how it is made, and that no lock stops the answer.

use serde_json::{Value, json};

use crate::{
    cluster::Pg,
    mcp::Mcp,
    scene::{READER, with_reader},
};

const SHOP: &str = "
    CREATE SCHEMA shop;
    CREATE SEQUENCE shop.numbers INCREMENT 5;
    CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE shop.\"Orders\" (
        id int DEFAULT nextval('shop.numbers') PRIMARY KEY,
        customer bigint NOT NULL REFERENCES shop.customers (id) ON DELETE CASCADE,
        net numeric(10, 2) CHECK (net >= 0),
        gross numeric(10, 2) GENERATED ALWAYS AS (net * 1.2) STORED,
        state text COLLATE \"C\" DEFAULT 'it''s new',
        \"order\" int
    ) WITH (fillfactor = 80);
    CREATE INDEX orders_open ON shop.\"Orders\" (lower(state)) WHERE net > 10;
    CREATE INDEX orders_customer ON shop.\"Orders\" (customer) INCLUDE (net);
    COMMENT ON TABLE shop.\"Orders\" IS 'what customers ordered';
    COMMENT ON COLUMN shop.\"Orders\".net IS 'without tax';
    CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER stamp BEFORE INSERT ON shop.\"Orders\" FOR EACH ROW WHEN (NEW.net > 5) EXECUTE FUNCTION shop.stamp();
    ALTER TABLE shop.\"Orders\" ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON shop.\"Orders\" FOR SELECT TO app USING (customer > 0);
    GRANT SELECT ON shop.\"Orders\" TO app;
    CREATE VIEW shop.open_orders AS SELECT id, net FROM shop.\"Orders\" WHERE state = 'open';
    CREATE TABLE shop.events (at date, what text) PARTITION BY RANGE (at);
    CREATE TABLE shop.events_2025 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE shop.events_rest PARTITION OF shop.events DEFAULT;
    INSERT INTO shop.customers (name) VALUES ('a');
    ANALYZE shop.customers";

/// The definitions that the server itself gives for everything in the schema, beside one another.
async fn told_by_catalog(admin: &Pg) -> String {
    let row = admin
        .query_one(
            "SELECT string_agg(d, E'\\n' ORDER BY d) FROM (
                 SELECT c.relname || ' ' || pg_get_constraintdef(k.oid) AS d FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
                 WHERE k.connamespace = 'shop'::regnamespace
                 UNION ALL SELECT pg_get_indexdef(c.oid) FROM pg_class c WHERE c.relkind IN ('i', 'I') AND c.relnamespace = 'shop'::regnamespace
                 UNION ALL SELECT pg_get_triggerdef(g.oid) FROM pg_trigger g WHERE NOT g.tgisinternal
                 UNION ALL SELECT pg_get_viewdef(c.oid) FROM pg_class c WHERE c.relkind = 'v' AND c.relnamespace = 'shop'::regnamespace
                 UNION ALL SELECT polname || pg_get_expr(polqual, polrelid) FROM pg_policy
                 UNION ALL SELECT c.relname || a.attname || format_type(a.atttypid, a.atttypmod) || a.attnotnull || a.attidentity::text || a.attgenerated::text
                               || a.attcollation || coalesce(pg_get_expr(f.adbin, f.adrelid), '')
                           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
                           WHERE a.attnum > 0 AND c.relnamespace = 'shop'::regnamespace
                 UNION ALL SELECT c.relname || c.relkind::text || c.relrowsecurity || coalesce(c.reloptions::text, '') || coalesce(obj_description(c.oid), '')
                               || coalesce(pg_get_expr(c.relpartbound, c.oid), '') || coalesce(pg_get_partkeydef(c.oid), '')
                           FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace) x",
            &[],
        )
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ddl_makes_the_same_objects_again() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(SHOP).await.unwrap();
    let before = told_by_catalog(&admin).await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;

    let all = mcp.ok("schema", json!({})).await;
    let shop = all["schemas"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["schema"] == "shop")
        .unwrap_or_else(|| panic!("{all:#}"));
    assert_eq!(
        (&shop["tables"], &shop["views"], &shop["functions"]),
        (&json!(5), &json!(1), &json!(1)),
        "{shop}"
    );
    let orders = mcp.ok("schema", json!({"name": "shop.orders"})).await;
    assert!(
        orders.get("relation").is_none(),
        "another case is another name: {orders:#}"
    );
    assert_eq!(
        orders["relations"][0]["name"], "Orders",
        "but a search finds it: {orders:#}"
    );
    let orders = mcp.ok("schema", json!({"name": "shop.\"Orders\""})).await;
    let relation = &orders["relation"];
    assert_eq!(
        (&relation["kind"], &relation["comment"], &relation["owner"]),
        (&json!("table"), &json!("what customers ordered"), &json!("postgres")),
        "{orders:#}"
    );
    let column = |name: &str| {
        let columns = relation["columns"].as_array().unwrap();
        columns.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (
            &column("net")["type"],
            &column("net")["comment"],
            &column("gross")["generated"]
        ),
        (&json!("numeric(10,2)"), &json!("without tax"), &json!("stored"))
    );
    assert_eq!(relation["triggers"][0]["function"], "shop.stamp");
    assert_eq!(relation["policies"][0]["roles"], json!(["app"]));
    assert!(
        relation["privileges"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["grantee"] == "app" && one["privileges"] == json!(["SELECT"])),
        "{relation:#}"
    );
    let customers = mcp.ok("schema", json!({"name": "customers"})).await;
    assert_eq!(
        (
            &customers["relation"]["referenced_by"][0]["table"],
            &customers["relation"]["estimated_rows"]
        ),
        (&json!("shop.Orders"), &json!(1.0)),
        "{customers:#}"
    );
    let events = mcp.ok("schema", json!({"name": "shop.events"})).await;
    assert_eq!(
        (
            &events["relation"]["partitioned_by"]["strategy"],
            &events["relation"]["children_total"]
        ),
        (&json!("range"), &json!(2)),
        "{events:#}"
    );

    let mut script = String::new();
    for name in [
        "shop.numbers",
        "shop.customers",
        "shop.\"Orders\"",
        "shop.open_orders",
        "shop.events",
        "shop.events_2025",
        "shop.events_rest",
    ] {
        let answer = mcp.ok("schema", json!({"name": name})).await;
        script.push_str(answer["ddl"].as_str().unwrap());
        script.push('\n');
        assert_eq!(answer.get("hidden"), None, "{answer:#}");
    }
    admin
        .batch_execute(
            "DROP SCHEMA shop CASCADE; CREATE SCHEMA shop;
             CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        )
        .await
        .unwrap();
    admin
        .batch_execute(&script)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{script}"));
    assert_eq!(told_by_catalog(&admin).await, before, "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_hides_definitions_and_nothing_else() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute(SHOP).await.unwrap();
    let holder = cluster.connect("postgres", "migration").await;
    holder
        .batch_execute("BEGIN; LOCK TABLE shop.\"Orders\", shop.events, shop.events_2025 IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    mcp.ok("schema", json!({})).await;
    let hidden = |answer: &Value| answer["hidden"][0].as_str().unwrap_or_default().to_owned();
    for (name, bound) in [
        ("shop.\"Orders\"", 100.0),
        ("shop.open_orders", 200.0),
        ("shop.events", 100.0),
    ] {
        let answer = mcp.ok("schema", json!({"name": name})).await;
        assert!(hidden(&answer).contains("is locked"), "{name}: {answer:#}");
        assert!(
            answer["ddl"].as_str().unwrap().contains("definition not read") || name == "shop.events",
            "{answer:#}"
        );
        assert!(
            answer["relation"]["columns"].as_array().unwrap().len() >= 2,
            "{answer:#}"
        );
        assert!(
            answer["cost_ms"].as_f64().unwrap() < bound,
            "{name} waited: {}",
            answer["cost_ms"]
        );
    }
    let orders = mcp.ok("schema", json!({"name": "shop.\"Orders\""})).await;
    let ddl = orders["ddl"].as_str().unwrap();
    assert!(
        ddl.contains("PRIMARY KEY (id)") && ddl.contains("REFERENCES shop.customers(id) ON DELETE CASCADE"),
        "keys need no lock: {ddl}"
    );
    assert!(
        ddl.contains("nextval('shop.numbers'::regclass)"),
        "nor do defaults: {ddl}"
    );
    let events = mcp.ok("schema", json!({"name": "shop.events"})).await;
    assert!(
        events["ddl"].as_str().unwrap().contains("PARTITION BY RANGE (at)"),
        "{events:#}"
    );
    let free = mcp.ok("schema", json!({"name": "shop.customers"})).await;
    assert_eq!(free.get("hidden"), None, "{free:#}");

    // A schema change that only waits has the same effect on who comes later.
    holder
        .batch_execute("ROLLBACK; BEGIN; SELECT count(*) FROM shop.customers")
        .await
        .unwrap();
    let _ddl = cluster
        .hang("migration", "ALTER TABLE shop.customers ADD COLUMN more text")
        .await;
    crate::scene::waiting(&admin, 1).await;
    let queued = mcp.ok("schema", json!({"name": "shop.customers"})).await;
    assert!(hidden(&queued).contains("is locked"), "{queued:#}");
}
