//! What queries may cost, each and together, and that none goes on unattended.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{GROUP, Mcp, StandIn, code, configured, incident, orders};

const TOOLS: [&str; 6] = [
    "postgres_error_summary",
    "slow_queries",
    "lock_waits_and_deadlocks",
    "autovacuum_activity",
    "connection_failures",
    "log_patterns",
];

#[test]
fn every_tool_estimates_first_and_refuses_with_the_number_the_price_and_three_ways_to_narrow() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"estimate": [{"estimatedBytes": "10737418240"}]}));
    let (_folder, mut client) = configured(&standin, "[logs]\nfree_queries = true");
    let free = json!({"query": "fields @message", "log_groups": [GROUP], "minutes": 30});
    let calls = TOOLS
        .iter()
        .map(|tool| (*tool, json!({"log_group": GROUP, "minutes": 30})));
    for (tool, arguments) in calls.chain([("logs_insights_query", free)]) {
        let before = standin.count("StartQuery");
        let refusal = client.call(tool, arguments).unwrap_err();
        assert_eq!(refusal.code(), "over_budget", "{tool}");
        assert_eq!(
            refusal.0["message"],
            "the query would scan 10.0 GiB (about 0.0537 USD), the budget is 5.0 GiB"
        );
        assert_eq!(refusal.0["budget"], "query");
        let ways = refusal.0["ways_to_narrow"].as_array().unwrap();
        assert_eq!(ways.len(), 3);
        assert!(
            ways[0].as_str().unwrap().starts_with("look at 15 minutes or fewer"),
            "{ways:?}"
        );
        assert_eq!(standin.count("StartQuery"), before + 1, "{tool}");
    }
}

#[test]
fn a_join_counts_each_of_its_sources() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"estimate": [{"estimatedBytes": "3221225472"}]}));
    let (_folder, mut client) = configured(&standin, "[logs]\nfree_queries = true");
    let sql = |text: &str| json!({"query": text.replace('G', GROUP), "language": "sql", "log_groups": [GROUP]});
    assert!(client.call("logs_insights_query", sql("SELECT x FROM `G`")).is_ok());
    let refusal = client
        .call(
            "logs_insights_query",
            sql("SELECT a.x FROM `G` a JOIN `G` b ON a.x = b.x"),
        )
        .unwrap_err();
    assert_eq!(refusal.0["estimated_bytes"], json!(6_442_450_944_u64));
}

#[test]
fn the_queries_of_one_session_spend_one_purse() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    // Estimated and scanned: 2 GB each.
    let (_folder, mut client) = configured(&standin, "[budget]\nmax_session_bytes = 5000000000");
    let first = client.call("postgres_error_summary", orders()).unwrap();
    assert_eq!(first["session_bytes_left"], json!(3_000_000_000_u64));
    let second = client.call("slow_queries", orders()).unwrap();
    assert_eq!(second["session_bytes_left"], json!(1_000_000_000_u64));
    let refusal = client.call("log_patterns", orders()).unwrap_err();
    assert_eq!(
        (refusal.code(), &refusal.0["budget"]),
        ("over_budget", &json!("session"))
    );
    assert_eq!(
        refusal.0["message"],
        "the query would scan 1.9 GiB (about 0.01 USD), 953.7 MiB are left of this session's 4.7 GiB"
    );
    assert_eq!(refusal.0["allowed_bytes"], json!(1_000_000_000_u64));
    assert!(refusal.0["hint"].as_str().unwrap().contains("max_session_bytes"));
    // What costs nothing goes on.
    assert!(client.call("recent_log_lines", orders()).is_ok());
    // A new session has a new purse; one that could not start gives its share back.
    let (_folder, mut other) = configured(&standin, "[budget]\nmax_session_bytes = 5000000000");
    for _ in 0..3 {
        let starts = standin.count("StartQuery");
        standin.script(json!({"statuses": ["Complete"]}));
        assert!(standin.count("StartQuery") == starts);
        standin.script(json!({"faults": [{"operation": "StartQuery", "code": "AccessDeniedException", "after": 1}]}));
        assert_eq!(code(other.call("postgres_error_summary", orders())), "access_denied");
    }
    assert_eq!(
        other.call("postgres_error_summary", orders()).unwrap()["session_bytes_left"],
        json!(3_000_000_000_u64)
    );
}

#[test]
fn every_query_is_stopped_within_a_second_when_its_caller_cancels() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"]}));
    let (_folder, mut client) = configured(&standin, "[logs]\nfree_queries = true");
    let mut stops = 0;
    let mut cancelled = |client: &mut Mcp, tool: &str, arguments: Value| {
        let polls = standin.count("GetQueryResults");
        let id = client.begin("tools/call", json!({"name": tool, "arguments": arguments}));
        // The estimate takes one, so the query is being followed.
        standin.wait_for("GetQueryResults", polls + 2, Duration::from_secs(10));
        stops += 1;
        client.cancel(id);
        standin.wait_for("StopQuery", stops, Duration::from_secs(1));
    };
    for tool in TOOLS {
        cancelled(&mut client, tool, orders());
    }
    for (language, text) in [
        ("logs_insights", "fields @message".to_owned()),
        ("sql", format!("SELECT x FROM `{GROUP}`")),
        ("ppl", "fields x".to_owned()),
    ] {
        cancelled(
            &mut client,
            "logs_insights_query",
            json!({"query": text, "language": language, "log_groups": [GROUP]}),
        );
    }
}

#[test]
fn sigterm_stops_all_queries_within_a_second() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"]}));
    let (_folder, mut client) = configured(&standin, "");
    for tool in ["slow_queries", "connection_failures", "log_patterns"] {
        client.begin("tools/call", json!({"name": tool, "arguments": orders()}));
    }
    // Three estimates and three queries.
    standin.wait_for("StartQuery", 6, Duration::from_secs(10));
    standin.wait_for("GetQueryResults", 6, Duration::from_secs(10));
    let told = Instant::now();
    let waiting = std::thread::spawn(move || client.terminate());
    standin.wait_for("StopQuery", 3, Duration::from_secs(1));
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    let (status, logs) = waiting.join().unwrap();
    assert!(status.success(), "{logs}");
}

#[test]
fn a_deadline_stops_the_query_and_keeps_its_share_spent() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"], "partial": 2}));
    let (_folder, mut client) = configured(
        &standin,
        "[limits]\nquery_deadline_s = 1\n[budget]\nmax_session_bytes = 3000000000",
    );
    let partial = client.call("lock_waits_and_deadlocks", orders()).unwrap();
    assert_eq!(
        (&partial["stopped"], &partial["stop_reason"]),
        (&json!(true), &json!("deadline"))
    );
    assert_eq!(
        (standin.count("StopQuery"), &partial["session_bytes_left"]),
        (1, &json!(1_000_000_000_u64))
    );
    // Whose groups were read is asked of a stopped query as well.
    assert_eq!(
        (&partial["log_groups_read"], standin.count("ListLogGroupsForQuery")),
        (&json!([GROUP]), 1)
    );
}
