//! executor.toml, parsed into types before anything is opened. All faults are told at once, each with its key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use approval::{Floor, PublicKey};
use journal::Publish;
use runbooks::Target;

use crate::config_reader::Section;
use crate::remote::{AwsConfig, RepositoryConfig, parse_aws, parse_repository};
use crate::step::Cause;

/// Everything this executor knows by itself. Nothing in it ever comes from an order.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name that orders are addressed to.
    pub id: String,
    /// The only environment that it acts in.
    pub environment: String,
    /// Where journal and ledger live.
    pub state_dir: PathBuf,
    pub gate: GateConfig,
    /// The signed list of those who may approve.
    pub approvers_file: PathBuf,
    /// The administrator's public key that the list is signed with.
    pub admin_key: String,
    /// What a policy may raise and never lower.
    pub floor: Floor,
    /// The executor's own runbooks; without it, those that were built in.
    pub catalog_dir: Option<PathBuf>,
    /// Whose signature that folder needs, as an OpenSSH public key line.
    pub catalog_signed_by: Option<String>,
    /// The executor's own policy; without it, that which was built in.
    pub policy_dir: Option<PathBuf>,
    /// When changes may be made: a TOML file of `[[window]]`.
    pub policy_windows: Option<PathBuf>,
    /// When none may be made: an iCalendar file.
    pub policy_freezes: Option<PathBuf>,
    /// Where checkpoints go before anything takes effect.
    pub publish: Option<Publish>,
    pub targets: Vec<TargetConfig>,
    /// Where steps that are no SQL go.
    pub repositories: Vec<RepositoryConfig>,
}

/// The only gate whose orders count.
#[derive(Debug, Clone)]
pub struct GateConfig {
    pub id: String,
    pub public_key: String,
    /// The key that takes its place: while both are given, either counts.
    pub next_public_key: Option<String>,
    /// Where it is; needed to pull orders and to ask for a standing before each step.
    pub url: Option<String>,
    pub bearer_file: Option<PathBuf>,
}

impl GateConfig {
    /// Returns what holds for one of the gate's keys, and which it was; with none, why not for the first.
    pub(crate) fn with_a_key<T, E>(&self, verify: impl Fn(&str) -> Result<T, E>) -> Result<(T, &str), E> {
        let first = verify(&self.public_key).map(|value| (value, &*self.public_key));
        match &self.next_public_key {
            Some(next) => first.or_else(|error| verify(next).map(|value| (value, &**next)).map_err(|_| error)),
            None => first,
        }
    }
}

/// One database that this executor may change, and where its credential will be found when it is needed.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    pub target: Target,
    pub credential: CredentialSource,
    /// PEM certificates that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What it is at AWS, where it is there and may be changed there.
    pub aws: Option<AwsConfig>,
}

/// Where a credential lies. Nothing of it is read before an order is verified; for a preflight, which can only look, before
/// the executor's own policy allows the plan; for the doctor, which can only look as well, when the operator calls it.
#[derive(Debug, Clone)]
pub enum CredentialSource {
    /// A file that holds the whole connection string.
    DsnFile(PathBuf),
    /// A connection string without its password, and where that is.
    Dsn { dsn: String, password: Password },
}

/// Where the password lies.
#[derive(Debug, Clone)]
pub enum Password {
    /// There is none: a certificate, or a server that asks for none.
    None,
    File(PathBuf),
    /// A program and its arguments, without a shell; what it prints is the password.
    Command(Vec<String>),
    /// A token of IAM, for a quarter of an hour.
    Iam,
}

/// The file cannot be used; nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("could not read the configuration `{path}`")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration `{path}` is not TOML: {message}")]
    NotToml { path: PathBuf, message: String },
    #[error("the configuration `{path}` cannot be used: {}", .faults.join("; "))]
    Faults { path: PathBuf, faults: Vec<String> },
}

impl Config {
    /// Reads and judges the file. Relative paths start at its folder. `gate_url` stands above the file's own.
    ///
    /// # Errors
    /// With every fault that was found.
    pub fn load(path: &Path, gate_url: Option<&str>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let table: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| ConfigError::NotToml {
            path: path.to_owned(),
            // The error's own text quotes the line, and with it perhaps a secret.
            message: error.message().to_owned(),
        })?;
        let mut faults = Vec::new();
        let root = Section::new(
            String::new(),
            table,
            absolute.parent().unwrap_or(Path::new("/")).to_owned(),
        );
        let config = Self::parse(root, gate_url, &mut faults);
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigError::Faults {
                path: path.to_owned(),
                faults,
            }),
        }
    }

    /// Returns the repository of this name.
    pub(crate) fn repository(&self, name: &str) -> Result<&RepositoryConfig, Cause> {
        self.repositories
            .iter()
            .find(|repository| repository.name == name)
            .ok_or_else(|| {
                let message = format!("this executor's configuration has no `[[repositories]]` with the name `{name}`");
                Cause::new("no_service", message)
            })
    }

    /// Returns the target of that name.
    pub fn target(&self, name: &str) -> Option<&TargetConfig> {
        self.targets.iter().find(|target| target.target.name == name)
    }

    // Every section is read to its end before `?` is used, so that one fault does not hide another.
    fn parse(mut root: Section, gate_url: Option<&str>, faults: &mut Vec<String>) -> Option<Self> {
        let mut executor = root.section("executor", faults);
        let id = executor.text("id", faults);
        let environment = executor.text("environment", faults);
        let state_dir = executor.path("state_dir", faults);
        executor.end(faults);

        let gate = parse_gate(root.section("gate", faults), gate_url, faults);

        let mut approvers = root.section("approvers", faults);
        let approvers_file = approvers.path("file", faults);
        let admin_key = approvers.text("admin_key", faults);
        check_key("approvers.admin_key", admin_key.as_deref(), faults);
        approvers.end(faults);

        let mut floor = root.optional_section("floor", faults);
        let people = floor.number("approvers", faults).unwrap_or(1);
        let hardware = floor.number("hardware", faults).unwrap_or(0);
        let ssh = floor.number("ssh", faults).unwrap_or(0);
        let attested = floor.flag("attested", faults).unwrap_or(false);
        let grants = floor.flag("grants", faults).unwrap_or(false);
        floor.end(faults);
        if people == 0 {
            faults.push("`floor.approvers` is 0: somebody must approve".to_owned());
        }

        let mut catalog = root.optional_section("catalog", faults);
        let catalog_dir = catalog.optional_path("dir", faults);
        let catalog_signed_by = catalog.optional_text("signed_by", faults);
        if catalog_signed_by.is_some() {
            check_key("catalog.signed_by", catalog_signed_by.as_deref(), faults);
        }
        catalog.end(faults);
        let mut policy = root.optional_section("policy", faults);
        let policy_dir = policy.optional_path("dir", faults);
        let policy_windows = policy.optional_path("windows", faults);
        let policy_freezes = policy.optional_path("freezes", faults);
        policy.end(faults);
        let publish = parse_publish(root.optional_section("journal", faults), faults);
        let targets: Vec<_> = root
            .sections("targets", faults)
            .into_iter()
            .map(|section| parse_target(section, environment.as_deref(), faults))
            .collect();
        check_names(&targets, faults);
        let repositories: Vec<_> = root
            .sections("repositories", faults)
            .into_iter()
            .map(|section| parse_repository(section, faults))
            .collect();
        check_repositories(&repositories, faults);
        root.end(faults);

        Some(Self {
            id: id?,
            environment: environment?,
            state_dir: state_dir?,
            gate: gate?,
            approvers_file: approvers_file?,
            admin_key: admin_key?,
            floor: Floor {
                approvers: people,
                hardware,
                ssh,
                attested,
                grants,
            },
            catalog_dir,
            catalog_signed_by,
            policy_dir,
            policy_windows,
            policy_freezes,
            publish,
            targets: targets.into_iter().collect::<Option<_>>()?,
            repositories: repositories.into_iter().collect::<Option<_>>()?,
        })
    }
}

fn parse_gate(mut section: Section, url: Option<&str>, faults: &mut Vec<String>) -> Option<GateConfig> {
    let id = section.text("id", faults);
    let public_key = section.text("public_key", faults);
    check_key("gate.public_key", public_key.as_deref(), faults);
    let next_public_key = section.optional_text("next_public_key", faults);
    if next_public_key.is_some() {
        check_key("gate.next_public_key", next_public_key.as_deref(), faults);
    }
    let of_file = section.optional_text("url", faults);
    let url = url.map(str::to_owned).or(of_file);
    let bearer_file = section.optional_path("bearer_file", faults);
    section.end(faults);
    if let Some(url) = &url {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            faults.push(format!(
                "`gate.url` is `{url}`, which is no http:// or https:// address"
            ));
        }
        if bearer_file.is_none() {
            faults.push("`gate.bearer_file` is missing, and `gate.url` is given".to_owned());
        }
    }
    Some(GateConfig {
        id: id?,
        public_key: public_key?,
        next_public_key,
        url,
        bearer_file,
    })
}

fn parse_publish(mut section: Section, faults: &mut Vec<String>) -> Option<Publish> {
    let dir = section.optional_path("publish_dir", faults);
    let command = section.optional_texts("publish_command", faults);
    section.end(faults);
    match (dir, command) {
        (Some(_), Some(_)) => {
            faults.push("`journal.publish_dir` and `journal.publish_command` are both given".to_owned());
            None
        }
        (None, Some(command)) if command.is_empty() => {
            faults.push("`journal.publish_command` is empty".to_owned());
            None
        }
        (dir, command) => dir.map(Publish::Dir).or(command.map(Publish::Command)),
    }
}

fn parse_target(mut section: Section, environment: Option<&str>, faults: &mut Vec<String>) -> Option<TargetConfig> {
    let name = section.text("name", faults);
    let of_target = section.text("environment", faults);
    let system_identifier = section.text("system_identifier", faults);
    let database = section.text("database", faults);
    let dsn_file = section.optional_path("dsn_file", faults);
    let dsn = section.optional_text("dsn", faults);
    let password_file = section.optional_path("password_file", faults);
    let ca_file = section.optional_path("ca_file", faults);
    let password_command = section.optional_texts("password_command", faults);
    let iam_login = section.flag("iam_login", faults).unwrap_or(false);
    let aws = section.has("aws").then(|| section.optional_section("aws", faults));
    let place = section.place().to_owned();
    section.end(faults);
    let has_aws = aws.is_some();
    let aws = aws.and_then(|aws| parse_aws(aws, faults));
    if let (Some(ours), Some(of_target)) = (environment, &of_target)
        && ours != of_target
    {
        faults.push(format!(
            "`{place}.environment` is `{of_target}`, but this executor acts in `{ours}` alone"
        ));
    }
    let credential = match (dsn_file, dsn) {
        (Some(file), None) if password_file.is_none() && password_command.is_none() && !iam_login => {
            Some(CredentialSource::DsnFile(file))
        }
        (None, Some(dsn)) => {
            check_dsn(&place, &dsn, faults);
            if iam_login && !has_aws {
                faults.push(format!("`{place}.iam_login` needs `[targets.aws]`"));
            }
            let password = match (password_file, password_command, iam_login) {
                (None, None, false) => Some(Password::None),
                (Some(path), None, false) => Some(Password::File(path)),
                (None, Some(command), false) if !command.is_empty() => Some(Password::Command(command)),
                (None, None, true) => Some(Password::Iam),
                _ => {
                    faults.push(format!("`{place}` has more than one of `password_file`, `password_command` and `iam_login`, or an empty one"));
                    None
                }
            };
            password.map(|password| CredentialSource::Dsn { dsn, password })
        }
        (Some(_), None) => {
            faults.push(format!(
                "`{place}`: `password_file`, `password_command` and `iam_login` go with `dsn`; `dsn_file` holds the password itself"
            ));
            None
        }
        (Some(_), Some(_)) | (None, None) => {
            faults.push(format!("`{place}` needs either `dsn_file` or `dsn`"));
            None
        }
    };
    Some(TargetConfig {
        target: Target {
            name: name?,
            environment: of_target?,
            system_identifier: system_identifier?,
            database: database?,
        },
        credential: credential?,
        ca_file,
        aws: if has_aws { Some(aws?) } else { None },
    })
}

fn check_key(place: &str, key: Option<&str>, faults: &mut Vec<String>) {
    if let Some(Err(error)) = key.map(PublicKey::parse) {
        faults.push(format!("`{place}` is no usable key: {error}"));
    }
}

fn check_dsn(place: &str, dsn: &str, faults: &mut Vec<String>) {
    match dsn.parse::<tokio_postgres::Config>() {
        // The text itself is not shown: it may hold the password.
        Err(_) => faults.push(format!("`{place}.dsn` is no connection string")),
        Ok(config) if config.get_password().is_some() => {
            faults.push(format!("`{place}.dsn` holds a password: put it into `password_file`"));
        }
        Ok(_) => {}
    }
}

fn check_repositories(repositories: &[Option<RepositoryConfig>], faults: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for repository in repositories.iter().flatten() {
        if !names.insert(&repository.name) {
            faults.push(format!("`repositories.name` has `{}` twice", repository.name));
        }
    }
}

fn check_names(targets: &[Option<TargetConfig>], faults: &mut Vec<String>) {
    if targets.is_empty() {
        faults.push("`[[targets]]` is missing: there is nothing to act on".to_owned());
    }
    let mut names = BTreeSet::new();
    for target in targets.iter().flatten() {
        if !names.insert(&target.target.name) {
            faults.push(format!("`targets.name` has `{}` twice", target.target.name));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a failed set-up is a failed test")]
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn good() -> String {
        format!(
            r#"
[executor]
id = "executor-1"
environment = "demo"
state_dir = "state"
[gate]
id = "gate-1"
public_key = "{KEY}"
[approvers]
file = "approvers.json"
admin_key = "{KEY}"
[journal]
publish_dir = "/var/checkpoints"
[[targets]]
name = "orders"
environment = "demo"
system_identifier = "7"
database = "orders"
dsn_file = "dsn"
"#
        )
    }

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("executor.toml");
        std::fs::write(&path, text).unwrap();
        let result = Config::load(&path, None);
        if let Ok(config) = &result {
            assert_eq!(config.state_dir, dir.path().join("state"));
        }
        result
    }

    fn faults(text: &str) -> Vec<String> {
        match load(text) {
            Err(ConfigError::Faults { faults, .. }) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_file_is_read_and_its_paths_start_at_its_folder() {
        let config = load(&good()).unwrap();
        assert_eq!(config.floor.approvers, 1);
        assert!(matches!(config.publish, Some(Publish::Dir(_))));
        assert!(config.target("orders").is_some() && config.target("other").is_none());
    }

    #[test]
    fn all_faults_are_told_at_once_each_with_its_key() {
        let text = good()
            .replace("id = \"executor-1\"", "idd = \"executor-1\"")
            .replace(
                "[journal]",
                "[floor]\napprovers = 0\n[journal]\npublish_command = [\"x\"]",
            )
            .replace("dsn_file = \"dsn\"", "dsn = \"host=a password=b\"")
            .replace(&format!("admin_key = \"{KEY}\""), "admin_key = \"nonsense\"")
            .replace("environment = \"demo\"\nsystem", "environment = \"production\"\nsystem");
        let faults = faults(&text).join("\n");
        for part in [
            "`executor.id` is missing",
            "`executor.idd` is unknown",
            "`floor.approvers` is 0",
            "are both given",
            "holds a password",
            "`approvers.admin_key` is no usable key",
            "acts in `demo` alone",
        ] {
            assert!(faults.contains(part), "{part} is not in\n{faults}");
        }
    }

    #[test]
    fn a_gate_address_needs_its_bearer() {
        let text = good().replace("[approvers]", "url = \"gate.example\"\n[approvers]");
        let faults = faults(&text).join("\n");
        assert!(faults.contains("no http:// or https:// address") && faults.contains("`gate.bearer_file` is missing"));
    }
}
