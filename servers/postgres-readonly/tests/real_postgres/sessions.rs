//! `sessions` and how full the server is.

use serde_json::json;

use crate::{
    mcp::Mcp,
    scene::{READER, burn_transactions, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_application_that_fills_the_server_comes_first() {
    let (cluster, _admin) = with_reader().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    // The connection is held from before the storm.
    mcp.ok("sessions", json!({})).await;
    let mut leaked = Vec::new();
    for _ in 0..40 {
        leaked.push(cluster.connect("app", "leaky").await);
    }
    let answer = mcp.ok("sessions", json!({"groups_only": true})).await;
    assert_eq!(answer["sessions"], json!([]));
    let answer = answer["connections"].clone();
    let group = &answer["groups"][0];
    assert_eq!(
        (&group["usename"], &group["application_name"]),
        (&json!("app"), &json!("leaky")),
        "{answer:#}"
    );
    assert_eq!(
        (&group["total"], &group["idle"], &group["rolconnlimit"]),
        (&json!(40), &json!(40), &json!(-1))
    );
    assert_eq!(
        (&answer["max_connections"], &answer["reserved"]),
        (&json!(50), &json!(3))
    );
    assert!(
        answer["used"].as_u64().unwrap() >= 42 && answer["used_pct"].as_u64().unwrap() >= 84,
        "{answer:#}"
    );
    assert_eq!(
        answer["by_state"]["idle"].as_u64().unwrap(),
        answer["used"].as_u64().unwrap() - 1
    );

    let filtered = mcp
        .ok("sessions", json!({"application_name": "leaky", "max_rows": 5}))
        .await;
    assert_eq!((&filtered["total"], &filtered["truncated"]), (&json!(40), &json!(true)));
    assert_eq!(filtered["sessions"].as_array().unwrap().len(), 5);
    // Until the server is full; what is held goes on working.
    while let Ok(session) = cluster.try_connect("app", "leaky").await {
        leaked.push(session);
    }
    let full = mcp.ok("sessions", json!({"groups_only": true})).await;
    assert!(full["connections"]["used_pct"].as_u64().unwrap() >= 90, "{full:#}");
    let late = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .refused("sessions", json!({}))
        .await;
    assert_eq!(
        (&late["code"], &late["retryable"]),
        (&json!("too_many_connections"), &json!(true)),
        "{late:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_shows_how_many_transactions_it_holds() {
    let (cluster, admin) = with_reader().await;
    let writer = cluster.connect("postgres", "writer").await;
    writer
        .batch_execute("BEGIN; UPDATE public.orders SET state = 'held' WHERE id = 1")
        .await
        .unwrap();
    let reading = cluster.connect("postgres", "snapshot").await;
    reading
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM public.orders LIMIT 1")
        .await
        .unwrap();
    burn_transactions(&admin, 50).await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    let answer = mcp.ok("sessions", json!({"state": "idle in transaction"})).await;
    let of = |application: &str| {
        let mut sessions = answer["sessions"].as_array().unwrap().iter();
        sessions
            .find(|session| session["application_name"] == application)
            .unwrap()
    };
    let held = |value: &serde_json::Value| value.as_i64().is_some_and(|age| (50..60).contains(&age));
    assert!(held(&of("writer")["backend_xid_age"]), "{answer:#}");
    assert!(held(&of("snapshot")["xmin_age"]), "{answer:#}");
    assert_eq!(of("snapshot")["backend_xid_age"], json!(null));
}
