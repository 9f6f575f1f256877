//! Puts a server together from its parts and runs it.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::{
    ExitCode, Resources, ServeArgs, Tool,
    handler::Handler,
    http, logging,
    registry::{MAX_DESCRIPTION_BYTES, Registry},
    shutdown, stdio,
};

/// Who a server says it is.
#[derive(Debug, Clone, Copy)]
pub struct ServerInfo {
    pub name: &'static str,
    pub version: &'static str,
    /// What a model should know before it calls anything: order of use and limits. At most 2 KiB.
    pub instructions: &'static str,
}

/// A server under construction over its state `S`.
#[must_use = "a server does nothing until it runs"]
pub struct Server<S> {
    info: ServerInfo,
    state: Arc<S>,
    tools: Registry<S>,
    resources: Option<Box<dyn Resources<S>>>,
    routes: Router,
    more_metrics: Option<Box<dyn Fn() -> String + Send + Sync>>,
    on_listening: Option<Box<dyn FnOnce(SocketAddr) + Send>>,
    stop: CancellationToken,
    faults: Vec<String>,
}

impl<S: Send + Sync + 'static> Server<S> {
    pub fn new(info: ServerInfo, state: Arc<S>) -> Self {
        let too_long = info.instructions.len() > MAX_DESCRIPTION_BYTES;
        Self {
            info,
            state,
            tools: Registry::new(),
            resources: None,
            routes: Router::new(),
            more_metrics: None,
            on_listening: None,
            stop: CancellationToken::new(),
            faults: too_long
                .then(|| "the instructions are too long".to_owned())
                .into_iter()
                .collect(),
        }
    }

    pub fn tool<T: Tool<State = S>>(mut self) -> Self {
        self.tools.add::<T>();
        self
    }

    /// Takes the descriptions of all tools from a text that was written beforehand instead of making them at each start,
    /// which is most of a start. A test must hold the text to [`Self::descriptions`], which is also how it is written.
    pub fn described_by(mut self, written: &'static str) -> Self {
        self.tools.describe_by(written);
        self
    }

    /// Returns what [`Self::described_by`] takes: a JSON array of the tools as clients see them, a line for each.
    pub fn descriptions(&self) -> Result<String, String> {
        self.tools.derived()
    }

    pub fn resources(mut self, resources: impl Resources<S>) -> Self {
        self.resources = Some(Box::new(resources));
        self
    }

    /// Adds what a server itself counts, as Prometheus text; asked at each scrape.
    pub fn metrics(mut self, more: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.more_metrics = Some(Box::new(more));
        self
    }

    /// Adds HTTP routes beside `/mcp`, behind the same Host, Origin and size checks. Stdio does not serve them.
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Calls `f` with the bound address, before the first request is answered.
    pub fn on_listening(mut self, f: impl FnOnce(SocketAddr) + Send + 'static) -> Self {
        self.on_listening = Some(Box::new(f));
        self
    }

    /// Makes the server end when `stop` fires, beside the signals; the server fires it too when it ends.
    pub fn stop_with(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Serves until the client leaves (stdio), SIGTERM or SIGINT arrives, or the token of [`Self::stop_with`] fires.
    pub async fn run(mut self, args: &ServeArgs) -> ExitCode {
        logging::init(self.info.name, args.log_format);
        self.faults.extend(self.tools.describe());
        if let Some(fault) = self.faults.first() {
            tracing::error!(fault, "this server is put together wrongly");
            return ExitCode::Failed;
        }
        let stop = self.stop.clone();
        let signalled = match shutdown::on_signal() {
            Ok(signalled) => signalled,
            Err(error) => {
                tracing::error!(%error, "could not listen for signals");
                return ExitCode::Failed;
            }
        };
        let stop_on_signal = tokio::spawn({
            let stop = stop.clone();
            async move {
                signalled.cancelled().await;
                stop.cancel();
            }
        });
        let code = self.serve(args, stop.clone()).await;
        stop_on_signal.abort();
        stop.cancel();
        code
    }

    async fn serve(self, args: &ServeArgs, stop: CancellationToken) -> ExitCode {
        let handler = Handler::new(self.info, self.state, self.tools, self.resources);
        if let Some(more) = self.more_metrics {
            handler.metrics().add(more);
        }
        let Some(address) = args.http else {
            return stdio::serve(handler, stop).await;
        };
        let bound = match http::bind(address, args).await {
            Ok(bound) => bound,
            Err((code, message)) => {
                tracing::error!("{message}");
                return code;
            }
        };
        if let Some(on_listening) = self.on_listening {
            on_listening(bound.address);
        }
        if let Err(error) = http::announce(bound.address, args.addr_file.as_deref()) {
            tracing::error!(%error, "could not write the address file");
            return ExitCode::Failed;
        }
        http::serve(bound, handler, self.routes, args, stop).await
    }
}
