//! orchestrator.toml, parsed into types before a port is opened. All faults are told at once, each with its key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::config::FilePath;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub orchestrator: OrchestratorSection,
    pub gate: GateSection,
    /// Our copy of the runbooks; without one, those that were built in.
    #[serde(default)]
    pub catalog: DirSection,
    /// Our copy of the policy, for the early look; without one, that which was built in.
    #[serde(default)]
    pub policy: PolicySection,
    #[serde(default)]
    pub journal: JournalSection,
    #[serde(default)]
    pub targets: Vec<TargetSection>,
    /// The MCP servers, by name.
    #[serde(default)]
    pub servers: BTreeMap<String, ServerSection>,
}

/// `[orchestrator]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrchestratorSection {
    /// The name that plans carry as their requester.
    pub id: String,
    pub state_dir: FilePath,
    /// Where alerts come in; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The file with the bearer that alert sources have to show. There is no way to go without one.
    pub bearer_file: FilePath,
    /// Incidents that may be open at a time; beyond, new alerts are answered 503.
    #[serde(default = "max_open_incidents")]
    pub max_open_incidents: u64,
    /// How long people have to approve, in seconds.
    #[serde(default = "approve_within_s")]
    pub approve_within_s: u32,
    /// How long an approved plan may wait for its execution, in seconds, counted from when it was made.
    #[serde(default = "execute_within_s")]
    pub execute_within_s: u32,
    /// How long the first look at a database may take, in seconds.
    #[serde(default = "observe_within_s")]
    pub observe_within_s: u32,
}

/// `[gate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSection {
    /// As `http://127.0.0.1:9110`; MCP is at `/mcp` below it.
    pub url: String,
}

/// `[policy]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySection {
    #[serde(default)]
    pub dir: Option<FilePath>,
    /// When changes may be made: a TOML file of `[[window]]`. Without it, always.
    #[serde(default)]
    pub windows: Option<FilePath>,
    /// When none may be made: an iCalendar file.
    #[serde(default)]
    pub freezes: Option<FilePath>,
}

/// `[catalog]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirSection {
    #[serde(default)]
    pub dir: Option<FilePath>,
}

/// `[journal]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSection {
    #[serde(default)]
    pub publish_dir: Option<FilePath>,
    #[serde(default)]
    pub publish_command: Option<Vec<String>>,
}

/// `[[targets]]`: one database that incidents may be about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSection {
    pub name: String,
    pub environment: String,
    pub database: String,
    /// When set, what `overview` says must be this.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// An alert with all of these labels is about this target.
    #[serde(rename = "match")]
    pub labels: BTreeMap<String, String>,
    /// The servers that observe it, by name.
    pub servers: Vec<String>,
}

/// `[servers.<name>]`: either a command that speaks MCP on its stdio, or an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Which of our servers it is; the name by default. Evidence is recorded under it, and the server must call itself so.
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The child's whole environment beside PATH, HOME and LANG.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where the child's stderr goes; ours by default.
    #[serde(default)]
    pub log_file: Option<FilePath>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default = "start_timeout_s")]
    pub start_timeout_s: u32,
    #[serde(default = "call_timeout_s")]
    pub call_timeout_s: u32,
}

const fn max_open_incidents() -> u64 {
    64
}
const fn approve_within_s() -> u32 {
    900
}
const fn execute_within_s() -> u32 {
    1800
}
const fn observe_within_s() -> u32 {
    10
}
const fn start_timeout_s() -> u32 {
    15
}
const fn call_timeout_s() -> u32 {
    5
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error(transparent)]
    Shape(#[from] kit::config::ConfigError),
    #[error("the configuration `{path}` cannot be used: {}", .faults.join("; "))]
    Faults { path: PathBuf, faults: Vec<String> },
}

impl Config {
    /// Reads and judges the file. Relative paths start at its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = kit::config::load(path)?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Faults {
                path: path.to_owned(),
                faults,
            })
        }
    }

    /// The first target whose labels the alert has.
    #[must_use]
    pub fn target_of(&self, alert: &incident::Alert) -> Option<&TargetSection> {
        self.targets.iter().find(|target| alert.has_labels(&target.labels))
    }

    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetSection> {
        self.targets.iter().find(|target| target.name == name)
    }

    #[must_use]
    pub fn publish(&self) -> Option<journal::Publish> {
        let dir = self
            .journal
            .publish_dir
            .as_ref()
            .map(|dir| journal::Publish::Dir(dir.to_path_buf()));
        dir.or_else(|| self.journal.publish_command.clone().map(journal::Publish::Command))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(text);
        let section = &self.orchestrator;
        if section.id.trim().is_empty() {
            fault("`orchestrator.id` is empty".to_owned());
        }
        if section.max_open_incidents == 0 {
            fault("`orchestrator.max_open_incidents` is 0: no alert could ever be taken".to_owned());
        }
        if section.approve_within_s == 0 || section.execute_within_s <= section.approve_within_s {
            fault(
                "`orchestrator.execute_within_s` must be more than `approve_within_s`, and that more than 0".to_owned(),
            );
        }
        if !is_http(&self.gate.url) {
            fault(format!(
                "`gate.url` is `{}`, which is no http:// or https:// address",
                self.gate.url
            ));
        }
        if self.journal.publish_dir.is_some() && self.journal.publish_command.is_some() {
            fault("`journal.publish_dir` and `journal.publish_command` are both given".to_owned());
        }
        if self.targets.is_empty() {
            fault("`[[targets]]` is missing: no alert could be about anything".to_owned());
        }
        for (index, target) in self.targets.iter().enumerate() {
            if self
                .targets
                .iter()
                .take(index)
                .any(|earlier| earlier.name == target.name)
            {
                fault(format!("`targets.name` has `{}` twice", target.name));
            }
            if target.labels.is_empty() {
                fault(format!(
                    "`match` of target `{}` is empty: no alert would ever be about it",
                    target.name
                ));
            }
            if target.servers.is_empty() {
                fault(format!(
                    "`servers` of target `{}` is empty: nobody could look at it",
                    target.name
                ));
            }
            for server in target
                .servers
                .iter()
                .filter(|server| !self.servers.contains_key(*server))
            {
                fault(format!(
                    "target `{}` names the server `{server}`, but there is no `[servers.{server}]`",
                    target.name
                ));
            }
        }
        for (name, server) in &self.servers {
            match (&server.command, &server.url) {
                (Some(command), None) if !command.is_empty() => {}
                (None, Some(url)) if is_http(url) => {}
                (None, Some(url)) => fault(format!(
                    "`servers.{name}.url` is `{url}`, which is no http:// or https:// address"
                )),
                _ => fault(format!("`servers.{name}` needs either `command` or `url`")),
            }
        }
        faults
    }
}

impl ServerSection {
    #[must_use]
    pub fn start_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.start_timeout_s))
    }

    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.call_timeout_s))
    }

    /// A server that is reached by address.
    #[must_use]
    pub fn at(kind: &str, url: String) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            command: None,
            env: BTreeMap::new(),
            log_file: None,
            url: Some(url),
            start_timeout_s: start_timeout_s(),
            call_timeout_s: call_timeout_s(),
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const GOOD: &str = r#"
[orchestrator]
id = "orchestrator-1"
state_dir = "state"
listen = "127.0.0.1:0"
bearer_file = "bearer"

[gate]
url = "http://127.0.0.1:9110"

[[targets]]
name = "orders"
environment = "demo"
database = "orders"
match = { cluster = "orders" }
servers = ["postgres-readonly"]

[servers.postgres-readonly]
command = ["postgres-readonly"]
env = { DATABASE_URL_FILE = "dsn" }
"#;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orchestrator.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let config = load(GOOD).unwrap();
        assert!(config.orchestrator.state_dir.is_absolute());
        assert_eq!(config.orchestrator.approve_within_s, 900);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = GOOD
            .replace("http://127.0.0.1:9110", "9110")
            .replace("[\"postgres-readonly\"]\n\n", "[\"other\"]\n\n");
        let message = load(&text).unwrap_err().to_string();
        assert!(
            message.contains("`gate.url`") && message.contains("`[servers.other]`"),
            "{message}"
        );
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let message = load(&GOOD.replace("listen", "listen_to")).unwrap_err().to_string();
        assert!(message.contains("listen_to"), "{message}");
    }
}
