//! Starts the stand-ins and talks MCP, as raw JSON-RPC lines, to the built servers. Included by the servers' own tests.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use serde_json::{Value, json};

/// No answer takes longer unless something hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// A folder of Python packages, made on first use; `pip` is asked again only when requirements.txt has changed.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let wanted = include_str!("requirements.txt");
        let venv = repository().join("target/aws-venv");
        std::fs::create_dir_all(&venv).unwrap();
        // Several test binaries may come here at once.
        let lock = File::create(venv.join(".lock")).unwrap();
        lock.lock().unwrap();
        let made = venv.join(".made-from");
        let python = venv.join("bin/python");
        if std::fs::read_to_string(&made).is_ok_and(|found| found == wanted) {
            return python;
        }
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            "python3 -m venv (Debian: apt-get install python3-venv)",
        );
        let requirements = repository().join("tests/aws/requirements.txt");
        run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "-r"])
                .arg(requirements),
            "pip install",
        );
        std::fs::write(&made, wanted).unwrap();
        python
    })
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub fn repository() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .find(|dir| dir.join("tests/aws/support.rs").is_file())
        .unwrap()
        .to_owned()
}

/// A stand-in for AWS in a process of its own; it ends with this value.
pub struct StandIn {
    process: Child,
    port: u16,
    /// Where it listens over TLS, if it does.
    tls_port: Option<u16>,
}

impl StandIn {
    /// Starts `tests/aws/<script>` and waits until it says where it listens.
    pub fn start(script: &str) -> Self {
        Self::start_with(script, &[])
    }

    /// The same, over TLS as well, as `localhost`. The certificate, which nobody has signed, is made in `folder`.
    pub fn start_tls(script: &str, folder: &Path) -> (Self, PathBuf) {
        let (config, key, certificate) = (folder.join("config"), folder.join("key"), folder.join("certificate"));
        let text = "[req]\ndistinguished_name=name\nx509_extensions=for\nprompt=no\n[name]\nCN=localhost\n[for]\nsubjectAltName=DNS:localhost\n";
        std::fs::write(&config, text).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config"]);
        openssl
            .arg(&config)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        run(&mut openssl, "openssl req");
        let standin = Self::start_with(script, &[&certificate, &key]);
        (standin, certificate)
    }

    fn start_with(script: &str, arguments: &[&Path]) -> Self {
        let mut process = Command::new(python())
            .arg(repository().join("tests/aws").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut ports = line.split_whitespace().map(|port| {
            port.parse()
                .unwrap_or_else(|_| panic!("{script} said `{line}` in place of a port"))
        });
        Self {
            process,
            port: ports.next().unwrap_or_else(|| panic!("{script} said nothing")),
            tls_port: ports.next(),
        }
    }

    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls_port.unwrap())
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Tells the stand-in what to answer.
    pub fn script(&self, script: Value) {
        http(self.port, "POST", "/control", &[], &script.to_string());
    }

    /// Returns the operations asked so far, each with its request.
    pub fn requests(&self) -> Vec<(String, Value)> {
        let requests = http(self.port, "GET", "/", &[], "");
        let pair = |found: &Value| {
            (
                found["operation"].as_str().unwrap().to_owned(),
                found["request"].clone(),
            )
        };
        requests.as_array().unwrap().iter().map(pair).collect()
    }

    pub fn count(&self, operation: &str) -> usize {
        self.requests().iter().filter(|(name, _)| name == operation).count()
    }

    /// Waits until `operation` has been asked `times`.
    pub fn wait_for(&self, operation: &str, times: usize, within: Duration) {
        let end = std::time::Instant::now() + within;
        while self.count(operation) < times {
            assert!(
                std::time::Instant::now() < end,
                "{operation} was asked {} times",
                self.count(operation)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// One HTTP request on loopback; an answer that is no JSON is null.
pub fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head} {body}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// A command with nothing of this machine's AWS configuration.
pub fn server(binary: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    command
}

/// The same, with a stand-in for AWS and credentials that it takes.
pub fn server_with(binary: &str, standin: &StandIn, arguments: &[&str]) -> Command {
    server_at(binary, &standin.url(), arguments)
}

/// The same at one of its addresses.
pub fn server_at(binary: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = server(binary, arguments);
    command.args(["--endpoint-url", url, "--region", "eu-central-1"]);
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "standin-secret-key");
    command
}

/// A client on the stdio of a server that it started.
pub struct Mcp {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    logs: Receiver<String>,
    last_id: u64,
}

impl Mcp {
    pub fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let lines = lines_of(process.stdout.take().unwrap());
        let logs = lines_of(process.stderr.take().unwrap());
        let mut client = Self {
            process,
            stdin,
            lines,
            logs,
            last_id: 0,
        };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}});
        client.request("initialize", hello);
        client.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn send(&mut self, message: Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a request and returns its id without waiting.
    pub fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    pub fn cancel(&mut self, id: u64) {
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    }

    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{method} was not answered"));
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON on stdout: {line}"));
            if message["id"] == id {
                return message["result"].clone();
            }
        }
    }

    /// Calls a tool; the answer is what it returned, or the code of its refusal.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        let result = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        let content = result["structuredContent"].clone();
        assert_eq!(
            result["content"][0]["text"].as_str().unwrap(),
            content.to_string(),
            "{tool}"
        );
        if result["isError"] == json!(true) {
            Err(Refusal(content))
        } else {
            Ok(content)
        }
    }

    /// Closes stdin, waits for the end and returns what was logged.
    pub fn finish(mut self) -> (ExitStatus, String) {
        self.stdin = None;
        self.end()
    }

    /// Sends SIGTERM, waits for the end and returns what was logged.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        run(
            Command::new("kill").arg("-TERM").arg(self.process.id().to_string()),
            "kill",
        );
        self.end()
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait().unwrap();
        (status, self.logs.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Mcp {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The structured content of a refusal.
#[derive(Debug)]
pub struct Refusal(pub Value);

impl Refusal {
    pub fn code(&self) -> &str {
        self.0["code"].as_str().unwrap()
    }
}

/// Compares the tools with the golden file; `UPDATE_GOLDEN=1` writes it anew.
pub fn compare_tools(client: &mut Mcp) {
    compare_golden(
        &client.request("tools/list", json!({}))["tools"],
        "tests/tools_list.json",
    );
}

/// Compares what clients read with a golden file of the crate.
pub fn compare_golden(found: &Value, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let tools = format!("{found:#}\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &tools).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        tools == golden,
        "tools/list is not what {} says; look, then run with UPDATE_GOLDEN=1:\n{tools}",
        path.display()
    );
}

/// Checks that every operation that was asked is one that the shipped policy allows, so that the policy suffices.
pub fn assert_allowed(service: &str, standin: &StandIn) {
    let policy = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("iam-policy.json")).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let allowed: Vec<&str> = statements
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap())
        .collect();
    assert!(allowed.iter().all(|action| !action.contains('*')), "{allowed:?}");
    for (operation, _) in standin.requests() {
        // Operations of another service come with its name.
        let action = if operation.contains(':') {
            operation.clone()
        } else {
            format!("{service}:{operation}")
        };
        assert!(allowed.contains(&action.as_str()), "{operation} is not in the policy");
    }
}
