//! approval-gate.toml, parsed into types before anything is opened. All faults are told at once, each with its key.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kit::config::FilePath;
use runbooks::Target;
use serde::{Deserialize, Serialize};

use crate::channels::ChannelsSection;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gate itself.
    pub gate: GateSection,
    /// Who may sign.
    pub approvers: ApproversSection,
    /// What the policy may raise and never lower.
    #[serde(default)]
    pub floor: FloorSection,
    /// The gate's own copy of the runbooks; without one, those that were built in.
    #[serde(default)]
    pub catalog: CatalogSection,
    /// The gate's own copy of the policy; without one, that which was built in.
    #[serde(default)]
    pub policy: PolicySection,
    /// What the executor is asked before people are.
    #[serde(default)]
    pub preflight: PreflightSection,
    /// Where people are told, and where some of them may answer.
    #[serde(default)]
    pub channels: ChannelsSection,
    /// Where checkpoints of the journal are published.
    #[serde(default)]
    pub journal: JournalSection,
    /// The gate's own table of what may be touched.
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// `[gate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSection {
    /// The name that every statement carries.
    pub id: String,
    /// The only environment this gate serves.
    pub environment: String,
    /// Where state, journal and keys live.
    pub state_dir: FilePath,
    /// How people reach the pages; without it, or with port 0, the bound address.
    #[serde(default)]
    pub public_url: Option<String>,
    /// The key that signs orders and standings; made when absent. Default: `gate_key` in `state_dir`.
    #[serde(default)]
    pub key_file: Option<FilePath>,
    /// The executor that orders are for.
    pub audience: String,
    /// The file with the executor's bearer.
    pub executor_bearer_file: FilePath,
}

/// `[approvers]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproversSection {
    /// The signed list.
    pub file: FilePath,
    /// The administrator's public key, as `ssh-ed25519 AAAA…`.
    pub admin_key: String,
}

/// `[floor]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorSection {
    /// People, at least.
    #[serde(default = "one")]
    pub approvers: u32,
    /// People with a hardware key among them, at least.
    #[serde(default)]
    pub hardware: u32,
    /// People who sign with an SSH key on a machine of their own, at least: what no page of a gate can get.
    #[serde(default)]
    pub ssh: u32,
    /// Whether an approval from Slack or PagerDuty counts, which only the gate vouches for. A rejection always does.
    #[serde(default)]
    pub attested: bool,
    /// Whether plans may run that a standing grant covers, without anybody being asked once more.
    #[serde(default)]
    pub grants: bool,
}

/// `[catalog]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogSection {
    /// The folder that is laid over the shipped catalog.
    #[serde(default)]
    pub dir: Option<FilePath>,
    /// Whose signature the folder needs, as `ssh-ed25519 AAAA…`; without it, none.
    #[serde(default)]
    pub signed_by: Option<String>,
}

/// `[policy]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySection {
    /// The folder that is used in place of the shipped policy.
    #[serde(default)]
    pub dir: Option<FilePath>,
    /// When changes may be made: a TOML file of `[[window]]`. Without it, always.
    #[serde(default)]
    pub windows: Option<FilePath>,
    /// When none may be made: an iCalendar file.
    #[serde(default)]
    pub freezes: Option<FilePath>,
}

/// `[preflight]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreflightSection {
    /// How long an executor that listens is waited for, in seconds; at most 20. 0: it is not asked.
    #[serde(default = "three")]
    pub wait_s: u32,
    /// Whether silence refuses the plan. If not, people are told that it was not checked.
    #[serde(default)]
    pub required: bool,
}

/// `[journal]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSection {
    /// A folder that this host cannot rewrite.
    #[serde(default)]
    pub publish_dir: Option<FilePath>,
    /// A command that takes each checkpoint on its standard input.
    #[serde(default)]
    pub publish_command: Option<Vec<String>>,
}

/// The file cannot be used; nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read, or is not TOML of this shape.
    #[error(transparent)]
    Shape(#[from] kit::config::ConfigError),
    /// It has the right shape and cannot be meant. All faults at once.
    #[error("the configuration `{path}` cannot be used: {}", .faults.join("; "))]
    Faults {
        /// Which.
        path: PathBuf,
        /// What is wrong, key by key.
        faults: Vec<String>,
    },
}

impl Config {
    /// Reads and judges the file. Relative paths start at its folder.
    ///
    /// # Errors
    /// When it cannot be read, has unknown keys, or cannot be meant.
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

    /// The gate's signing key.
    pub fn key_file(&self) -> PathBuf {
        self.gate
            .key_file
            .as_ref()
            .map_or_else(|| self.gate.state_dir.join("gate_key"), |file| file.to_path_buf())
    }

    /// The address that people use, unless it is only known once bound; without a closing slash.
    pub fn fixed_url(&self) -> Option<String> {
        let url = self.gate.public_url.as_deref()?.trim_end_matches('/');
        (!url.ends_with(":0")).then(|| url.to_owned())
    }

    /// The address that people use once the port is known.
    pub fn url_with(&self, bound: SocketAddr) -> String {
        let unbound = self.gate.public_url.as_deref().map(|url| url.trim_end_matches('/'));
        match unbound.and_then(|url| url.strip_suffix(":0")) {
            Some(url) => format!("{url}:{}", bound.port()),
            None => format!("http://{bound}"),
        }
    }

    /// Where the journal's checkpoints go, if anywhere.
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
        for (key, value) in [
            ("gate.id", &self.gate.id),
            ("gate.environment", &self.gate.environment),
            ("gate.audience", &self.gate.audience),
            ("approvers.admin_key", &self.approvers.admin_key),
        ] {
            if value.trim().is_empty() {
                faults.push(format!("`{key}` is empty"));
            }
        }
        if let Some(url) = &self.gate.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            faults.push(format!(
                "`gate.public_url` is `{url}`, which is no http:// or https:// address"
            ));
        }
        if self.floor.approvers == 0 {
            faults.push("`floor.approvers` is 0: somebody must approve".to_owned());
        }
        if self.preflight.wait_s > MAX_PREFLIGHT_S {
            faults.push(format!(
                "`preflight.wait_s` is {}, and callers do not wait longer than {MAX_PREFLIGHT_S}",
                self.preflight.wait_s
            ));
        }
        if self.preflight.wait_s == 0 && self.preflight.required {
            faults.push("`preflight.wait_s` is 0 and `preflight.required` is true: nothing could be asked".to_owned());
        }
        if self.journal.publish_dir.is_some() && self.journal.publish_command.is_some() {
            faults.push("`journal.publish_dir` and `journal.publish_command` are both given".to_owned());
        }
        faults.extend(self.channels.faults());
        if self.targets.is_empty() {
            faults.push("`[[targets]]` is missing: nothing could ever be approved".to_owned());
        }
        let mut names = BTreeSet::new();
        for target in &self.targets {
            if !names.insert(&target.name) {
                faults.push(format!("`targets.name` has `{}` twice", target.name));
            }
            if target.environment != self.gate.environment {
                faults.push(format!(
                    "target `{}` is in `{}`, but this gate serves `{}` alone",
                    target.name, target.environment, self.gate.environment
                ));
            }
        }
        faults
    }
}

impl Default for FloorSection {
    fn default() -> Self {
        Self {
            approvers: one(),
            hardware: 0,
            ssh: 0,
            attested: false,
            grants: false,
        }
    }
}

impl Default for PreflightSection {
    fn default() -> Self {
        Self {
            wait_s: three(),
            required: false,
        }
    }
}

fn three() -> u32 {
    3
}

fn one() -> u32 {
    1
}

const MAX_PREFLIGHT_S: u32 = 20;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const GOOD: &str = r#"
        [gate]
        id = "gate-1"
        environment = "demo"
        state_dir = "state"
        audience = "executor-1"
        executor_bearer_file = "/run/secrets/bearer"
        [approvers]
        file = "approvers.json"
        admin_key = "ssh-ed25519 AAAA"
        [[targets]]
        name = "orders"
        environment = "demo"
        system_identifier = "7"
        database = "orders"
    "#;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("approval-gate.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let config = load(GOOD).unwrap();
        assert!(config.gate.state_dir.is_absolute() && config.gate.state_dir.ends_with("state"));
        assert!(config.key_file().ends_with("state/gate_key"));
        assert_eq!(&*config.gate.executor_bearer_file, Path::new("/run/secrets/bearer"));
        assert_eq!(config.floor.approvers, 1);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = load(&GOOD.replace("audience =", "audiense = \"x\"\naudience =")).unwrap_err();
        assert!(error.to_string().contains("audiense"), "{error}");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = GOOD
            .replace("\"gate-1\"", "\"\"")
            .replace("[[targets]]", "[floor]\napprovers = 0\n[[targets]]");
        let text = text.replacen(
            "environment = \"demo\"\n        system",
            "environment = \"prod\"\n        system",
            1,
        );
        let message = load(&text).unwrap_err().to_string();
        for key in ["gate.id", "floor.approvers", "`prod`"] {
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn a_preflight_that_is_required_needs_time() {
        let text = GOOD.replace("[[targets]]", "[preflight]\nwait_s = 0\nrequired = true\n[[targets]]");
        let message = load(&text).unwrap_err().to_string();
        assert!(message.contains("`preflight.wait_s` is 0"), "{message}");
        let config = load(GOOD).unwrap().preflight;
        assert_eq!((config.wait_s, config.required), (3, false));
    }

    #[test]
    fn a_gate_without_targets_does_not_start() {
        let text = GOOD.split("[[targets]]").next().unwrap();
        assert!(load(text).unwrap_err().to_string().contains("[[targets]]"));
    }
}
