//! `settings`: deviations, findings, overrides, and secrets that are not shown.

use serde_json::{Value, json};

use crate::{
    cluster::eventually,
    mcp::Mcp,
    scene::{READER, with_reader_and},
};

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array().unwrap().iter().find(|setting| setting["name"] == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deviates_is_told_with_its_source_and_no_secret_with_it() {
    let (cluster, admin) = with_reader_and(&["work_mem = '64MB'", "statement_timeout = 0"]).await;
    for statement in [
        "ALTER SYSTEM SET max_connections = 60",
        "ALTER SYSTEM SET log_min_duration_statement = '2s'",
        "ALTER SYSTEM SET primary_conninfo = 'host=db user=rep password=hunter2'",
        "ALTER SYSTEM SET restore_command = 'PGPASSWORD=hunter2 push postgres://a:hunter2@b/c %p'",
        "ALTER SYSTEM SET ssl_passphrase_command = 'echo hunter2'",
        "ALTER ROLE app SET synchronous_commit = off",
        "ALTER DATABASE postgres SET app.jwt_secret = 'hunter2'",
        "SELECT pg_reload_conf()",
    ] {
        admin.batch_execute(statement).await.unwrap();
    }
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let mut answer = Value::Null;
    eventually("the new settings are in force", async || {
        answer = mcp.ok("settings", json!({})).await;
        named(&answer["deviating"], "log_min_duration_statement").is_some()
            && answer["pending_restart"] == json!(["max_connections"])
    })
    .await;
    let work_mem = named(&answer["deviating"], "work_mem").unwrap();
    assert_eq!(
        (
            &work_mem["value"],
            &work_mem["unit"],
            &work_mem["human"],
            &work_mem["default"],
            &work_mem["source"]
        ),
        (
            &json!("65536"),
            &json!("kB"),
            &json!("64 MB"),
            &json!("4096"),
            &json!("configuration file")
        )
    );
    assert!(work_mem["why"].as_str().is_some());
    let slow = named(&answer["deviating"], "log_min_duration_statement").unwrap();
    assert_eq!(
        (&slow["human"], &slow["source"]),
        (&json!("2 s"), &json!("ALTER SYSTEM"))
    );
    let found = |answer: &Value, code: &str| {
        let mut findings = answer["findings"].as_array().unwrap().iter();
        findings
            .find(|finding| finding["code"] == code)
            .map(|finding| finding["severity"].clone())
    };
    // 64 MB for each of 50 connections beside 16 MB of shared_buffers.
    assert_eq!(found(&answer, "work_mem_high"), Some(json!("critical")));
    assert_eq!(found(&answer, "fsync_off"), Some(json!("critical")));
    assert_eq!(found(&answer, "autovacuum_off"), Some(json!("warning")));
    assert_eq!(found(&answer, "pending_restart"), Some(json!("info")));
    assert_eq!(found(&answer, "pg_stat_statements_not_loaded"), None);
    assert_eq!(found(&answer, "no_timeouts"), None, "it cannot be seen yet");
    let app = json!({"database": null, "role": "app", "name": "synchronous_commit", "value": "off"});
    let secret = json!({"database": "postgres", "role": null, "name": "app.jwt_secret", "value": "***"});
    let overrides = answer["overrides"].as_array().unwrap();
    assert!(overrides.contains(&app) && overrides.contains(&secret), "{answer:#}");

    let names = [
        "primary_conninfo",
        "restore_command",
        "ssl_passphrase_command",
        "no_such",
    ];
    let full = mcp.ok("settings", json!({"names": names})).await;
    let value = |name: &str| named(&full["settings"], name).unwrap()["value"].clone();
    assert_eq!(value("primary_conninfo"), "host=db user=rep password=***");
    assert_eq!(value("restore_command"), "PGPASSWORD=*** push postgres://a:***@b/c %p");
    assert_eq!(value("ssl_passphrase_command"), "***");
    assert_eq!(full["unknown"], json!(["no_such"]));
    let like = mcp.ok("settings", json!({"like": "%vacuum_cost%"})).await;
    assert!(
        named(&like["settings"], "vacuum_cost_limit").is_some() && like.get("deviating").is_none(),
        "{like:#}"
    );
    for answer in [&answer, &full, &mcp.ok("settings", json!({"like": "%"})).await] {
        assert!(!answer.to_string().contains("hunter2"), "{answer:#}");
    }

    // What this server's own session hides, the configuration files show.
    assert!(answer["hidden"].to_string().contains("pg_file_settings"), "{answer:#}");
    admin
        .batch_execute("GRANT SELECT ON pg_file_settings TO reader; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO reader")
        .await
        .unwrap();
    let answer = mcp.ok("settings", json!({})).await;
    assert_eq!(answer.get("hidden"), None, "{answer:#}");
    assert_eq!(found(&answer, "no_timeouts"), Some(json!("warning")), "{answer:#}");
    assert!(!answer.to_string().contains("hunter2"), "{answer:#}");
}
