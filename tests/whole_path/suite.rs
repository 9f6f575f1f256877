//! The suite as an operator sets it up: one database, one gate, one executor, one orchestrator, each its own process.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use approval::GateKey;
use runbooks::Timestamp;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::keys::{SshKey, approvers_file, person};

/// Where the built binaries are: beside this test's own.
pub fn binary(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.is_file(),
        "`{}` is missing: run `cargo build --workspace` first",
        path.display()
    );
    path
}

pub fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    Gate,
    Executor,
    Orchestrator,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Executor => "executor",
            Self::Orchestrator => "orchestrator",
        }
    }
}

pub struct Suite {
    pub dir: tempfile::TempDir,
    pub cluster: Cluster,
    pub system_identifier: String,
    pub admin: SshKey,
    pub alice: SshKey,
    pub gate_port: u16,
    pub intake_port: u16,
    pub executor: PathBuf,
    running: BTreeMap<Role, Child>,
}

impl Suite {
    /// Makes the database, the roles, the keys and the configuration; starts nothing of ours yet.
    pub async fn new(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("countersign-suite-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let cluster = Cluster::start(settings);
        let root = cluster.connect("postgres", "postgres", "setup").await;
        root.batch_execute("CREATE DATABASE orders").await.unwrap();
        let root = cluster.connect("postgres", "orders", "setup").await;
        for sql in [
            setup_sql("postgres-readonly", "countersign_reader"),
            setup_sql("executor", "countersign_executor"),
        ] {
            root.batch_execute(&sql).await.unwrap();
        }
        root.batch_execute(
            "ALTER ROLE countersign_reader LOGIN; ALTER ROLE countersign_executor LOGIN CREATEROLE;
             CREATE ROLE app LOGIN; CREATE ROLE bystander LOGIN;
             CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
             INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 10) i;
             GRANT SELECT, UPDATE ON accounts TO app, bystander; ALTER TABLE accounts OWNER TO app",
        )
        .await
        .unwrap();
        let row = root
            .query_one("SELECT system_identifier::text FROM pg_control_system()", &[])
            .await
            .unwrap();
        let admin = SshKey::generate(dir.path(), "admin");
        let alice = SshKey::generate(dir.path(), "alice");
        approvers_file(
            &dir.path().join("approvers.json"),
            &admin,
            1,
            vec![person("alice", &alice, now())],
        );
        let suite = Self {
            system_identifier: row.get(0),
            gate_port: free_port(),
            intake_port: free_port(),
            executor: binary("executor"),
            dir,
            cluster,
            admin,
            alice,
            running: BTreeMap::new(),
        };
        suite.write_configuration();
        suite
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn gate_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gate_port)
    }

    /// Starts what is not running.
    pub fn start(&mut self, role: Role) {
        if self.running.contains_key(&role) {
            return;
        }
        let mut command = match role {
            Role::Gate => {
                let mut command = Command::new(binary("approval-gate"));
                command.args(["serve", "--http", &format!("127.0.0.1:{}", self.gate_port)]);
                command
            }
            Role::Executor => {
                let mut command = Command::new(&self.executor);
                command.args(["serve", "--gate", &self.gate_url()]);
                command
            }
            Role::Orchestrator => {
                let mut command = Command::new(binary("orchestrator"));
                command.arg("serve");
                command
            }
        };
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{}.log", role.word())))
            .unwrap();
        command.arg("--config").arg(self.path(&format!("{}.toml", role.word())));
        // A group of its own, so that the children of a killed process can be ended as well.
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.running.insert(role, child);
    }

    pub fn start_all(&mut self) {
        for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
            self.start(role);
        }
    }

    /// Whether it has ended by itself (or by a crash hook) since it was started.
    pub fn has_ended(&mut self, role: Role) -> bool {
        let ended = self
            .running
            .get_mut(&role)
            .is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.running.remove(&role);
        }
        ended
    }

    /// Starts again whoever has died.
    pub fn revive(&mut self) {
        for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
            if self.has_ended(role) {
                self.start(role);
            }
        }
    }

    /// Whether the crash that was asked for has happened.
    pub fn crashed(&self, role: Role) -> bool {
        !self.path(&format!("{}.hook/at", role.word())).exists()
    }

    /// Signs every request that waits, as the person on call.
    pub async fn approve_what_waits(&self) {
        let waiting = self.get("/v1/requests?status=pending").await.unwrap_or_default();
        for request in waiting.as_array().cloned().unwrap_or_default() {
            let out = self.approve(request["id"].as_str().unwrap());
            // A gate that has just been killed cannot be reached; the person tries again.
            if !out.status.success() {
                eprintln!("approve: {}", String::from_utf8_lossy(&out.stderr));
            }
        }
    }

    /// Something once so many incidents are closed; all of them must be resolved.
    pub fn closed_incidents(&self, wanted: usize) -> Option<()> {
        let out = self.orchestrator(&["incidents", "list", "--json"]);
        let list: Value = serde_json::from_slice(&out.stdout).ok()?;
        let incidents = list.as_array()?.clone();
        let closed: Vec<&Value> = incidents
            .iter()
            .filter(|incident| incident["state"] == "closed (resolved)")
            .collect();
        let otherwise = incidents.iter().find(|one| {
            one["state"]
                .as_str()
                .is_some_and(|state| state.starts_with("closed (") && state != "closed (resolved)")
        });
        assert!(otherwise.is_none(), "{otherwise:?}");
        if closed.len() < wanted {
            return None;
        }
        Some(())
    }

    pub fn log_of(&self, role: Role) -> String {
        fs::read_to_string(self.path(&format!("{}.log", role.word()))).unwrap_or_default()
    }

    /// kill -9 at the `n`th event that this process journals, right after the event is durable.
    pub fn crash_at(&self, role: Role, n: usize) {
        fs::write(self.path(&format!("{}.hook/at", role.word())), n.to_string()).unwrap();
    }

    /// The kinds of all events that this process has journalled, in order, over all its lives.
    pub fn journalled(&self, role: Role) -> Vec<String> {
        let kinds = fs::read_to_string(self.path(&format!("{}.hook/kinds", role.word()))).unwrap_or_default();
        kinds.lines().map(str::to_owned).collect()
    }

    /// Asks until it is so; a suite that does not get there in a minute has failed.
    pub async fn until<T>(&mut self, what: &str, mut ask: impl AsyncFnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(answer) = ask(self).await {
                return answer;
            }
            if Instant::now() > deadline {
                for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
                    eprintln!("--- {role:?}\n{}", tail(&self.log_of(role)));
                }
                let out = self.orchestrator(&["incidents", "list", "--json"]);
                eprintln!(
                    "{}{}",
                    String::from_utf8_lossy(&out.stdout),
                    String::from_utf8_lossy(&out.stderr)
                );
                panic!("waited for more than 90 s: {what}");
            }
            // Other processes' states can only be asked for.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Option<Value> {
        let answer = reqwest::get(format!("{}{path}", self.gate_url())).await.ok()?;
        answer.json().await.ok()
    }

    pub async fn post_alert(&self, alert: &Value) -> Option<u16> {
        let client = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{}/v1/alerts/alertmanager", self.intake_port);
        client
            .post(url)
            .bearer_auth(ALERTS_BEARER)
            .json(alert)
            .send()
            .await
            .ok()
            .map(|answer| answer.status().as_u16())
    }

    /// What the person does: reads, and signs with a real key.
    pub fn approve(&self, request: &str) -> Output {
        Command::new(binary("approval-gate"))
            .args([
                "approve",
                request,
                "--approver",
                "alice",
                "--gate",
                &self.gate_url(),
                "--yes",
                "--key",
            ])
            .arg(&self.alice.file)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The one incident that there is, as `incidents show` tells it.
    pub fn the_incident(&self) -> Value {
        let told = |arguments: &[&str]| -> Value {
            let out = self.orchestrator(arguments);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            serde_json::from_slice(&out.stdout).unwrap()
        };
        let list = told(&["incidents", "list", "--json"]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
        told(&["incidents", "show", list[0]["id"].as_str().unwrap(), "--json"])["incident"].take()
    }

    pub fn orchestrator(&self, arguments: &[&str]) -> Output {
        let config = self.path("orchestrator.toml");
        Command::new(binary("orchestrator"))
            .args(arguments)
            .arg("--config")
            .arg(config)
            .output()
            .unwrap()
    }

    fn write_configuration(&self) {
        for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
            self.write_hook(role);
        }
        let key_file = self.path("gate_key");
        let gate_key = GateKey::load_or_create(&key_file).unwrap();
        for (name, text) in [
            ("executor.bearer", EXECUTOR_BEARER.to_owned()),
            ("alerts.bearer", ALERTS_BEARER.to_owned()),
            ("executor.dsn", self.cluster.dsn("countersign_executor", "orders")),
            ("reader.dsn", self.cluster.dsn("countersign_reader", "orders")),
        ] {
            fs::write(self.path(name), text).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let target = json!({"name": "orders", "environment": "test", "database": "orders", "system_identifier": self.system_identifier});
        let mut executor_target = target.clone();
        executor_target["dsn_file"] = json!("executor.dsn");
        let mut observed = target.clone();
        observed["match"] = json!({"cluster": "orders-test"});
        observed["servers"] = json!(["postgres-readonly"]);
        let approvers = json!({"file": "approvers.json", "admin_key": self.admin.public});
        let journal = |role: Role| json!({"publish_command": [self.path(&format!("{}.hook/hook", role.word()))]});
        self.write_toml(
            "gate.toml",
            &json!({
                "gate": {"id": "gate-test", "environment": "test", "state_dir": "gate", "key_file": "gate_key",
                    "audience": "executor-test", "executor_bearer_file": "executor.bearer", "public_url": self.gate_url().replace("127.0.0.1", "localhost")},
                "approvers": approvers, "floor": {"approvers": 1, "grants": true}, "journal": journal(Role::Gate), "targets": [target],
                // The executor's look is a part of the path, however busy the machine is.
                "preflight": {"required": true, "wait_s": 20},
            }),
        );
        self.write_toml(
            "executor.toml",
            &json!({
                "executor": {"id": "executor-test", "environment": "test", "state_dir": "executor"},
                "gate": {"id": "gate-test", "public_key": gate_key.public_key().to_string(), "url": self.gate_url(), "bearer_file": "executor.bearer"},
                "approvers": approvers, "floor": {"approvers": 1, "grants": true}, "journal": journal(Role::Executor), "targets": [executor_target],
            }),
        );
        self.write_toml(
            "orchestrator.toml",
            &json!({
                "orchestrator": {"id": "orchestrator-test", "state_dir": "orchestrator", "listen": format!("127.0.0.1:{}", self.intake_port), "bearer_file": "alerts.bearer"},
                "gate": {"url": self.gate_url()}, "journal": journal(Role::Orchestrator), "targets": [observed],
                "servers": {
                    "postgres-readonly": {"command": [binary("postgres-readonly"), "--database-url-file", self.path("reader.dsn")]},
                    "runbook-catalog": {"command": [binary("runbook-catalog")]},
                },
            }),
        );
        for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
            fs::create_dir_all(self.path(role.word())).unwrap();
        }
    }

    /// Changes a process's configuration before it is started.
    pub fn edit(&self, role: Role, edit: impl FnOnce(&mut Value)) {
        let file = format!("{}.toml", role.word());
        let text = fs::read_to_string(self.path(&file)).unwrap();
        let mut config = toml::from_str(&text).unwrap();
        edit(&mut config);
        self.write_toml(&file, &config);
    }

    fn write_toml(&self, name: &str, value: &Value) {
        fs::write(self.path(name), toml::to_string(value).unwrap()).unwrap();
    }

    /// The journal's publishing command counts the events, and is where a test crashes the process that waits for it.
    fn write_hook(&self, role: Role) {
        let dir = self.path(&format!("{}.hook", role.word()));
        fs::create_dir_all(&dir).unwrap();
        let script = dir.join("hook");
        let here = dir.display();
        let text = format!(
            "#!/bin/sh\ncat >/dev/null\necho \"$COUNTERSIGN_EVENT_KINDS\" >> {here}/kinds\nn=$(wc -l < {here}/kinds)\n\
             [ -f {here}/at ] || exit 0\nif [ \"$n\" -ge \"$(cat {here}/at)\" ]; then rm {here}/at; kill -9 $PPID; fi\n"
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // The whole group: an orchestrator that dies of SIGKILL leaves its servers to their end of input.
            let _ = Command::new("kill")
                .args(["-9", "--", &format!("-{}", child.id())])
                .status();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for role in [Role::Gate, Role::Executor, Role::Orchestrator] {
                eprintln!("--- {role:?}\n{}", tail(&self.log_of(role)));
            }
        }
    }
}

fn setup_sql(program: &str, role: &str) -> String {
    let out = Command::new(binary(program))
        .args(["setup-sql", "--role", role])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(8))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// An Alertmanager v4 webhook about the suite's database.
pub fn alert(name: &str, status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"x\"}", "truncatedAlerts": 0, "status": status, "receiver": "countersign",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://127.0.0.1:9093",
        "alerts": [{
            "status": status,
            "labels": {"alertname": name, "cluster": "orders-test", "severity": "critical"},
            "annotations": {"summary": "from a test"},
            "startsAt": "2026-11-23T10:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://127.0.0.1:9090", "fingerprint": "0123456789abcdef"
        }]
    })
}

const EXECUTOR_BEARER: &str = "the executor's own bearer";
const ALERTS_BEARER: &str = "the alert source's bearer";
