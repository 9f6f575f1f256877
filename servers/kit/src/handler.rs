//! MCP itself: answers both protocol eras over the registry of tools and the resources.

use std::{borrow::Cow, sync::Arc, time::Instant};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, DiscoverResult, Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
        ResourceContents, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    CallContext, Resources, ServerInfo, ToolError,
    metrics::Metrics,
    outcome::{self, Structured},
    registry::Registry,
};

/// Where the protocol wants the server's name in every result.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// How long clients may keep lists: they change only with the binary.
const LIST_TTL_MS: u64 = 300_000;
/// How many calls may run at once; further ones get `busy`.
const MAX_CALLS_AT_ONCE: usize = 32;
const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// How many of them one caller may have under way where there may be others; the rest stays free for those.
const MAX_CALLS_PER_CALLER: usize = 24;

/// One server's answers, to one caller.
pub struct Handler<S> {
    inner: Arc<Inner<S>>,
    /// Calls that this caller may still start.
    share: Arc<Semaphore>,
    structured: Structured,
}

struct Inner<S> {
    info: ServerInfo,
    state: Arc<S>,
    tools: Registry<S>,
    resources: Option<Box<dyn Resources<S>>>,
    metrics: Arc<Metrics>,
    /// Calls that may still start; the next one is told to come back.
    slots: Semaphore,
}

impl<S> Handler<S> {
    pub fn new(info: ServerInfo, state: Arc<S>, tools: Registry<S>, resources: Option<Box<dyn Resources<S>>>) -> Self {
        let metrics = Arc::new(Metrics::new(info.name));
        let slots = Semaphore::new(MAX_CALLS_AT_ONCE);
        let inner = Arc::new(Inner {
            info,
            state,
            tools,
            resources,
            metrics,
            slots,
        });
        Self {
            inner,
            share: Arc::new(Semaphore::new(MAX_CALLS_PER_CALLER)),
            structured: Structured::Value,
        }
    }

    /// For the only caller there is.
    pub fn for_pipes(self) -> Self {
        Self {
            share: Arc::new(Semaphore::new(MAX_CALLS_AT_ONCE)),
            structured: Structured::FromText,
            ..self
        }
    }

    /// For one more caller, whose calls are counted apart.
    pub fn for_caller(&self) -> Self {
        Self {
            share: Arc::new(Semaphore::new(MAX_CALLS_PER_CALLER)),
            ..self.clone()
        }
    }

    pub fn metrics(&self) -> Arc<Metrics> {
        self.inner.metrics.clone()
    }

    /// Waits until no call is under way.
    pub async fn idle(&self) {
        // The semaphore is never closed, so the only outcome is that all slots are free.
        let _all = self.inner.slots.acquire_many(MAX_CALLS_AT_ONCE as u32).await;
    }

    /// Returns the tools as the transport lists them, when they were written beforehand and it can.
    pub fn written_tools(&self) -> Option<&'static str> {
        match self.structured {
            Structured::FromText => self.inner.tools.written(),
            Structured::Value => None,
        }
    }

    fn implementation(&self) -> Implementation {
        Implementation::new(self.inner.info.name, self.inner.info.version)
    }

    fn meta(&self) -> MetaObject {
        let mut meta = MetaObject::new();
        meta.insert(
            SERVER_INFO.to_owned(),
            json!({"name": self.inner.info.name, "version": self.inner.info.version}),
        );
        meta
    }
}

impl<S> Clone for Handler<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            share: self.share.clone(),
            structured: self.structured,
        }
    }
}

impl<S: Send + Sync + 'static> ServerHandler for Handler<S> {
    fn get_info(&self) -> ServerConfig {
        // Lists that may be empty: the conformance suites ask every server for all three.
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        let mut info = InitializeResult::new(capabilities)
            .with_server_info(self.implementation())
            .with_instructions(self.inner.info.instructions)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
        info.meta = Some(self.meta());
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result = DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info());
        result.ttl_ms = LIST_TTL_MS;
        result.cache_scope = CacheScope::Public;
        result.meta = Some(self.meta());
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        let tools = &self.inner.tools;
        tools.definition(tools.get(name)?).ok().cloned()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        refuse_cursor(request)?;
        let tools = match self.written_tools() {
            // The transport puts them there.
            Some(_) => Vec::new(),
            None => self.inner.tools.definitions().map_err(protocol_error)?,
        };
        let mut result = ListToolsResult::with_all_items(tools);
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(self.meta());
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = self.inner.tools.get(&request.name) else {
            return Err(ErrorData::invalid_params("unknown tool", None));
        };
        let call = CallContext::of(&context);
        let started = Instant::now();
        let outcome = match (self.share.try_acquire(), self.inner.slots.try_acquire()) {
            (Ok(_share), Ok(_slot)) => {
                let arguments = request.arguments.unwrap_or_default();
                match self.inner.tools.definition(entry) {
                    Ok(definition) => {
                        let schema = &definition.input_schema;
                        entry.call(&self.inner.state, arguments, schema, &call).await
                    }
                    Err(error) => Err(error),
                }
            }
            _ => Err(ToolError::new("busy", "too many calls at once")
                .retryable()
                .hint("try again in a second")),
        };
        let elapsed = started.elapsed();
        let code = outcome.as_ref().map_or_else(|error| error.code, |_| "ok");
        self.inner.metrics.record(entry.name, code, elapsed);
        let tool = entry.name;
        // The caller does not wait for the log: on one thread, what is woken by the answer comes first.
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            tracing::info!(
                tool,
                outcome = code,
                elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                trace_id = call.trace_id(),
                "call answered"
            );
        });
        Ok(outcome::to_result(outcome, self.structured, self.meta()).into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        refuse_cursor(request)?;
        let mut result = ListPromptsResult::with_all_items(Vec::new());
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(self.meta());
        Ok(result)
    }

    // Not declared, so not answered; rmcp by itself would answer with nothing.
    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        refuse_cursor(request)?;
        let entries = match &self.inner.resources {
            Some(resources) => resources.list(&self.inner.state).await.map_err(protocol_error)?,
            None => Vec::new(),
        };
        let items = entries.into_iter().map(|entry| {
            Resource::new(entry.uri, entry.name)
                .with_description(entry.description)
                .with_mime_type(entry.mime_type)
        });
        let mut result = ListResourcesResult::with_all_items(items.collect());
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        refuse_cursor(request)?;
        let templates = self.inner.resources.as_ref().map(|resources| resources.templates());
        let items = templates.into_iter().flatten().map(|template| {
            rmcp::model::ResourceTemplate::new(template.uri_template, template.name)
                .with_description(template.description)
                .with_mime_type(template.mime_type)
        });
        let mut result = ListResourceTemplatesResult::with_all_items(items.collect());
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(self.meta());
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let body = match &self.inner.resources {
            Some(resources) => resources
                .read(&self.inner.state, &request.uri)
                .await
                .map_err(protocol_error)?,
            None => None,
        };
        let Some(body) = body else {
            return Err(ErrorData::resource_not_found(
                "resource not found",
                Some(json!({"uri": request.uri})),
            ));
        };
        let contents = ResourceContents::text(body.text, request.uri).with_mime_type(body.mime_type);
        let mut result = ReadResourceResult::new(vec![contents]);
        result.ttl_ms = Some(body.fresh_for_ms);
        result.cache_scope = Some(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result.into())
    }
}

/// Lists are whole, so no cursor was ever handed out.
fn refuse_cursor(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|params| params.cursor) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params("unknown cursor", None)),
    }
}

/// Resources have no error results; their refusals travel as protocol errors with the same members.
fn protocol_error(error: ToolError) -> ErrorData {
    ErrorData::internal_error(error.message.clone(), Some(error.to_value()))
}
