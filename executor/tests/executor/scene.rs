//! One executor with its files, one gate, and the orders that the gate signs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use approval::{Action, Decision, GateKey, Method, Order, Standing, StandingState, Statement, Token};
use policies::Policy;
use runbooks::{Catalog, Digest, DraftValue, Evidence, Plan, PlanContext, PlanDraft, Risk, Target, Timestamp};
use serde_json::{Value, json};

use crate::people::People;
use crate::postgres::Server;

pub struct Scene {
    pub dir: tempfile::TempDir,
    pub people: People,
    pub gate: GateKey,
    pub target: Target,
    catalog: PathBuf,
    pub dsn: String,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    /// The `result` of the last line on stdout.
    pub result: String,
    /// Its `message`.
    pub message: String,
    pub stderr: String,
}

/// How an order differs from a good one. Each test changes what it is about.
pub struct Forge<'a> {
    pub plan: &'a str,
    pub token: &'a str,
    pub action: Action,
    pub gate: &'a str,
    pub audience: &'a str,
    pub environment: &'a str,
    pub state: StandingState,
    pub as_of: Timestamp,
}

impl Scene {
    /// Made with the shipped catalog, but for the time that recovery must hold: one second instead of five.
    pub async fn new(server: &Server) -> Self {
        Self::with_catalog(server, |runbook| {
            set(runbook, "/verification/hold_s", json!(1));
        })
        .await
    }

    pub async fn with_catalog(server: &Server, change: impl Fn(&mut Value)) -> Self {
        let system = server
            .text("SELECT system_identifier::text FROM pg_control_system()")
            .await;
        Self::of(system, server.executor_dsn(), change)
    }

    /// Of a target that may not be there.
    pub fn of(system_identifier: String, dsn: String, change: impl Fn(&mut Value)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let people = People::new();
        people.write_approvers(&dir.path().join("approvers.json"), 1);
        let catalog = dir.path().join("catalog");
        write_catalog(&catalog, change);
        Self {
            people,
            gate: GateKey::generate().unwrap(),
            target: Target {
                name: "orders".to_owned(),
                environment: "test".to_owned(),
                system_identifier,
                database: "orders".to_owned(),
            },
            catalog,
            dsn,
            dir,
        }
    }

    pub fn catalog(&self) -> Catalog {
        Catalog::open(Some(&self.catalog)).unwrap()
    }

    /// Writes the configuration of an executor whose state is in `state`, and returns its path.
    pub fn config(&self, state: &str, extra: &str) -> PathBuf {
        let dsn = self.dir.path().join("dsn");
        std::fs::write(&dsn, &self.dsn).unwrap();
        let target = &self.target;
        let text = format!(
            r#"{extra}
[executor]
id = "executor-1"
environment = "test"
state_dir = "{state}"
[gate]
id = "gate-1"
public_key = "{gate}"
bearer_file = "bearer"
[approvers]
file = "approvers.json"
admin_key = "{admin}"
[catalog]
dir = "catalog"
[[targets]]
name = "{name}"
environment = "{environment}"
system_identifier = "{system}"
database = "{database}"
dsn_file = "dsn"
"#,
            gate = self.gate.public_key(),
            admin = self.people.key("admin"),
            name = target.name,
            environment = target.environment,
            system = target.system_identifier,
            database = target.database,
        );
        std::fs::write(self.dir.path().join("bearer"), "the bearer\n").unwrap();
        let path = self.dir.path().join(format!("{state}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Fills a plan from evidence, as the orchestrator would.
    pub fn plan(&self, draft: &PlanDraft, evidence: &[Evidence]) -> Plan {
        Plan::fill(draft, &self.catalog(), evidence, self.context()).unwrap()
    }

    pub fn context(&self) -> PlanContext {
        PlanContext {
            incident: "inc-1".to_owned(),
            target: self.target.clone(),
            requester: "orchestrator".to_owned(),
            policy_digest: Policy::shipped().unwrap().digest(),
            not_before: now().plus_s(-5),
            approve_by: now().plus_s(600),
            expires_at: now().plus_s(1200),
            nonce: nonce(),
        }
    }

    /// What ana signs to approve a plan.
    pub fn statement(&self, plan: &Plan) -> Statement {
        let document = plan.document();
        Statement {
            schema: Statement::SCHEMA.to_owned(),
            decision: Decision::Approve,
            request: "req-1".to_owned(),
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
            approver: "ana".to_owned(),
            key_id: self.people.key("ana").fingerprint(),
            method: Method::Ssh,
            policy_digest: document.policy_digest,
            nonce: nonce(),
        }
    }

    /// A good order for a plan that ana approved; where the policy wants two people for the risk, ben as well.
    pub fn order(&self, plan: &Plan) -> String {
        let ana = self.statement(plan);
        let ben = Statement {
            approver: "ben".to_owned(),
            key_id: self.people.key("ben").fingerprint(),
            nonce: nonce(),
            ..ana.clone()
        };
        let all = if plan.document().risk == Risk::High {
            vec![ana, ben]
        } else {
            vec![ana]
        };
        let envelopes = all.iter().map(|statement| self.people.envelope(statement)).collect();
        let token = Token::new(envelopes).unwrap();
        self.sign(&self.forge(text(plan), token.encode()))
    }

    pub fn rollback_order(&self, plan: &Plan) -> String {
        let mut statement = self.statement(plan);
        statement.action = Action::Rollback;
        let token = self.people.token(&statement);
        self.sign(&Forge {
            action: Action::Rollback,
            ..self.forge(text(plan), token.encode())
        })
    }

    pub fn forge<'a>(&self, plan: &'a str, token: &'a str) -> Forge<'a> {
        Forge {
            plan,
            token,
            action: Action::Execute,
            gate: "gate-1",
            audience: "executor-1",
            environment: "test",
            state: StandingState::Valid,
            as_of: now(),
        }
    }

    /// The gate signs whatever it is asked to.
    pub fn sign(&self, forge: &Forge<'_>) -> String {
        self.sign_with(&self.gate, forge)
    }

    pub fn sign_with(&self, key: &GateKey, forge: &Forge<'_>) -> String {
        let order = Order {
            schema: Order::SCHEMA.to_owned(),
            id: format!("exe-{}", nonce()),
            action: forge.action,
            gate: forge.gate.to_owned(),
            audience: forge.audience.to_owned(),
            environment: forge.environment.to_owned(),
            plan: forge.plan.to_owned(),
            token: forge.token.to_owned(),
            issued_at: now(),
            standing: self.standing(Digest::of(forge.plan.as_bytes()), forge.gate, forge.state, forge.as_of),
        };
        order.sign(key).unwrap()
    }

    pub fn standing(&self, plan_digest: Digest, gate: &str, state: StandingState, as_of: Timestamp) -> Standing {
        Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: gate.to_owned(),
            plan_digest,
            state,
            as_of,
        }
    }

    /// Runs `executor run` to its end.
    pub fn run(&self, config: &Path, order: &str) -> Ran {
        finish(self.command(config, Some(order)))
    }

    /// Runs `executor recover` to its end.
    pub fn recover(&self, config: &Path) -> Ran {
        finish(self.command(config, None))
    }

    /// `run` with an order, `recover` without.
    pub fn command(&self, config: &Path, order: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_executor"));
        match order {
            Some(order) => {
                let path = self.dir.path().join(format!("order-{}.json", nonce()));
                std::fs::write(&path, order).unwrap();
                command.arg("run").arg("--order").arg(path)
            }
            None => command.arg("recover"),
        };
        command
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

pub fn finish(mut command: Command) -> Ran {
    ended(command.output().unwrap())
}

pub fn ended(output: Output) -> Ran {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let last: Value = stdout
        .lines()
        .last()
        .map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
    let field = |name: &str| last.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ran {
        code: output.status.code(),
        result: field("result"),
        message: field("message"),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn text(plan: &Plan) -> &str {
    std::str::from_utf8(plan.bytes()).unwrap()
}

pub fn now() -> Timestamp {
    executor::Clock::now(&executor::SystemClock)
}

pub fn nonce() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}{count:016x}", std::process::id())
}

pub fn draft(runbook: &str, evidence: &[(&str, &str)], literals: &[(&str, Value)]) -> PlanDraft {
    let mut parameters = BTreeMap::new();
    for (name, pointer) in evidence {
        parameters.insert(
            (*name).to_owned(),
            DraftValue::Evidence {
                evidence: "E1".to_owned(),
                pointer: (*pointer).to_owned(),
            },
        );
    }
    for (name, literal) in literals {
        parameters.insert(
            (*name).to_owned(),
            DraftValue::Literal {
                literal: literal.clone(),
            },
        );
    }
    PlanDraft {
        runbook: runbook.to_owned(),
        version: 1,
        parameters,
    }
}

pub fn set(json: &mut Value, pointer: &str, value: Value) {
    *json.pointer_mut(pointer).unwrap() = value;
}

pub fn write_catalog(dir: &Path, change: impl Fn(&mut Value)) {
    for runbook in Catalog::shipped().unwrap().iter() {
        let mut json = serde_json::to_value(runbook.document()).unwrap();
        change(&mut json);
        let folder = dir.join(&runbook.document().id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("runbook.json"), json.to_string()).unwrap();
    }
}
