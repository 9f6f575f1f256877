//! A stand-in for the part of GitHub that starts workflows, held to GitHub's own published description of it
//! (`tests/github/model.json`): what it is sent, and what it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

const MODEL: &str = include_str!("../github/model.json");
pub const TOKEN: &str = "github-secret-token";

/// How it behaves. A run shows the key in its name, as the workflow's `run-name` says.
#[derive(Debug, Clone)]
pub struct Behaviour {
    pub state: &'static str,
    /// Whether it knows `return_run_details`.
    pub knows_details: bool,
    pub conclusion: &'static str,
    /// How often a run is asked about before it is completed.
    pub takes: u32,
    pub at_dispatch: AtDispatch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtDispatch {
    Answers,
    /// It starts the run, and the answer gets lost.
    LosesAnswer,
    /// The one who asks is killed; the run is started all the same, or not.
    KillsCaller {
        starts: bool,
    },
    /// It is overloaded, and starts nothing.
    Unavailable,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            state: "active",
            knows_details: true,
            conclusion: "success",
            takes: 2,
            at_dispatch: AtDispatch::Answers,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Started {
    pub reference: String,
    pub inputs: BTreeMap<String, Value>,
    asked: u32,
}

struct Inner {
    model: Value,
    behaviour: Behaviour,
    runs: Vec<Started>,
    dispatches: usize,
    caller: Option<u32>,
}

/// One server, for as long as this lives.
#[derive(Clone)]
pub struct Github {
    inner: Arc<Mutex<Inner>>,
    pub url: String,
}

impl Github {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let github = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            inner: Arc::new(Mutex::new(Inner {
                model: serde_json::from_str(MODEL).unwrap(),
                behaviour: Behaviour::default(),
                runs: Vec::new(),
                dispatches: 0,
                caller: None,
            })),
        };
        let base = "/repos/acme/infra/actions";
        let router = Router::new()
            .route(&format!("{base}/workflows/restart.yml"), get(workflow))
            .route(&format!("{base}/workflows/restart.yml/dispatches"), post(dispatch))
            .route(&format!("{base}/workflows/restart.yml/runs"), get(runs))
            .route(&format!("{base}/runs/{{id}}"), get(run))
            .with_state(github.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        github
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.inner().behaviour = behaviour;
    }

    pub fn started(&self) -> Vec<Started> {
        self.inner().runs.clone()
    }

    /// How often a dispatch was asked for.
    pub fn dispatches(&self) -> usize {
        self.inner().dispatches
    }

    /// Whom to kill.
    pub fn caller(&self, pid: Option<u32>) {
        self.inner().caller = pid;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The answer, once it is one that GitHub could give.
    fn answer(&self, operation: &str, status: u16, body: &Value) -> Response {
        let schema = &self.inner().model[operation]["answers"][status.to_string()].clone();
        check(schema, body, operation);
        (StatusCode::from_u16(status).unwrap(), Json(body.clone())).into_response()
    }

    fn example(&self, operation: &str) -> Value {
        self.inner().model[operation]["example"].clone()
    }

    fn run(&self, index: usize, ask: bool) -> Value {
        let mut body = self.example("run");
        let mut inner = self.inner();
        let behaviour = inner.behaviour.clone();
        let run = &mut inner.runs[index];
        run.asked += u32::from(ask);
        let completed = run.asked >= behaviour.takes;
        body["id"] = json!(index + 1000);
        body["event"] = json!("workflow_dispatch");
        body["name"] = json!("Restart");
        body["display_title"] = json!(format!("Restart {}", run.inputs["countersign_id"].as_str().unwrap()));
        body["status"] = json!(if completed { "completed" } else { "in_progress" });
        body["conclusion"] = if completed {
            json!(behaviour.conclusion)
        } else {
            Value::Null
        };
        body
    }
}

fn check(schema: &Value, body: &Value, what: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{what} is not what GitHub describes: {faults:?}");
}

/// What GitHub answers to whoever has no, or another, token.
fn stranger(headers: &HeaderMap) -> Option<Response> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert_eq!(header("accept"), "application/vnd.github+json");
    assert_eq!(header("x-github-api-version"), "2022-11-28");
    assert!(
        !header("user-agent").is_empty(),
        "GitHub refuses whoever does not say who they are"
    );
    let known = header("authorization") == format!("Bearer {TOKEN}");
    let refusal = || (StatusCode::UNAUTHORIZED, Json(json!({"message": "Bad credentials"}))).into_response();
    (!known).then(refusal)
}

async fn workflow(State(github): State<Github>, headers: HeaderMap) -> Response {
    if let Some(refusal) = stranger(&headers) {
        return refusal;
    }
    let mut body = github.example("workflow");
    body["state"] = json!(github.inner().behaviour.state);
    github.answer("workflow", 200, &body)
}

async fn dispatch(State(github): State<Github>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = stranger(&headers) {
        return refusal;
    }
    let schema = github.inner().model["dispatch"]["request"].clone();
    check(&schema, &body, "a dispatch");
    let behaviour = github.inner().behaviour.clone();
    let details = body.get("return_run_details").is_some();
    if details && !behaviour.knows_details {
        let message = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"message": message}))).into_response();
    }
    github.inner().dispatches += 1;
    let starts = !matches!(
        behaviour.at_dispatch,
        AtDispatch::KillsCaller { starts: false } | AtDispatch::Unavailable
    );
    if starts {
        github.inner().runs.push(Started {
            reference: body["ref"].as_str().unwrap().to_owned(),
            inputs: serde_json::from_value(body["inputs"].clone()).unwrap(),
            asked: 0,
        });
    }
    match behaviour.at_dispatch {
        AtDispatch::Answers => {}
        AtDispatch::LosesAnswer => return lost(),
        AtDispatch::Unavailable => {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"message": "busy"}))).into_response();
        }
        AtDispatch::KillsCaller { .. } => {
            let caller = loop {
                if let Some(caller) = github.inner().caller.take() {
                    break caller;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            };
            let killed = std::process::Command::new("kill")
                .args(["-9", &caller.to_string()])
                .status();
            assert!(killed.unwrap().success());
            return lost();
        }
    }
    if !details {
        return StatusCode::NO_CONTENT.into_response();
    }
    let id = github.inner().runs.len() + 999;
    let url = format!("https://github.com/acme/infra/actions/runs/{id}");
    github.answer(
        "dispatch",
        200,
        &json!({"workflow_run_id": id, "run_url": url, "html_url": url}),
    )
}

/// More is promised than comes.
fn lost() -> Response {
    let mut response = Response::new(Body::from_stream(futures_util::stream::once(async {
        Err::<Vec<u8>, _>(std::io::Error::other("cut off"))
    })));
    response.headers_mut().insert("content-length", 100.into());
    response
}

async fn runs(
    State(github): State<Github>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = stranger(&headers) {
        return refusal;
    }
    let known = github.inner().model["runs"]["query"].clone();
    for name in query.keys() {
        assert!(
            known.as_array().unwrap().contains(&json!(name)),
            "`{name}` is no parameter"
        );
    }
    assert_eq!(query["event"], "workflow_dispatch");
    assert!(query["created"].starts_with(">=20"), "{query:?}");
    let count = github.inner().runs.len();
    let runs: Vec<Value> = (0..count).rev().map(|index| github.run(index, true)).collect();
    github.answer("runs", 200, &json!({"total_count": count, "workflow_runs": runs}))
}

async fn run(State(github): State<Github>, Path(id): Path<usize>, headers: HeaderMap) -> Response {
    if let Some(refusal) = stranger(&headers) {
        return refusal;
    }
    let body = github.run(id - 1000, true);
    github.answer("run", 200, &body)
}
