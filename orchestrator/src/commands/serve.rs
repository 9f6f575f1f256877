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
use crate::config::{CloudwatchSection, Config};
use crate::intake::{Intake, routes};
use crate::pipeline::Pipeline;
use crate::sns::{Listener, Topic};
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
        let bearer = read_secret("bearer", &section.bearer_file)?;
        let sns = config.alerts.cloudwatch.as_ref().map(listener).transpose()?;
        let eventbridge = config.alerts.eventbridge.as_ref();
        let eventbridge = eventbridge
            .map(|section| read_secret("key", &section.key_file))
            .transpose()?;
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
            sns,
            eventbridge,
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

/// Ready to listen to the topics; the file of certificates, where there is one, has been read.
pub(super) fn listener(section: &CloudwatchSection) -> Result<Listener> {
    let topics = section
        .topics
        .iter()
        .map(|arn| Topic::parse(arn))
        .collect::<Result<_, _>>()?;
    let certificates = section.certificate_file.as_deref();
    if let Some(file) = certificates {
        tracing::info!(file = %file.display(), "SNS's certificates are those of this file; none is fetched");
    }
    Listener::new(topics, certificates)
}

/// The digest of what a file holds.
pub(super) fn read_secret(what: &str, file: &Path) -> Result<Digest> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("could not read the {what} `{}`", file.display()))?;
    let secret = text.trim();
    anyhow::ensure!(
        secret.len() >= 16,
        "the {what} in `{}` is shorter than 16 characters",
        file.display()
    );
    Ok(Digest::of(secret.as_bytes()))
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
