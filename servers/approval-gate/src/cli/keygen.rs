//! Signs with the approver's own key by running `ssh-keygen`: plain keys, ssh-agent and hardware keys alike.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use approval::Signature;

/// The fingerprint of a key file, private or public: `SHA256:…`.
pub fn fingerprint(key: &Path) -> anyhow::Result<String> {
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(key)
        .output()
        .context("could not run ssh-keygen")?;
    if !output.status.success() {
        bail!(
            "ssh-keygen could not read `{}`: {}",
            key.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let line = String::from_utf8(output.stdout).context("ssh-keygen printed something unreadable")?;
    let word = line
        .split_whitespace()
        .nth(1)
        .filter(|word| word.starts_with("SHA256:"));
    Ok(word
        .with_context(|| format!("ssh-keygen printed no fingerprint: `{}`", line.trim()))?
        .to_owned())
}

/// Signs exactly these bytes. ssh-keygen asks for the passphrase, the touch or the PIN on the terminal by itself.
pub fn sign(key: &Path, namespace: &str, bytes: &[u8]) -> anyhow::Result<Signature> {
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not run ssh-keygen")?;
    let mut stdin = child.stdin.take().context("ssh-keygen has no standard input")?;
    stdin
        .write_all(bytes)
        .context("could not hand the statement to ssh-keygen")?;
    drop(stdin);
    let output = child.wait_with_output().context("could not wait for ssh-keygen")?;
    if !output.status.success() {
        bail!("ssh-keygen did not sign with `{}`", key.display());
    }
    let armored = String::from_utf8(output.stdout).context("ssh-keygen printed something unreadable")?;
    Ok(Signature::from_armored(&armored)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn what_it_signs_verifies_for_that_namespace_and_bytes_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let public = approval::PublicKey::parse(&public).unwrap();

        let signature = sign(&key, "approval@countersign", b"the bytes").unwrap();
        assert_eq!(fingerprint(&key).unwrap(), public.fingerprint());
        signature.verify(&public, "approval@countersign", b"the bytes").unwrap();
        assert!(signature.verify(&public, "freeze@countersign", b"the bytes").is_err());
        assert!(signature.verify(&public, "approval@countersign", b"the byteS").is_err());
        assert!(sign(&folder.path().join("absent"), "approval@countersign", b"").is_err());
    }
}
