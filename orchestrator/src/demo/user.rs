//! Who runs PostgreSQL: ourselves, or, when we are root, somebody who is not. PostgreSQL refuses root.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::children::{bound_to_us, setpriv};

/// What PostgreSQL takes for "end now, and properly".
const FAST_SHUTDOWN: &str = "INT";
/// Tried in this order when we are root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

pub(super) enum ServerUser {
    Ourselves,
    Other { name: String, uid: u32, gid: u32 },
}

impl ServerUser {
    pub fn choose() -> Result<Self> {
        let own = std::fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or(u32::MAX);
        if own != 0 {
            return Ok(Self::Ourselves);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
        let account = |name: &&str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            let uid = fields.next()?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self::Other {
                name: (*name).to_owned(),
                uid,
                gid,
            })
        };
        UNPRIVILEGED
            .iter()
            .find_map(account)
            .context("we are root, and there is neither a user `postgres` nor `nobody` to run PostgreSQL as")
    }

    /// A command that runs as this user, in a process group of its own, and ends when we do.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = match self {
            Self::Ourselves => bound_to_us(FAST_SHUTDOWN, program),
            Self::Other { name, .. } => match setpriv() {
                Some(setpriv) => {
                    let mut command = Command::new(setpriv);
                    command.args(["--pdeathsig", FAST_SHUTDOWN, "--clear-groups"]);
                    command
                        .arg(format!("--reuid={name}"))
                        .arg(format!("--regid={name}"))
                        .arg("--")
                        .arg(program);
                    command
                }
                None => {
                    let mut command = Command::new("runuser");
                    command.args(["-u", name, "--"]).arg(program);
                    command
                }
            },
        };
        command.process_group(0).kill_on_drop(true);
        command
    }

    pub fn give(&self, path: &Path) -> Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).with_context(|| format!("could not give `{}` away", path.display()))
            }
        }
    }
}
