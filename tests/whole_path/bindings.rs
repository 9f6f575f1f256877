//! Where the runbooks look for their values is where the servers' tools put them.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use runbooks::Catalog;
use serde_json::{Value, json};

use crate::{cluster::Cluster, suite::binary};

#[test]
fn every_parameter_is_bound_to_a_place_that_its_tool_answers_with() {
    let tools = tools("postgres-readonly");
    let mut lost = Vec::new();
    for runbook in Catalog::shipped().unwrap().iter() {
        for (name, spec) in &runbook.document().parameters {
            let Some(binding) = &spec.evidence else { continue };
            assert_eq!(binding.server, "postgres-readonly");
            let tool = tools.iter().find(|tool| tool["name"] == json!(binding.tool));
            let there = tool.is_some_and(|tool| {
                let schema = &tool["outputSchema"];
                schema["anyOf"].as_array().is_some_and(|choices| {
                    choices
                        .iter()
                        .any(|choice| has(schema, choice, binding.pointer.split('/').skip(1).collect()))
                })
            });
            if !there {
                let place = format!("{}{}", binding.tool, binding.pointer);
                lost.push(format!("{}: `{name}` is not at {place}", runbook.document().id));
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

/// Whether the schema admits a value at the place; `*` stands for an item of an array.
fn has(root: &Value, schema: &Value, place: Vec<&str>) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return root
            .pointer(reference.trim_start_matches('#'))
            .is_some_and(|schema| has(root, schema, place));
    }
    for choices in ["anyOf", "oneOf", "allOf"] {
        if let Some(choices) = schema[choices].as_array() {
            return choices.iter().any(|choice| has(root, choice, place.clone()));
        }
    }
    let Some((first, rest)) = place.split_first() else {
        return true;
    };
    let inner = match *first {
        "*" => schema.get("items"),
        name => schema["properties"].get(name),
    };
    inner.is_some_and(|inner| has(root, inner, rest.to_vec()))
}

/// Asks a server for its tools; nothing needs to be behind it.
fn tools(server: &str) -> Vec<Value> {
    let mut child = Command::new(binary(server))
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let lines = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    let mut answers = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let listing = answers.find_map(|line| {
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (answer["id"] == 2).then_some(answer)
    });
    drop(stdin);
    child.wait().unwrap();
    listing.unwrap()["result"]["tools"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_understands_every_check_of_every_golden_script() {
    let catalog = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks/catalog");
    let cluster = Cluster::start(&[]);
    let client = cluster.connect("postgres", "postgres", "test").await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for runbook in Catalog::shipped().unwrap().iter() {
        let file = catalog.join(&runbook.document().id).join("fixtures/typical.sql");
        let script = std::fs::read_to_string(&file).unwrap();
        for block in script.split("\n\n") {
            let (head, statement) = block.split_once('\n').unwrap_or((block, ""));
            // Steps and their undoing change something; everything else only asks.
            let changes = head.starts_with("-- step") || head.starts_with("--   undo");
            if changes || statement.is_empty() || statement.starts_with("--") {
                continue;
            }
            asked += 1;
            let rows = client.query(statement.trim_end_matches([';', '\n']), &[]).await;
            match rows {
                Ok(rows) if rows.iter().all(|row| row.len() == 1) => {}
                Ok(_) => wrong.push(format!("{}: {head}: more than one column", file.display())),
                Err(error) => wrong.push(format!("{}: {head}: {error:?}", file.display())),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(asked > 100, "{asked}");
}
