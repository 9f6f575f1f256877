//! `sessions` and how full the server is.

use serde_json::json;

use crate::{
    mcp::Mcp,
    scene::{READER, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_application_that_fills_the_server_comes_first() {
    let (cluster, _admin) = with_reader().await;
    let mut mcp = Mcp::start(&cluster.dsn(READER), &[]).await;
    // The connection is held from before the storm.
    mcp.ok("connection_use", json!({})).await;
    let mut leaked = Vec::new();
    for _ in 0..40 {
        leaked.push(cluster.connect("app", "leaky").await);
    }
    let answer = mcp.ok("connection_use", json!({})).await;
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
    assert!(mcp.ok("connection_use", json!({})).await["used_pct"].as_u64().unwrap() >= 90);
    let late = Mcp::start(&cluster.dsn(READER), &[])
        .await
        .refused("connection_use", json!({}))
        .await;
    assert_eq!(
        (&late["code"], &late["retryable"]),
        (&json!("too_many_connections"), &json!(true)),
        "{late:#}"
    );
}
