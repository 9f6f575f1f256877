//! orchestrator.toml, parsed into types before a port is opened. All faults are told at once, each with its key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::CloudNames;
use kit::config::FilePath;
use model::{Limits, Provider};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::sns::Topic;

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
    /// The models that advise. Without one, rules do all of it.
    #[serde(default)]
    pub models: Vec<ModelSection>,
    #[serde(default)]
    pub agents: AgentsSection,
    #[serde(default)]
    pub alerts: AlertsSection,
}

/// `[alerts]`: the ways in beside Alertmanager's. One that is not configured is not there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsSection {
    #[serde(default)]
    pub cloudwatch: Option<CloudwatchSection>,
    #[serde(default)]
    pub eventbridge: Option<EventbridgeSection>,
}

/// `[alerts.cloudwatch]`: alarms by SNS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudwatchSection {
    /// The ARNs of the topics that alarms are taken from. Nothing of any other topic is looked at.
    pub topics: Vec<String>,
    /// SNS's signing certificates in PEM, for where its host cannot be reached. With this file none is fetched, and no
    /// other is believed.
    #[serde(default)]
    pub certificate_file: Option<FilePath>,
}

/// `[alerts.eventbridge]`: alarms by an API destination.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventbridgeSection {
    /// The file with the key that the destination's connection shows.
    pub key_file: FilePath,
}

/// `[[models]]`: one model of one maker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Our own name for it: what the journal calls it.
    pub name: String,
    /// `anthropic`, `openai`, `gemini`, `bedrock`, `ollama` or `openai_compatible`.
    pub provider: Provider,
    /// The maker's name for it.
    pub model: String,
    /// The maker's own address by default; `bedrock` and `openai_compatible` have none.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The file that holds the key and nothing else.
    #[serde(default)]
    pub key_file: Option<FilePath>,
    /// The name of the environment variable that holds the key.
    #[serde(default)]
    pub key_env: Option<String>,
    /// What a million input tokens cost, in millionths of the currency in which all prices and limits are.
    #[serde(default)]
    pub input_price_micros: u64,
    #[serde(default)]
    pub output_price_micros: u64,
    /// Whether it takes a JSON Schema of its answer; by default as its maker does.
    #[serde(default)]
    pub structured: Option<bool>,
    /// How often one question is put to it before the next model is asked.
    #[serde(default = "attempts")]
    pub attempts: u32,
}

/// `[agents]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentsSection {
    /// The models that are asked, by name and in this order; by default all, as they stand.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// What all agents may spend on one incident.
    #[serde(default = "incident_limits")]
    pub incident: LimitsSection,
    /// What each of them may spend on it.
    #[serde(default = "agent_limits")]
    pub agent: LimitsSection,
    /// Where every prompt and answer is written, one file for each incident.
    #[serde(default)]
    pub record_dir: Option<FilePath>,
    /// Whether only digests and sizes of them are.
    #[serde(default)]
    pub redact: bool,
}

/// `[agents.incident]`, `[agents.agent]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// Input and output together.
    pub tokens: u64,
    /// Without it, tokens alone are the limit.
    #[serde(default)]
    pub money_micros: Option<u64>,
    pub calls: u32,
    pub seconds: u32,
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
    /// Which alerts are about this target.
    #[serde(rename = "match")]
    pub alerts: Match,
    /// The servers that observe it, by name.
    pub servers: Vec<String>,
    /// What it is called in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSection>,
}

/// `[targets.aws]`: names as the servers that read AWS are configured with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSection {
    /// The instance, for `performance-insights`.
    #[serde(default)]
    pub instance: Option<String>,
    /// The group of PostgreSQL's log, for `cloudwatch-logs`.
    #[serde(default)]
    pub log_group: Option<String>,
}

/// `match`: labels that an alert must have, all of them; or a list of such, of which one must fit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`match` is labels, as `{ cluster = \"orders\" }`, or a list of such"
)]
pub enum Match {
    One(BTreeMap<String, String>),
    Any(Vec<BTreeMap<String, String>>),
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

const fn attempts() -> u32 {
    2
}
const fn incident_limits() -> LimitsSection {
    LimitsSection {
        tokens: 2_000_000,
        money_micros: None,
        calls: 40,
        seconds: 600,
    }
}
const fn agent_limits() -> LimitsSection {
    LimitsSection {
        tokens: 1_000_000,
        money_micros: None,
        calls: 16,
        seconds: 300,
    }
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

    /// The first target that an alert with these labels is about.
    #[must_use]
    pub fn target_of(&self, labels: &BTreeMap<String, String>) -> Option<&TargetSection> {
        self.targets.iter().find(|target| target.alerts.fits(labels))
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

    /// The models that are asked, in order.
    pub fn models_in_order(&self) -> Vec<&ModelSection> {
        match &self.agents.models {
            None => self.models.iter().collect(),
            Some(names) => {
                let named = |name: &String| self.models.iter().find(|model| model.name == *name);
                names.iter().filter_map(named).collect()
            }
        }
    }

    fn model_faults(&self, fault: &mut impl FnMut(String)) {
        let mut seen: Vec<&str> = Vec::new();
        for model in &self.models {
            let name = &model.name;
            if name.trim().is_empty() || seen.contains(&name.as_str()) {
                fault(format!("`models.name` is empty or twice: `{name}`"));
            }
            seen.push(name);
            if model.key_file.is_some() && model.key_env.is_some() {
                fault(format!("model `{name}` has both `key_file` and `key_env`"));
            }
        }
        for name in self
            .agents
            .models
            .iter()
            .flatten()
            .filter(|name| !seen.contains(&name.as_str()))
        {
            fault(format!(
                "`agents.models` names `{name}`, but there is no such `[[models]]`"
            ));
        }
        let has_money_limit = self
            .agents
            .incident
            .money_micros
            .or(self.agents.agent.money_micros)
            .is_some();
        let free = |model: &&ModelSection| model.input_price_micros == 0 || model.output_price_micros == 0;
        for model in self
            .models_in_order()
            .into_iter()
            .filter(free)
            .filter(|_| has_money_limit)
        {
            fault(format!("money is limited, but model `{}` has no price", model.name));
        }
    }

    /// A server without a name to ask for is never asked, and a name without a server asks nobody.
    fn aws_faults(&self, fault: &mut impl FnMut(String)) {
        for target in &self.targets {
            let names = target.cloud_names();
            for (kind, key, name) in [
                ("performance-insights", "instance", names.instance),
                ("cloudwatch-logs", "log_group", names.log_group),
            ] {
                let of_kind =
                    |server: &String| self.servers.get(server).is_some_and(|section| section.is(server, kind));
                match (target.servers.iter().any(of_kind), name) {
                    (true, None) => fault(format!(
                        "target `{}` has a server of kind `{kind}`, but no `aws.{key}` to ask it for",
                        target.name
                    )),
                    (false, Some(_)) => fault(format!(
                        "target `{}` has `aws.{key}`, but no server of kind `{kind}`",
                        target.name
                    )),
                    (true, Some(_)) | (false, None) => {}
                }
            }
        }
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
        if let Some(cloudwatch) = &self.alerts.cloudwatch {
            if cloudwatch.topics.is_empty() {
                fault("`alerts.cloudwatch.topics` is empty: no alarm could ever be taken".to_owned());
            }
            for error in cloudwatch.topics.iter().filter_map(|arn| Topic::parse(arn).err()) {
                fault(format!("`alerts.cloudwatch.topics`: {error}"));
            }
        }
        self.model_faults(&mut fault);
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
            if target.alerts.any().iter().any(BTreeMap::is_empty) || target.alerts.any().is_empty() {
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
        self.aws_faults(&mut fault);
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

impl Match {
    fn any(&self) -> &[BTreeMap<String, String>] {
        match self {
            Self::One(labels) => std::slice::from_ref(labels),
            Self::Any(list) => list,
        }
    }

    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.any().iter().any(|wanted| incident::has_labels(labels, wanted))
    }
}

impl Default for AgentsSection {
    fn default() -> Self {
        Self {
            models: None,
            incident: incident_limits(),
            agent: agent_limits(),
            record_dir: None,
            redact: false,
        }
    }
}

impl LimitsSection {
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            tokens: Some(self.tokens),
            money_micros: self.money_micros,
            calls: Some(self.calls),
            time: Some(Duration::from_secs(u64::from(self.seconds))),
        }
    }
}

impl TargetSection {
    /// What AWS is asked for, if anything.
    #[must_use]
    pub fn cloud_names(&self) -> CloudNames {
        self.aws.clone().map_or_else(CloudNames::default, |aws| CloudNames {
            instance: aws.instance,
            log_group: aws.log_group,
        })
    }
}

impl ServerSection {
    /// Whether a server of this name is one of this kind.
    #[must_use]
    pub fn is(&self, name: &str, kind: &str) -> bool {
        self.kind.as_deref().unwrap_or(name) == kind
    }

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
    fn one_of_several_ways_to_match_is_enough() {
        let several = GOOD.replace(
            "{ cluster = \"orders\" }",
            "[{ cluster = \"orders\" }, { DBInstanceIdentifier = \"orders-1\", region = \"eu-central-1\" }]",
        );
        let config = load(&several).unwrap();
        let found = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
            config.target_of(&labels.collect()).is_some()
        };
        assert!(found(&[("cluster", "orders"), ("severity", "critical")]));
        assert!(found(&[
            ("DBInstanceIdentifier", "orders-1"),
            ("region", "eu-central-1")
        ]));
        assert!(!found(&[("DBInstanceIdentifier", "orders-1"), ("region", "us-east-1")]));
        for empty in ["[]", "{}", "[{ cluster = \"orders\" }, {}]"] {
            let message = load(&GOOD.replace("{ cluster = \"orders\" }", empty))
                .unwrap_err()
                .to_string();
            assert!(message.contains("`match` of target `orders` is empty"), "{message}");
        }
        let message = load(&GOOD.replace("{ cluster = \"orders\" }", "\"orders\"")).unwrap_err();
        assert!(
            crate::chain(&message).contains("or a list of such"),
            "{}",
            crate::chain(&message)
        );
    }

    #[test]
    fn topics_that_are_none_are_told() {
        let with = |alerts: &str| load(&format!("{GOOD}\n[alerts.cloudwatch]\n{alerts}"));
        assert!(with("topics = [\"arn:aws:sns:eu-central-1:123456789012:databases\"]").is_ok());
        for (alerts, part) in [
            ("topics = []", "`alerts.cloudwatch.topics` is empty"),
            ("topics = [\"databases\"]", "`databases` is not the ARN of an SNS topic"),
            (
                "topics = [\"arn:aws:sns:eu-central-1:123456789012:*\"]",
                "is not the ARN",
            ),
        ] {
            let message = with(alerts).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn names_in_aws_and_servers_that_read_it_belong_together() {
        let servers = "servers = [\"postgres-readonly\", \"insights\", \"cloudwatch-logs\"]\n";
        let sections = "\n[servers.insights]\nkind = \"performance-insights\"\nurl = \"http://127.0.0.1:9\"\n\
             [servers.cloudwatch-logs]\nurl = \"http://127.0.0.1:9\"\n";
        let with = |servers: &str, aws: &str| {
            let text = GOOD.replace("servers = [\"postgres-readonly\"]\n", &format!("{servers}{aws}"));
            load(&format!("{text}{sections}"))
        };
        let both = "aws = { instance = \"orders-1\", log_group = \"/aws/rds/instance/orders-1/postgresql\" }\n";
        let config = with(servers, both).unwrap();
        let names = config.targets.first().unwrap().cloud_names();
        assert_eq!(names.instance.as_deref(), Some("orders-1"));
        assert_eq!(names.sweep().len(), 6);
        assert!(
            load(GOOD)
                .unwrap()
                .targets
                .first()
                .unwrap()
                .cloud_names()
                .sweep()
                .is_empty()
        );
        for (servers, aws, part) in [
            (servers, "", "no `aws.instance` to ask it for"),
            (
                servers,
                "aws = { instance = \"orders-1\" }\n",
                "no `aws.log_group` to ask it for",
            ),
            (
                "servers = [\"postgres-readonly\"]\n",
                both,
                "no server of kind `performance-insights`",
            ),
        ] {
            let message = with(servers, aws).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    const MODELS: &str = r#"
[[models]]
name = "first"
provider = "anthropic"
model = "m-1"
key_file = "keys/first"

[[models]]
name = "second"
provider = "openai_compatible"
model = "m-2"
base_url = "http://127.0.0.1:8000/v1"
input_price_micros = 1000000
output_price_micros = 2000000

[agents]
models = ["second", "first"]
record_dir = "records"

[agents.incident]
tokens = 100
calls = 2
seconds = 3
"#;

    #[test]
    fn without_models_rules_do_all_and_with_some_they_are_asked_in_order() {
        assert!(load(GOOD).unwrap().models_in_order().is_empty());
        let config = load(&format!("{GOOD}{MODELS}")).unwrap();
        let order: Vec<&str> = config
            .models_in_order()
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(order, ["second", "first"]);
        assert!(config.models.first().unwrap().key_file.as_ref().unwrap().is_absolute());
        assert_eq!(config.agents.incident.limits().calls, Some(2));
    }

    #[test]
    fn models_that_could_not_be_asked_as_meant_are_told() {
        for (from, to, part) in [
            ("models = [\"second\"", "models = [\"third\"", "`third`"),
            ("name = \"second\"", "name = \"first\"", "twice: `first`"),
            ("key_file", "key_env = \"K\"\nkey_file", "both `key_file` and `key_env`"),
            (
                "tokens = 100",
                "tokens = 100\nmoney_micros = 5",
                "model `first` has no price",
            ),
        ] {
            let message = load(&format!("{GOOD}{}", MODELS.replacen(from, to, 1)))
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message}");
        }
        // A key stands in no configuration.
        let inline = MODELS.replace("key_file", "key");
        assert!(load(&format!("{GOOD}{inline}")).is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let message = load(&GOOD.replace("listen", "listen_to")).unwrap_err().to_string();
        assert!(message.contains("listen_to"), "{message}");
    }
}
