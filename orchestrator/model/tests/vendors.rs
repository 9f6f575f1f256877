//! The models of three vendors, as stand-ins that hold every request against what the vendor publishes of its protocol,
//! and that misbehave in every way a service can.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{
    Answer, Budget, Failover, Key, Limits, Message, Model, ModelError, Price, Provider, Remote, RemoteConfig, Request,
    Retry, Tool, ToolCall, ToolResult,
};
use serde_json::{Value, json};

use support::{KEY, StandIn};

const VENDORS: [(Provider, &str); 3] = [
    (Provider::Anthropic, "anthropic/v1"),
    (Provider::OpenAi, "openai/v1"),
    (Provider::Bedrock, "bedrock"),
];
const IDLE: Duration = Duration::from_millis(400);
const MAX_BYTES: usize = 256 * 1024;

fn key() -> Key {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    Key::from_file(file.path()).unwrap()
}

fn remote(provider: Provider, path: &str, scenario: &str) -> Remote {
    let mut config = RemoteConfig::new("the-model", provider, "anthropic.claude-m-v1:0");
    config.base_url = Some(format!("http://127.0.0.1:{}/{scenario}/{path}", StandIn::port()));
    config.key = Some(key());
    config.price = Price {
        input_micros: 3_000_000,
        output_micros: 15_000_000,
    };
    config.idle_timeout = IDLE;
    config.max_answer_bytes = MAX_BYTES;
    Remote::new(config).unwrap()
}

/// Everything that a request can hold: a schema, tools, and a turn of calls with their results.
fn request() -> Request {
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        description: "Shows it.".to_owned(),
        schema: json!({"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": false}),
    };
    let call = |id: &str, name: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: json!({"x": 1}),
        signatures: Vec::new(),
    };
    let result = |id: &str, name: &str| ToolResult {
        call: id.to_owned(),
        name: name.to_owned(),
        content: "<evidence>…</evidence>".to_owned(),
    };
    let user = |text: &str| Message::User { text: text.to_owned() };
    let properties = json!({"verdict": {"type": "string", "enum": ["support", "object"]}});
    Request {
        messages: vec![
            user("the question"),
            Message::Assistant {
                text: "I look".to_owned(),
                tool_calls: vec![call("call-1", "db__overview"), call("call-2", "db__sessions")],
            },
            Message::ToolResults {
                results: vec![result("call-1", "db__overview"), result("call-2", "db__sessions")],
            },
            Message::Assistant {
                text: "{}".to_owned(),
                tool_calls: Vec::new(),
            },
            user("Your answer was refused"),
        ],
        tools: vec![tool("db__overview"), tool("db__sessions")],
        schema: Some(
            json!({"type": "object", "properties": properties, "required": ["verdict"], "additionalProperties": false}),
        ),
        ..Request::asking("the instructions", "", 100, Duration::from_secs(10))
    }
}

async fn ask(provider: Provider, path: &str, scenario: &str) -> Result<Answer, ModelError> {
    let end = remote(provider, path, scenario).complete(request()).await;
    if let Err(error) = &end {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(KEY) && !said.contains("secret"), "{said}");
    }
    end
}

async fn every_vendor(scenario: &str) -> Vec<Result<Answer, ModelError>> {
    let mut ends = Vec::new();
    for (provider, path) in VENDORS {
        ends.push(ask(provider, path, scenario).await);
    }
    ends
}

async fn codes(scenario: &str) -> Vec<&'static str> {
    let ends = every_vendor(scenario).await;
    ends.iter()
        .map(|end| end.as_ref().map_or_else(ModelError::code, |_| "answered"))
        .collect()
}

#[test]
fn the_vendors_own_clients_read_the_stand_ins_as_they_are_meant() {
    support::check();
}

#[tokio::test]
async fn a_streamed_answer_comes_whole_with_what_it_used() {
    for end in every_vendor("plain").await {
        let answer = end.unwrap();
        assert_eq!((answer.text.as_str(), answer.model.as_str()), ("Hello", "the-model"));
        let usage = answer.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), (11, 7));
        assert_eq!(usage.cost_micros, 11 * 3 + 7 * 15);
    }
}

#[tokio::test]
async fn calls_in_parallel_come_whole_and_in_order() {
    for end in every_vendor("tools").await {
        let calls: Vec<(String, String, Value)> = end
            .unwrap()
            .tool_calls
            .into_iter()
            .map(|call| (call.id, call.name, call.arguments))
            .collect();
        let wanted = [
            ("call-a", "db__overview", json!({"x": 1})),
            ("call-b", "db__sessions", json!({})),
        ];
        assert_eq!(
            calls,
            wanted.map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments))
        );
    }
}

#[tokio::test]
async fn what_a_service_says_at_its_door_is_understood() {
    for (scenario, error) in [
        ("throttled", ModelError::Throttled(Duration::from_secs(7))),
        ("overloaded", ModelError::Overloaded(None)),
        ("failed", ModelError::ServiceFailed(500)),
        ("unauthorized", ModelError::Unauthorized(401)),
        // The key is not carried to another address.
        ("moved", ModelError::NotTaken(307)),
    ] {
        for end in every_vendor(scenario).await {
            assert_eq!(end, Err(error.clone()), "{scenario}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_did_not_end_well_is_none() {
    assert_eq!(codes("refusal").await, ["model_refused"; 3]);
    assert_eq!(codes("cut_off").await, ["model_cut_off"; 3]);
    assert_eq!(codes("cut").await, ["model_connection_cut"; 3]);
    assert_eq!(codes("unended").await, ["model_connection_cut"; 3]);
    assert_eq!(codes("malformed").await, ["model_malformed_response"; 3]);
    assert_eq!(
        codes("error_event").await,
        ["model_overloaded", "model_aborted", "model_aborted"]
    );
    for (provider, path) in &VENDORS[1..] {
        assert_eq!(
            ask(*provider, path, "filtered").await.unwrap_err().code(),
            "model_refused"
        );
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_not_waited_for() {
    for (provider, path) in VENDORS {
        StandIn::port();
        let began = Instant::now();
        let model = remote(provider, path, "silent");
        let short = Request {
            deadline: Duration::from_millis(300),
            ..request()
        };
        assert_eq!(model.complete(short).await.unwrap_err().code(), "model_timed_out");
        assert_eq!(ask(provider, path, "stalled").await, Err(ModelError::Stalled(IDLE)));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_flood_is_cut_off_in_any_form() {
    for scenario in ["flood", "flood_line", "flood_error"] {
        StandIn::port();
        let began = Instant::now();
        for (index, end) in every_vendor(scenario).await.into_iter().enumerate() {
            // A frame that announces more than any frame may have is refused before it comes.
            let announced = scenario == "flood_line" && index == 2;
            let code = if announced {
                "model_malformed_response"
            } else {
                "model_flooded"
            };
            let said = end.unwrap_err().code();
            assert!(
                said == code || (announced && said == "model_flooded"),
                "{scenario} {index}: {said}"
            );
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{scenario}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn an_index_makes_no_room() {
    let answer = ask(Provider::OpenAi, "openai/v1", "huge_index").await.unwrap();
    assert_eq!(answer.tool_calls.len(), 1);
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let mut config = RemoteConfig::new("m", Provider::OpenAiCompatible, "m");
    config.base_url = Some("http://127.0.0.1:9/v1".to_owned());
    let end = Remote::new(config).unwrap().complete(request()).await;
    assert_eq!(end.unwrap_err().code(), "model_unreachable");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_every_attempt_is_paid() {
    for (provider, path) in VENDORS {
        let scenario = format!("flaky-{}", path.replace('/', "_"));
        let retry = Retry::new(Arc::new(remote(provider, path, &scenario)), 3);
        let budget = Budget::unlimited();
        let asked = Request {
            budget: budget.clone(),
            ..request()
        };
        let at_most = u64::from(asked.input_tokens_at_most()) + 100;
        assert_eq!(retry.complete(asked).await.unwrap().text, "Hello");
        // Refused at the door, cut off in the middle, answered.
        assert_eq!(budget.spent().calls, 3);
        assert_eq!(budget.spent().tokens, at_most + 18);
    }
}

#[tokio::test]
async fn the_next_vendor_answers_when_the_first_cannot() {
    let models: Vec<Arc<dyn Model>> = vec![
        Arc::new(remote(Provider::Anthropic, "anthropic/v1", "cut")),
        Arc::new(remote(Provider::OpenAi, "openai/v1", "failed")),
        Arc::new(remote(Provider::Bedrock, "bedrock", "plain")),
    ];
    let failover = Failover::new(models);
    assert_eq!(failover.complete(request()).await.unwrap().text, "Hello");
    // The two that failed are left alone: what is asked now is asked of the third alone.
    let budget = Budget::new(Limits {
        calls: Some(1),
        ..Limits::default()
    });
    let asked = Request { budget, ..request() };
    assert!(failover.complete(asked).await.is_ok());
}
