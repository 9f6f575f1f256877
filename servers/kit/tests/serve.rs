//! The fixture server, driven over stdio and HTTP in both protocol eras with raw JSON-RPC, as any client would.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use std::{
    collections::HashSet,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

const MODERN: &str = "2026-07-28";
/// Nothing here takes seconds; this only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(20);

// --- stdio -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_modern_client_discovers_lists_and_calls_over_stdio() {
    let mut client = Pipes::start(&[]);
    let found = client.ask(modern(1, "server/discover", json!({}))).await;
    assert_eq!(
        found["result"]["supportedVersions"],
        json!(["2025-06-18", "2025-11-25", "2026-07-28"])
    );
    assert_eq!(server_info(&found), json!({"name": "fixture", "version": "1.2.3"}));

    let listed = client.ask(modern(2, "tools/list", json!({}))).await;
    let result = &listed["result"];
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(300_000), &json!("public"))
    );
    assert_eq!(server_info(&listed)["name"], "fixture");
    let names: Vec<_> = result["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(
        names,
        ["break", "echo", "fail", "flood", "hang", "late", "wait_for_hang"]
    );
    let echo = &result["tools"][1];
    assert_eq!(
        echo["inputSchema"],
        json!({
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "What to say.", "maxLength": 100},
                "times": {"type": "integer", "minimum": 1, "maximum": 3, "description": "How often."},
                "voice": {"type": "string", "enum": ["loud", "quiet"]},
                "places": {"type": "array", "items": {
                    "type": "object", "properties": {"row": {"type": "integer", "minimum": 0}}, "required": ["row"],
                    "additionalProperties": false,
                }},
            },
            "required": ["text"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        echo["outputSchema"]["anyOf"][0]["required"],
        json!(["said", "voice", "places"])
    );
    assert_eq!(
        echo["annotations"],
        json!({"title": "Echo", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false})
    );

    let said = client.ask(call(3, "echo", json!({"text": "hi", "times": 2}))).await;
    let result = &said["result"];
    let expected = json!({"said": ["hi", "hi"], "voice": null, "places": 0});
    assert_eq!(
        (&result["structuredContent"], &result["isError"]),
        (&expected, &json!(false))
    );
    assert_eq!(
        result["content"][0]["text"].as_str().unwrap().parse::<Value>().unwrap(),
        expected
    );
    assert_eq!(
        (&result["resultType"], server_info(&said)),
        (&json!("complete"), json!({"name": "fixture", "version": "1.2.3"}))
    );

    let read = client
        .ask(modern(4, "resources/read", json!({"uri": "note://one"})))
        .await;
    assert_eq!(
        read["result"]["contents"],
        json!([{"uri": "note://one", "mimeType": "text/markdown", "text": "# One"}])
    );
    assert_eq!(
        (&read["result"]["ttlMs"], server_info(&read)["name"].clone()),
        (&json!(1000), json!("fixture"))
    );
    let missing = client
        .ask(modern(5, "resources/read", json!({"uri": "note://two"})))
        .await;
    assert_eq!(missing["error"]["code"], -32602);
    let prompts = client.ask(modern(6, "prompts/list", json!({}))).await;
    assert_eq!(
        (&prompts["result"]["prompts"], server_info(&prompts)["name"].clone()),
        (&json!([]), json!("fixture"))
    );
    let cursor = client.ask(modern(7, "tools/list", json!({"cursor": "made-up"}))).await;
    assert_eq!(cursor["error"]["code"], -32602);
    for method in ["ping", "completion/complete", "tasks/get", "no/such/method"] {
        let unknown = client.ask(modern(8, method, json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "x", "value": "x"}, "taskId": "x"}))).await;
        assert_eq!(unknown["error"]["code"], -32601, "{method}: {unknown}");
    }
    assert_eq!(client.close().await.code(), Some(0));
}

#[tokio::test]
async fn a_legacy_client_initializes_lists_and_calls_over_stdio() {
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let mut client = Pipes::start(&[]);
        let opened = client.ask(initialize(asked)).await;
        assert_eq!(opened["result"]["protocolVersion"], agreed);
        assert_eq!(opened["result"]["serverInfo"]["name"], "fixture");
        client
            .tell(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        let listed = client.ask(request(2, "tools/list", json!({}))).await;
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 7);
        let said = client
            .ask(request(
                3,
                "tools/call",
                json!({"name": "echo", "arguments": {"text": "hi"}}),
            ))
            .await;
        assert_eq!(said["result"]["structuredContent"]["said"], json!(["hi"]));
        assert_eq!(
            said["result"].get("resultType"),
            None,
            "the older protocol has no such member"
        );
        let missing = client
            .ask(request(4, "resources/read", json!({"uri": "note://two"})))
            .await;
        assert_eq!(missing["error"]["code"], -32002);
        assert_eq!(client.close().await.code(), Some(0));
    }
}

#[tokio::test]
async fn every_wrong_argument_is_named() {
    let mut client = Pipes::start(&[]);
    for (arguments, message) in [
        (json!({"text": "a", "tims": 2}), "unknown argument `tims`"),
        (json!({"text": "a", "tims": null}), "unknown argument `tims`"),
        (json!({}), "missing field `text`"),
        (json!({"text": null}), "`text`: invalid type: null, expected a string"),
        (
            json!({"text": 7}),
            "`text`: invalid type: integer `7`, expected a string",
        ),
        (json!({"text": "a", "times": 4}), "`times`: 4 is more than 3"),
        (json!({"text": "a", "times": 0}), "`times`: 0 is less than 1"),
        (
            json!({"text": "a".repeat(101)}),
            "`text`: 101 characters, at most 100 allowed",
        ),
        (
            json!({"text": "a", "voice": "shrill"}),
            "`voice`: unknown variant `shrill`, expected `loud` or `quiet`",
        ),
        (
            json!({"text": "a", "places": [{"row": 1}, {"row": 1, "column": 2}]}),
            "unknown argument `places[1].column`",
        ),
        (
            json!({"text": "a", "places": [{"row": "x"}]}),
            "`places[0].row`: invalid type: string \"x\", expected u32",
        ),
    ] {
        let refused = client.ask(call(1, "echo", arguments)).await;
        let error = &refused["result"]["structuredContent"];
        assert_eq!(
            (&refused["result"]["isError"], &error["code"]),
            (&json!(true), &json!("invalid_arguments"))
        );
        assert_eq!(error["message"], message);
        assert_eq!(server_info(&refused)["name"], "fixture");
    }
    let good = client
        .ask(call(
            1,
            "echo",
            json!({"text": "a", "times": null, "places": [{"row": 1}]}),
        ))
        .await;
    assert_eq!(good["result"]["structuredContent"]["places"], 1, "{good}");
}

#[tokio::test]
async fn every_failure_has_its_code() {
    let mut client = Pipes::start(&[]);
    let unknown = client.ask(call(1, "no_such_tool", json!({}))).await;
    assert_eq!(unknown["error"]["code"], -32602);
    for (tool, code, retryable) in [
        ("flood", "result_too_large", false),
        ("late", "deadline_exceeded", true),
        ("break", "internal", false),
    ] {
        let failed = client.ask(call(2, tool, json!({}))).await;
        let error = &failed["result"]["structuredContent"];
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!(code), &json!(retryable)),
            "{failed}"
        );
        assert_eq!(failed["result"]["isError"], true);
    }
    let refused = client.ask(call(3, "fail", json!({}))).await;
    let expected = json!({"code": "approval_required", "message": "a human must approve", "retryable": true, "hint": "open the page", "request_id": "r-1"});
    assert_eq!(refused["result"]["structuredContent"], expected);
}

#[tokio::test]
async fn an_oversized_line_is_dropped_and_the_connection_stays() {
    let mut client = Pipes::start(&[]);
    client
        .tell(call(1, "echo", json!({"text": "x".repeat(4 * 1024 * 1024)})))
        .await;
    let next = client.ask(call(2, "echo", json!({"text": "hi"}))).await;
    assert_eq!(next["id"], 2, "{next}");
}

#[tokio::test]
async fn a_cancelled_call_learns_of_it() {
    let mut client = Pipes::start(&[]);
    client.tell(call(1, "hang", json!({}))).await;
    client
        .ask(call(2, "wait_for_hang", json!({"started": 1, "stopped": 0})))
        .await;
    client
        .tell(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}))
        .await;
    let seen = client
        .ask(call(3, "wait_for_hang", json!({"started": 1, "stopped": 1})))
        .await;
    assert_eq!(seen["id"], 3, "a cancelled call gets no answer: {seen}");
    assert_eq!(seen["result"]["isError"], false);
}

#[tokio::test]
async fn a_call_too_many_is_told_to_come_back() {
    let mut client = Pipes::start(&[]);
    for id in 100..132 {
        client.tell(call(id, "hang", json!({}))).await;
    }
    let busy = async {
        loop {
            let answer = client.ask(call(1, "echo", json!({"text": "hi"}))).await;
            if answer["result"]["isError"] == true {
                return answer;
            }
        }
    };
    let busy = tokio::time::timeout(PATIENCE, busy).await.unwrap();
    let error = &busy["result"]["structuredContent"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("busy"), &json!(true)));
}

#[tokio::test]
async fn closing_stdin_is_a_clean_end_whenever_it_comes() {
    assert_eq!(Pipes::start(&[]).close().await.code(), Some(0));
    let mut probe = Pipes::start(&[]);
    probe.ask(modern(1, "server/discover", json!({}))).await;
    assert_eq!(probe.close().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_is_a_clean_end_although_stdin_stays_open() {
    let mut client = Pipes::start(&[]);
    client.ask(modern(1, "tools/list", json!({}))).await;
    terminate(&client.child);
    assert_eq!(ended(&mut client.child).await.code(), Some(0));

    // Node.js gives its children sockets, from which only a blocking thread can read.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut child = Command::new(fixture())
        .stdin(Stdio::from(theirs.try_clone().unwrap()))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
    ours.write_all(format!("{}\n", modern(1, "tools/list", json!({}))).as_bytes())
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, ours.read_u8()).await.unwrap().unwrap();
    terminate(&child);
    assert_eq!(ended(&mut child).await.code(), Some(0));
}

#[tokio::test]
async fn a_client_that_reads_no_log_gets_every_answer() {
    let mut client = Pipes::start(&[]);
    // Each call is logged: these are more than the pipe takes.
    for id in 0..2000 {
        let said = client.ask(call(id, "echo", json!({"text": "hi"}))).await;
        assert_eq!(said["id"], id);
    }
    let log = client.close_and_read_log().await;
    assert!(log.len() < 100_000, "{}", log.len());
}

#[tokio::test]
async fn sigterm_ends_a_server_whose_client_reads_nothing() {
    let mut client = Pipes::start(&[]);
    client.ask(modern(0, "tools/list", json!({}))).await;
    for id in 1..200 {
        client.tell(modern(id, "tools/list", json!({}))).await;
    }
    terminate(&client.child);
    assert_eq!(ended(&mut client.child).await.code(), Some(0));
}

#[tokio::test]
async fn what_a_slow_client_asked_for_arrives_whole_and_in_full() {
    let mut client = Pipes::start(&[]);
    for id in 0..500 {
        client.tell(modern(id, "tools/list", json!({}))).await;
    }
    let mut seen = HashSet::new();
    while seen.len() < 500 {
        let line = tokio::time::timeout(PATIENCE, client.stdout.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let listed: Value = line.parse().unwrap();
        assert!(listed["result"]["tools"].is_array() && seen.insert(listed["id"].as_u64().unwrap()));
    }
}

#[tokio::test]
async fn a_server_described_beforehand_answers_as_one_that_describes_itself() {
    let described = |args: &[&str]| {
        let mut command = Command::new(fixture());
        command.args(args).env(DESCRIBED, "yes");
        command
    };
    let mut itself = Pipes::start(&[]);
    let mut pipes = Pipes::run(&mut described(&[]));
    let http = Http::run(&mut described(&["--http", "127.0.0.1:0"])).await;
    for message in [
        modern(1, "tools/list", json!({})),
        call(2, "echo", json!({"text": "hi", "times": null})),
        call(3, "echo", json!({"text": "hi", "times": 4})),
        call(4, "no_such_tool", json!({})),
    ] {
        let expected = itself.ask(message.clone()).await;
        assert_eq!(pipes.ask(message.clone()).await, expected);
        assert_eq!(http.ask(message).await, expected);
    }
}

#[tokio::test]
async fn descriptions_of_other_tools_are_no_start() {
    let mut server = Pipes::run(Command::new(fixture()).env(DESCRIBED, "wrongly"));
    assert_eq!(ended(&mut server.child).await.code(), Some(1));
    let log = server.close_and_read_log().await;
    assert!(
        log.contains("the written descriptions are not those of the tools"),
        "{log}"
    );
}

// --- HTTP ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn both_eras_are_served_over_http() {
    let server = Http::start(&[]).await;
    let found = server.ask(modern(1, "server/discover", json!({}))).await;
    assert_eq!(server_info(&found)["name"], "fixture");
    let said = server.ask(call(2, "echo", json!({"text": "hi"}))).await;
    assert_eq!(said["result"]["structuredContent"]["said"], json!(["hi"]));
    let unknown = server.ask(call(3, "no_such_tool", json!({}))).await;
    assert_eq!(unknown["error"]["code"], -32602);

    let opened = server.post(initialize("2025-06-18")).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].clone();
    assert_eq!(answer(opened).await["result"]["protocolVersion"], "2025-06-18");
    let legacy = |body| {
        server
            .post(body)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-06-18")
    };
    let noted = legacy(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        .send()
        .await
        .unwrap();
    assert_eq!(noted.status(), 202);
    let said = legacy(request(
        2,
        "tools/call",
        json!({"name": "echo", "arguments": {"text": "hi"}}),
    ));
    let said = answer(said.send().await.unwrap()).await;
    assert_eq!(said["result"]["structuredContent"]["said"], json!(["hi"]));
    assert_eq!(server_info(&said)["name"], "fixture");
}

#[tokio::test]
async fn sessions_are_bounded_and_the_protocol_without_them_is_not_affected() {
    let server = Http::start(&[]).await;
    for _ in 0..256 {
        assert_eq!(
            server.post(initialize("2025-11-25")).send().await.unwrap().status(),
            200
        );
    }
    assert_eq!(
        server.post(initialize("2025-11-25")).send().await.unwrap().status(),
        503
    );
    let said = server.ask(call(2, "echo", json!({"text": "hi"}))).await;
    assert_eq!(said["result"]["isError"], false);
}

#[tokio::test]
async fn health_and_metrics_are_served_beside_mcp() {
    let server = Http::start(&[]).await;
    server.ask(call(1, "echo", json!({"text": "hi"}))).await;
    server.ask(call(2, "fail", json!({}))).await;
    assert_eq!(
        reqwest::get(server.at("/healthz")).await.unwrap().text().await.unwrap(),
        "ok\n"
    );
    let metrics = reqwest::get(server.at("/metrics")).await.unwrap();
    assert_eq!(
        metrics.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let metrics = metrics.text().await.unwrap();
    for line in [
        "countersign_tool_calls_total{server=\"fixture\",tool=\"echo\",outcome=\"ok\"} 1",
        "countersign_tool_calls_total{server=\"fixture\",tool=\"fail\",outcome=\"approval_required\"} 1",
        "countersign_tool_duration_seconds_count{server=\"fixture\",tool=\"echo\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_on_every_route() {
    let server = Http::start(&[]).await;
    let client = reqwest::Client::new();
    for path in ["/mcp", "/extra", "/healthz", "/metrics", "/nowhere"] {
        for (header, value) in [
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            let refused = client
                .post(server.at(path))
                .header(header, value)
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(refused.status(), 403, "{path} with {header}: {value}");
        }
    }
    let ours = server
        .post(call(1, "echo", json!({"text": "hi"})))
        .header("origin", "http://localhost:5173");
    assert_eq!(ours.send().await.unwrap().status(), 200);
    let extra = client.post(server.at("/extra")).body("hello").send().await.unwrap();
    assert_eq!(extra.text().await.unwrap(), "5");

    let server = Http::start(&["--allow-host", "gate.example.com"]).await;
    let named = client
        .get(server.at("/healthz"))
        .header("host", "gate.example.com")
        .send()
        .await
        .unwrap();
    assert_eq!(named.status(), 200);
}

#[tokio::test]
async fn oversized_bodies_are_refused_on_every_route() {
    let server = Http::start(&[]).await;
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    for path in ["/mcp", "/extra"] {
        let headers = |request: reqwest::RequestBuilder| {
            request
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
        };
        let client = reqwest::Client::new();
        let declared = headers(client.post(server.at(path)))
            .body(large.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(declared.status(), 413, "{path}, declared length");
        // Without a length the server must count for itself.
        let halves: Vec<Result<_, std::io::Error>> = vec![Ok(large.clone()), Ok(large.clone())];
        let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(halves));
        // A server that answers before it has read everything may reset the connection; no answer is no acceptance.
        if let Ok(chunked) = headers(client.post(server.at(path))).body(streamed).send().await {
            assert_eq!(chunked.status(), 413, "{path}, chunked");
        }
    }
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_call() {
    let server = Http::start(&[]).await;
    let hanging = server.post(call(1, "hang", json!({})));
    let hanging = tokio::spawn(async move { hanging.send().await.unwrap().bytes().await });
    server
        .ask(call(2, "wait_for_hang", json!({"started": 1, "stopped": 0})))
        .await;
    hanging.abort();
    let seen = server
        .ask(call(3, "wait_for_hang", json!({"started": 1, "stopped": 1})))
        .await;
    assert_eq!(seen["result"]["isError"], false, "{seen}");
}

#[tokio::test]
async fn sigterm_lets_calls_end_and_is_a_clean_end() {
    let mut server = Http::start(&[]).await;
    let waiting = server.post(call(1, "wait_for_hang", json!({"started": 1, "stopped": 1})));
    let waiting = tokio::spawn(async move { answer(waiting.send().await.unwrap()).await });
    let hanging = server.post(call(2, "hang", json!({})));
    let hanging = tokio::spawn(async move { hanging.send().await.unwrap().bytes().await });
    server
        .ask(call(3, "wait_for_hang", json!({"started": 1, "stopped": 0})))
        .await;
    terminate(&server.child);
    // The listener is gone, the call that is under way is not.
    while reqwest::get(server.at("/healthz")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    hanging.abort();
    let ended_well = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(ended_well["result"]["isError"], false, "{ended_well}");
    assert_eq!(ended(&mut server.child).await.code(), Some(0));
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_unless_the_operator_insists() {
    let refused = Command::new(fixture())
        .args(["--http", "0.0.0.0:0"])
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("--dangerously-bind-any")
    );
    let wrong = Command::new(fixture())
        .args(["--http", "nonsense"])
        .output()
        .await
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let insisted = Http::start_at("0.0.0.0:0", "info", &["--dangerously-bind-any"]).await;
    let client = reqwest::Client::new();
    let url = insisted.at("/healthz").replace("0.0.0.0", "127.0.0.1");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    assert_eq!(
        client
            .get(&url)
            .header("host", "evil.example")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
}

// --- logs ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn no_log_level_writes_an_argument_or_a_result() {
    let secret = "correct-horse-battery-staple";
    let body = || call(1, "echo", json!({"text": secret, "times": 2}));
    for format in ["json", "text"] {
        let mut client = Pipes::start_logging("trace", &["--log-format", format]);
        assert_eq!(
            client.ask(body()).await["result"]["structuredContent"]["said"],
            json!([secret, secret])
        );
        let wrong = client.ask(call(2, "echo", json!({"text": "a", secret: 1}))).await;
        assert_eq!(wrong["result"]["isError"], true);
        client.ask(call(3, secret, json!({}))).await;
        client.ask(modern(4, "tools/call", json!({"name": [secret]}))).await;
        client.ask(json!(secret)).await;
        client.tell(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9, "reason": secret}})).await;
        let log = client.close_and_read_log().await;
        assert!(log.contains("call answered"), "{log}");
        assert!(!log.contains(secret), "{log}");

        let mut server = Http::start_at("127.0.0.1:0", "trace", &["--log-format", format]).await;
        server.ask(body()).await;
        server.ask(call(2, "echo", json!({"text": "a", secret: 1}))).await;
        server.post(json!(secret)).send().await.unwrap();
        terminate(&server.child);
        let mut log = String::new();
        server.stderr.read_to_string(&mut log).await.unwrap();
        assert!(log.contains("call answered"), "{log}");
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn json_logs_are_one_object_a_line() {
    let mut client = Pipes::start(&[]);
    let mut with_trace = call(1, "echo", json!({"text": "hi"}));
    with_trace["params"]["_meta"]["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
    client.ask(with_trace).await;
    let log = client.close_and_read_log().await;
    let lines: Vec<Value> = log.lines().map(|line| line.parse().unwrap()).collect();
    let answered = lines.iter().find(|line| line["message"] == "call answered").unwrap();
    assert_eq!(
        (&answered["tool"], &answered["outcome"]),
        (&json!("echo"), &json!("ok"))
    );
    assert_eq!(answered["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

// --- what the tests drive with -----------------------------------------------------------------------------------------

/// Tells the fixture to take its tools' descriptions from a text.
const DESCRIBED: &str = "FIXTURE_DESCRIBED";

fn fixture() -> &'static str {
    env!("CARGO_BIN_EXE_kit-fixture")
}

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, params)
}

fn call(id: u32, tool: &str, arguments: Value) -> Value {
    modern(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

fn initialize(version: &str) -> Value {
    let params =
        json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}});
    request(1, "initialize", params)
}

fn server_info(response: &Value) -> Value {
    response["result"]["_meta"]["io.modelcontextprotocol/serverInfo"].clone()
}

fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
}

async fn ended(child: &mut Child) -> ExitStatus {
    tokio::time::timeout(PATIENCE, child.wait())
        .await
        .expect("the server should have ended")
        .unwrap()
}

struct Pipes {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
}

impl Pipes {
    fn start(args: &[&str]) -> Self {
        Self::start_logging("info", args)
    }

    fn start_logging(level: &str, args: &[&str]) -> Self {
        Self::run(Command::new(fixture()).args(args).env("RUST_LOG", level))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            stderr,
        }
    }

    async fn tell(&mut self, message: Value) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.tell(message).await;
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line())
            .await
            .expect("an answer in time")
            .unwrap();
        line.expect("the server should still be there").parse().unwrap()
    }

    async fn close(mut self) -> ExitStatus {
        drop(self.stdin.take());
        ended(&mut self.child).await
    }

    async fn close_and_read_log(mut self) -> String {
        drop(self.stdin.take());
        let mut log = String::new();
        tokio::time::timeout(PATIENCE, self.stderr.read_to_string(&mut log))
            .await
            .unwrap()
            .unwrap();
        log
    }
}

struct Http {
    child: Child,
    stderr: BufReader<ChildStderr>,
    url: String,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Http {
    async fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", "info", args).await
    }

    async fn start_at(address: &str, level: &str, args: &[&str]) -> Self {
        let mut command = Command::new(fixture());
        command.args(["--http", address]).args(args).env("RUST_LOG", level);
        Self::run(&mut command).await
    }

    async fn run(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr_file = folder.path().join("addr");
        let mut child = command
            .args(["--addr-file", addr_file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let announced = async {
            let mut line = String::new();
            loop {
                line.clear();
                assert_ne!(
                    stderr.read_line(&mut line).await.unwrap(),
                    0,
                    "the server ended before it listened"
                );
                if let Some(url) = line.trim_end().strip_prefix("listening on ") {
                    return url.to_owned();
                }
            }
        };
        let url = tokio::time::timeout(PATIENCE, announced).await.unwrap();
        assert_eq!(std::fs::read_to_string(&addr_file).unwrap(), format!("{url}\n"));
        Self {
            child,
            stderr,
            url,
            client: reqwest::Client::new(),
            _folder: folder,
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A POST to /mcp with the headers that the message's era asks for.
    fn post(&self, message: Value) -> reqwest::RequestBuilder {
        let post = self
            .client
            .post(self.at("/mcp"))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        let post = if message["params"]["_meta"].is_object() {
            let name = message["params"]["name"].as_str();
            let post = post
                .header("mcp-protocol-version", MODERN)
                .header("mcp-method", message["method"].as_str().unwrap());
            name.into_iter().fold(post, |post, name| post.header("mcp-name", name))
        } else {
            post
        };
        post.body(message.to_string())
    }

    async fn ask(&self, message: Value) -> Value {
        let sent = tokio::time::timeout(PATIENCE, self.post(message).send())
            .await
            .expect("an answer in time");
        answer(sent.unwrap()).await
    }
}

/// The last JSON-RPC message of a response, whether it came as JSON or as an event stream.
async fn answer(response: reqwest::Response) -> Value {
    let text = tokio::time::timeout(PATIENCE, response.text())
        .await
        .expect("a body in time")
        .unwrap();
    if let Ok(value) = text.parse() {
        return value;
    }
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .rfind(|data| !data.is_empty());
    last.unwrap_or_else(|| panic!("no message in {text:?}"))
        .parse()
        .unwrap()
}
