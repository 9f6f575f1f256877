//! `run`: one webhook body from a file or stdin, driven to its end (or to a state) in the foreground.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use incident::{Incident, parse_alertmanager};
use kit::ExitCode;

use super::assemble::assemble;
use super::exit_code;
use crate::config::Config;
use crate::intake::receive;
use crate::stage::Halt;
use crate::terminal::print_line;

pub(crate) async fn run(config: Config, alert: &Path, until: Option<&str>, json: bool) -> Result<ExitCode> {
    let delivery = parse_alertmanager(&read(alert)?).context("could not read the alert")?;
    let stop = kit::shutdown::on_signal().context("could not listen for signals")?;
    let pipeline = assemble(config, stop)?;
    let mut worst = ExitCode::Done;
    let mut driven = Vec::new();
    for alert in delivery.alerts {
        let Some(target) = pipeline
            .config
            .target_of(&alert.labels)
            .map(|target| target.name.clone())
        else {
            eprintln!("alert `{}` is about no target that is configured", alert.name);
            worst = ExitCode::Failed;
            continue;
        };
        let received = receive(&pipeline, target, alert)
            .await
            .context("could not take the alert")?;
        let Some(id) = received.incident.filter(|id| !driven.contains(id)) else {
            continue;
        };
        driven.push(id.clone());
        match pipeline.drive(&id, until).await {
            Ok(incident) => {
                print(&incident, json)?;
                worst = worse(worst, incident.state.outcome().map_or(ExitCode::Done, exit_code));
            }
            Err(Halt::Stopping) => {
                eprintln!("stopped; `{id}` goes on with the next `serve` or `run`");
                worst = worse(worst, ExitCode::Failed);
            }
            Err(error) => return Err(error).context("the incident cannot go on"),
        }
    }
    tokio::join!(pipeline.toolbelt.stop(), pipeline.gate.stop());
    Ok(worst)
}

fn read(alert: &Path) -> Result<Vec<u8>> {
    if alert.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin()
            .read_to_end(&mut body)
            .context("could not read stdin")?;
        Ok(body)
    } else {
        std::fs::read(alert).with_context(|| format!("could not read `{}`", alert.display()))
    }
}

fn print(incident: &Incident, json: bool) -> Result<()> {
    if json {
        print_line(&serde_json::to_string(incident)?)?;
    } else {
        print_line(&format!("{} {}", incident.id, incident.state))?;
        if let Some(ending) = &incident.ending {
            print_line(&ending.message)?;
        }
    }
    Ok(())
}

fn worse(a: ExitCode, b: ExitCode) -> ExitCode {
    if b.code() > a.code() { b } else { a }
}
