//! A model behind an address: one streamed attempt, bounded in time, in bytes and in what it may cost.

mod answer;
mod fault;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat, ContentPart, JsonSpec, MessageContent, ToolResponse,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;
use url::Url;

use self::answer::Assembly;
use self::wire::Wire;
use crate::budget::{Budget, Price};
use crate::error::ModelError;
use crate::key::Key;
use crate::request::{Answer, Message, Model, Request};

/// As much as an answer may have on the wire. A token takes about 200 bytes there.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The protocol that Anthropic's own clients speak today. The client would ask for that of 2023; what the two differ in
/// (no sampling parameters, no documents and citations where we send none) is nothing that is sent here.
const ANTHROPIC_VERSION: &str = "2026-10-21";
/// Makers send a sign of life more often than this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Who makes the model, and so what is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Anthropic,
    #[serde(rename = "openai")]
    OpenAi,
    Gemini,
    /// The Converse API, with a bearer key.
    Bedrock,
    Ollama,
    /// Whoever speaks OpenAI's Chat Completions.
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
}

/// Where a model is, and what it costs.
#[derive(Debug)]
pub struct RemoteConfig {
    /// Our own name for it.
    pub name: String,
    pub provider: Provider,
    /// The maker's name for it.
    pub model: String,
    /// The maker's own address by default; Bedrock and compatible ones have none.
    pub base_url: Option<String>,
    pub key: Option<Key>,
    pub price: Price,
    /// Whether the maker is told the form of the answer as a JSON Schema.
    pub structured: bool,
    /// How long it may say nothing once it has begun.
    pub idle_timeout: Duration,
    pub max_answer_bytes: usize,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum RemoteError {
    #[error("model `{0}` needs a `base_url`")]
    NoAddress(String),
    #[error(
        "the `base_url` of model `{0}` is no http:// or https:// address without user, password, query and fragment"
    )]
    BadAddress(String),
    /// The key and the telemetry would travel in the clear.
    #[error("the `base_url` of model `{0}` must be https://, or on this machine")]
    InTheClear(String),
    #[error("model `{0}` needs a key")]
    NoKey(String),
}

/// One model of one maker. Holds its key and shows it to nobody else.
pub struct Remote {
    config: RemoteConfig,
    base_url: Url,
}

impl Provider {
    const fn adapter(self) -> AdapterKind {
        match self {
            Self::Anthropic => AdapterKind::Anthropic,
            Self::OpenAi | Self::OpenAiCompatible => AdapterKind::OpenAI,
            Self::Gemini => AdapterKind::Gemini,
            Self::Bedrock => AdapterKind::BedrockApi,
            Self::Ollama => AdapterKind::Ollama,
        }
    }

    const fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com/v1/"),
            Self::OpenAi => Some("https://api.openai.com/v1/"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta/"),
            Self::Ollama => Some("http://127.0.0.1:11434/"),
            Self::Bedrock | Self::OpenAiCompatible => None,
        }
    }

    const fn needs_key(self) -> bool {
        !matches!(self, Self::Ollama | Self::OpenAiCompatible)
    }

    /// Whether all of the maker's models take a schema of the answer, beside tools.
    #[must_use]
    pub const fn is_structured(self) -> bool {
        matches!(self, Self::Anthropic | Self::OpenAi)
    }
}

impl RemoteConfig {
    /// A model with the bounds that suit most.
    #[must_use]
    pub fn new(name: impl Into<String>, provider: Provider, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            provider,
            model: model.into(),
            base_url: None,
            key: None,
            price: Price::default(),
            structured: provider.is_structured(),
            idle_timeout: IDLE_TIMEOUT,
            max_answer_bytes: MAX_ANSWER_BYTES,
        }
    }
}

impl Remote {
    pub fn new(config: RemoteConfig) -> Result<Self, RemoteError> {
        let name = || config.name.clone();
        let address = config.base_url.as_deref().or(config.provider.default_url());
        let address = address.ok_or_else(|| RemoteError::NoAddress(name()))?;
        let base_url = parse_address(address).ok_or_else(|| RemoteError::BadAddress(name()))?;
        if base_url.scheme() != "https" && !is_local(&base_url) {
            return Err(RemoteError::InTheClear(name()));
        }
        if config.provider.needs_key() && config.key.is_none() {
            return Err(RemoteError::NoKey(name()));
        }
        Ok(Self { config, base_url })
    }

    /// One attempt, on one connection of its own.
    async fn attempt(&self, request: &Request) -> Result<Answer, ModelError> {
        let left = request.budget.time_left().unwrap_or(request.deadline);
        let deadline = request.deadline.min(left);
        // The client logs what a service says in an error, and that may be our own prompt or key: it speaks to nobody.
        let asked = self.ask(request, deadline).with_subscriber(NoSubscriber::new());
        match tokio::time::timeout(deadline, asked).await {
            Ok(end) => end,
            Err(_) => Err(ModelError::TimedOut(deadline)),
        }
    }

    async fn ask(&self, request: &Request, deadline: Duration) -> Result<Answer, ModelError> {
        let unreachable = |what: &str| ModelError::Unreachable(what.to_owned());
        let wire = Wire::open(&self.base_url, self.config.max_answer_bytes).map_err(|_| unreachable("no socket"))?;
        let http = reqwest::Client::builder()
            .unix_socket(wire.path())
            .http1_only()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|_| unreachable("no HTTP client"))?;
        let client = Client::builder()
            .with_reqwest(http)
            .build()
            .map_err(|_| unreachable("no client"))?;
        let said_no = Arc::new(AtomicBool::new(false));
        let options = self.options(request, deadline, &said_no);
        let ended = self.stream(&client, request, &options).await;
        match ended {
            Ok(_) if said_no.load(Ordering::Relaxed) => Err(ModelError::Refused("refusal".to_owned())),
            Ok(answer) => Ok(answer),
            Err(_) if wire.is_flooded() => Err(ModelError::Flooded(self.config.max_answer_bytes)),
            Err(_) if !wire.is_connected() => Err(unreachable("no connection to its address")),
            Err(error) => Err(error),
        }
    }

    async fn stream(&self, client: &Client, request: &Request, options: &ChatOptions) -> Result<Answer, ModelError> {
        let limits = fault::Limits {
            deadline: request.deadline,
            idle: self.config.idle_timeout,
        };
        let begun = client
            .exec_chat_stream(self.target(), chat(request), Some(options))
            .await;
        let mut stream = begun.map_err(|error| fault::of(&error, limits))?.stream;
        let mut assembly = Assembly::default();
        while let Some(event) = stream.next().await {
            let event = event.map_err(|error| fault::of(&error, limits))?;
            if let Some(end) = assembly.take(event)? {
                return assembly.finish(*end, &self.config.name, request);
            }
        }
        Err(ModelError::CutConnection)
    }

    fn target(&self) -> ServiceTarget {
        let key = self.config.key.as_ref().map_or("none", Key::reveal);
        ServiceTarget {
            endpoint: Endpoint::from_owned(self.base_url.as_str()),
            auth: AuthData::from_single(key),
            model: ModelIden::new(self.config.provider.adapter(), self.config.model.as_str()),
        }
    }

    fn options(&self, request: &Request, deadline: Duration, said_no: &Arc<AtomicBool>) -> ChatOptions {
        let said_no = Arc::clone(said_no);
        let mut options = ChatOptions::default()
            .with_max_tokens(request.max_output_tokens)
            .with_capture_usage(true)
            // Calls and text are put together here: the client would make room for any index that a service names.
            .with_capture_tool_calls(false)
            .with_capture_content(false)
            .with_stream_header_timeout(deadline)
            .with_stream_read_timeout(self.config.idle_timeout)
            // The client does not look at where OpenAI puts a refusal.
            .with_raw_frame_fn(move |_, frame| {
                if frame.data.contains("\"refusal\"") && answer::is_refusal(frame.data) {
                    said_no.store(true, Ordering::Relaxed);
                }
            });
        if self.config.provider == Provider::Anthropic {
            options = options.with_extra_headers(("anthropic-version", ANTHROPIC_VERSION));
        }
        if let Some(schema) = request.schema.as_ref().filter(|_| self.config.structured) {
            let form = JsonSpec::new("answer", schema.clone());
            options = options.with_response_format(ChatResponseFormat::JsonSpec(form));
        }
        options
    }
}

#[async_trait]
impl Model for Remote {
    fn name(&self) -> &str {
        &self.config.name
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        Budget::charge(&request, self.config.price, self.attempt(&request)).await
    }
}

fn chat(request: &Request) -> ChatRequest {
    let tools = request.tools.iter().map(|tool| {
        genai::chat::Tool::new(tool.name.as_str())
            .with_description(tool.description.as_str())
            .with_schema(tool.schema.clone())
    });
    let chat = ChatRequest::from_messages(request.messages.iter().map(message).collect());
    let chat = chat.with_system(request.system.as_str());
    if request.tools.is_empty() {
        chat
    } else {
        chat.with_tools(tools)
    }
}

fn message(message: &Message) -> ChatMessage {
    match message {
        Message::User { text } => ChatMessage::user(text.as_str()),
        Message::Assistant { text, tool_calls } => {
            let said = (!text.is_empty()).then(|| ContentPart::from_text(text.as_str()));
            let calls = tool_calls.iter().map(|call| {
                ContentPart::ToolCall(genai::chat::ToolCall {
                    call_id: call.id.clone(),
                    fn_name: call.name.clone(),
                    fn_arguments: call.arguments.clone(),
                    thought_signatures: (!call.signatures.is_empty()).then(|| call.signatures.clone()),
                })
            });
            ChatMessage::assistant(MessageContent::from_parts(
                said.into_iter().chain(calls).collect::<Vec<_>>(),
            ))
        }
        Message::ToolResults { results } => {
            let results = results.iter().map(|result| {
                ToolResponse::new(result.call.as_str(), result.content.as_str()).with_fn_name(result.name.as_str())
            });
            ChatMessage::from(results.collect::<Vec<_>>())
        }
    }
}

/// The address with a slash at its end, below which the maker's paths begin.
fn parse_address(address: &str) -> Option<Url> {
    let mut url = Url::parse(address).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return None;
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn refused(provider: Provider, base_url: Option<&str>) -> RemoteError {
        let config = RemoteConfig {
            base_url: base_url.map(str::to_owned),
            ..RemoteConfig::new("m", provider, "model-1")
        };
        Remote::new(config).err().unwrap()
    }

    #[test]
    fn an_address_that_would_show_the_key_is_refused() {
        let clear = refused(Provider::OpenAiCompatible, Some("http://models.example/v1"));
        assert_eq!(clear, RemoteError::InTheClear("m".to_owned()));
        let no_key = refused(Provider::Anthropic, Some("http://127.0.0.1:1/v1"));
        assert_eq!(no_key, RemoteError::NoKey("m".to_owned()));
        for bad in [
            "ftp://127.0.0.1/",
            "https://u:p@h/",
            "https://h/?key=1",
            "no address",
            "https://",
        ] {
            assert_eq!(
                refused(Provider::OpenAiCompatible, Some(bad)),
                RemoteError::BadAddress("m".to_owned()),
                "{bad}"
            );
        }
        assert_eq!(refused(Provider::Bedrock, None), RemoteError::NoAddress("m".to_owned()));
    }

    #[test]
    fn paths_begin_below_the_address_however_it_is_written() {
        for address in ["https://h/v1", "https://h/v1/"] {
            assert_eq!(parse_address(address).unwrap().as_str(), "https://h/v1/");
        }
    }
}
