//! The built server over stdio, against an emulator and a stand-in made from AWS's own model of the API.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

#[path = "../../../tests/aws/support.rs"]
mod support;

#[path = "stdio/cost.rs"]
mod cost;
#[path = "stdio/free_query.rs"]
mod free_query;
#[path = "stdio/purpose_tools.rs"]
mod purpose_tools;
#[path = "stdio/redaction.rs"]
mod redaction;

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use support::{
    Mcp, Refusal, StandIn, assert_allowed, compare_tools, http, python, repository, server, server_at, server_with,
};

const BINARY: &str = env!("CARGO_BIN_EXE_cloudwatch-logs");
const GROUP: &str = "/aws/rds/cluster/orders/postgresql";
const OTHER: &str = "/aws/lambda/payroll";

fn with(standin: &StandIn) -> Mcp {
    Mcp::start(server_with(BINARY, standin, &["--log-group", GROUP]))
}

/// The server with a configuration file beside the usual flags.
fn configured(standin: &StandIn, toml: &str) -> (tempfile::TempDir, Mcp) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logs.toml");
    std::fs::write(&file, toml).unwrap();
    let client = Mcp::start(server_with(
        BINARY,
        standin,
        &["--log-group", GROUP, "--config", file.to_str().unwrap()],
    ));
    (folder, client)
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn event(seconds_ago: i64, text: &str) -> Value {
    json!({"group": GROUP, "stream": "orders-1", "at_ms": now_ms() - seconds_ago * 1000, "text": text})
}

/// A line as RDS and Aurora write it.
fn line(session: &str, pid: u32, rest: &str) -> String {
    format!("2026-11-22 06:40:25 UTC:10.0.3.7({pid}):{session}:[{pid}]:{rest}")
}

/// An incident as it stands in a log, with lines that must not be counted among its errors.
fn incident() -> Value {
    let mut events = vec![
        event(
            300,
            &line(
                "app@orders",
                10,
                "LOG:  duration: 919.422 ms  statement: insert into t values ('a:[1]:ERROR:  not one')",
            ),
        ),
        event(
            290,
            &line(
                "app@orders",
                11,
                "LOG:  process 11 still waiting for ShareLock on transaction 733 after 303.033 ms",
            ),
        ),
        event(
            289,
            &line(
                "app@orders",
                11,
                "DETAIL:  Process holding the lock: 12. Wait queue: 11.",
            ),
        ),
        event(280, &line("app@orders", 13, "ERROR:  deadlock detected")),
        event(
            279,
            &line(
                "app@orders",
                13,
                "STATEMENT:  update orders set state = 'x' where note = ']:ERROR:  no'",
            ),
        ),
        event(
            200,
            "2026-11-22 06:41:22 UTC::@:[32642]:LOG:  automatic vacuum of table \"orders.public.orders\": index scans: 0",
        ),
        event(
            150,
            "2026-11-22 06:41:22 UTC:[local]:rdsadmin@rdsadmin:[7]:FATAL:  terminating connection due to administrator command",
        ),
        event(
            100,
            &line(
                "app@orders",
                14,
                "ERROR:  process 14 waited for transaction 99\nSTATEMENT:  select 1",
            ),
        ),
        event(
            90,
            &line("app@orders", 15, "ERROR:  process 15 waited for transaction 101"),
        ),
    ];
    events.extend((20..25).map(|pid| event(60, &line("etl@orders", pid, "FATAL:  sorry, too many clients already"))));
    json!({"groups": [GROUP, OTHER], "events": events})
}

fn orders() -> Value {
    json!({"log_group": GROUP})
}

fn code(refused: Result<Value, Refusal>) -> String {
    refused.unwrap_err().code().to_owned()
}

// ---- ministack: real log flows -----------------------------------------------------------------------------------

struct Ministack(Child, u16);

impl Ministack {
    fn start(enforce_iam: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(python().with_file_name("ministack"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AUTH", enforce_iam.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "ministack does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(process, port)
    }

    fn ask(&self, operation: &str, body: Value) {
        let target = format!("Logs_20140328.{operation}");
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-central-1/logs/aws4_request, SignedHeaders=host, Signature=0";
        let headers = [
            ("X-Amz-Target", target.as_str()),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Authorization", authorization),
        ];
        http(self.1, "POST", "/", &headers, &body.to_string());
    }

    fn put(&self, group: &str, lines: &[String]) {
        self.ask("CreateLogGroup", json!({"logGroupName": group}));
        self.ask(
            "CreateLogStream",
            json!({"logGroupName": group, "logStreamName": "orders-1"}),
        );
        let events: Vec<Value> =
            lines.iter().enumerate().map(|(at, text)| json!({"timestamp": now_ms() - 60_000 + i64::try_from(at).unwrap() * 1000, "message": text})).collect();
        self.ask(
            "PutLogEvents",
            json!({"logGroupName": group, "logStreamName": "orders-1", "logEvents": events}),
        );
    }

    fn client(&self) -> Mcp {
        let url = format!("http://127.0.0.1:{}", self.1);
        let arguments = [
            "--endpoint-url",
            &url,
            "--region",
            "eu-central-1",
            "--log-group",
            GROUP,
            "--log-group",
            "/aws/rds/instance/gone/postgresql",
        ];
        let mut command = server(BINARY, &arguments);
        command
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "x");
        Mcp::start(command)
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn aws_is_reached_over_tls_and_only_with_a_certificate_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (standin, certificate) = StandIn::start_tls("logs_standin.py", folder.path());
    standin.script(json!({"groups": [GROUP]}));
    let command = || server_at(BINARY, &standin.tls_url(), &["--log-group", GROUP]);
    let mut trusting = command();
    trusting.env("SSL_CERT_FILE", &certificate);
    let listed = Mcp::start(trusting).call("list_log_groups", json!({})).unwrap();
    assert_eq!(listed["log_groups"][0]["name"], GROUP);
    let asked = standin.requests().len();
    let refusal = Mcp::start(command()).call("list_log_groups", json!({})).unwrap_err();
    assert_eq!(refusal.code(), "unavailable");
    assert_eq!(standin.requests().len(), asked);
}

#[test]
fn on_an_emulator_lines_are_found_folded_and_redacted_and_other_groups_do_not_exist() {
    let stack = Ministack::start(false);
    let secrets = [
        "LOG:  statement: ALTER ROLE app PASSWORD 'hunter2'",
        "LOG:  connect with postgres://app:s3cr3t@db:5432/orders",
        "LOG:  env AKIAIOSFODNN7EXAMPLE eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln PGPASSWORD=opensesame",
        "LOG:  mail to jane.doe@mail.example.com \u{202E}drop\u{200B}",
    ];
    let mut lines: Vec<String> = (1..=4)
        .map(|pid| line("app@orders", pid, "ERROR:  canceling statement due to lock timeout"))
        .collect();
    lines.extend(secrets.iter().map(|text| line("app@orders", 9, text)));
    stack.put(GROUP, &lines);
    stack.put(OTHER, &["salaries".to_owned()]);
    let mut client = stack.client();

    let groups = client.call("list_log_groups", json!({})).unwrap();
    assert_eq!(groups["log_groups"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&groups["log_groups"][0]["name"], &groups["missing"]),
        (&json!(GROUP), &json!(["/aws/rds/instance/gone/postgresql"]))
    );
    assert!(!groups.to_string().contains("payroll"));

    let found = client
        .call(
            "recent_log_lines",
            json!({"log_group": GROUP, "contains": "lock timeout"}),
        )
        .unwrap();
    assert_eq!(
        (&found["lines_read"], found["log_lines"].as_array().unwrap().len()),
        (&json!(4), 1)
    );
    assert_eq!(
        (&found["log_lines"][0]["count"], &found["log_lines"][0]["stream"]),
        (&json!(4), &json!("orders-1"))
    );
    assert_eq!(
        (&found["untrusted"], &found["truncated"], &found["stopped"]),
        (&json!(true), &json!(false), &json!(false))
    );

    let all = client.call("recent_log_lines", orders()).unwrap();
    let text = all.to_string();
    for secret in [
        "hunter2",
        "s3cr3t",
        "AKIA",
        "eyJ",
        "opensesame",
        "jane.doe",
        "\u{202E}",
        "\u{200B}",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(
        all["redactions"],
        json!({"aws_key": 1, "connection_uri": 1, "email": 1, "jwt": 1, "literal": 1, "password": 2})
    );
    assert_eq!(all["hidden_characters"], 2);

    assert_eq!(
        code(client.call("recent_log_lines", json!({"log_group": OTHER}))),
        "outside_allow_list"
    );
    assert_eq!(
        code(client.call(
            "recent_log_lines",
            json!({"log_group": "/aws/rds/instance/gone/postgresql"})
        )),
        "not_found"
    );
    let none = client
        .call(
            "recent_log_lines",
            json!({"log_group": GROUP, "contains": "no such text"}),
        )
        .unwrap();
    assert_eq!((&none["lines_read"], &none["log_lines"]), (&json!(0), &json!([])));
}

#[test]
fn the_shipped_policy_is_enough_for_its_log_group_and_for_no_other() {
    let stack = Ministack::start(true);
    let url = format!("http://127.0.0.1:{}", stack.1);
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/iam-policy.json");
    let script = repository().join("tests/aws/observer.py");
    let made = Command::new(python())
        .arg(script)
        .args([&url, policy, GROUP, OTHER])
        .output()
        .unwrap();
    let key: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
    // An operator who allows a group too many.
    let arguments = [
        "--endpoint-url",
        &url,
        "--region",
        "eu-central-1",
        "--log-group",
        GROUP,
        "--log-group",
        OTHER,
    ];
    let mut command = server(BINARY, &arguments);
    command.env("AWS_ACCESS_KEY_ID", key["id"].as_str().unwrap());
    command.env("AWS_SECRET_ACCESS_KEY", key["secret"].as_str().unwrap());
    let mut client = Mcp::start(command);
    assert_eq!(client.call("recent_log_lines", orders()).unwrap()["lines_read"], 1);
    let refusal = client
        .call("recent_log_lines", json!({"log_group": OTHER}))
        .unwrap_err();
    assert_eq!(
        refusal.0["message"],
        "FilterLogEvents was denied: the credentials lack logs:FilterLogEvents"
    );
}

// ---- recent_log_lines ----------------------------------------------------------------------------------------------

#[test]
fn the_newest_lines_come_first_across_empty_pages_and_a_cut_is_admitted() {
    let standin = StandIn::start("logs_standin.py");
    let letters = "abcdefghij";
    let events: Vec<Value> = letters
        .chars()
        .zip(0..)
        .map(|(letter, at)| event(100 - at, &format!("line {letter}")))
        .collect();
    standin.script(json!({"groups": [GROUP], "events": events, "page": 2, "empty_pages": true}));
    let mut client = with(&standin);
    let found = client
        .call("recent_log_lines", json!({"log_group": GROUP, "max_lines": 5}))
        .unwrap();
    let texts: Vec<&str> = found["log_lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["line j", "line i", "line h", "line g", "line f"]);
    assert_eq!(found["truncated"], true);
    let all = client
        .call("recent_log_lines", json!({"log_group": GROUP, "max_lines": 500}))
        .unwrap();
    assert_eq!(
        (&all["lines_read"], &all["truncated"], &all["stopped"]),
        (&json!(10), &json!(false), &json!(false))
    );
    assert!(
        standin
            .requests()
            .iter()
            .all(|(_, request)| request["startFromHead"] == json!(false) && request.get("unmask").is_none())
    );
    assert_allowed("logs", &standin);
}

#[test]
fn a_long_answer_is_cut_to_size_and_says_so() {
    let standin = StandIn::start("logs_standin.py");
    let word = |at: usize| {
        ["a", "b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .cycle()
            .skip(at)
            .take(1 + at / 8)
            .copied()
            .collect::<String>()
    };
    let events: Vec<Value> = (0..120)
        .map(|at| event(200, &format!("{} {}", word(at), "x".repeat(5_000))))
        .collect();
    standin.script(json!({"groups": [GROUP], "events": events}));
    let found = with(&standin)
        .call("recent_log_lines", json!({"log_group": GROUP, "max_lines": 500}))
        .unwrap();
    assert!(found.to_string().len() < 40_000, "{}", found.to_string().len());
    let shown = found["log_lines"].as_array().unwrap().len();
    assert_eq!(found["lines_read"], 120);
    assert_eq!(found["lines_omitted"].as_u64().unwrap() as usize + shown, 120);
    assert_eq!(found["truncated"], true);
}

#[test]
fn a_searched_text_is_only_a_text_and_arguments_are_only_the_declared_ones() {
    let standin = StandIn::start("logs_standin.py");
    let events = [event(10, r#"say "hi" \ ?-{ $.x = * }"#), event(9, "other")];
    standin.script(json!({"groups": [GROUP, OTHER], "events": events}));
    let mut client = with(&standin);
    for text in [r#""hi" \"#, "?-{ $.x = * }"] {
        let found = client
            .call("recent_log_lines", json!({"log_group": GROUP, "contains": text}))
            .unwrap();
        assert_eq!(found["lines_read"], 1, "{text}");
    }
    let asked = standin.requests().len();
    for (arguments, expected) in [
        (json!({"log_group": OTHER}), "outside_allow_list"),
        (
            json!({"log_group": format!("arn:aws:logs:eu-central-1:999999999999:log-group:{GROUP}")}),
            "outside_allow_list",
        ),
        (json!({"log_group": "/aws/rds/cluster/orders/*"}), "outside_allow_list"),
        (json!({"log_group": GROUP, "minutes": 181}), "invalid_arguments"),
        (json!({"log_group": GROUP, "minutes": 1441}), "invalid_arguments"),
        (json!({"log_group": GROUP, "until": "tomorrow"}), "invalid_arguments"),
        (json!({"log_group": GROUP, "max_lines": 501}), "invalid_arguments"),
        (json!({"log_group": GROUP, "contains": "a\nb"}), "invalid_arguments"),
        (
            json!({"log_group": GROUP, "contains": "x".repeat(201)}),
            "invalid_arguments",
        ),
        (json!({"log_group": GROUP, "unmask": true}), "invalid_arguments"),
        (json!({"log_group": GROUP, "region": "us-east-1"}), "invalid_arguments"),
        (json!({"log_group": GROUP, "profile": "admin"}), "invalid_arguments"),
        (
            json!({"log_group": GROUP, "endpoint_url": "http://example.com"}),
            "invalid_arguments",
        ),
        (
            json!({"log_group": GROUP, "query": "SOURCE logGroups()"}),
            "invalid_arguments",
        ),
    ] {
        assert_eq!(
            code(client.call("recent_log_lines", arguments.clone())),
            expected,
            "{arguments}"
        );
        assert_eq!(
            code(client.call("postgres_error_summary", arguments.clone())),
            expected,
            "{arguments}"
        );
    }
    assert_eq!(standin.requests().len(), asked);
}

// ---- postgres_error_summary ----------------------------------------------------------------------------------------

#[test]
fn errors_are_counted_after_a_free_estimate() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let mut client = with(&standin);
    let summary = client.call("postgres_error_summary", orders()).unwrap();
    let kinds: Vec<(&str, u64, &str)> = summary["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            (
                kind["severity"].as_str().unwrap(),
                kind["count"].as_u64().unwrap(),
                kind["message"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(kinds[0], ("FATAL", 5, "sorry, too many clients already"));
    assert_eq!(
        (kinds[1].1, kinds[1].2.starts_with("process 1")),
        (2, true),
        "{kinds:?}"
    );
    let mut rest = kinds[2..].to_vec();
    rest.sort_unstable();
    assert_eq!(
        rest,
        [
            ("ERROR", 1, "deadlock detected"),
            ("FATAL", 1, "terminating connection due to administrator command")
        ]
    );
    assert_eq!(
        (&summary["errors_total"], &summary["stopped"], &summary["truncated"]),
        (&json!(9), &json!(false), &json!(false))
    );
    assert!(summary["errors"][0]["last_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (
            &summary["estimated_bytes"],
            &summary["bytes_scanned"],
            &summary["scanned_usd"]
        ),
        (&json!(2_000_000_000_u64), &json!(2_000_000_000_u64), &json!(0.01))
    );

    let started: Vec<String> = standin
        .requests()
        .iter()
        .filter(|(operation, _)| operation == "StartQuery")
        .map(|(_, request)| {
            assert_eq!(request["logGroupNames"], json!([GROUP]));
            request["queryString"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(started.len(), 2);
    assert!(started[0].ends_with("| estimate") && !started[0].contains("stats"));
    assert!(
        !started[1].contains("estimate")
            && started[1].starts_with(started[0].trim_end_matches("| estimate").trim_end())
    );
    // Both ended by themselves.
    assert_eq!(standin.count("StopQuery"), 0);
    assert_allowed("logs", &standin);

    let two = client
        .call("postgres_error_summary", json!({"log_group": GROUP, "max_errors": 2}))
        .unwrap();
    assert_eq!(
        (
            two["errors"].as_array().unwrap().len(),
            &two["truncated"],
            &two["errors_total"]
        ),
        (2, &json!(true), &json!(9))
    );
}

#[test]
fn a_query_over_the_budget_is_refused_with_the_numbers_and_not_started() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"estimate": [{"estimatedBytes": "10995116277760"}]}));
    let refusal = with(&standin).call("postgres_error_summary", orders()).unwrap_err();
    assert_eq!(refusal.code(), "over_budget");
    assert_eq!(
        refusal.0["message"],
        "the query would scan 10240.0 GiB (about 54.9756 USD), the budget is 5.0 GiB"
    );
    assert_eq!(refusal.0["estimated_bytes"], json!(10_995_116_277_760_u64));
    assert_eq!(standin.count("StartQuery"), 1);
}

#[test]
fn without_an_estimate_nothing_runs_unless_the_operator_allows_it() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_folder, mut lenient) = configured(&standin, "[budget]\non_estimate_failure = 'allow'");
    for estimate in [
        json!([]),
        json!([{"estimatedBytes": "1.2 GB"}]),
        json!([{"a": "1"}, {"a": "2"}]),
    ] {
        standin.script(json!({"estimate": estimate}));
        let before = standin.count("StartQuery");
        assert_eq!(
            code(with(&standin).call("postgres_error_summary", orders())),
            "estimate_failed"
        );
        assert_eq!(standin.count("StartQuery"), before + 1);
        let answer = lenient.call("postgres_error_summary", orders()).unwrap();
        assert_eq!(
            (answer.get("estimated_bytes"), &answer["errors_total"]),
            (None, &json!(9))
        );
    }
    let unknown = json!({"faults": [{"operation": "StartQuery", "code": "MalformedQueryException", "message": "unexpected symbol | found"}]});
    standin.script(unknown.clone());
    let refusal = with(&standin).call("postgres_error_summary", orders()).unwrap_err();
    assert_eq!(refusal.code(), "estimate_failed");
    assert!(refusal.0["message"].as_str().unwrap().contains("unexpected symbol"));
    // A missing permission would hit the query as well, so it is not mistaken for a failed estimate.
    standin.script(json!({"faults": [{"operation": "StartQuery", "code": "AccessDeniedException"}]}));
    assert_eq!(code(lenient.call("postgres_error_summary", orders())), "access_denied");
}

#[test]
fn each_of_the_seven_statuses_has_its_answer() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_patient_folder, mut patient) = configured(&standin, "");
    let (_hasty_folder, mut hasty) = configured(&standin, "[limits]\nquery_deadline_s = 2");
    let ask_by = |client: &mut Mcp, statuses: Value| {
        standin.script(json!({"statuses": statuses, "partial": 1}));
        let stops = standin.count("StopQuery");
        let answer = client.call("postgres_error_summary", orders());
        (answer, standin.count("StopQuery") - stops)
    };
    let mut ask = |statuses: Value| ask_by(&mut patient, statuses);
    let (complete, stops) = ask(json!(["Scheduled", "Unknown", "Running", "Complete"]));
    assert_eq!((&complete.unwrap()["stopped"], stops), (&json!(false), 0));
    let (failed, stops) = ask(json!(["Running", "Failed"]));
    assert_eq!((code(failed).as_str(), stops), ("query_failed", 0));
    for (last, reason) in [("Cancelled", "cancelled_elsewhere"), ("Timeout", "service_timeout")] {
        let (answer, stops) = ask(json!(["Running", last]));
        let answer = answer.unwrap();
        assert_eq!(
            (
                &answer["stopped"],
                &answer["stop_reason"],
                &answer["errors_total"],
                stops
            ),
            (&json!(true), &json!(reason), &json!(5), 0)
        );
    }
    // Never over: at our deadline it is stopped, and what it had found is kept.
    for last in ["Running", "Scheduled", "Unknown"] {
        let (answer, stops) = ask_by(&mut hasty, json!(["Scheduled", last]));
        let answer = answer.unwrap();
        assert_eq!(
            (&answer["stopped"], &answer["stop_reason"], stops),
            (&json!(true), &json!("deadline"), 1),
            "{last}"
        );
        assert_eq!(
            answer["errors_total"],
            json!(if last == "Scheduled" { 0 } else { 5 }),
            "{last}"
        );
    }
}

#[test]
fn a_query_is_stopped_when_its_caller_cancels() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"]}));
    let mut client = with(&standin);
    let id = client.begin(
        "tools/call",
        json!({"name": "postgres_error_summary", "arguments": orders()}),
    );
    standin.wait_for("GetQueryResults", 3, Duration::from_secs(10));
    client.cancel(id);
    standin.wait_for("StopQuery", 1, Duration::from_secs(1));
    assert!(client.request("tools/list", json!({}))["tools"].is_array());
}

#[test]
fn a_query_is_stopped_when_the_server_is_told_to_stop_or_its_client_leaves() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"]}));
    // A client that leaves may still read what it asked for, so open calls get five seconds then.
    for (stops, finish, within_s) in [(1, Mcp::terminate as fn(Mcp) -> _, 2), (2, Mcp::finish, 9)] {
        let mut client = with(&standin);
        client.begin(
            "tools/call",
            json!({"name": "postgres_error_summary", "arguments": orders()}),
        );
        standin.wait_for("GetQueryResults", 3 * stops, Duration::from_secs(10));
        let started = Instant::now();
        let (status, logs) = finish(client);
        assert!(status.success(), "{logs}");
        assert!(
            started.elapsed() < Duration::from_secs(within_s),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(standin.count("StopQuery"), stops);
    }
}

#[test]
fn a_query_that_starts_while_its_caller_leaves_is_stopped_too() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    standin.script(json!({"statuses": ["Running"], "delay_s": 1}));
    let mut client = with(&standin);
    let id = client.begin(
        "tools/call",
        json!({"name": "postgres_error_summary", "arguments": orders()}),
    );
    // The estimate has been asked for, and its id is not known yet.
    standin.wait_for("StartQuery", 1, Duration::from_secs(10));
    client.cancel(id);
    standin.wait_for("StopQuery", 1, Duration::from_secs(5));
    assert_eq!((standin.count("StartQuery"), standin.count("GetQueryResults")), (1, 0));
}

#[test]
fn an_error_while_a_query_runs_stops_it() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let mut client = with(&standin);
    standin.script(json!({"faults": [{"operation": "GetQueryResults", "code": "AccessDeniedException"}]}));
    assert_eq!(code(client.call("postgres_error_summary", orders())), "access_denied");
    assert_eq!(standin.count("StopQuery"), 1);
}

// ---- refusals, logs, configuration ---------------------------------------------------------------------------------

#[test]
fn refusals_of_aws_have_codes_and_no_secrets() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let mut client = with(&standin);
    for (tool, operation, code, status, times, expected) in [
        (
            "recent_log_lines",
            "FilterLogEvents",
            "ThrottlingException",
            400,
            9,
            "throttled",
        ),
        (
            "recent_log_lines",
            "FilterLogEvents",
            "ServiceUnavailableException",
            503,
            9,
            "unavailable",
        ),
        (
            "recent_log_lines",
            "FilterLogEvents",
            "ExpiredTokenException",
            400,
            1,
            "expired_credentials",
        ),
        (
            "recent_log_lines",
            "FilterLogEvents",
            "ResourceNotFoundException",
            400,
            1,
            "not_found",
        ),
        (
            "recent_log_lines",
            "FilterLogEvents",
            "InvalidParameterException",
            400,
            1,
            "invalid_request",
        ),
        (
            "list_log_groups",
            "DescribeLogGroups",
            "AccessDeniedException",
            400,
            1,
            "access_denied",
        ),
        (
            "list_log_groups",
            "DescribeLogGroups",
            "SignatureDoesNotMatch",
            403,
            1,
            "access_denied",
        ),
        (
            "postgres_error_summary",
            "StartQuery",
            "LimitExceededException",
            400,
            9,
            "throttled",
        ),
    ] {
        let message = "x AKIAIOSFODNN7EXAMPLE password=hunter2 x-amz-security-token:IQoJb3JpZ2luX2VjEJr";
        standin.script(json!({"faults": [{"operation": operation, "code": code, "status": status, "times": times, "message": message}]}));
        let arguments = if tool == "list_log_groups" { json!({}) } else { orders() };
        let refusal = client.call(tool, arguments).unwrap_err();
        assert_eq!(refusal.code(), expected, "{code}");
        let text = refusal.0.to_string();
        assert!(
            !["AKIA", "hunter2", "IQoJ"].iter().any(|secret| text.contains(secret)),
            "{text}"
        );
    }
    // Too many queries at once pass by themselves if it is soon over.
    standin.script(json!({"faults": [{"operation": "StartQuery", "code": "LimitExceededException", "times": 2}]}));
    assert!(client.call("postgres_error_summary", orders()).is_ok());
}

#[test]
fn nothing_that_was_read_and_no_key_is_logged() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let mut command = server_with(BINARY, &standin, &["--log-group", GROUP]);
    command.env("RUST_LOG", "trace");
    let mut client = Mcp::start(command);
    client
        .call(
            "recent_log_lines",
            json!({"log_group": GROUP, "contains": "too many clients"}),
        )
        .unwrap();
    client.call("postgres_error_summary", orders()).unwrap();
    let (status, logs) = client.finish();
    assert!(status.success());
    assert!(logs.contains("recent_log_lines"));
    for text in ["too many clients", "deadlock", "standin-secret-key", "AKIDEXAMPLE"] {
        assert!(!logs.contains(text), "{text} in {logs}");
    }
}

#[test]
fn credentials_of_another_account_are_refused_before_anything_is_read() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let start = |account: &str| {
        Mcp::start(server_with(
            BINARY,
            &standin,
            &["--account", account, "--log-group", GROUP],
        ))
    };
    assert_eq!(
        code(start("999999999999").call("recent_log_lines", orders())),
        "wrong_account"
    );
    assert_eq!(standin.requests(), []);
    assert!(start("123456789012").call("recent_log_lines", orders()).is_ok());
}

#[test]
fn without_aws_it_lists_its_tools_and_every_call_says_what_is_missing() {
    let mut bare = Mcp::start(server(BINARY, &[]));
    compare_tools(&mut bare);
    for (tool, arguments) in [
        ("list_log_groups", json!({})),
        ("recent_log_lines", orders()),
        ("postgres_error_summary", orders()),
        ("slow_queries", orders()),
        ("lock_waits_and_deadlocks", orders()),
        ("autovacuum_activity", orders()),
        ("connection_failures", orders()),
        ("log_patterns", orders()),
    ] {
        assert_eq!(code(bare.call(tool, arguments)), "not_configured", "{tool}");
    }
    assert!(bare.finish().0.success());

    let mut nowhere = Mcp::start(server(BINARY, &["--log-group", GROUP]));
    assert_eq!(code(nowhere.call("recent_log_lines", orders())), "not_configured");

    // As mcp.json starts it where nothing is set, and where everything but credentials is.
    for (scope, region, expected) in [
        (String::new(), "", "not_configured"),
        (GROUP.to_owned(), "", "not_configured"),
        (GROUP.to_owned(), "eu-central-1", "credentials_missing"),
    ] {
        let mut command = server(BINARY, &[]);
        command
            .env("AWS_PROFILE", "default")
            .env("AWS_REGION", region)
            .env("COUNTERSIGN_LOG_GROUPS", scope);
        let mut client = Mcp::start(command);
        assert_eq!(code(client.call("recent_log_lines", orders())), expected);
    }

    // A metadata service that takes the question and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = server(BINARY, &["--log-group", GROUP, "--region", "eu-central-1"]);
    command.env(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", silent.local_addr().unwrap()),
    );
    let mut anonymous = Mcp::start(command);
    let started = Instant::now();
    assert_eq!(
        code(anonymous.call("postgres_error_summary", orders())),
        "credentials_missing"
    );
    assert!(
        started.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logs.toml");
    let path = file.to_str().unwrap();
    let run = |toml: &str, arguments: &[&str]| {
        std::fs::write(&file, toml).unwrap();
        let output = server(BINARY, &[&["--config", path], arguments].concat())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    for endpoint in [
        "https://logs.example.com",
        "http://169.254.169.254",
        "http://localhost.example.com:4566",
    ] {
        let (code, text) = run("", &["--endpoint-url", endpoint]);
        assert!(code == Some(2) && text.contains("`endpoint_url`"), "{text}");
    }
    let (code, text) = run("[logs]\ngroups = ['/aws/*']\n[aws]\naccount = '1'", &[]);
    assert!(
        code == Some(2) && text.contains("`groups`") && text.contains("`account`"),
        "{text}"
    );
    let (code, text) = run("[budget]\non_estimate_failure = 'ignore'", &[]);
    assert!(code == Some(2) && text.contains("`ignore`"), "{text}");
    let (code, text) = run("[bugdet]\nmax_query_bytes = 1", &[]);
    assert!(code == Some(2) && text.contains("bugdet"), "{text}");
    let (code, text) = run(
        "[logs]\ngroups = ['/a/b']",
        &["--region", "eu-central-1", "--print-config"],
    );
    assert!(
        code == Some(0) && text.contains("\"/a/b\"") && text.contains("eu-central-1") && text.contains("refuse"),
        "{text}"
    );
}
