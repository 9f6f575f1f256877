//! The step kind `git.change`: one variable of Terraform's code as one commit, pushed by compare-and-swap.
//!
//! The commit is a function of its parent, the plan and the moment of the marker, and names its step in a trailer: made
//! twice, it is the same commit, and whoever asks the repository finds it again. Nothing of the repository is ever checked
//! out, so that no hook, filter, attribute or symbolic link in it is followed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use runbooks::{GitChangeAction, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::config::{Push, RepositoryConfig};
use super::{Away, Key, Probe, Sent, hcl};
use crate::config::Config;
use crate::marker::Direction;
use crate::prove::CHANGED;
use crate::step::Cause;

/// One change, and the repository that it goes to.
pub(crate) struct Change<'a> {
    action: &'a GitChangeAction,
    repository: &'a RepositoryConfig,
    executor: &'a str,
}

/// What a change would make of a repository as it is now.
struct Made {
    parent: String,
    commit: String,
    /// What the branch must point at when the commit comes; empty: it must not be there.
    expected: String,
}

/// Why there is no commit.
enum NotMade {
    /// The repository is not as the plan says.
    Refused(Cause),
    /// It could not be asked.
    Away(Cause),
}

impl<'a> Change<'a> {
    pub(crate) fn new(action: &'a GitChangeAction, repository: &'a RepositoryConfig, config: &'a Config) -> Self {
        Self {
            action,
            repository,
            executor: &config.id,
        }
    }

    /// Makes the commit and its way back beside the repository, and pushes neither.
    pub(crate) async fn ready(&self, key: &Key) -> Result<Result<Value, Cause>, Away> {
        let made = match Scratch::new(self, key) {
            Ok(scratch) => scratch.make(Timestamp::from_unix(0)).await,
            Err(cause) => Err(NotMade::Away(cause)),
        };
        match made {
            Ok(made) => Ok(Ok(json!({"parent": made.parent}))),
            Err(NotMade::Refused(cause)) => Ok(Err(cause)),
            Err(NotMade::Away(cause)) => Err(Away(cause)),
        }
    }

    pub(crate) async fn send(&self, key: &Key, since: Timestamp) -> Sent {
        let scratch = match Scratch::new(self, key) {
            Ok(scratch) => scratch,
            Err(cause) => return Sent::Refused(cause),
        };
        // Up to here nothing has left this host.
        let made = match scratch.make(since).await {
            Ok(made) => made,
            Err(NotMade::Refused(cause) | NotMade::Away(cause)) => return Sent::Refused(cause),
        };
        match scratch.push(&made).await {
            // A push of an attempt that nobody saw the end of may have come first.
            Sent::Refused(cause) => match scratch.find().await {
                Ok(true) => Sent::Accepted,
                Ok(false) => Sent::Refused(cause),
                Err(away) => Sent::Unsure(away),
            },
            sent => sent,
        }
    }

    /// The trailer tells. Not found, the commit may be made again: it would be the same one, or meet another parent.
    pub(crate) async fn probe(&self, key: &Key) -> Result<Probe, Away> {
        let scratch = Scratch::new(self, key).map_err(Away)?;
        match scratch.find().await {
            Ok(true) => Ok(Probe::Done),
            Ok(false) => Ok(Probe::NotDone),
            Err(cause) => Err(Away(cause)),
        }
    }

    /// The branch that the commit goes to. A way back goes to where the change went.
    fn branch(&self, key: &Key) -> String {
        match self.repository.push {
            Push::Base => self.repository.branch.clone(),
            Push::Branch => format!("countersign/{}-{}", key.plan.short(), key.step),
        }
    }
}

/// An empty repository of our own, for one call.
struct Scratch<'a> {
    change: &'a Change<'a>,
    key: &'a Key,
    dir: TempDir,
    deadline: Instant,
}

impl<'a> Scratch<'a> {
    fn new(change: &'a Change<'a>, key: &'a Key) -> Result<Self, Cause> {
        let made = tempfile::Builder::new().prefix("countersign-git-").tempdir();
        Ok(Self {
            change,
            key,
            dir: made.map_err(|error| Cause::new("git_failed", format!("no scratch folder could be made: {error}")))?,
            deadline: Instant::now() + Duration::from_secs(u64::from(change.action.timeout_s)),
        })
    }

    async fn make(&self, since: Timestamp) -> Result<Made, NotMade> {
        let action = self.change.action;
        self.init().await.map_err(NotMade::Away)?;
        let branch = self.change.branch(self.key);
        let own = self.fetch(&branch, OWN, "1").await.map_err(NotMade::Away)?;
        let on_own_branch = self.change.repository.push == Push::Branch;
        let (parent, expected) = match (on_own_branch, self.key.direction, own) {
            (true, Direction::Do, None) => {
                let base = &self.change.repository.branch;
                let parent = self.fetch(base, BASE, "1").await.map_err(NotMade::Away)?;
                (parent.ok_or_else(|| missing(base))?, String::new())
            }
            (true, Direction::Do, Some(_)) => {
                let message = format!("the branch `{branch}` is there already");
                return Err(NotMade::Refused(Cause::new(CHANGED, message)));
            }
            (true, Direction::Undo, Some(own)) | (false, _, Some(own)) => (own.clone(), own),
            (true, Direction::Undo, None) | (false, _, None) => return Err(missing(&branch)),
        };
        let (mode, text) = self.file(&parent).await?;
        let refused = |error: hcl::HclError| NotMade::Refused(Cause::new(error.code(), error.to_string()));
        let changed = hcl::change(&text, &action.file, &action.variable, &action.from, &action.to).map_err(refused)?;
        let back = hcl::change(&changed, &action.file, &action.variable, &action.to, &action.from).map_err(refused)?;
        if back != text {
            let message = format!("the way back would not restore `{}`", action.file);
            return Err(NotMade::Refused(Cause::new("revert_differs", message)));
        }
        let commit = self
            .commit(&parent, &mode, &changed, since)
            .await
            .map_err(NotMade::Away)?;
        Ok(Made {
            parent,
            commit,
            expected,
        })
    }

    /// Returns mode and text of the file, which must be a plain one.
    async fn file(&self, commit: &str) -> Result<(String, String), NotMade> {
        let file = &self.change.action.file;
        let refused = |message: String| NotMade::Refused(Cause::new(CHANGED, message));
        let listed = self
            .run(&["ls-tree", commit, "--", file], None)
            .await
            .map_err(NotMade::Away)?;
        let entry = String::from_utf8_lossy(&listed.stdout).into_owned();
        let (mode, blob) = match entry.split_whitespace().collect::<Vec<_>>().as_slice() {
            [mode @ ("100644" | "100755"), "blob", blob, _] => ((*mode).to_owned(), (*blob).to_owned()),
            [] => return Err(refused(format!("the repository has no file `{file}`"))),
            _ => return Err(refused(format!("`{file}` is no plain file"))),
        };
        let size = self
            .run(&["cat-file", "-s", &blob], None)
            .await
            .map_err(NotMade::Away)?;
        let bytes: u64 = String::from_utf8_lossy(&size.stdout).trim().parse().unwrap_or(u64::MAX);
        if bytes > MAX_FILE_BYTES {
            return Err(refused(format!("`{file}` has more than {MAX_FILE_BYTES} bytes")));
        }
        let shown = self
            .run(&["cat-file", "blob", &blob], None)
            .await
            .map_err(NotMade::Away)?;
        let text = String::from_utf8(shown.stdout).map_err(|_| refused(format!("`{file}` is not UTF-8")))?;
        Ok((mode, text))
    }

    async fn commit(&self, parent: &str, mode: &str, text: &str, since: Timestamp) -> Result<String, Cause> {
        let file = &self.change.action.file;
        let blob = self
            .word(&["hash-object", "-w", "--stdin"], Some(text.as_bytes()))
            .await?;
        self.run(&["read-tree", parent], None).await?;
        let entry = format!("{mode},{blob},{file}");
        self.run(&["update-index", "--cacheinfo", &entry], None).await?;
        let tree = self.word(&["write-tree"], None).await?;
        let date = format!("@{} +0000", since.unix());
        let mut command = self.command(&["commit-tree", &tree, "-p", parent]);
        let name = format!("Countersign executor {}", self.change.executor);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), &name);
            command.env(format!("GIT_{who}_EMAIL"), &self.change.repository.email);
            command.env(format!("GIT_{who}_DATE"), &date);
        }
        let made = self
            .finish(command, "commit-tree", Some(self.message().as_bytes()))
            .await?;
        word_of(&made.stdout)
    }

    fn message(&self) -> String {
        let action = self.change.action;
        let verb = match self.key.direction {
            Direction::Do => "Set",
            Direction::Undo => "Set back",
        };
        format!(
            "{verb} {} from {} to {}\n\n{TRAILER}: {}\n",
            action.variable, action.from, action.to, self.key
        )
    }

    /// Refused and not pushed at all are told apart by git's own line about the branch.
    async fn push(&self, made: &Made) -> Sent {
        let branch = self.change.branch(self.key);
        tracing::info!(commit = made.commit, parent = made.parent, branch, "push");
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", made.expected);
        let refspec = format!("{}:refs/heads/{branch}", made.commit);
        let arguments = ["push", "--porcelain", &lease, &self.change.repository.url, &refspec];
        let output = match self.output(self.command(&arguments), "push", None).await {
            Ok(output) => output,
            Err(cause) => return Sent::Unsure(cause),
        };
        if output.status.success() {
            return Sent::Accepted;
        }
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        match lines.lines().find_map(|line| line.strip_prefix("!\t")) {
            Some(line) => {
                let reason = line.rsplit('\t').next().unwrap_or(line);
                let moved = MOVED.iter().any(|word| reason.contains(word));
                let code = if moved { CHANGED } else { "git_push_refused" };
                Sent::Refused(Cause::new(
                    code,
                    format!("the push to `{branch}` was refused: {reason}"),
                ))
            }
            None => Sent::Unsure(failed("push", &output)),
        }
    }

    /// Whether a commit of the branch says that it is this step's.
    async fn find(&self) -> Result<bool, Cause> {
        self.init().await?;
        if self
            .fetch(&self.change.branch(self.key), OWN, LOOK_BACK)
            .await?
            .is_none()
        {
            return Ok(false);
        }
        let format = format!("--format=%(trailers:key={TRAILER},valueonly)");
        let log = self.run(&["log", &format, OWN], None).await?;
        let wanted = self.key.to_string();
        Ok(String::from_utf8_lossy(&log.stdout)
            .lines()
            .any(|line| line.trim() == wanted))
    }

    async fn init(&self) -> Result<(), Cause> {
        self.run(&["init", "--bare", "--quiet"], None).await.map(drop)
    }

    /// Fetches a branch; `None`: there is none of that name.
    async fn fetch(&self, branch: &str, to: &str, depth: &str) -> Result<Option<String>, Cause> {
        let url = &self.change.repository.url;
        let name = format!("refs/heads/{branch}");
        let listed = self.run(&["ls-remote", url, &name], None).await?;
        if listed.stdout.is_empty() {
            return Ok(None);
        }
        let (depth, refspec) = (format!("--depth={depth}"), format!("+{name}:{to}"));
        self.run(
            &[
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                &depth,
                url,
                &refspec,
            ],
            None,
        )
        .await?;
        self.word(&["rev-parse", "--verify", to], None).await.map(Some)
    }

    async fn word(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<String, Cause> {
        word_of(&self.run(arguments, input).await?.stdout)
    }

    async fn run(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<std::process::Output, Cause> {
        let what = arguments.first().copied().unwrap_or_default();
        self.finish(self.command(arguments), what, input).await
    }

    async fn finish(&self, command: Command, what: &str, input: Option<&[u8]>) -> Result<std::process::Output, Cause> {
        let output = self.output(command, what, input).await?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(failed(what, &output))
        }
    }

    async fn output(
        &self,
        mut command: Command,
        what: &str,
        input: Option<&[u8]>,
    ) -> Result<std::process::Output, Cause> {
        let cannot = |error: std::io::Error| Cause::new("git_failed", format!("git {what}: {error}"));
        let mut child = command.spawn().map_err(cannot)?;
        let talk = async {
            if let Some(mut pipe) = child.stdin.take() {
                // A child that ended early says itself why.
                let _ = pipe.write_all(input.unwrap_or_default()).await;
            }
            child.wait_with_output().await
        };
        match timeout_at(self.deadline, talk).await {
            Ok(ended) => ended.map_err(cannot),
            Err(_) => {
                let message = format!("git {what}: no answer within {} s", self.change.action.timeout_s);
                Err(Cause::new("git_timeout", message))
            }
        }
    }

    /// Git as it comes, without anybody's configuration, hooks, prompts or helpers; no shell.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.dir.path())
            .env("GIT_DIR", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:https:ssh")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(ssh) = self.ssh() {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        let settings = self.settings();
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (i, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{i}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        command
    }

    /// By the environment, which only this user can read: a command line is everybody's.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("core.hooksPath", "/dev/null".to_owned()),
            ("core.fsmonitor", "false".to_owned()),
            ("gc.auto", "0".to_owned()),
            ("safe.directory", "*".to_owned()),
            ("transfer.fsckObjects", "true".to_owned()),
            ("http.followRedirects", "false".to_owned()),
            ("credential.helper", String::new()),
        ];
        let token = self
            .change
            .repository
            .token_file
            .as_deref()
            .map(std::fs::read_to_string);
        // Without its token the server refuses, and says so.
        if let Some(Ok(token)) = token {
            settings.push(("http.extraHeader", super::basic(token.trim())));
        }
        settings
    }

    fn ssh(&self) -> Option<String> {
        let RepositoryConfig {
            ssh_key_file: Some(key),
            known_hosts_file: Some(hosts),
            ..
        } = self.change.repository
        else {
            return None;
        };
        Some(format!(
            "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {}",
            quoted(hosts),
            quoted(key)
        ))
    }
}

/// Git gives this one setting to a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

fn missing(branch: &str) -> NotMade {
    NotMade::Refused(Cause::new(CHANGED, format!("the repository has no branch `{branch}`")))
}

fn word_of(output: &[u8]) -> Result<String, Cause> {
    let word = String::from_utf8_lossy(output).trim().to_owned();
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(Cause::new("git_failed", "git gave an answer that is none"));
    }
    Ok(word)
}

/// The end of what git said is where it says why.
fn failed(what: &str, output: &std::process::Output) -> Cause {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    let end = lines.get(from..).unwrap_or_default().join("; ");
    Cause::new("git_failed", format!("git {what} ({}): {end}", output.status))
}

/// What git says of a branch that does not point any more where we saw it.
const MOVED: [&str; 5] = [
    "stale info",
    "non-fast-forward",
    "fetch first",
    "failed to update ref",
    "cannot lock ref",
];
const TRAILER: &str = "Countersign-Step";
const OWN: &str = "refs/countersign/own";
const BASE: &str = "refs/countersign/base";
/// How many commits of a branch are looked through for one of ours.
const LOOK_BACK: &str = "1000";
const MAX_FILE_BYTES: u64 = 1 << 20;
