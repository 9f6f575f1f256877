//! Speaks MCP to the built binary, line by line, as a client without any library would.

use std::{collections::VecDeque, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

const BINARY: &str = env!("CARGO_BIN_EXE_postgres-readonly");
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test: the one just built, unless another is named.
fn binary() -> String {
    std::env::var("POSTGRES_READONLY").unwrap_or_else(|_| BINARY.to_owned())
}

/// The server as a child process, its handshake done.
pub struct Mcp {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// Read all the time: a server whose log nobody takes stands still.
    stderr: JoinHandle<String>,
    next_id: u64,
}

impl Mcp {
    pub async fn start(dsn: &str, flags: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(flags)
            .env("DATABASE_URL", dsn)
            .env_remove("PGPASSFILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut mcp = Self {
            child,
            stdin,
            lines,
            stderr,
            next_id: 0,
        };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let id = mcp.request("initialize", hello).await;
        assert_eq!(
            mcp.answer(id).await["result"]["serverInfo"]["name"],
            "postgres-readonly"
        );
        mcp.notify("notifications/initialized", json!({})).await;
        mcp
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Returns the most memory that the process ever held, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a tool call and does not wait for its answer; returns its id.
    pub async fn send(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Calls a tool and returns its structured content, answer or refusal.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.send(tool, arguments).await;
        self.answered(id).await
    }

    /// Waits for the answer to a call that was sent.
    pub async fn answered(&mut self, id: u64) -> Value {
        let answer = self.answer(id).await;
        let result = &answer["result"];
        assert_eq!(
            result["isError"] == true,
            result["structuredContent"].get("code").is_some(),
            "{answer}"
        );
        result["structuredContent"].clone()
    }

    pub async fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let content = self.call(tool, arguments).await;
        assert_eq!(content.get("code"), None, "{tool}: {content:#}");
        content
    }

    pub async fn refused(&mut self, tool: &str, arguments: Value) -> Value {
        let content = self.call(tool, arguments.clone()).await;
        assert!(content.get("code").is_some(), "{tool} {arguments}: {content:#}");
        content
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.write(json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    /// Closes stdin, waits for the process, and returns its exit code and everything it wrote to stderr.
    pub async fn end(mut self) -> (Option<i32>, String) {
        self.stdin = None;
        let code = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code();
        (code, timeout(PATIENCE, self.stderr).await.unwrap().unwrap())
    }

    /// Sends any request; returns its id.
    pub async fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.write(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        id
    }

    async fn write(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    pub async fn answer(&mut self, id: u64) -> Value {
        let mut passed = VecDeque::new();
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap();
            let message: Value =
                serde_json::from_str(&line.unwrap_or_else(|| panic!("closed; before: {passed:?}"))).unwrap();
            if message["id"] == id {
                return message;
            }
            passed.push_back(message);
        }
    }
}

/// Runs the binary to its end with nothing on stdin; returns its exit code and what it wrote to stdout.
pub fn stdout(flags: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let output = std::process::Command::new(binary())
        .args(flags)
        .env_remove("DATABASE_URL")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}
