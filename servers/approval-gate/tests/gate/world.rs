//! A gate with real keys in a folder of its own, and the plans that are brought before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use approval::{
    APPROVERS_NAMESPACE, Account, Action, ApproversDocument, Decision, Envelope, Key, Method, Person,
    STATEMENT_NAMESPACE, STATEMENT_TYPE, Signature, Statement, Token,
};
use policies::Policy;
use reqwest::{Client, Response};
use runbooks::{Catalog, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub const TEAM: &str = "T0TEAM";
pub const BEARER: &str = "a-bearer-for-the-executor";
const MODERN: &str = "2026-07-28";
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with keys, lists and a configuration; the gate in it can be started, killed and started again.
pub struct World {
    pub folder: tempfile::TempDir,
}

/// A running gate.
pub struct Gate {
    child: Child,
    pub url: String,
    http: Client,
}

impl World {
    /// One approver is enough here.
    pub fn new() -> Self {
        Self::with_floor(1)
    }

    pub fn with_floor(approvers: u32) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["admin", "ana", "ben", "stranger", "orchestrator-1", "bot"] {
            let made = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(world.key(name))
                .status();
            assert!(made.unwrap().success());
        }
        fs::write(world.path("bearer"), format!("{BEARER}\n")).unwrap();
        world.write_approvers(1, &["ana", "ben", "orchestrator-1"]);
        let config = format!(
            r#"
            [gate]
            id = "gate-1"
            environment = "demo"
            state_dir = "state"
            audience = "executor-1"
            executor_bearer_file = "bearer"
            [approvers]
            file = "approvers.json"
            admin_key = "{}"
            [floor]
            approvers = {approvers}
            [[targets]]
            name = "orders"
            environment = "demo"
            system_identifier = "7301"
            database = "orders"
            "#,
            world.public("admin")
        );
        fs::write(world.path("gate.toml"), config).unwrap();
        world
    }

    /// The same with pages that have a host name, as passkeys need.
    pub fn with_pages(approvers: u32) -> Self {
        let world = Self::with_floor(approvers);
        let file = world.path("gate.toml");
        let config = fs::read_to_string(&file).unwrap();
        let pages = config.replace(
            "id = \"gate-1\"",
            "id = \"gate-1\"\npublic_url = \"http://localhost:0\"",
        );
        assert_ne!(pages, config);
        fs::write(file, pages).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.path(&format!("key-{name}"))
    }

    pub fn public(&self, name: &str) -> String {
        let line = fs::read_to_string(self.key(name).with_extension("pub")).unwrap();
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    pub fn fingerprint(&self, name: &str) -> String {
        approval::PublicKey::parse(&self.public(name)).unwrap().fingerprint()
    }

    /// The signed list with these people, and the agent `bot`.
    pub fn approvers(&self, version: u64, people: &[&str]) -> String {
        let people: Vec<(&str, &[&str])> = people.iter().map(|id| (*id, [].as_slice())).collect();
        self.approvers_in(version, &people)
    }

    /// The same with the groups that each is in.
    pub fn approvers_in(&self, version: u64, people: &[(&str, &[&str])]) -> String {
        let person = |id: &str, groups: &[&str]| Person {
            id: id.to_owned(),
            name: id.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            agent: id == "bot",
            keys: vec![Key {
                public_key: self.public(id),
                valid_from: now().plus_s(-3600),
                valid_until: now().plus_s(86_400),
                hardware: false,
            }],
            accounts: accounts(id),
        };
        let bot = person("bot", &[]);
        let people = people
            .iter()
            .map(|(id, groups)| person(id, groups))
            .chain([bot])
            .collect();
        let list = ApproversDocument {
            schema: ApproversDocument::SCHEMA.to_owned(),
            version,
            people,
            revoked_grants: Vec::new(),
        };
        let signature = self.sign("admin", APPROVERS_NAMESPACE, &list.signing_bytes().unwrap());
        let signature = Signature::from_armored(&signature).unwrap();
        list.envelope(&signature).unwrap().to_json().unwrap()
    }

    /// The journal's leaves, while no gate is running.
    pub fn journal(&self, kind: &str) -> Vec<String> {
        let sql = rusqlite::Connection::open(self.path("state/gate.db")).unwrap();
        let mut leaves = sql
            .prepare("SELECT leaf FROM journal_events WHERE kind LIKE ?1 ORDER BY seq")
            .unwrap();
        let leaves = leaves.query_map([kind], |row| row.get(0)).unwrap();
        leaves.map(Result::unwrap).collect()
    }

    pub fn write_approvers(&self, version: u64, people: &[&str]) {
        fs::write(self.path("approvers.json"), self.approvers(version, people)).unwrap();
    }

    /// `ssh-keygen -Y sign`, as a person runs it.
    pub fn sign(&self, name: &str, namespace: &str, bytes: &[u8]) -> String {
        let file = self.path(&format!("to-sign-{name}"));
        fs::write(&file, bytes).unwrap();
        let signed = std::process::Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.key(name))
            .arg(&file)
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        let signature = self.path(&format!("to-sign-{name}.sig"));
        let armored = fs::read_to_string(&signature).unwrap();
        fs::remove_file(signature).unwrap();
        armored
    }

    /// A token that never saw the gate: whatever an attacker with some key could make.
    pub fn forge(&self, plan: &Plan, signer: &str, edit: impl FnOnce(&mut Statement)) -> String {
        let document = plan.document();
        let mut statement = Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-0".to_owned(),
            action: Action::Execute,
            plan_digest: plan.digest(),
            target: document.target.clone(),
            gate: "gate-1".to_owned(),
            audience: "executor-1".to_owned(),
            not_before: document.not_before,
            approve_by: document.approve_by,
            execute_by: document.expires_at,
            max_executions: 1,
            requester: document.requester.clone(),
            approver: signer.to_owned(),
            key_id: self.fingerprint(signer),
            method: Method::Ssh,
            policy_digest: document.policy_digest,
            nonce: "ab".repeat(16),
        };
        edit(&mut statement);
        let armored = self.sign(signer, STATEMENT_NAMESPACE, &statement.signing_bytes().unwrap());
        let signature = Signature::from_armored(&armored).unwrap();
        let envelope = Envelope::new(STATEMENT_TYPE, &statement.bytes().unwrap(), &signature);
        Token::new(vec![envelope]).unwrap().encode().to_owned()
    }

    pub async fn start(&self) -> Gate {
        let mut child = self
            .command(&["serve", "--http", "127.0.0.1:0", "--log-format", "text", "--config"])
            .arg(self.path("gate.toml"))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return url.to_owned();
                }
                said.push(line);
            }
            panic!("the gate ended before it listened: {said:?}")
        };
        let url = tokio::time::timeout(PATIENCE, listening).await.unwrap();
        // Nobody may block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Gate {
            child,
            url,
            http: Client::new(),
        }
    }

    /// Runs the gate's binary to its end.
    pub async fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).stdin(Stdio::null()).output();
        tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap()
    }

    /// Starts a gate that must refuse to start, and returns what it said.
    pub async fn refused_start(&self) -> String {
        let config = self.path("gate.toml");
        let output = self
            .run(&["serve", "--http", "127.0.0.1:0", "--config", config.to_str().unwrap()])
            .await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    }

    /// Runs the gate's binary under an ssh-agent that holds this key; the private file is gone by then.
    pub async fn run_with_agent(&self, name: &str, args: &[&str]) -> Output {
        let script = "ssh-add -q \"$0\" && rm \"$0\" && exec \"$@\"";
        let mut command = Command::new("ssh-agent");
        command
            .args(["sh", "-c", script])
            .arg(self.key(name))
            .arg(env!("CARGO_BIN_EXE_approval-gate"))
            .args(args);
        tokio::time::timeout(PATIENCE, command.stdin(Stdio::null()).output())
            .await
            .unwrap()
            .unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_approval-gate"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("COUNTERSIGN_GATE");
        command
    }
}

impl Gate {
    /// kill -9, and the process is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Calls a tool; the structured content, whether it is a result or a refusal.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self
            .mcp("tools/call", Some(tool), json!({"name": tool, "arguments": arguments}))
            .await;
        answer["result"]["structuredContent"].clone()
    }

    pub async fn execute(&self, plan: &str, token: Option<&str>) -> Value {
        let mut arguments = json!({"plan": plan, "evidence": [blocking_tree(), sessions(), slots()]});
        if let Some(token) = token {
            arguments["approval_token"] = json!(token);
        }
        self.call("execute_plan", arguments).await
    }

    pub async fn resource(&self, uri: &str) -> Value {
        let answer = self.mcp("resources/read", Some(uri), json!({"uri": uri})).await;
        match answer["result"]["contents"][0]["text"].as_str() {
            Some(text) => text.parse().unwrap(),
            None => answer["error"].clone(),
        }
    }

    pub async fn mcp(&self, method: &str, name: Option<&str>, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut post = self.http.post(format!("{}/mcp", self.url));
        for (header, value) in [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
        ] {
            post = post.header(header, value);
        }
        if let Some(name) = name {
            post = post.header("mcp-name", name);
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let text = post
            .body(message.to_string())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        text.parse().unwrap_or_else(|_| {
            let mut data = text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim);
            data.rfind(|data| !data.is_empty())
                .unwrap_or_else(|| panic!("no answer in {text:?}"))
                .parse()
                .unwrap()
        })
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    pub async fn requests(&self) -> usize {
        self.json("/v1/requests").await.as_array().unwrap().len()
    }

    /// The bytes to sign, as `curl -G --data-urlencode` asks for them.
    pub async fn statement(&self, world: &World, request: &str, signer: &str, decision: &str) -> Response {
        let query = [
            ("approver", signer),
            ("key", &world.fingerprint(signer)),
            ("decision", decision),
        ];
        let url = reqwest::Url::parse_with_params(&format!("{}/v1/requests/{request}/statement", self.url), query);
        self.http.get(url.unwrap()).send().await.unwrap()
    }

    /// Downloads the statement, signs it with ssh-keygen and sends the signature.
    pub async fn decide(&self, world: &World, request: &str, signer: &str, decision: &str) -> Value {
        let statement = self.statement(world, request, signer, decision).await;
        if !statement.status().is_success() {
            return statement.json().await.unwrap();
        }
        let bytes = statement.bytes().await.unwrap();
        let armored = world.sign(signer, STATEMENT_NAMESPACE, &bytes);
        self.send_decision(request, signer, armored).await
    }

    pub async fn send_decision(&self, request: &str, signer: &str, armored: String) -> Value {
        let url = format!("{}/v1/requests/{request}/decisions?approver={signer}", self.url);
        self.http
            .post(url)
            .body(armored)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// What somebody else sends over HTTP, with headers of their own.
    pub async fn send(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Response {
        let mut post = self.http.post(format!("{}{path}", self.url)).body(body.to_vec());
        for (name, value) in headers {
            post = post.header(*name, value);
        }
        post.send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: String) -> Value {
        self.http
            .post(format!("{}{path}", self.url))
            .body(body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub async fn claim_as(&self, executor: &str, bearer: &str, wait_s: u64) -> Response {
        let body = json!({"executor": executor, "environments": ["demo"], "wait_s": wait_s});
        let url = format!("{}/v1/executor/claim", self.url);
        self.http
            .post(url)
            .bearer_auth(bearer)
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    pub async fn claim(&self) -> Option<String> {
        let response = self.claim_as("executor-1", BEARER, 0).await;
        match response.status().as_u16() {
            200 => Some(response.text().await.unwrap()),
            204 => None,
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }

    /// Waits for a plan to look at, as the executor does.
    pub async fn claim_preflight(&self, wait_s: u64) -> Option<String> {
        let body = json!({"executor": "executor-1", "environments": ["demo"], "wait_s": wait_s});
        let url = format!("{}/v1/executor/preflight/claim", self.url);
        let response = self
            .http
            .post(url)
            .bearer_auth(BEARER)
            .json(&body)
            .send()
            .await
            .unwrap();
        match response.status().as_u16() {
            200 => Some(response.text().await.unwrap()),
            204 => None,
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }

    pub async fn tell_preflight(&self, found: &Value) -> Value {
        self.post_preflight("", BEARER, found).await
    }

    pub async fn post_preflight(&self, what: &str, bearer: &str, body: &Value) -> Value {
        let url = format!("{}/v1/executor/preflight{what}", self.url);
        let response = self.http.post(url).bearer_auth(bearer).json(body).send().await.unwrap();
        response.json().await.unwrap()
    }

    pub async fn standing(&self, plan: &Plan) -> String {
        let url = format!("{}/v1/executor/standing/{}", self.url, plan.digest());
        self.http
            .get(url)
            .bearer_auth(BEARER)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    pub async fn report(&self, order: &str, kind: &str) -> u16 {
        let body = json!({"order_id": order, "kind": kind, "data": {"step": "end_blocker"}});
        let url = format!("{}/v1/executor/reports", self.url);
        self.http
            .post(url)
            .bearer_auth(BEARER)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// Submits a plan, has ana sign it, and returns the request and the token.
    pub async fn approved(&self, world: &World, plan: &Plan) -> (String, String) {
        let request = self.execute(text(plan), None).await["request_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let decided = self.decide(world, &request, "ana", "approve").await;
        assert_eq!(decided["status"], "approved", "{decided}");
        let token = self.execute(text(plan), None).await["approval_token"]
            .as_str()
            .unwrap()
            .to_owned();
        (request, token)
    }
}

/// A person's accounts in the channels.
pub fn accounts(id: &str) -> Vec<Account> {
    let user = account(id);
    let slack = Account::Slack {
        team: TEAM.to_owned(),
        user: user.clone(),
    };
    vec![slack, Account::Pagerduty { user }]
}

/// The same id in both, for short.
pub fn account(id: &str) -> String {
    format!("U0{}", id.to_uppercase().replace('-', ""))
}

pub fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}

pub fn text(plan: &Plan) -> &str {
    std::str::from_utf8(plan.bytes()).unwrap()
}

pub fn blocking_tree() -> Evidence {
    let root = json!({
        "pid": 4242, "backend_start": "2026-11-23 10:11:12.123456+00", "xact_start": "2026-11-23 10:12:12.5+00",
        "state": "idle in transaction", "usename": "app",
    });
    let result = json!({"trees": [{"root": root, "waiters_count": 3}]});
    let taken_at = Timestamp::from_unix(1_795_428_600);
    Evidence::record("E1", "postgres-readonly", "blocking_tree", json!({}), taken_at, result).unwrap()
}

/// A plan of the shipped catalog, as the orchestrator would make it now.
pub fn plan() -> Plan {
    plan_with(|_| {})
}

pub fn plan_with(edit: impl FnOnce(&mut PlanContext)) -> Plan {
    let at = |field: &str| at("E1", &format!("/trees/0/{field}"));
    let parameters = [
        ("blocker_pid", at("root/pid")),
        ("blocker_backend_start", at("root/backend_start")),
        ("blocker_xact_start", at("root/xact_start")),
        ("blocker_state", at("root/state")),
        ("blocker_role", at("root/usename")),
        ("waiters", at("waiters_count")),
    ];
    fill("idle-in-transaction-blocker", parameters, edit)
}

/// A plan with a step that can be undone.
pub fn undoable_plan() -> Plan {
    let at = |pointer: &str| at("E2", pointer);
    let parameters = [
        ("role", at("/connections/groups/0/usename")),
        ("application", at("/connections/groups/0/application_name")),
        ("previous_limit", at("/connections/groups/0/rolconnlimit")),
        ("idle_sessions", at("/connections/groups/0/idle")),
        ("max_connections", at("/connections/max_connections")),
        ("as_of", at("/taken_at")),
    ];
    fill("connection-saturation", parameters, |_| {})
}

pub fn sessions() -> Evidence {
    let group = json!({"usename": "app", "application_name": "web", "rolconnlimit": -1, "idle": 40});
    let result = json!({"taken_at": "2026-11-23 10:11:12.123456+00", "connections": {"max_connections": 100, "groups": [group]}});
    let taken_at = Timestamp::from_unix(1_795_428_600);
    Evidence::record("E2", "postgres-readonly", "sessions", json!({}), taken_at, result).unwrap()
}

/// A plan of high risk for production, of which people of two groups must approve.
pub fn slot_plan() -> Plan {
    let parameters = [
        ("slot_name", at("E3", "/slots/0/slot_name")),
        ("retained", at("E3", "/slots/0/retained_wal_bytes")),
    ];
    fill("inactive-replication-slot", parameters, |context| {
        context.target.environment = "production".into();
    })
}

pub fn slots() -> Evidence {
    let result = json!({"slots": [{"slot_name": "cdc", "active": false, "retained_wal_bytes": 214_748_364_800_i64}]});
    let taken_at = Timestamp::from_unix(1_795_428_600);
    Evidence::record("E3", "postgres-readonly", "replication", json!({}), taken_at, result).unwrap()
}

fn at(evidence: &str, pointer: &str) -> DraftValue {
    DraftValue::Evidence {
        evidence: evidence.into(),
        pointer: pointer.into(),
    }
}

fn fill<const N: usize>(
    runbook: &str,
    parameters: [(&str, DraftValue); N],
    edit: impl FnOnce(&mut PlanContext),
) -> Plan {
    let mut context = PlanContext {
        incident: "inc-1".into(),
        target: Target {
            name: "orders".into(),
            environment: "demo".into(),
            system_identifier: "7301".into(),
            database: "orders".into(),
        },
        requester: "orchestrator-1".into(),
        policy_digest: Policy::shipped().unwrap().digest(),
        not_before: now(),
        approve_by: now().plus_s(600),
        expires_at: now().plus_s(1200),
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    edit(&mut context);
    let draft = PlanDraft {
        runbook: runbook.into(),
        version: 1,
        parameters: parameters
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    Plan::fill(
        &draft,
        &Catalog::shipped().unwrap(),
        &[blocking_tree(), sessions(), slots()],
        context,
    )
    .unwrap()
}

/// What `Path::display` prints, for arguments.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
