//! A trial of one runbook: a private PostgreSQL, the fault that the runbook's author describes, and the real way to the
//! repair, from evidence to the executor. The author says which runbook answers, or the diagnosis has to find it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use chrono::Utc;
use clap::Args;
use kit::ExitCode;
use rand::RngCore;
use runbooks::{Catalog, Evidence, Plan, PlanContext, PlanDraft, Target, Timestamp};
use serde_json::Value;

use super::approving::{Approving, show_plan};
use super::binaries::Binaries;
use super::children::Children;
use super::configs::{Configs, ENVIRONMENT, TARGET};
use super::database::{DATABASE, Database};
use super::identities::{APPROVER, Identities};
use super::roles::{self, SHOP};
use super::server_binaries::ServerBinaries;
use super::session::Session;
use super::story::Story;
use super::trial_file::{Question, SHOWN_CHARS, Trial};
use super::{services, wind_up};
use crate::config::Config;
use crate::gate::{Gate, Standing, Token};
use crate::terminal::{print_line, tell_line};
use crate::toolbelt::Toolbelt;

/// Who signs too where one person is not enough.
const SECOND: &str = "second";
const OBSERVER: &str = "postgres-readonly";
const APPROVE_WITHIN_S: i64 = 600;
const EXECUTE_WITHIN_S: i64 = 900;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// How long one look at a session that may be waiting for another takes.
const ONE_LOOK: Duration = Duration::from_secs(1);
/// A query that waits for a lock would wait as long as the fault stands.
const ONE_QUERY: Duration = Duration::from_secs(10);
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);
/// What the executor may need beyond the plan's own window.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1200);

/// `orchestrator trial`
#[derive(Args)]
pub struct TrialArgs {
    /// The catalog folder; it is laid over the shipped catalog
    folder: PathBuf,
    /// The runbook's id; its fault is in FOLDER/ID/trial/
    id: String,
    /// Approve without asking
    #[arg(long)]
    yes: bool,
    /// Let the diagnosis find the cause, the runbook and its values; fails if it comes to another runbook
    #[arg(long)]
    diagnosed: bool,
    /// Keep the working folder with configurations, keys, journals and logs
    #[arg(long)]
    keep: bool,
}

/// Tries one runbook; everything that was started is ended again, however it goes.
pub(crate) async fn run(args: &TrialArgs) -> Result<ExitCode> {
    let (catalog, trial, binaries, server) = match prepared(args) {
        Ok(prepared) => prepared,
        Err(fault) => {
            tell_line(&format!("error: {fault:#}"));
            return Ok(ExitCode::Usage);
        }
    };
    let stop = kit::shutdown::on_signal().context("could not listen for signals")?;
    let folder = tempfile::Builder::new()
        .prefix("countersign-trial-")
        .tempdir()
        .context("could not make a working folder")?;
    let mut story = Story::new(false);
    let mut children = Children::default();
    let course = Course {
        args,
        catalog: &catalog,
        trial: &trial,
        binaries: &binaries,
        server: &server,
        folder: folder.path(),
    };
    let tried = tokio::select! {
        tried = course.run(&mut story, &mut children) => tried,
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted")),
    };
    if let Err(error) = &tried {
        story.say(&format!("the trial ended early: {error:#}"));
        if !stop.is_cancelled() {
            story.tail_logs(folder.path());
        }
    }
    wind_up(&story, children, folder, args.keep).await;
    Ok(match tried {
        Ok(true) => {
            print_line("recovered")?;
            ExitCode::Done
        }
        Ok(false) => {
            print_line("NOT recovered")?;
            ExitCode::Failed
        }
        Err(_) => ExitCode::Failed,
    })
}

fn prepared(args: &TrialArgs) -> Result<(Catalog, Trial, Binaries, ServerBinaries)> {
    let catalog = Catalog::open(Some(&args.folder))?;
    ensure!(
        catalog.get(&args.id).is_some(),
        "the catalog has no runbook `{}`; `runbook-catalog lint {}` says what is wrong with it",
        args.id,
        args.folder.display()
    );
    let file = args.trial_file("trial.json");
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!(
            "could not read `{}`; runbooks/README.md says what a trial needs",
            file.display()
        )
    })?;
    let trial = serde_json::from_str(&text).with_context(|| format!("`{}` is wrong", file.display()))?;
    Ok((catalog, trial, Binaries::find()?, ServerBinaries::find()?))
}

impl TrialArgs {
    fn trial_file(&self, name: &str) -> PathBuf {
        self.folder.join(&self.id).join("trial").join(name)
    }

    /// Returns a file's text, or none where there is no such file.
    fn optional(&self, name: &str) -> Result<Option<String>> {
        let file = self.trial_file(name);
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read `{}`", file.display())),
        }
    }

    /// Returns the sessions that make the fault by what they hold, in the order of their names.
    fn sessions(&self) -> Result<Vec<(String, String)>> {
        let folder = self.trial_file("");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("could not read `{}`", folder.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with("session-") && name.ends_with(".sql") {
                names.push(name);
            }
        }
        names.sort();
        let read = |name: String| Ok((name.trim_end_matches(".sql").to_owned(), self.optional(&name)?));
        let sessions: Result<Vec<(String, Option<String>)>> = names.into_iter().map(read).collect();
        Ok(sessions?
            .into_iter()
            .filter_map(|(name, sql)| Some((name, sql?)))
            .collect())
    }
}

/// One trial from end to end.
struct Course<'a> {
    args: &'a TrialArgs,
    catalog: &'a Catalog,
    trial: &'a Trial,
    binaries: &'a Binaries,
    server: &'a ServerBinaries,
    folder: &'a Path,
}

impl Course<'_> {
    /// Returns whether the executor and the database itself say that it is mended.
    async fn run(&self, story: &mut Story, children: &mut Children) -> Result<bool> {
        std::fs::create_dir(self.folder.join("logs"))?;
        story.say("starting a private PostgreSQL");
        let settings: Vec<&str> = self.trial.settings.iter().map(String::as_str).collect();
        let mut database = Database::start(self.server, self.folder, &settings, children).await?;
        roles::set_up_shop(&mut database).await?;
        roles::set_up_servers(&mut database, self.binaries).await?;
        if let Some(grants) = self.args.optional("grants.sql")? {
            database.run_script(&grants).await.context("grants.sql")?;
        }
        let identities = Identities::make(self.folder, self.binaries, &[APPROVER, SECOND]).await?;
        let catalog = std::fs::canonicalize(&self.args.folder)?;
        let configs = Configs::write(self.folder, &database, &identities, Some(&catalog)).await?;
        let gate_url = services::start_gate(self.folder, self.binaries, &configs, children).await?;
        configs.write_executor(&identities, &gate_url)?;
        services::start_executor(self.folder, self.binaries, &configs, &gate_url, children)?;
        configs.write_orchestrator(self.binaries, &gate_url)?;
        let config = Config::load(&configs.orchestrator).context("the trial's own configuration is wrong")?;
        let toolbelt = Toolbelt::new(&config);
        let gate = Gate::new(&config.gate);
        for (server, started) in toolbelt.start().await {
            started.with_context(|| format!("`{server}` did not start"))?;
        }
        gate.start().await?;
        story.say("approval-gate, executor and postgres-readonly are up");

        let recovered = self.args.optional("recovered.sql")?;
        let recovered =
            recovered.context("trial/recovered.sql is missing: one query that returns true once it is mended")?;
        let sessions = self.break_it(story, &database).await?;
        ensure!(
            !says_true(&database, &recovered, Duration::ZERO).await?,
            "the fault does not show: recovered.sql says true before anything was done"
        );

        let (evidence, draft) = match self.args.diagnosed {
            true => self.diagnosed(story, &config, &toolbelt).await?,
            false => self.told(story, &config, &toolbelt).await?,
        };
        let plan = self.plan(&draft, &evidence, configs.system_identifier())?;
        let approving = [APPROVER, SECOND].map(|approver| Approving {
            binaries: self.binaries,
            identities: &identities,
            gate_url: &gate_url,
            approver,
            unattended: self.args.yes,
        });
        let outcome = execute(story, &gate, &plan, &evidence, &approving).await?;
        story.say(&format!("the executor reports `{outcome}`"));
        let holds = says_true(
            &database,
            &recovered,
            if outcome == "done" {
                RECOVERED_WITHIN
            } else {
                Duration::ZERO
            },
        )
        .await?;
        story.say(&format!(
            "asked directly, the database says: {}",
            if holds { "recovered" } else { "NOT recovered" }
        ));
        drop(sessions);
        toolbelt.stop().await;
        gate.stop().await;
        Ok(holds && outcome == "done")
    }

    /// Makes the fault: the script first, then the sessions, which stay.
    async fn break_it(&self, story: &Story, database: &Database) -> Result<Vec<Session>> {
        if let Some(fault) = self.args.optional("fault.sql")? {
            database.run_script(&fault).await.context("fault.sql")?;
        }
        let mut held = Vec::new();
        for (name, sql) in self.args.sessions()? {
            for _ in 0..self.trial.copies.get(&name).copied().unwrap_or(1) {
                let mut session = Session::open(database, SHOP, &name).await?;
                session.send(&sql).await?;
                // One that waits for another has no answer, and that may be the fault.
                let _may_wait = session.answer(ONE_LOOK).await;
                held.push(session);
            }
        }
        tokio::time::sleep(Duration::from_secs(self.trial.settle_s)).await;
        story.say(&format!("the fault is made; {} sessions hold on to it", held.len()));
        Ok(held)
    }

    /// What the author asks for, and where the author says that the values are.
    async fn told(&self, story: &Story, config: &Config, toolbelt: &Toolbelt) -> Result<(Vec<Evidence>, PlanDraft)> {
        let evidence = self.evidence(config, toolbelt).await?;
        for piece in &evidence {
            let answer = kit::text::clean(&piece.result.to_string(), SHOWN_CHARS);
            story.show(&format!("{}        {} says {answer}", piece.id, piece.tool));
        }
        let runbook = self.catalog.get(&self.args.id).context("the runbook is gone")?;
        let mut parameters = BTreeMap::new();
        for (name, place) in &self.trial.parameters {
            let value = place.value(&evidence).with_context(|| format!("parameter `{name}`"))?;
            parameters.insert(name.clone(), value);
        }
        let draft = PlanDraft {
            runbook: self.args.id.clone(),
            version: runbook.document().version,
            parameters,
        };
        Ok((evidence, draft))
    }

    /// What the first sweep of every incident shows, and what the diagnosis makes of it.
    async fn diagnosed(
        &self,
        story: &Story,
        config: &Config,
        toolbelt: &Toolbelt,
    ) -> Result<(Vec<Evidence>, PlanDraft)> {
        let target = config.targets.first().context("the configuration has no target")?;
        let within = Duration::from_secs(u64::from(config.orchestrator.observe_within_s));
        let taken = toolbelt.look(target, within).await;
        let diagnosis = agents::diagnose(&taken.evidence)?;
        for hypothesis in &diagnosis.findings().hypotheses {
            story.say(&format!(
                "diagnosis: `{}`, {} %",
                hypothesis.root_cause, hypothesis.confidence_pct
            ));
            for signal in &hypothesis.signals_for {
                story.show(&format!(
                    "{}        {}",
                    signal.evidence,
                    kit::text::clean(&signal.says, SHOWN_CHARS)
                ));
            }
        }
        let choice = agents::choose(&diagnosis, self.catalog, &taken.evidence)?;
        ensure!(
            choice.draft.runbook == self.args.id,
            "the diagnosis leads to `{}`, not to `{}`",
            choice.draft.runbook,
            self.args.id
        );
        Ok((taken.evidence, choice.draft))
    }

    async fn evidence(&self, config: &Config, toolbelt: &Toolbelt) -> Result<Vec<Evidence>> {
        let target = config.targets.first().context("the configuration has no target")?;
        let mut evidence = Vec::new();
        for Question { id, tool, arguments } in &self.trial.evidence {
            let arguments = Value::Object(arguments.clone());
            let asked = toolbelt.ask_kind(target, OBSERVER, tool, arguments.clone()).await;
            let result = asked.with_context(|| format!("`{tool}` did not answer"))?;
            let now = Timestamp::from(Utc::now());
            evidence.push(Evidence::record(id, OBSERVER, tool, arguments, now, result)?);
        }
        Ok(evidence)
    }

    fn plan(&self, draft: &PlanDraft, evidence: &[Evidence], system_identifier: &str) -> Result<Plan> {
        let now = Timestamp::from(Utc::now());
        let mut nonce = [0_u8; 16];
        rand::rng().fill_bytes(&mut nonce);
        let context = PlanContext {
            incident: "trial".to_owned(),
            target: Target {
                name: TARGET.to_owned(),
                environment: ENVIRONMENT.to_owned(),
                system_identifier: system_identifier.to_owned(),
                database: DATABASE.to_owned(),
            },
            requester: "orchestrator-1".to_owned(),
            policy_digest: policies::Policy::shipped()?.digest(),
            not_before: now,
            approve_by: now.plus_s(APPROVE_WITHIN_S),
            expires_at: now.plus_s(EXECUTE_WITHIN_S),
            nonce: hex::encode(nonce),
        };
        Ok(Plan::fill(draft, self.catalog, evidence, context)?)
    }
}

/// Carries the plan through the gate, and waits for the executor's last word.
async fn execute(
    story: &mut Story,
    gate: &Gate,
    plan: &Plan,
    evidence: &[Evidence],
    approving: &[Approving<'_>],
) -> Result<String> {
    let text = std::str::from_utf8(plan.bytes())?;
    let token = approved(story, gate, plan, evidence, approving).await?;
    let order = match gate.hand_over(text, evidence, &token).await? {
        Standing::Ordered { ticket } => ticket,
        other => bail!("{}", refused(other)),
    };
    let done = async {
        loop {
            let progress = gate.execution(&order.execution_id).await?;
            match progress.status.as_str() {
                "done" => return Ok(progress),
                "lapsed" => bail!("no executor took the order in time"),
                _ => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
    };
    let progress = tokio::time::timeout(LAST_WORD_WITHIN, done)
        .await
        .context("the executor does not say how it went")??;
    let reports = progress.report.get("reports").and_then(Value::as_array);
    for report in reports.into_iter().flatten() {
        story.show(&kit::text::clean(&report.to_string(), 400));
    }
    Ok(progress.outcome.unwrap_or_default())
}

/// Offers the plan until enough people have signed; high risk takes two.
async fn approved(
    story: &mut Story,
    gate: &Gate,
    plan: &Plan,
    evidence: &[Evidence],
    approving: &[Approving<'_>],
) -> Result<Token> {
    let text = std::str::from_utf8(plan.bytes())?;
    for (index, one) in approving.iter().enumerate() {
        let ticket = match gate.offer(text, evidence, None).await? {
            Standing::Pending { ticket } => ticket,
            Standing::Approved { token, .. } => return Ok(token),
            other => bail!("{}", refused(other)),
        };
        if index == 0 {
            show_plan(story, plan.document(), &plan.digest().to_string(), &ticket);
        }
        // Nobody else knows of this gate.
        let (_nobody, events) = tokio::sync::broadcast::channel(1);
        one.decide(story, &ticket, events).await?;
    }
    match gate.offer(text, evidence, None).await? {
        Standing::Approved { token, .. } => Ok(token),
        other => bail!("{}", refused(other)),
    }
}

fn refused(standing: Standing) -> String {
    match standing {
        Standing::Refused { code, message, .. } => format!("the gate refuses the plan: {code}: {message}"),
        Standing::Rejected { message } => format!("rejected: {message}"),
        Standing::Expired { message } => format!("expired: {message}"),
        Standing::Pending { .. } => "more people have to sign than there are here".to_owned(),
        Standing::Approved { .. } | Standing::Ordered { .. } => "the gate knows this plan already".to_owned(),
    }
}

async fn says_true(database: &Database, query: &str, within: Duration) -> Result<bool> {
    let until = tokio::time::Instant::now() + within;
    loop {
        let asked = tokio::time::timeout(ONE_QUERY, database.ask(query)).await;
        if asked.context("recovered.sql does not answer: it must not wait for what the fault has locked")?? == "t" {
            return Ok(true);
        }
        if tokio::time::Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
