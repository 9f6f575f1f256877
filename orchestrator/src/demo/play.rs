//! The demo from curtain to curtain, on one screen: set up, break, alert, approve, watch, and ask the database itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use incident::{Event, Incident};
use runbooks::PlanDocument;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::DemoArgs;
use super::approving::{Approving, show_plan};
use super::binaries::Binaries;
use super::children::Children;
use super::configs::Configs;
use super::database::Database;
use super::faults::{Fault, Scenario, bystanders, still_there, wait_for_symptom};
use super::identities::Identities;
use super::report::{Asked, Report};
use super::server_binaries::ServerBinaries;
use super::session::Identity;
use super::story::{Story, whole_ms};
use super::{roles, services, webhook};
use crate::commands::Service;
use crate::post_mortem::in_words;

const WAITERS_THROUGH: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(180);

pub(super) struct Stage<'a> {
    pub scenario: Scenario,
    pub binaries: &'a Binaries,
    pub server: &'a ServerBinaries,
    pub folder: &'a Path,
    pub args: &'a DemoArgs,
    pub stop: CancellationToken,
}

impl Stage<'_> {
    pub async fn play(&self, story: &mut Story, children: &mut Children, service: &mut Option<Service>) -> Result<Report> {
        std::fs::create_dir(self.folder.join("logs"))?;
        story.mark("began");
        story.say("starting a private PostgreSQL");
        let mut database = Database::start(self.server, self.folder, self.scenario.settings(), children).await?;
        roles::set_up_shop(&mut database).await?;
        roles::set_up_products(&mut database, self.binaries, self.scenario).await?;
        story.say(&format!("PostgreSQL listens on 127.0.0.1:{}; roles set up by the products' own setup-sql", database.port));

        let identities = Identities::make(self.folder, self.binaries).await?;
        let configs = Configs::write(self.folder, &database, &identities).await?;
        let gate_url = services::start_gate(self.folder, self.binaries, &configs, children).await?;
        configs.write_executor(&identities, &gate_url)?;
        services::start_executor(self.folder, self.binaries, &configs, &gate_url, children)?;
        configs.write_orchestrator(self.binaries, &gate_url)?;
        let running = service.insert(services::start_orchestrator(&configs, self.stop.clone()).await?);
        story.mark("services_ready");
        story.say(&format!("approval-gate on {gate_url}, executor, postgres-readonly, runbook-catalog and orchestrator are up"));

        let innocent = bystanders(&database).await?;
        let mut fault = self.scenario.cause(&database).await?;
        story.say(&fault.says);
        wait_for_symptom(&database, &fault).await?;
        let untouchable: Vec<Identity> = innocent.iter().chain(&fault.innocent).map(|session| session.identity.clone()).collect();
        story.mark("fault_visible");

        let mut events = running.pipeline.watchers.watch();
        story.mark("alert_sent");
        webhook::post(running.address, &configs.alert_bearer, self.scenario).await?;
        story.mark("alert_accepted");
        story.say(&format!("alert {} posted and accepted", self.scenario.alert()));

        let approving = Approving { binaries: self.binaries, identities: &identities, gate_url: &gate_url, unattended: self.args.yes };
        let closed = loop {
            let progress = match tokio::time::timeout(SILENCE, events.recv()).await.context("nothing happens any more")? {
                Ok(progress) => progress,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => bail!("the orchestrator ended"),
            };
            story.mark_at(moment_of(&progress.event), progress.at);
            story.say(&in_words(&progress.event));
            if let Event::Requested { request } = &progress.event {
                let took = story.between("alert_sent", "requested").map(whole_ms).unwrap_or_default();
                story.say(&format!("from alert to a plan that awaits approval: {took} ms"));
                let incident = running.pipeline.store.incident(&progress.id)?;
                let (plan, digest) = plan_of(&incident)?;
                show_plan(story, &plan, &digest, request);
                approving.decide(story, request).await?;
            }
            if let Event::Closed { .. } = progress.event {
                break running.pipeline.store.incident(&progress.id)?;
            }
        };

        let asked = self.ask_the_database(story, &database, &mut fault, &untouchable).await?;
        let post_mortem = std::fs::read_to_string(running.pipeline.post_mortem_file(&closed.id))?;
        Report::new(self.scenario, &closed, story, asked, &post_mortem)
    }

    /// Not the gate's word, not the executor's, not our own: the database's.
    async fn ask_the_database(&self, story: &Story, database: &Database, fault: &mut Fault, untouchable: &[Identity]) -> Result<Vec<Asked>> {
        let mut asked = Vec::new();
        for session in &mut fault.waiting {
            let through = session.answer(WAITERS_THROUGH).await.is_ok();
            asked.push(Asked { says: format!("session {} of {} is through", session.identity.pid, session.name), holds: through });
        }
        for (says, query) in &fault.afterwards {
            asked.push(Asked { says: says.clone(), holds: database.ask(query).await? == "t" });
        }
        let makers: Vec<Identity> = fault.held.iter().map(|session| session.identity.clone()).collect();
        let left = still_there(database, &makers).await?;
        asked.push(Asked { says: format!("{} of {} sessions that made the fault are left", left.len(), makers.len()), holds: left.is_empty() });
        let left = still_there(database, untouchable).await?;
        asked.push(Asked {
            says: format!("{} of {} bystander sessions are untouched (same pid, same backend_start)", left.len(), untouchable.len()),
            holds: left.len() == untouchable.len(),
        });
        story.say("asked directly, the database says:");
        for one in &asked {
            story.show(&format!("{}  {}", if one.holds { "yes" } else { "NO " }, one.says));
        }
        Ok(asked)
    }
}

fn plan_of(incident: &Incident) -> Result<(PlanDocument, String)> {
    let record = incident.plan.as_ref().context("the incident has no plan")?;
    Ok((serde_json::from_str(&record.text).context("the plan cannot be read")?, record.digest.to_string()))
}

/// The name under which an event's moment is measured.
fn moment_of(event: &Event) -> &'static str {
    let kind = event.kind();
    kind.strip_prefix("incident.").unwrap_or(kind)
}
