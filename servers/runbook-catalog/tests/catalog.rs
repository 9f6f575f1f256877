//! The catalog as its users meet it: the tools and resources over stdio, and the commands.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use runbooks::{Catalog, Digest, Evidence, Plan, Timestamp};
use serde_json::{Value, json};

#[test]
fn a_runbook_is_found_by_its_root_cause_and_read_whole() {
    let answers = serve(&[
        call("list_runbooks", json!({})),
        call("list_runbooks", json!({"root_cause": "idle_in_transaction_blocker"})),
        call("list_runbooks", json!({"root_cause": "full_moon"})),
        call("get_runbook", json!({"id": "idle-in-transaction-blocker"})),
        call("get_runbook", json!({"id": "turn-it-off"})),
    ]);
    let catalog = Catalog::shipped().unwrap();
    let book = catalog.get("idle-in-transaction-blocker").unwrap();
    assert_eq!(structured(&answers[0])["catalog_digest"], catalog.digest().to_string());
    assert_eq!(
        structured(&answers[0])["runbooks"].as_array().unwrap().len(),
        catalog.iter().count()
    );
    let found = &structured(&answers[1])["runbooks"];
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["digest"], book.digest().to_string());
    assert!(found[0]["needs"].as_array().unwrap().contains(&json!("blocker_pid")));
    assert_eq!(structured(&answers[2])["runbooks"], json!([]));
    assert_eq!(structured(&answers[2])["hand_overs"], json!([]));
    let handed_over = structured(&answers[0])["hand_overs"].as_array().unwrap();
    assert!(handed_over.iter().any(|entry| entry["root_cause"] == "corruption"));
    assert_eq!(
        structured(&answers[3])["runbook"],
        serde_json::to_value(book.document()).unwrap()
    );
    assert_eq!(code(&answers[4]), "unknown_runbook");
}

#[test]
fn the_rendered_plan_is_what_the_catalog_admits() {
    let answers = serve(&[call(
        "render_plan",
        json!({"draft": draft(), "evidence": [evidence()], "context": context()}),
    )]);
    let output = structured(&answers[0]);
    let text = output["plan"].as_str().unwrap();
    let plan = Plan::admit(text.as_bytes(), &Catalog::shipped().unwrap()).unwrap();
    assert_eq!(output["plan_digest"], plan.digest().to_string());
    plan.check_evidence(&[evidence()]).unwrap();
}

#[test]
fn a_refused_draft_says_which_parameter_and_why() {
    let with = |pointer: &str, value: Value| {
        let mut arguments = json!({"draft": draft(), "evidence": [evidence()], "context": context()});
        *arguments.pointer_mut(pointer).unwrap() = value;
        call("render_plan", arguments)
    };
    let pid = "/draft/parameters/blocker_pid";
    let answers = serve(&[
        with(pid, json!({"literal": 7})),
        with(pid, json!({"evidence": "E1", "pointer": "/trees/9/root/pid"})),
        with(pid, json!({"evidence": "E7", "pointer": "/trees/0/root/pid"})),
        with("/draft/runbook", json!("turn-it-off")),
        with("/evidence/0/result", json!({})),
        with("/context/nonce", json!("X".repeat(32))),
        with("/context/target", json!({"name": "orders"})),
        with(pid, json!({"sql": "SELECT 1"})),
    ]);
    let codes: Vec<_> = answers.iter().map(code).collect();
    assert_eq!(
        codes,
        [
            "wrong_source",
            "evidence_mismatch",
            "unknown_evidence",
            "unknown_runbook",
            "evidence_mismatch",
            "bad_nonce",
            "invalid_arguments",
            "invalid_arguments",
        ]
    );
    assert_eq!(structured(&answers[0])["parameter"], "blocker_pid");
    let message = structured(&answers[7])["message"].as_str().unwrap();
    assert!(message.starts_with("`draft.parameters.blocker_pid`: "), "{message}");
}

#[test]
fn runbooks_are_resources() {
    let answers = serve(&[
        modern("resources/list", json!({})),
        modern("resources/read", json!({"uri": "runbook://ddl-lock-queue"})),
        modern("resources/read", json!({"uri": "runbook://ddl-lock-queue/readme"})),
        modern("resources/read", json!({"uri": "runbook://../../etc/passwd"})),
        modern("resources/read", json!({"uri": "runbook://corruption"})),
    ]);
    let catalog = Catalog::shipped().unwrap();
    assert_eq!(
        answers[0]["result"]["resources"].as_array().unwrap().len(),
        2 * (catalog.iter().count() + catalog.hand_overs().count())
    );
    let text = |answer: &Value| answer["result"]["contents"][0]["text"].as_str().unwrap().to_owned();
    let document = catalog.get("ddl-lock-queue").unwrap().document();
    assert_eq!(
        text(&answers[1]).parse::<Value>().unwrap(),
        serde_json::to_value(document).unwrap()
    );
    assert!(text(&answers[2]).starts_with("# "));
    assert_eq!(answers[3]["error"]["code"], -32602);
    assert_eq!(
        text(&answers[4]).parse::<Value>().unwrap()["root_cause"],
        json!("corruption")
    );
}

#[test]
fn a_dry_run_is_rendered_and_judged_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let (draft, evidence) = (
        file(&dir, "draft.json", &draft()),
        file(&dir, "evidence.json", &json!([evidence()])),
    );
    let rendered = run(["render", "--draft", &draft, "--evidence", &evidence]);
    assert_eq!(rendered.status.code(), Some(0));
    let plan = Plan::admit(&rendered.stdout, &Catalog::shipped().unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(rendered.stderr).unwrap(),
        format!("plan {}\n", plan.digest())
    );

    let text = dir.path().join("plan.json");
    fs::write(&text, &rendered.stdout).unwrap();
    let judged = run(["policy", "eval", "--plan", text.to_str().unwrap(), "--freeze"]);
    let decision: Value = serde_json::from_slice(&judged.stdout).unwrap();
    assert_eq!((judged.status.code(), &decision["allow"]), (Some(3), &json!(false)));

    let other = file(
        &dir,
        "other.json",
        &json!({"runbook": "turn-it-off", "version": 1, "parameters": {}}),
    );
    let refused = run(["render", "--draft", &other, "--evidence", &evidence]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .starts_with("error: unknown_runbook: ")
    );
    let unusable = run(["render", "--draft", &evidence, "--evidence", &evidence]);
    assert_eq!(unusable.status.code(), Some(2));
}

#[test]
fn a_folder_is_laid_over_the_shipped_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks/catalog/ddl-lock-queue");
    let folder = dir.path().join("books/our-own");
    fs::create_dir_all(&folder).unwrap();
    let text = fs::read_to_string(shipped.join("runbook.json")).unwrap();
    fs::write(
        folder.join("runbook.json"),
        text.replace("\"ddl-lock-queue\"", "\"our-own\""),
    )
    .unwrap();
    let config = dir.path().join("catalog.toml");
    fs::write(&config, "[catalog]\ndir = 'books'").unwrap();
    let config = config.to_str().unwrap();
    let answers = serve_with(
        &["--config", config],
        &[
            modern(
                "tools/call",
                json!({"name": "list_runbooks", "arguments": {"root_cause": "ddl_lock_queue"}}),
            ),
            modern("resources/read", json!({"uri": "runbook://our-own/readme"})),
        ],
    );
    let found: Vec<&Value> = structured(&answers[0])["runbooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["id"])
        .collect();
    assert_eq!(found, [&json!("ddl-lock-queue"), &json!("our-own")]);
    assert_eq!(answers[1]["error"]["code"], -32602, "it has no text of its own");

    fs::remove_file(folder.join("runbook.json")).unwrap();
    assert_eq!(
        run(["--config", config]).status.code(),
        Some(2),
        "an empty catalog is no catalog"
    );
    assert_eq!(
        run(["lint", dir.path().join("books").to_str().unwrap()]).status.code(),
        Some(1)
    );
}

fn evidence() -> Evidence {
    let tree = json!({"trees": [{
        "root": {
            "pid": 4242,
            "backend_start": "2026-11-23 10:11:12.123456+00",
            "xact_start": "2026-11-23 10:12:12.5+00",
            "state": "idle in transaction",
            "usename": "app",
        },
        "waiters_count": 3,
    }]});
    let taken_at = Timestamp::from_unix(1_795_428_600);
    Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), taken_at, tree).unwrap()
}

fn draft() -> Value {
    let places: BTreeMap<_, _> = [
        ("blocker_pid", "root/pid"),
        ("blocker_backend_start", "root/backend_start"),
        ("blocker_xact_start", "root/xact_start"),
        ("blocker_state", "root/state"),
        ("blocker_role", "root/usename"),
        ("waiters", "waiters_count"),
    ]
    .map(|(name, field)| (name, json!({"evidence": "E1", "pointer": format!("/trees/0/{field}")})))
    .into();
    json!({"runbook": "idle-in-transaction-blocker", "version": 1, "parameters": places})
}

fn context() -> Value {
    json!({
        "incident": "INC-1",
        "target": {"name": "orders", "environment": "demo", "system_identifier": "7301", "database": "orders"},
        "requester": "orchestrator-1",
        "policy_digest": Digest::of(b"policy").to_string(),
        "not_before": "2026-11-23T10:13:00Z",
        "approve_by": "2026-11-23T10:28:00Z",
        "expires_at": "2026-11-23T10:58:00Z",
        "nonce": "0123456789abcdef0123456789abcdef",
    })
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

fn call(tool: &str, arguments: Value) -> Value {
    modern("tools/call", json!({"name": tool, "arguments": arguments}))
}

fn structured(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]
}

fn code(answer: &Value) -> &str {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    structured(answer)["code"].as_str().unwrap()
}

fn serve(messages: &[Value]) -> Vec<Value> {
    serve_with(&[], messages)
}

/// Sends the messages, closes stdin, and returns the answers in the order of the messages.
fn serve_with(args: &[&str], messages: &[Value]) -> Vec<Value> {
    let mut child = Command::new(binary())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for (id, message) in messages.iter().enumerate() {
        let mut message = message.clone();
        message["id"] = json!(id);
        writeln!(stdin, "{message}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut answers: Vec<Value> = text.lines().map(|line| line.parse().unwrap()).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answers.len(), messages.len());
    answers
}

fn run<const N: usize>(args: [&str; N]) -> Output {
    Command::new(binary()).args(args).stdin(Stdio::null()).output().unwrap()
}

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_runbook-catalog").into()
}

fn file(dir: &tempfile::TempDir, name: &str, value: &Value) -> String {
    let path = dir.path().join(name);
    fs::write(&path, value.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}
