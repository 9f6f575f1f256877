//! `serve`: takes alerts in and works on incidents until it is asked to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use kit::ExitCode;
use runbooks::Digest;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::assemble::assemble;
use crate::config::Config;
use crate::intake::{Intake, routes};
use crate::pipeline::Pipeline;
use crate::workers::Workers;

/// A running orchestrator.
pub(crate) struct Service {
    pub pipeline: Arc<Pipeline>,
    pub address: SocketAddr,
    workers: Arc<Workers>,
    http: JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn serve(config: Config, addr_file: Option<&Path>) -> Result<ExitCode> {
    let stop = kit::shutdown::on_signal().context("could not listen for signals")?;
    let service = Service::start(config, stop.clone()).await?;
    announce(service.address, addr_file).context("could not write the address file")?;
    stop.cancelled().await;
    service.stop().await?;
    Ok(ExitCode::Done)
}

impl Service {
    /// Starts taking alerts, and goes on with the incidents that were open. Servers that are not there yet are tried later.
    pub async fn start(config: Config, stop: CancellationToken) -> Result<Self> {
        let section = &config.orchestrator;
        let bearer = read_bearer(&section.bearer_file)?;
        let listen = section.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on `{listen}`"))?;
        let address = listener.local_addr().context("the listener has no address")?;

        let pipeline = Arc::new(assemble(config, stop.clone())?);
        let workers = Arc::new(Workers::new(Arc::clone(&pipeline)));
        // Connections are opened before the storm: a saturated database may let nobody in later.
        let (servers, gate) = tokio::join!(pipeline.toolbelt.start(), pipeline.gate.start());
        for (name, result) in servers.into_iter().chain([("approval-gate".to_owned(), gate)]) {
            match result {
                Ok(()) => tracing::info!(server = name, "connected"),
                Err(error) => tracing::warn!(
                    server = name,
                    code = error.code(),
                    error = crate::chain(&error),
                    "not there yet"
                ),
            }
        }
        let resumed = workers.resume().context("could not read the open incidents")?;
        tracing::info!(%address, resumed, "taking alerts");
        let intake = Intake {
            pipeline: Arc::clone(&pipeline),
            workers: Arc::clone(&workers),
            bearer,
        };
        let app = routes(Arc::new(intake));
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
        Ok(Self {
            pipeline,
            address,
            workers,
            http: tokio::spawn(async move { serving.await }),
        })
    }

    /// Stops taking alerts, lets each worker put its incident down, and ends the servers that were started.
    pub async fn stop(self) -> Result<()> {
        self.pipeline.stop.cancel();
        self.http
            .await
            .context("the listener broke")?
            .context("the listener broke")?;
        self.workers.finish().await;
        tokio::join!(self.pipeline.toolbelt.stop(), self.pipeline.gate.stop());
        Ok(())
    }
}

fn read_bearer(file: &Path) -> Result<Digest> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("could not read the bearer `{}`", file.display()))?;
    let bearer = text.trim();
    anyhow::ensure!(
        bearer.len() >= 16,
        "the bearer in `{}` is shorter than 16 characters",
        file.display()
    );
    Ok(Digest::of(bearer.as_bytes()))
}

fn announce(address: SocketAddr, addr_file: Option<&Path>) -> std::io::Result<()> {
    let url = format!("http://{address}");
    if let Some(file) = addr_file {
        // A reader sees the whole address or no file.
        let draft = file.with_extension(format!("tmp{}", std::process::id()));
        std::fs::write(&draft, format!("{url}\n"))?;
        std::fs::rename(&draft, file)?;
    }
    eprintln!("listening on {url}");
    Ok(())
}
