//! Stand-ins of approval-gate and postgres-readonly for the pipeline's tests: real MCP over HTTP, scripted answers.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kit::{
    CallContext, CancellationToken, ResourceBody, ResourceEntry, Resources, ServeArgs, Server, ServerInfo, Tool,
    ToolError,
};
use runbooks::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const TOKEN: &str = "stand-in-token-that-must-stay-secret";

/// How the world behaves.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    /// What people say once they were asked twice.
    pub decision: &'static str,
    /// The gate refuses the plan outright, with this code.
    pub refusal: Option<&'static str>,
    /// How the execution ends.
    pub execution: &'static str,
    pub observer: Observer,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Observer {
    IdleBlocker,
    Healthy,
    OtherSystem,
    /// Beside the blocker, one client holds many of the connections.
    TwoCauses,
    /// The symptom goes, but the server has been restarted: collateral.
    Restarted,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            decision: "approved",
            refusal: None,
            execution: "done",
            observer: Observer::IdleBlocker,
        }
    }
}

pub(crate) struct StandIns {
    pub gate_url: String,
    pub observer_url: String,
    gate: Arc<Gate>,
    _stop: tokio_util::sync::DropGuard,
}

impl StandIns {
    pub async fn start(script: Script) -> Self {
        // The kit would log each call; a test's output is for its failure.
        let _ = tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new());
        let stop = CancellationToken::new();
        let gate = Arc::new(Gate {
            script,
            memory: Mutex::default(),
        });
        let info = ServerInfo {
            name: "approval-gate",
            version: "0",
            instructions: "A stand-in.",
        };
        let server = Server::new(info, Arc::clone(&gate))
            .tool::<ExecutePlan>()
            .resources(Approvals);
        let gate_url = serve(server, &stop).await;
        let info = ServerInfo {
            name: "postgres-readonly",
            version: "0",
            instructions: "A stand-in.",
        };
        let server = Server::new(info, Arc::new(script.observer))
            .tool::<Overview>()
            .tool::<BlockingTree>()
            .tool::<Sessions>()
            .tool::<VacuumHorizon>()
            .tool::<TableHealth>()
            .tool::<IndexHealth>()
            .tool::<Replication>()
            .tool::<Storage>()
            .tool::<Settings>()
            .tool::<Query>();
        let observer_url = serve(server, &stop).await;
        Self {
            gate_url,
            observer_url,
            gate,
            _stop: stop.drop_guard(),
        }
    }

    /// How often a token was turned into an order.
    pub fn orders(&self) -> usize {
        self.gate.memory.lock().unwrap().orders
    }

    /// What people were shown beside the plan.
    pub fn advice(&self) -> Option<Value> {
        self.gate.memory.lock().unwrap().advice.clone()
    }

    pub fn token(&self) -> &'static str {
        TOKEN
    }
}

async fn serve<S: Send + Sync + 'static>(server: Server<S>, stop: &CancellationToken) -> String {
    let (tell, told) = tokio::sync::oneshot::channel();
    let server = server.stop_with(stop.child_token()).on_listening(move |address| {
        let _ = tell.send(address);
    });
    let args = ServeArgs {
        http: Some(([127, 0, 0, 1], 0).into()),
        ..ServeArgs::default()
    };
    tokio::spawn(async move { server.run(&args).await });
    format!("http://{}", told.await.unwrap())
}

struct Gate {
    script: Script,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    plan: Option<Digest>,
    looks: u32,
    orders: usize,
    advice: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Offer {
    plan: String,
    evidence: Vec<Value>,
    #[serde(default)]
    advice: Option<Value>,
    #[serde(default)]
    approval_token: Option<String>,
}

/// Whatever JSON object the script says.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
struct Anything(Map<String, Value>);

fn anything(value: Value) -> Anything {
    Anything(value.as_object().cloned().unwrap_or_default())
}

fn refuse(code: &'static str, retryable: bool, data: Value) -> ToolError {
    let mut error = ToolError::new(code, "said the stand-in");
    error.retryable = retryable;
    error.data = Some(Box::new(data));
    error
}

struct ExecutePlan;

#[async_trait]
impl Tool for ExecutePlan {
    type State = Gate;
    type Input = Offer;
    type Output = Anything;
    const NAME: &'static str = "execute_plan";
    const TITLE: &'static str = "Execute";
    const DESCRIPTION: &'static str = "A stand-in.";

    async fn call(gate: &Gate, offer: Offer, _: &CallContext) -> Result<Anything, ToolError> {
        if let Some(code) = gate.script.refusal {
            return Err(refuse(code, false, json!({"denials": []})));
        }
        let mut memory = gate.memory.lock().unwrap();
        let digest = Digest::of(offer.plan.as_bytes());
        if memory.plan.is_some_and(|known| known != digest) || offer.evidence.is_empty() {
            return Err(refuse("not_an_instance", false, json!({})));
        }
        memory.plan = Some(digest);
        memory.advice = offer.advice.or(memory.advice.take());
        let order = json!({"execution_id": "exe-1", "order_id": "exe-1", "status": "queued"});
        if memory.orders > 0 {
            return Err(refuse("already_used", false, order));
        }
        if offer.approval_token.as_deref() == Some(TOKEN) {
            memory.orders += 1;
            return Ok(anything(order));
        }
        let status = gate.status(&memory);
        let mut body = json!({
            "request_id": "req-1", "plan_digest": digest, "approval_url": "http://127.0.0.1/requests/req-1",
            "expires_at": "2026-11-23T10:15:00Z", "status": status, "approvals": {"have": 0, "need": 1},
        });
        if status == "approved" {
            *body.get_mut("request_id").unwrap() = json!("req-1");
            body.as_object_mut()
                .unwrap()
                .insert("approval_token".to_owned(), json!(TOKEN));
        }
        Err(refuse("approval_required", true, body))
    }
}

impl Gate {
    /// People decide after the second look.
    fn status(&self, memory: &Memory) -> &'static str {
        if memory.looks >= 2 {
            self.script.decision
        } else {
            "pending"
        }
    }
}

struct Approvals;

#[async_trait]
impl Resources<Gate> for Approvals {
    async fn list(&self, _: &Gate) -> Result<Vec<ResourceEntry>, ToolError> {
        Ok(Vec::new())
    }

    async fn read(&self, gate: &Gate, uri: &str) -> Result<Option<ResourceBody>, ToolError> {
        let mut memory = gate.memory.lock().unwrap();
        let body = match uri {
            "approval://requests/req-1" => {
                memory.looks += 1;
                json!({"status": gate.status(&memory), "approvals": [{"approver": "ana"}]})
            }
            "approval://executions/exe-1" => json!({"status": "done", "outcome": gate.script.execution, "reports": []}),
            _ => return Ok(None),
        };
        ResourceBody::json(&body).map(Some)
    }
}

/// What the observer's tools are asked with. They answer the same to everything.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default, rename = "order_by")]
    _by: Option<String>,
    #[serde(default, rename = "include_background")]
    _background: Option<bool>,
    #[serde(default, rename = "max_rows")]
    _rows: Option<u32>,
}

macro_rules! look {
    ($tool:ident, $name:literal, $answer:expr) => {
        struct $tool;

        #[async_trait]
        impl Tool for $tool {
            type State = Observer;
            type Input = Order;
            type Output = Anything;
            const NAME: &'static str = $name;
            const TITLE: &'static str = $name;
            const DESCRIPTION: &'static str = "A stand-in.";

            async fn call(observer: &Observer, _: Order, _: &CallContext) -> Result<Anything, ToolError> {
                let answer: fn(Observer) -> Value = $answer;
                Ok(anything(answer(*observer)))
            }
        }
    };
}

look!(Overview, "overview", |observer| {
    let system = if observer == Observer::OtherSystem {
        "9"
    } else {
        "7400000000000000001"
    };
    json!({"taken_at": "2026-11-23 10:01:00.5+00", "system_identifier": system, "database": "orders", "risks": []})
});
look!(BlockingTree, "blocking_tree", |observer| {
    if observer == Observer::Healthy {
        return json!({"waiters_total": 0, "truncated": false, "trees": [], "ddl_queues": []});
    }
    let waiter = json!({"pid": 510, "backend_start": "2026-11-23 10:00:00.25+00", "blocked_by": [501], "depth": 1, "wait_age_s": 12.25, "is_ddl": false});
    let root = json!({"pid": 501, "backend_start": "2026-11-23 10:00:00.125+00", "xact_start": "2026-11-23 10:00:05.125+00",
                      "state": "idle in transaction", "state_age_s": 42.5, "usename": "app", "application_name": "checkout", "kind": "session"});
    json!({"waiters_total": 1, "truncated": false, "trees": [{"root": root, "waiters": [waiter], "waiters_count": 1, "victims_count": 1}], "ddl_queues": []})
});
look!(Sessions, "sessions", |observer| {
    let mut connections = json!({"max_connections": 100, "used": 10, "used_pct": 10.0, "by_state": {}, "groups": []});
    if observer == Observer::TwoCauses {
        let hoarder = json!({"usename": "reports", "application_name": "report-worker", "total": 40, "idle": 40, "active": 0,
                             "idle_in_transaction": 0, "oldest_idle_s": 33.0, "rolconnlimit": -1});
        connections = json!({"max_connections": 100, "reserved": 3, "used": 92, "used_pct": 92.0, "by_state": {}, "groups": [hoarder]});
    }
    json!({"taken_at": "2026-11-23 10:01:00.5+00", "total": 0, "truncated": false, "sessions": [], "connections": connections})
});

look!(
    VacuumHorizon,
    "vacuum_horizon",
    |_| json!({"holders": [], "tables": []})
);
look!(TableHealth, "table_health", |_| json!({"tables": [], "running": []}));
look!(IndexHealth, "index_health", |_| {
    json!({"invalid": {"total": 0, "rows": []}, "seq_scanned_tables": {"total": 0, "rows": []}})
});
look!(Replication, "replication", |_| json!({"slots": [], "findings": []}));
look!(
    Storage,
    "storage",
    |_| json!({"temp_directory": {"files": 0, "bytes": 0}})
);

look!(Settings, "settings", |_| { json!({"findings": []}) });

struct Query;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sql {
    sql: String,
    #[serde(default)]
    max_rows: u32,
}

#[async_trait]
impl Tool for Query {
    type State = Observer;
    type Input = Sql;
    type Output = Anything;
    const NAME: &'static str = "query";
    const TITLE: &'static str = "Query";
    const DESCRIPTION: &'static str = "A stand-in.";

    async fn call(observer: &Observer, input: Sql, _: &CallContext) -> Result<Anything, ToolError> {
        let value = if input.sql.contains("pg_postmaster_start_time") {
            json!(*observer != Observer::Restarted)
        } else {
            json!(0)
        };
        Ok(anything(
            json!({"rows": [[value]], "row_count": 1, "truncated": input.max_rows == 0}),
        ))
    }
}
