//! The built server over stdio, against a stand-in made from AWS's own model of the API.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

#[path = "../../../tests/aws/support.rs"]
mod support;

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{Mcp, StandIn, assert_allowed, compare_tools, python, repository, server, server_at, server_with};

const BINARY: &str = env!("CARGO_BIN_EXE_performance-insights");
const INSTANCE: &str = "db-ABCDEFGHIJKLMNOPQRSTU1VW2X";

fn with(standin: &StandIn) -> Mcp {
    Mcp::start(server_with(
        BINARY,
        standin,
        &["--instance", &format!("orders={INSTANCE}")],
    ))
}

fn orders() -> Value {
    json!({"instance": "orders"})
}

#[test]
fn load_is_answered_against_the_cpus_and_boto3_reads_the_same() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    let load = client.call("db_load_summary", orders()).unwrap();
    assert_eq!(load["verdict"], "saturated");
    assert_eq!(load["bound_by"], "waits");
    assert_eq!(
        load["summary"],
        "saturated: 7.0 sessions active on average on 4 vCPU, mostly waiting for Lock:transactionid (81 %)"
    );
    assert_eq!(
        (&load["aas"], &load["peak_aas"], &load["vcpus"]),
        (&json!(7.0), &json!(10.5), &json!(4.0))
    );
    assert_eq!(load["degraded"], json!([]));
    let waits: Vec<&str> = load["waits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wait| wait["wait"].as_str().unwrap())
        .collect();
    assert_eq!(waits, ["Lock:transactionid", "CPU", "IO:XactSync"]);
    // Two a page: five series are three pages.
    assert_eq!(standin.count("GetResourceMetrics"), 3);

    let script = repository().join("tests/aws/boto3_load.py");
    let other = Command::new(python())
        .arg(script)
        .arg(standin.url())
        .arg(INSTANCE)
        .output()
        .unwrap();
    let other: Value = serde_json::from_slice(&other.stdout).unwrap_or_else(|_| panic!("{other:?}"));
    assert_eq!(other["aas"], load["aas"]);
    assert!(
        (other["waits"]["transactionid"].as_f64().unwrap() - load["waits"][0]["aas"].as_f64().unwrap()).abs() < 0.01
    );
    assert_eq!(other["refused"], "The specified statistic is not a known statistic");
}

#[test]
fn statements_come_with_their_share_waits_and_statistics_and_without_secrets() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    let top = client.call("top_sql", orders()).unwrap();
    let first = &top["statements"][0];
    assert_eq!(first["digest_id"], "AAAA");
    assert_eq!(first["text"], "UPDATE orders SET state = $1 WHERE id = $2");
    assert_eq!((&first["aas"], &first["share_pct"]), (&json!(5.0), &json!(71.4)));
    assert_eq!(
        first["waits"],
        json!([{"wait": "Lock:transactionid", "aas": 4.75}, {"wait": "CPU", "aas": 0.25}])
    );
    assert_eq!(
        (&first["calls_per_s"], &first["latency_ms_per_call"]),
        (&json!(12.5), &json!(80.25))
    );
    let second = &top["statements"][1];
    assert!(second["text"].as_str().unwrap().contains("[redacted:"), "{second}");
    assert!(!top.to_string().contains("eyJ") && !top.to_string().contains('\u{202E}'));
    assert_eq!(second["text_cut"], true);
    assert_eq!(
        (&top["untrusted"], &top["hidden_characters"]),
        (&json!(true), &json!(1))
    );
    assert_eq!((&top["total_aas"], &top["degraded"]), (&json!(7.0), &json!([])));
    assert_allowed("pi", &standin);
}

#[test]
fn two_windows_compared_name_the_wait_event_and_the_statement_that_changed() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    let found = client.call("compare_windows", orders()).unwrap();
    assert_eq!(found["change"], "risen");
    assert_eq!(
        found["summary"],
        "load rose from 1.3 to 7.0 sessions active on average on 4 vCPU; Lock:transactionid +5.7; digest AAAA +4.9"
    );
    assert_eq!(
        (
            &found["waits"][0]["wait"],
            &found["waits"][0]["delta_aas"],
            &found["waits"][0]["baseline_aas"]
        ),
        (&json!("Lock:transactionid"), &json!(5.67), &json!(0.0))
    );
    let sql = &found["statements"][0];
    assert_eq!(
        (&sql["digest_id"], &sql["text"]),
        (&json!("AAAA"), &json!("UPDATE orders SET state = $1 WHERE id = $2"))
    );
    assert_eq!(
        (&sql["delta_aas"], &sql["new"], &sql["waits"][0]["wait"]),
        (&json!(4.9), &json!(false), &json!("Lock:transactionid"))
    );
    assert_eq!(
        (&sql["latency_ms_per_call"], &sql["calls_per_s"]),
        (
            &json!({"baseline": 1.5, "incident": 80.25}),
            &json!({"baseline": 12.0, "incident": 12.5})
        )
    );
    // The other one did not change, and neither did CPU.
    assert_eq!(
        (
            found["statements"].as_array().unwrap().len(),
            found["waits"].as_array().unwrap().len()
        ),
        (1, 1)
    );
    assert!(!found.to_string().contains("eyJ") && !found.to_string().contains('\u{202E}'));
    let time =
        |part: &str| chrono::DateTime::parse_from_rfc3339(found.pointer(part).unwrap().as_str().unwrap()).unwrap();
    assert_eq!((time("/incident/from") - time("/baseline/from")).num_minutes(), 60);
    assert_allowed("pi", &standin);

    // Before the incident nothing had changed, and a day is compared with the day before it.
    let until = (chrono::Utc::now() - chrono::TimeDelta::hours(2)).to_rfc3339();
    let calm = client
        .call(
            "compare_windows",
            json!({"instance": "orders", "until": until, "baseline": "just_before"}),
        )
        .unwrap();
    assert_eq!(
        (&calm["change"], &calm["waits"], &calm["statements"]),
        (&json!("same"), &json!([]), &json!([]))
    );
    assert!(calm["summary"].as_str().unwrap().starts_with("load stayed"));
    let day = client
        .call("compare_windows", json!({"instance": "orders", "minutes": 1_440}))
        .unwrap();
    assert_eq!(day["baseline"]["to"], day["incident"]["from"]);
    // Beyond what is kept, AWS refuses; nothing is made up.
    let refusal = client
        .call(
            "compare_windows",
            json!({"instance": "orders", "baseline": "week_before"}),
        )
        .unwrap_err();
    assert_eq!(refusal.code(), "invalid_request");
    assert!(refusal.0["message"].as_str().unwrap().contains("retention"));
}

#[test]
fn waits_are_split_into_whose_they_are() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    let by_statement = client.call("top_waits", orders()).unwrap();
    let first = &by_statement["waits"][0];
    assert_eq!(
        (&first["wait"], &first["aas"], &first["share_pct"]),
        (&json!("Lock:transactionid"), &json!(5.67), &json!(81.0))
    );
    assert_eq!(
        (&first["parts"][0]["digest_id"], &first["parts"][0]["aas"]),
        (&json!("AAAA"), &json!(5.42))
    );
    let by_user = client
        .call(
            "top_waits",
            json!({"instance": "orders", "split_by": "user", "max_waits": 1}),
        )
        .unwrap();
    assert_eq!(by_user["waits"][0]["parts"][0], json!({"name": "app", "aas": 5.42}));
    assert_eq!(by_user["truncated"], true);
    assert!(!by_statement.to_string().contains("eyJ"));
    assert_allowed("pi", &standin);
}

#[test]
fn blockers_are_named_or_it_is_said_why_not() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    let tree = client.call("blocking_tree", orders()).unwrap();
    let blocker = &tree["blockers"][0];
    assert_eq!(
        (&blocker["session"], &blocker["blocked_aas"]),
        (&json!("30715.1763881200"), &json!(4.5))
    );
    assert_eq!(blocker["waiting"][0]["digest_id"], "AAAA");
    assert_eq!(
        tree["objects"][0],
        json!({"kind": "transactionid", "object": "733", "blocked_aas": 4.8})
    );
    assert_eq!((&tree["degraded"], &tree["truncated"]), (&json!([]), &json!(false)));
    standin.script(json!({"split_blockers": false}));
    let whole = client.call("blocking_tree", orders()).unwrap();
    assert_eq!(
        (&whole["blockers"][0]["blocked_aas"], &whole["blockers"][0]["waiting"]),
        (&json!(4.5), &json!([]))
    );
    assert_eq!(whole["degraded"][0]["feature"], "db.sql_tokenized");
    standin.script(json!({"advanced": false}));
    let without = client.call("blocking_tree", orders()).unwrap();
    assert_eq!((&without["blockers"], &without["objects"]), (&json!([]), &json!([])));
    let reasons = without["degraded"].to_string();
    assert!(
        reasons.contains("Advanced mode") && reasons.contains("db.blocking_session"),
        "{reasons}"
    );
    // A missing permission is no missing feature.
    standin.script(json!({"faults": [{"operation": "DescribeDimensionKeys", "code": "NotAuthorizedException"}]}));
    assert_eq!(
        client.call("blocking_tree", orders()).unwrap_err().code(),
        "access_denied"
    );
}

#[test]
fn counters_come_with_extremes_and_trend_and_only_those_that_are_collected() {
    let standin = StandIn::start("pi_standin.py");
    let metrics = with(&standin).call("instance_metrics", orders()).unwrap();
    let of = |name: &str| {
        let all = metrics["metrics"].as_array().unwrap();
        all.iter()
            .find(|found| found["metric"] == name)
            .unwrap_or_else(|| panic!("{name} in {metrics:#}"))
            .clone()
    };
    let cpu = of("os.cpuUtilization.total");
    assert_eq!(
        (&cpu["average"], &cpu["minimum"], &cpu["maximum"]),
        (&json!(39.0), &json!(10.0), &json!(95.0))
    );
    assert_eq!(
        (&cpu["first_quarter"], &cpu["last_quarter"], &cpu["unit"]),
        (&json!(10.0), &json!(95.0), &json!("Percent"))
    );
    assert_eq!(of("db.User.numbackends")["last_quarter"], 90.0);
    let reason = |name: &str| {
        let all = metrics["degraded"].as_array().unwrap();
        all.iter().find(|found| found["feature"] == name).unwrap()["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(reason("db.Temp.temp_bytes"), "nothing was collected in this time");
    assert_eq!(reason("os.swap.free"), "the instance does not collect it");
    assert!(!metrics.to_string().contains("somethingElse"));
    assert_allowed("pi", &standin);
}

#[test]
fn metrics_of_cloudwatch_and_events_of_rds_go_by_the_name_that_the_operator_gives() {
    let standin = StandIn::start("pi_standin.py");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pi.toml");
    std::fs::write(
        &file,
        format!("[instances.orders]\ndbi_resource_id = '{INSTANCE}'\ndb_instance = 'orders-1'"),
    )
    .unwrap();
    let mut client = Mcp::start(server_with(BINARY, &standin, &["--config", file.to_str().unwrap()]));
    let metrics = client.call("instance_metrics", orders()).unwrap();
    let of = |name: &str| {
        let all = metrics["metrics"].as_array().unwrap();
        all.iter().find(|found| found["metric"] == name).cloned()
    };
    let storage = of("AWS/RDS FreeStorageSpace").unwrap_or_else(|| panic!("{metrics:#}"));
    assert_eq!(
        (&storage["minimum"], &storage["last_quarter"], &storage["unit"]),
        (&json!(1e9), &json!(1e9), &json!("Bytes"))
    );
    assert_eq!(of("AWS/RDS ReadLatency").unwrap()["maximum"], 0.0121);
    // An instance that has no such metric, and one that Performance Insights has.
    assert!(of("AWS/RDS ReplicaLag").is_none() && of("os.cpuUtilization.total").is_some());

    let events = client.call("instance_events", orders()).unwrap();
    assert_eq!(events["events"][0]["categories"], json!(["failover", "availability"]));
    assert_eq!(
        events["events"][0]["message"],
        "A Multi-AZ failover has started & postgres://[redacted:connection_uri]@b"
    );
    assert_eq!(
        (events["events"].as_array().unwrap().len(), &events["truncated"]),
        (2, &json!(false))
    );
    assert_allowed("pi", &standin);

    // Throttling passes by itself; a missing permission is named, and takes nothing else away.
    standin.script(json!({"faults": [{"operation": "rds:DescribeEvents", "code": "Throttling", "times": 2}]}));
    assert!(client.call("instance_events", orders()).is_ok());
    let message = "User: x is not authorized to perform: rds:DescribeEvents AKIAIOSFODNN7EXAMPLE";
    standin.script(json!({"faults": [
        {"operation": "rds:DescribeEvents", "code": "AccessDenied", "status": 403, "message": message},
        {"operation": "cloudwatch:GetMetricData", "code": "AccessDenied", "status": 403},
    ]}));
    let refusal = client.call("instance_events", orders()).unwrap_err();
    assert_eq!(refusal.code(), "access_denied");
    assert_eq!(
        refusal.0["message"],
        "DescribeEvents was denied: the credentials lack rds:DescribeEvents"
    );
    let without = client.call("instance_metrics", orders()).unwrap();
    assert!(
        without["degraded"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| found["feature"] == "AWS/RDS"),
        "{without:#}"
    );
    assert!(!without["metrics"].as_array().unwrap().is_empty());

    // Without the name nothing is guessed.
    let refusal = with(&standin).call("instance_events", orders()).unwrap_err();
    assert_eq!(refusal.code(), "not_configured");
    assert!(refusal.0["hint"].as_str().unwrap().contains("db_instance"));
}

#[test]
fn aws_is_reached_over_tls_and_only_with_a_certificate_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (standin, certificate) = StandIn::start_tls("pi_standin.py", folder.path());
    let file = folder.path().join("insights.toml");
    std::fs::write(
        &file,
        format!("[instances.orders]\ndbi_resource_id = '{INSTANCE}'\ndb_instance = 'orders-1'\n"),
    )
    .unwrap();
    let command = || server_at(BINARY, &standin.tls_url(), &["--config", file.to_str().unwrap()]);
    let mut trusting = command();
    trusting.env("SSL_CERT_FILE", &certificate);
    let mut client = Mcp::start(trusting);
    // By the SDK's requests and by our own.
    assert_eq!(
        client.call("db_load_summary", orders()).unwrap()["verdict"],
        "saturated"
    );
    assert_eq!(client.call("instance_events", orders()).unwrap()["truncated"], false);
    let asked = standin.requests().len();
    let mut stranger = Mcp::start(command());
    for tool in ["db_load_summary", "instance_events"] {
        assert_eq!(
            stranger.call(tool, orders()).unwrap_err().code(),
            "unavailable",
            "{tool}"
        );
    }
    assert_eq!(standin.requests().len(), asked, "nothing reached it unencrypted");
}

#[test]
fn what_an_instance_cannot_tell_is_left_out_with_the_reason() {
    let standin = StandIn::start("pi_standin.py");
    standin.script(json!({"os_metrics": false, "features": {"SQL_DIGEST_STATISTICS": "ENABLED_PENDING_REBOOT", "LOCKS": "UNSUPPORTED"}}));
    let mut client = with(&standin);
    let load = client.call("db_load_summary", orders()).unwrap();
    assert_eq!(
        (&load["verdict"], &load["vcpus_from"]),
        (&json!("unknown_capacity"), &json!("unknown"))
    );
    assert_eq!(load["degraded"][0]["feature"], "os.general.numVCPUs.avg");
    let top = client.call("top_sql", orders()).unwrap();
    assert_eq!(top["degraded"][0]["feature"], "SQL_DIGEST_STATISTICS");
    assert!(top["degraded"][0]["reason"].as_str().unwrap().contains("reboot"));
    assert_eq!(top["statements"][0].get("calls_per_s"), None);
    let features = client.call("instance_features", orders()).unwrap();
    assert_eq!(features["features"][0]["name"], "LOCKS");
    assert_eq!(
        (&features["features"][0]["usable"], &features["features"][1]["usable"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(features["degraded"].as_array().unwrap().len(), 1);
}

#[test]
fn no_load_is_an_answer() {
    let standin = StandIn::start("pi_standin.py");
    standin.script(json!({"waits": false}));
    let load = with(&standin).call("db_load_summary", orders()).unwrap();
    assert_eq!(
        (&load["verdict"], &load["points"], &load["waits"]),
        (&json!("no_data"), &json!(0), &json!([]))
    );
}

#[test]
fn only_configured_names_and_known_periods_are_taken() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    for (arguments, code) in [
        (json!({"instance": INSTANCE}), "outside_allow_list"),
        (json!({"instance": "billing"}), "outside_allow_list"),
        (
            json!({"instance": "orders", "region": "us-east-1"}),
            "invalid_arguments",
        ),
        (json!({"instance": "orders", "period": 60}), "invalid_arguments"),
        (
            json!({"instance": "orders", "period": "fortnight"}),
            "invalid_arguments",
        ),
        (
            json!({"instance": "orders", "period": "second", "minutes": 60}),
            "invalid_arguments",
        ),
        (json!({"instance": "orders", "minutes": 100_000}), "invalid_arguments"),
        (json!({}), "invalid_arguments"),
    ] {
        assert_eq!(
            client.call("db_load_summary", arguments.clone()).unwrap_err().code(),
            code,
            "{arguments}"
        );
    }
    assert_eq!(standin.requests(), []);
    let load = client
        .call(
            "db_load_summary",
            json!({"instance": "orders", "period": "five_minutes", "minutes": 60}),
        )
        .unwrap();
    assert_eq!(load["period"], "five_minutes");
    assert_eq!(standin.requests()[0].1["PeriodInSeconds"], 300);
}

#[test]
fn refusals_of_aws_have_codes_and_no_secrets() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    for (code, status, times, expected) in [
        ("ThrottlingException", 400, 9, "throttled"),
        ("ExpiredTokenException", 400, 1, "expired_credentials"),
        ("NotAuthorizedException", 400, 1, "access_denied"),
        ("InvalidSignatureException", 403, 1, "access_denied"),
        ("InternalServiceError", 500, 9, "unavailable"),
        ("InvalidArgumentException", 400, 1, "invalid_request"),
    ] {
        let message = "x AKIAIOSFODNN7EXAMPLE password=hunter2 x-amz-security-token:IQoJb3JpZ2luX2VjEJr";
        standin.script(json!({"faults": [{"operation": "GetResourceMetadata", "code": code, "status": status, "times": times, "message": message}]}));
        let refusal = client.call("instance_features", orders()).unwrap_err();
        assert_eq!(refusal.code(), expected);
        let text = refusal.0.to_string();
        assert!(
            !["AKIA", "hunter2", "IQoJ"].iter().any(|secret| text.contains(secret)),
            "{text}"
        );
    }
}

#[test]
fn credentials_of_another_account_are_refused_before_anything_is_read() {
    let standin = StandIn::start("pi_standin.py");
    let start = |account: &str| {
        Mcp::start(server_with(
            BINARY,
            &standin,
            &["--account", account, "--instance", &format!("orders={INSTANCE}")],
        ))
    };
    assert_eq!(
        start("999999999999")
            .call("db_load_summary", orders())
            .unwrap_err()
            .code(),
        "wrong_account"
    );
    assert_eq!(standin.requests(), []);
    assert!(start("123456789012").call("db_load_summary", orders()).is_ok());
}

#[test]
fn without_aws_it_lists_its_tools_and_every_call_says_what_is_missing() {
    let mut bare = Mcp::start(server(BINARY, &[]));
    compare_tools(&mut bare);
    for tool in [
        "blocking_tree",
        "compare_windows",
        "db_load_summary",
        "instance_events",
        "instance_features",
        "instance_metrics",
        "top_sql",
        "top_waits",
    ] {
        assert_eq!(
            bare.call(tool, orders()).unwrap_err().code(),
            "not_configured",
            "{tool}"
        );
    }
    assert!(bare.finish().0.success());

    let instance = format!("orders={INSTANCE}");
    let mut nowhere = Mcp::start(server(BINARY, &["--instance", &instance]));
    assert_eq!(nowhere.call("top_sql", orders()).unwrap_err().code(), "not_configured");

    // As mcp.json starts it where nothing is set, and where everything but credentials is.
    for (scope, region, expected) in [
        (String::new(), "", "not_configured"),
        (format!("orders={INSTANCE}"), "", "not_configured"),
        (format!("orders={INSTANCE}"), "eu-central-1", "credentials_missing"),
    ] {
        let mut command = server(BINARY, &[]);
        command
            .env("AWS_PROFILE", "default")
            .env("AWS_REGION", region)
            .env("COUNTERSIGN_DB_INSTANCES", scope);
        let mut client = Mcp::start(command);
        assert_eq!(client.call("top_sql", orders()).unwrap_err().code(), expected);
    }

    // A metadata service that takes the question and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = server(BINARY, &["--instance", &instance, "--region", "eu-central-1"]);
    command.env(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", silent.local_addr().unwrap()),
    );
    let mut anonymous = Mcp::start(command);
    let started = Instant::now();
    assert_eq!(
        anonymous.call("instance_features", orders()).unwrap_err().code(),
        "credentials_missing"
    );
    assert!(
        started.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_call_ends_with_its_caller_and_the_server_when_it_is_told() {
    let standin = StandIn::start("pi_standin.py");
    let mut client = with(&standin);
    standin.script(json!({"delay_s": 20}));
    let call = json!({"name": "instance_features", "arguments": orders()});
    let id = client.begin("tools/call", call.clone());
    standin.wait_for("GetResourceMetadata", 1, Duration::from_secs(10));
    client.cancel(id);
    let started = Instant::now();
    assert!(client.request("tools/list", json!({}))["tools"].is_array());
    client.begin("tools/call", call);
    standin.wait_for("GetResourceMetadata", 2, Duration::from_secs(10));
    let (status, logs) = client.terminate();
    assert!(status.success(), "{logs}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pi.toml");
    std::fs::write(
        &file,
        "[instances.orders]\ndbi_resource_id = 'orders-1'\n[aws]\nregion = 'eu-central-1'",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = server(BINARY, arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, text) = run(&["--config", path, "--endpoint-url", "https://example.com"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("`dbi_resource_id`") && text.contains("`endpoint_url`"),
        "{text}"
    );
    std::fs::write(&file, "[aws]\nregoin = 'x'").unwrap();
    let (code, text) = run(&["--config", path]);
    assert!(code == Some(2) && text.contains("`regoin`"), "{text}");
    std::fs::write(
        &file,
        format!("[instances.orders]\ndbi_resource_id = '{INSTANCE}'\nvcpus = 8"),
    )
    .unwrap();
    let (code, text) = run(&["--config", path, "--region", "us-east-1", "--print-config"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("region = \"us-east-1\"") && text.contains("vcpus = 8"),
        "{text}"
    );
}
