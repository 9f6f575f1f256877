//! Rehearsals of the diagnosis: a private PostgreSQL for each fault, the first sweep of every incident, and the comparison
//! with what is right. Nothing is repaired; a trial does that.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kit::ExitCode;
use runbooks::Catalog;
use tokio::process::Command;

use super::binaries::Binaries;
use super::children::{Children, bound_to_us};
use super::configs::observer_only;
use super::database::{ADMIN, Database};
use super::rehearsal_file::{Fault, Load, Part};
use super::roles::{self, OBSERVER};
use super::server_binaries::ServerBinaries;
use super::session::Session;
use super::story::Story;
use super::wind_up;
use crate::config::Config;
use crate::eval::{self, Case, Score};
use crate::terminal::tell_line;
use crate::toolbelt::Toolbelt;

/// How long one look at a session that may be waiting for another takes.
const ONE_LOOK: Duration = Duration::from_millis(400);
/// As long as pgbench's clients may be needed.
const LOAD_S: &str = "600";
const PREPARED_WITHIN: Duration = Duration::from_secs(120);

/// `orchestrator rehearse`
#[derive(Args)]
pub struct RehearseArgs {
    /// Faults (NAME.toml), or folders of them
    #[arg(required = true)]
    faults: Vec<PathBuf>,
    /// The catalog folder; it is laid over the shipped catalog
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Write each as a case for `eval` into this folder
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Keep the working folders
    #[arg(long)]
    keep: bool,
}

/// Rehearses every fault; fails if one diagnosis or plan is not right.
pub(crate) async fn run(args: &RehearseArgs) -> Result<ExitCode> {
    let prepared = (|| {
        Ok::<_, anyhow::Error>((
            Binaries::find()?,
            ServerBinaries::find()?,
            Catalog::open(args.catalog.as_deref())?,
            faults_in(&args.faults)?,
        ))
    })();
    let (binaries, server, catalog, files) = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => {
            tell_line(&format!("error: {fault:#}"));
            return Ok(ExitCode::Usage);
        }
    };
    let stop = kit::shutdown::on_signal().context("could not listen for signals")?;
    let mut scores = Vec::new();
    let mut failed = 0_usize;
    for file in &files {
        let rehearsal = Rehearsal {
            args,
            file,
            catalog: &catalog,
            binaries: &binaries,
            server: &server,
        };
        let scored = tokio::select! {
            scored = rehearsal.run() => scored,
            () = stop.cancelled() => break,
        };
        match scored {
            Ok(score) => {
                tell_line(&eval::row(&score));
                scores.push(score);
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                tell_line(&format!("{}: not rehearsed: {error:#}", file.display()));
            }
        }
    }
    let report = eval::Report::of("offline", scores);
    report.print(args.json)?;
    Ok(if failed == 0 && !stop.is_cancelled() && report.is_all_right() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

/// The files themselves, and those of each folder in the order of their names.
fn faults_in(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in given {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut within = Vec::new();
        for entry in std::fs::read_dir(path).with_context(|| format!("could not read `{}`", path.display()))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                within.push(file);
            }
        }
        within.sort();
        ensure!(!within.is_empty(), "there is no fault (*.toml) in `{}`", path.display());
        found.extend(within);
    }
    Ok(found)
}

struct Rehearsal<'a> {
    args: &'a RehearseArgs,
    file: &'a Path,
    catalog: &'a Catalog,
    binaries: &'a Binaries,
    server: &'a ServerBinaries,
}

impl Rehearsal<'_> {
    /// One fault from its making to its score; everything that was started is ended again.
    async fn run(&self) -> Result<Score> {
        let work = tempfile::Builder::new()
            .prefix("countersign-rehearsal-")
            .tempdir()
            .context("could not make a working folder")?;
        let mut children = Children::default();
        let scored = self.play(work.path(), &mut children).await;
        let story = Story::quiet();
        wind_up(&story, children, work, self.args.keep).await;
        scored
    }

    async fn play(&self, work: &Path, children: &mut Children) -> Result<Score> {
        let text = std::fs::read_to_string(self.file).context("could not read it")?;
        let fault: Fault = toml::from_str(&text).context("it is wrong")?;
        tell_line(&format!("{}: {}", self.name(), fault.about.trim()));
        std::fs::create_dir(work.join("logs"))?;
        let settings: Vec<&str> = fault.settings.iter().map(String::as_str).collect();
        let mut database = Database::start(self.server, work, &settings, children).await?;
        roles::set_up_shop(&mut database).await?;
        for role in &fault.roles {
            database.create_role(role).await?;
        }
        if let Some(sql) = &fault.setup {
            database.run_script(sql).await.context("setup")?;
        }
        database
            .run_script(&roles::setup_sql(&self.binaries.postgres_readonly, OBSERVER).await?)
            .await?;
        database.let_in(OBSERVER).await?;
        if let Some(script) = &fault.prepare {
            self.prepare(script, &database, work, children).await?;
        }
        let observed = std::fs::read_to_string(work.join("observe.port"));
        let port = observed.map_or(Ok(database.port), |port| {
            port.trim().parse::<u16>().context("observe.port is no port")
        })?;
        let config = Config::load(&observer_only(work, &database, self.binaries, port)?)?;
        let toolbelt = Toolbelt::new(&config);
        for (server, started) in toolbelt.start().await {
            started.with_context(|| format!("`{server}` did not start"))?;
        }

        if let Some(sql) = &fault.fault {
            database.run_script(sql).await.context("fault")?;
        }
        for load in &fault.load {
            self.start_load(load, &database, work, children)?;
        }
        let mut held = Vec::new();
        for part in &fault.sessions {
            held.extend(open(part, &database).await?);
        }
        tokio::time::sleep(Duration::from_secs(fault.settle_s)).await;

        let target = config.targets.first().context("the configuration has no target")?;
        let within = Duration::from_secs(u64::from(config.orchestrator.observe_within_s));
        let began = Instant::now();
        let taken = toolbelt.look(target, within).await;
        let swept = began.elapsed();
        for missing in &taken.missing {
            tell_line(&format!("{} gave no answer: {}", missing.tool, missing.message));
        }
        let case = Case {
            name: self.name(),
            expect: fault.expect,
            evidence: taken.evidence,
        };
        let score = case.judge(None, self.catalog).await?;
        tell_line(&format!(
            "{}: swept in {swept:.0?}, judged in {:.1?}",
            case.name,
            began.elapsed().saturating_sub(swept)
        ));
        if let Some(folder) = &self.args.record {
            let file = folder.join(format!("{}.json", case.name));
            case.write(&file)?;
        }
        drop(held);
        toolbelt.stop().await;
        Ok(score)
    }

    /// Runs the fault's own `prepare`, for what SQL cannot do. It may start processes: they end with its process group.
    /// Runs the fault's own script. What it starts ends with its process group.
    async fn prepare(&self, text: &str, database: &Database, work: &Path, children: &mut Children) -> Result<()> {
        let script = work.join("prepare");
        std::fs::write(&script, text)?;
        let mut command = bound_to_us("TERM", Path::new("bash"));
        command.arg(&script);
        database.env_of(ADMIN, "prepare", &mut command)?;
        let log = std::fs::File::create(work.join("logs").join("prepare.log"))?;
        command
            .current_dir(work)
            .env("PGBIN", self.server.postgres.parent().unwrap_or(Path::new("")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let mut child = command.spawn().context("could not run `prepare`")?;
        // It says that it is through by a file; what it goes on with is a part of the fault.
        let ready = work.join("ready");
        let through = async {
            while !ready.is_file() {
                if let Some(status) = child.try_wait()? {
                    ensure!(
                        status.success(),
                        "`prepare` failed: {}",
                        std::fs::read_to_string(work.join("logs").join("prepare.log")).unwrap_or_default()
                    );
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PREPARED_WITHIN, through)
            .await
            .context("`prepare` is not through in time")??;
        children.adopt("prepare", child);
        Ok(())
    }

    fn start_load(&self, load: &Load, database: &Database, work: &Path, children: &mut Children) -> Result<()> {
        let pgbench = self.server.postgres.with_file_name("pgbench");
        let mut command: Command = bound_to_us("TERM", &pgbench);
        database.env_of(&load.role, &load.application, &mut command)?;
        let log = std::fs::File::create(work.join("logs").join(format!("{}.log", load.application)))?;
        command.args(["-n", "-T", LOAD_S, "-c"]).arg(load.clients.to_string());
        if let Some(rate) = load.rate {
            command.arg("-R").arg(rate.to_string());
        }
        let script = work.join(format!("{}.sql", load.application));
        std::fs::write(&script, &load.sql)?;
        command.arg("-f").arg(script);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        children.adopt("pgbench", command.spawn().context("could not run pgbench")?);
        Ok(())
    }

    fn name(&self) -> String {
        let name = self.file.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

async fn open(part: &Part, database: &Database) -> Result<Vec<Session>> {
    let mut held = Vec::new();
    for _ in 0..part.copies {
        let mut session = Session::open(database, &part.role, &part.application).await?;
        session.send(&part.sql).await?;
        // One that waits for another, or works for long, has no answer, and that may be the fault.
        let _may_wait = session.answer(ONE_LOOK).await;
        held.push(session);
    }
    Ok(held)
}
