//! The demo from curtain to curtain: set up, break, alert, approve, watch, and ask the database itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use incident::{Event, Incident, Outcome};
use runbooks::PlanDocument;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::DemoArgs;
use super::approving::{Approving, show_objections, show_plan};
use super::binaries::Binaries;
use super::children::Children;
use super::configs::Configs;
use super::database::Database;
use super::faults::{Fault, Scenario, bystanders, still_there, wait_for_symptom};
use super::identities::{APPROVER, Identities};
use super::report::{Asked, Report};
use super::server_binaries::ServerBinaries;
use super::session::{Identity, Session};
use super::story::{Story, whole_ms};
use super::{roles, services, webhook};
use crate::commands::Service;
use crate::post_mortem::in_words;
use crate::progress::Progress;

/// How long the waiting sessions may take to get through once the incident is resolved; when it is not, one look is enough.
const WAITERS_THROUGH: Duration = Duration::from_secs(10);
const ONE_LOOK: Duration = Duration::from_millis(200);
const SILENCE: Duration = Duration::from_secs(180);

pub(super) struct Stage<'a> {
    pub scenario: Scenario,
    pub binaries: &'a Binaries,
    pub server: &'a ServerBinaries,
    pub folder: &'a Path,
    pub args: &'a DemoArgs,
    pub stop: CancellationToken,
}

/// What was set up and is not a process.
struct Scenery {
    database: Database,
    identities: Identities,
    configs: Configs,
    gate_url: String,
}

impl Stage<'_> {
    pub async fn play(
        &self,
        story: &mut Story,
        children: &mut Children,
        service: &mut Option<Service>,
    ) -> Result<Report> {
        let scenery = self.set_up(story, children).await?;
        let running = service.insert(services::start_orchestrator(&scenery.configs, self.stop.clone()).await?);
        story.mark("services_ready");
        let gate_url = &scenery.gate_url;
        story.say(&format!(
            "approval-gate on {gate_url}, executor, postgres-readonly, runbook-catalog and orchestrator are up"
        ));

        let database = &scenery.database;
        let innocent = bystanders(database).await?;
        let mut fault = self.scenario.cause(database).await?;
        story.say(&fault.says);
        wait_for_symptom(database, &fault).await?;
        story.mark("fault_visible");

        let closed = self.alert_and_follow(story, running, &scenery).await?;

        let asked = ask_the_database(story, database, &mut fault, &innocent, &closed).await?;
        let post_mortem = std::fs::read_to_string(running.pipeline.post_mortem_file(&closed.id))?;
        Report::new(self.scenario, &closed, story, asked, &post_mortem)
    }

    async fn set_up(&self, story: &mut Story, children: &mut Children) -> Result<Scenery> {
        std::fs::create_dir(self.folder.join("logs"))?;
        story.mark("began");
        story.say("starting a private PostgreSQL");
        let mut database = Database::start(self.server, self.folder, self.scenario.settings(), children).await?;
        roles::set_up_shop(&mut database).await?;
        roles::set_up_products(&mut database, self.binaries, self.scenario).await?;
        story.say(&format!(
            "PostgreSQL listens on 127.0.0.1:{}; roles set up by the products' own setup-sql",
            database.port
        ));

        let identities = Identities::make(self.folder, self.binaries, &[APPROVER]).await?;
        let configs = Configs::write(self.folder, &database, &identities, None).await?;
        let gate_url = services::start_gate(self.folder, self.binaries, &configs, children).await?;
        configs.write_executor(&identities, &gate_url)?;
        services::start_executor(self.folder, self.binaries, &configs, &gate_url, children)?;
        configs.write_orchestrator(self.binaries, &gate_url)?;
        Ok(Scenery {
            database,
            identities,
            configs,
            gate_url,
        })
    }

    /// Posts the alert, tells each event as it is journalled, and lets the human decide. Returns the closed incident.
    async fn alert_and_follow(&self, story: &mut Story, running: &Service, scenery: &Scenery) -> Result<Incident> {
        let mut events = running.pipeline.watchers.watch();
        story.mark("alert_sent");
        webhook::post(running.address, &scenery.configs.alert_bearer, self.scenario).await?;
        story.mark("alert_accepted");
        story.say(&format!("alert {} posted and accepted", self.scenario.alert()));
        loop {
            let Progress { id, event, at } = match tokio::time::timeout(SILENCE, events.recv())
                .await
                .context("nothing happens any more")?
            {
                Ok(progress) => progress,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => bail!("the orchestrator ended"),
            };
            story.mark_at(moment_of(&event), at);
            story.say(&in_words(&event));
            match &event {
                Event::Debated { opinions } => show_objections(story, opinions),
                Event::Requested { request } => {
                    let took = story
                        .between("alert_sent", "requested")
                        .map(whole_ms)
                        .unwrap_or_default();
                    story.say(&format!("from alert to a plan that awaits approval: {took} ms"));
                    let (plan, digest) = plan_of(&running.pipeline.store.incident(&id)?)?;
                    show_plan(story, &plan, &digest, request);
                    let Scenery {
                        identities, gate_url, ..
                    } = scenery;
                    let approving = Approving {
                        binaries: self.binaries,
                        identities,
                        gate_url,
                        approver: APPROVER,
                        unattended: self.args.yes,
                    };
                    approving
                        .decide(story, request, running.pipeline.watchers.watch())
                        .await?;
                }
                Event::Closed { .. } => return Ok(running.pipeline.store.incident(&id)?),
                _ => {}
            }
        }
    }
}

/// Not the gate's word, not the executor's, not our own: the database's.
async fn ask_the_database(
    story: &Story,
    database: &Database,
    fault: &mut Fault,
    bystanders: &[Session],
    closed: &Incident,
) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    let patience = if closed.state.outcome() == Some(Outcome::Resolved) {
        WAITERS_THROUGH
    } else {
        ONE_LOOK
    };
    for session in &mut fault.waiting {
        let holds = session.answer(patience).await.is_ok();
        asked.push(Asked {
            says: format!("session {} of {} is through", session.identity.pid, session.name),
            holds,
        });
    }
    for (says, query) in &fault.afterwards {
        asked.push(Asked {
            says: says.clone(),
            holds: database.ask(query).await? == "t",
        });
    }
    let makers: Vec<Identity> = fault.held.iter().map(|session| session.identity.clone()).collect();
    if !makers.is_empty() {
        let left = still_there(database, &makers).await?.len();
        let says = format!("{left} of {} sessions that made the fault are left", makers.len());
        asked.push(Asked { says, holds: left == 0 });
    }
    let untouchable: Vec<Identity> = bystanders
        .iter()
        .chain(&fault.innocent)
        .map(|session| session.identity.clone())
        .collect();
    let left = still_there(database, &untouchable).await?.len();
    let says = format!(
        "{left} of {} bystander sessions are untouched (same pid, same backend_start)",
        untouchable.len()
    );
    asked.push(Asked {
        says,
        holds: left == untouchable.len(),
    });

    story.say("asked directly, the database says:");
    for one in &asked {
        story.show(&format!("{}  {}", if one.holds { "yes" } else { "NO " }, one.says));
    }
    Ok(asked)
}

fn plan_of(incident: &Incident) -> Result<(PlanDocument, String)> {
    let record = incident.plan.as_ref().context("the incident has no plan")?;
    Ok((
        serde_json::from_str(&record.text).context("the plan cannot be read")?,
        record.digest.to_string(),
    ))
}

/// The name under which an event's moment is measured.
fn moment_of(event: &Event) -> &'static str {
    let kind = event.kind();
    kind.strip_prefix("incident.").unwrap_or(kind)
}
