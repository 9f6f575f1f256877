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
use support::{Mcp, StandIn, assert_allowed, compare_tools, python, repository, server, server_with};

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
    for tool in ["db_load_summary", "top_sql", "instance_features"] {
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
