//! Makes the demo's keys with ssh-keygen: an approver's, an administrator's, the gate's. All die with the working folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::binaries::Binaries;

/// Who approves in the demo: you.
pub(super) const APPROVER: &str = "you";

pub(super) struct Identities {
    keys: PathBuf,
    pub admin_public: String,
    pub gate_key: PathBuf,
    pub gate_public: String,
    /// The list of approvers, signed by the administrator.
    pub approvers: PathBuf,
}

impl Identities {
    /// Makes the keys; each of the people may approve.
    pub async fn make(folder: &Path, binaries: &Binaries, people: &[&str]) -> Result<Self> {
        let keys = folder.join("keys");
        std::fs::create_dir(&keys)?;
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700))?;
        let admin_key = make_key(&keys, "administrator").await?;
        let gate_key = make_key(&keys, "gate").await?;

        let proposal = keys.join("approvers.proposal.json");
        let approvers = folder.join("approvers.json");
        let gate = &binaries.approval_gate;
        let mut propose = Command::new(gate);
        propose.args(["approvers", "propose", "--valid-days", "1"]);
        for person in people {
            let key = make_key(&keys, &key_name(person)).await?;
            propose.args(["--add", &format!("{person}={}", key.with_extension("pub").display())]);
        }
        run(propose.arg("--out").arg(&proposal)).await?;
        run(Command::new(gate)
            .args(["approvers", "sign"])
            .arg(&proposal)
            .arg("--key")
            .arg(&admin_key)
            .arg("--out")
            .arg(&approvers))
        .await?;
        Ok(Self {
            admin_public: public_half(&admin_key)?,
            gate_public: public_half(&gate_key)?,
            keys,
            gate_key,
            approvers,
        })
    }

    /// Where the private key of somebody who may approve lies.
    pub fn key_of(&self, person: &str) -> PathBuf {
        self.keys.join(key_name(person))
    }
}

fn key_name(person: &str) -> String {
    format!("approver-{person}")
}

async fn make_key(keys: &Path, name: &str) -> Result<PathBuf> {
    let file = keys.join(name);
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&file))
    .await?;
    Ok(file)
}

/// Type and key, without the comment.
fn public_half(key: &Path) -> Result<String> {
    let file = key.with_extension("pub");
    let line = std::fs::read_to_string(&file).with_context(|| format!("could not read `{}`", file.display()))?;
    Ok(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Runs a command to its end; what it printed is shown only when it failed.
pub(super) async fn run(command: &mut Command) -> Result<()> {
    let output = command.kill_on_drop(true).output().await;
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = output.with_context(|| format!("could not run `{name}`"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "`{name}` failed: {}", said.trim());
    Ok(())
}
