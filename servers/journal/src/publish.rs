//! Takes checkpoints out of this file's reach, before the caller acts.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Where new checkpoints go. In a config file: `publish_dir = "…"` or `publish_command = ["…", "…"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publish {
    /// Writes `<size>.checkpoint` into the directory: best a mount that this host can add to and not change.
    #[serde(rename = "publish_dir")]
    Dir(PathBuf),
    /// Runs the command with the checkpoint on its stdin; any exit but 0, and more than 10 seconds, is a failure.
    #[serde(rename = "publish_command")]
    Command(Vec<String>),
}

/// What the command is told, in its environment.
pub(crate) struct Occasion<'a> {
    /// `COUNTERSIGN_EVENT_KIND`: of the last event that the checkpoint adds.
    pub(crate) kind: &'a str,
    /// `COUNTERSIGN_EVENT_KINDS`: of all events that it adds, in order, with commas between.
    pub(crate) kinds: &'a str,
    /// `COUNTERSIGN_EVENT_SUBJECT`
    pub(crate) subject: &'a str,
}

impl Publish {
    /// Returns once the checkpoint of `size` is out, or why it is not.
    pub(crate) fn publish(&self, size: u64, checkpoint: &str, occasion: &Occasion<'_>) -> Result<(), String> {
        match self {
            Self::Dir(dir) => write_into(dir, size, checkpoint),
            Self::Command(command) => run(command, size, checkpoint, occasion, COMMAND_DEADLINE),
        }
    }

    /// Returns the newest checkpoint in the directory; a command cannot be asked.
    pub(crate) fn newest(&self) -> Result<Option<String>, (PathBuf, std::io::Error)> {
        let Self::Dir(dir) = self else { return Ok(None) };
        let newest = published(dir)
            .map_err(|error| (dir.clone(), error))?
            .into_iter()
            .next_back();
        match newest {
            None => Ok(None),
            Some((_, path)) => fs::read_to_string(&path).map(Some).map_err(|error| (path, error)),
        }
    }
}

/// Lists the checkpoints in a directory, smallest tree first.
pub(crate) fn published(dir: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir)? {
        let path = item?.path();
        let size = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".checkpoint"))
            .and_then(|size| size.parse::<u64>().ok());
        if let Some(size) = size {
            found.push((size, path));
        }
    }
    found.sort();
    Ok(found)
}

fn write_into(dir: &Path, size: u64, checkpoint: &str) -> Result<(), String> {
    let path = dir.join(format!("{size}.checkpoint"));
    let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
    match fs::read_to_string(&path) {
        Ok(there) if there == checkpoint => return Ok(()),
        Ok(_) => return Err(format!("`{}` already holds another checkpoint", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let partial = dir.join(format!(".{size}.partial"));
    let mut file = File::create(&partial).map_err(failed)?;
    file.write_all(checkpoint.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, &path).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn run(
    command: &[String],
    size: u64,
    checkpoint: &str,
    occasion: &Occasion<'_>,
    deadline: Duration,
) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("publish_command is empty")?;
    let failed = |error: std::io::Error| format!("`{program}`: {error}");
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .env("COUNTERSIGN_EVENT_KIND", occasion.kind)
        .env("COUNTERSIGN_EVENT_KINDS", occasion.kinds)
        .env("COUNTERSIGN_EVENT_SEQ", size.saturating_sub(1).to_string())
        .env("COUNTERSIGN_EVENT_SUBJECT", occasion.subject)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A checkpoint is far smaller than a pipe's buffer, so this does not wait for a reader.
    if let Some(mut stdin) = child.stdin.take()
        && let Err(error) = stdin.write_all(checkpoint.as_bytes())
        && error.kind() != ErrorKind::BrokenPipe
    {
        stop(&mut child);
        return Err(failed(error));
    }
    let stderr = child.stderr.take();
    let (send, closed) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(MAX_STDERR_BYTES).read_to_end(&mut said);
            // Read on, or a talkative command would die of a closed pipe.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        let _ = send.send(String::from_utf8_lossy(&said).trim().to_owned());
    });
    // The end of stderr wakes us when the command ends. A descendant may hold it open for longer (or the command may
    // close it early), so the command itself is asked at every tick as well.
    let mut said = None;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            if status.success() {
                return Ok(());
            }
            let said = said.or_else(|| closed.recv_timeout(TICK).ok()).unwrap_or_default();
            return Err(format!("`{program}` ended with {status}: {said}"));
        }
        if started.elapsed() >= deadline {
            stop(&mut child);
            return Err(format!("`{program}` took more than {} s", deadline.as_secs_f32()));
        }
        match closed.recv_timeout(TICK) {
            Ok(text) => said = Some(text),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Its stderr has ended and it has not: nothing is left to be woken by.
            Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

const COMMAND_DEADLINE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);
const MAX_STDERR_BYTES: u64 = 2_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn sh(script: &str, deadline: Duration) -> Result<(), String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let occasion = Occasion {
            kind: "step_started",
            kinds: "a,step_started",
            subject: "plan-1",
        };
        run(&command, 8, "note\n", &occasion, deadline)
    }

    #[test]
    fn the_command_gets_the_checkpoint_and_the_event() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let script = format!(
            "{{ cat; echo $COUNTERSIGN_EVENT_KIND $COUNTERSIGN_EVENT_SEQ $COUNTERSIGN_EVENT_SUBJECT; }} > {}",
            out.display()
        );
        sh(&script, COMMAND_DEADLINE).unwrap();
        assert_eq!(fs::read_to_string(out).unwrap(), "note\nstep_started 7 plan-1\n");
    }

    #[test]
    fn a_command_that_fails_is_quoted() {
        let error = sh("echo no room >&2; exit 3", COMMAND_DEADLINE).unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("no room"), "{error}");
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let started = Instant::now();
        let error = sh("exec sleep 60", Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("took more than 0.2 s"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_descendant_that_keeps_stderr_open_does_not_hold_us() {
        let started = Instant::now();
        sh("sleep 3 & exit 0", COMMAND_DEADLINE).unwrap();
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_checkpoint_in_the_directory_is_never_replaced_by_another() {
        let dir = tempfile::tempdir().unwrap();
        write_into(dir.path(), 3, "one").unwrap();
        write_into(dir.path(), 3, "one").unwrap();
        let error = write_into(dir.path(), 3, "two").unwrap_err();
        assert!(error.contains("another checkpoint"), "{error}");
        write_into(dir.path(), 12, "later").unwrap();
        let newest = Publish::Dir(dir.path().to_owned()).newest().unwrap();
        assert_eq!(newest.as_deref(), Some("later"));
    }
}
