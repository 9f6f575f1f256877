//! The processes that the demo started, and their orderly end: the last started ends first, each politely and then not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::terminal::tell_line;

const POLITE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Children(Vec<Named>);

struct Named {
    name: String,
    child: Child,
    /// PostgreSQL waits for its clients on TERM; INT is its fast shutdown.
    signal: &'static str,
}

/// A command for a process that must not outlive us, not even when we are killed: Linux signals it when we die.
pub(super) fn bound_to_us(signal: &str, program: &Path) -> Command {
    match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// util-linux's setpriv, where there is one.
pub(super) fn setpriv() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("setpriv"))
        .find(|file| file.is_file());
    found.filter(|_| cfg!(target_os = "linux"))
}

impl Children {
    pub fn adopt(&mut self, name: &str, child: Child) {
        self.0.push(Named {
            name: name.to_owned(),
            child,
            signal: "TERM",
        });
    }

    pub fn adopt_postgres(&mut self, child: Child) {
        self.0.push(Named {
            name: "postgres".to_owned(),
            child,
            signal: "INT",
        });
    }

    /// The names of those that have ended although nobody asked them to.
    pub fn ended(&mut self) -> Vec<String> {
        let ended = |one: &mut Named| matches!(one.child.try_wait(), Ok(Some(_))).then(|| one.name.clone());
        self.0.iter_mut().filter_map(ended).collect()
    }

    pub async fn stop_all(&mut self) {
        while let Some(mut one) = self.0.pop() {
            let Some(pid) = one.child.id() else { continue };
            send(one.signal, pid).await;
            if tokio::time::timeout(POLITE, one.child.wait()).await.is_err() {
                tell_line(&format!("{} did not end when asked and is killed", one.name));
                // The error is that it has ended meanwhile.
                let _ = one.child.kill().await;
            }
        }
    }
}

/// Signals one process that we started. Without `unsafe` there is no call for it; every shell has one.
async fn send(signal: &str, pid: u32) {
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .status()
        .await;
    if let Err(error) = sent {
        tell_line(&format!("could not signal process {pid}: {error}"));
    }
}
