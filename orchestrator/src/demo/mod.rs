//! The demo: a private PostgreSQL, a real fault, the real binaries, a real webhook, and you as the approver.

mod approver;
mod approving;
mod binaries;
mod children;
mod configs;
mod database;
mod faults;
mod identities;
mod play;
pub(crate) mod rehearsal;
mod rehearsal_file;
mod report;
mod roles;
mod server_binaries;
mod services;
mod session;
mod story;
pub(crate) mod trial;
mod trial_file;
mod user;
mod webhook;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use kit::ExitCode;

use binaries::Binaries;
use children::Children;
use faults::Scenario;
use server_binaries::ServerBinaries;
use story::Story;

use crate::terminal::{print_line, tell_line};

const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// `orchestrator demo`
#[derive(Args)]
pub struct DemoArgs {
    /// Which incident to play, or `list`
    #[arg(long, value_name = "NAME|list", default_value = "idle-in-transaction-blocker")]
    incident: String,
    /// Approve without asking
    #[arg(long)]
    yes: bool,
    /// Print one JSON document on stdout; the story goes to stderr
    #[arg(long)]
    json: bool,
    /// Keep the working folder with configurations, keys, journals and logs
    #[arg(long)]
    keep: bool,
}

/// Plays one incident; everything that was started is ended again, however it goes.
pub(crate) async fn run(args: &DemoArgs) -> Result<ExitCode> {
    if args.incident == "list" {
        list(args.json)?;
        return Ok(ExitCode::Done);
    }
    let Some(scenario) = Scenario::named(&args.incident) else {
        tell_line(&format!(
            "error: there is no incident `{}`; `--incident list` shows what there is",
            args.incident
        ));
        return Ok(ExitCode::Usage);
    };
    let (binaries, server) = match (Binaries::find(), ServerBinaries::find()) {
        (Ok(binaries), Ok(server)) => (binaries, server),
        (Err(missing), _) | (_, Err(missing)) => {
            tell_line(&format!("error: {missing:#}"));
            return Ok(ExitCode::Usage);
        }
    };
    if let Err(error) = report::make_room() {
        tell_line(&format!("error: {error:#}"));
        return Ok(ExitCode::Usage);
    }
    let stop = kit::shutdown::on_signal().context("could not listen for signals")?;
    let folder = tempfile::Builder::new()
        .prefix("countersign-demo-")
        .tempdir()
        .context("could not make a working folder")?;
    let mut story = Story::new(args.json);
    let mut children = Children::default();
    let mut service = None;

    let stage = play::Stage {
        scenario,
        binaries: &binaries,
        server: &server,
        folder: folder.path(),
        args,
        stop: stop.child_token(),
    };
    let played = tokio::select! {
        played = stage.play(&mut story, &mut children, &mut service) => played,
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted")),
    };
    if let Err(error) = &played {
        story.say(&format!("the demo ended early: {error:#}"));
        if !stop.is_cancelled() {
            story.tail_logs(folder.path());
        }
    }
    if let Some(service) = service
        && tokio::time::timeout(STOP_TIMEOUT, service.stop()).await.is_err()
    {
        story.say("the orchestrator did not stop in time");
    }
    wind_up(&story, children, folder, args.keep).await;
    match played {
        Ok(report) => report.print(args.json),
        Err(error) if args.json => report::print_failure(&args.incident, &format!("{error:#}"), &story),
        Err(_) => Ok(ExitCode::Failed),
    }
}

/// Ends what was started, and takes the working folder away.
async fn wind_up(story: &Story, mut children: Children, folder: tempfile::TempDir, keep: bool) {
    children.stop_all().await;
    story.say("everything that was started has ended");
    if keep {
        story.say(&format!("the working folder is kept: {}", folder.keep().display()));
    } else if let Err(error) = folder.close() {
        story.say(&format!("the working folder could not be removed: {error}"));
    }
}

fn list(json: bool) -> std::io::Result<()> {
    if json {
        let names: Vec<_> = Scenario::ALL
            .iter()
            .map(|one| serde_json::json!({"name": one.name(), "about": one.about()}))
            .collect();
        return print_line(&serde_json::Value::Array(names).to_string());
    }
    Scenario::ALL
        .iter()
        .try_for_each(|one| print_line(&format!("{:<30}{}", one.name(), one.about())))
}
