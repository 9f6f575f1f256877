//! `[[repositories]]` of executor.toml: where a change of Terraform's code goes, and whose workflows may be started; and
//! `[targets.aws]`: what a target is at AWS, and by whose leave it is changed there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rds::rds_call::{ClusterId, InstanceId, Place};
use rds::{BaseSource, Endpoint, Identity, RoleArn};

use crate::config_reader::Section;

/// One repository, under the name that plans know it by.
#[derive(Debug, Clone)]
pub struct RepositoryConfig {
    pub name: String,
    /// `https://…`, `ssh://…`, or the path of a repository on this host.
    pub url: String,
    /// The branch that a change starts from.
    pub branch: String,
    pub push: Push,
    pub ssh_key_file: Option<PathBuf>,
    pub known_hosts_file: Option<PathBuf>,
    /// Sent as the password over HTTPS.
    pub token_file: Option<PathBuf>,
    /// Who a commit is by.
    pub email: String,
    pub github: Option<GithubConfig>,
}

/// Where a commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// Onto a branch of its own, named by plan and step; people or a pipeline take it from there.
    Branch,
    /// Onto the branch that it started from, if nobody else was there meanwhile.
    Base,
}

/// Where workflows are started.
#[derive(Debug, Clone)]
pub struct GithubConfig {
    /// `https://api.github.com`, or that of an own server.
    pub api: String,
    /// `owner/name`.
    pub repository: String,
    pub token_file: PathBuf,
}

/// A target at AWS.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// What it consists of, by names and resource ids.
    pub identity: Identity,
    /// Where the credentials lie that may do nothing but assume the role.
    pub base: BaseSource,
    pub role: RoleArn,
    pub rds: Endpoint,
    pub sts: Endpoint,
}

pub(crate) fn parse_aws(mut section: Section, faults: &mut Vec<String>) -> Option<AwsConfig> {
    let place = section.place().to_owned();
    let partition = section.optional_text("partition", faults);
    let region = section.text("region", faults);
    let account = section.text("account", faults);
    let role = section.text("role_arn", faults);
    let base = parse_base(&mut section, faults);
    let rds = section.optional_text("rds_endpoint", faults);
    let sts = section.optional_text("sts_endpoint", faults);
    let cluster = section.optional_text("cluster", faults);
    let cluster_id = section.optional_text("cluster_resource_id", faults);
    let instances: Vec<_> = section
        .sections("instances", faults)
        .into_iter()
        .map(|mut instance| {
            let name = instance.text("name", faults);
            let id = instance.text("resource_id", faults);
            let place = instance.place().to_owned();
            instance.end(faults);
            let known = name.as_deref().and_then(InstanceId::parse);
            if name.is_some() && known.is_none() {
                faults.push(format!("`{place}.name` is no identifier of an instance"));
            }
            known.zip(id)
        })
        .collect();
    section.end(faults);
    if instances.is_empty() {
        faults.push(format!(
            "`[[{place}.instances]]` is missing: with `name` and `resource_id` of each"
        ));
    }
    let cluster = match (cluster, cluster_id) {
        (None, None) => None,
        (Some(name), Some(id)) => {
            let known = ClusterId::parse(&name);
            if known.is_none() {
                faults.push(format!("`{place}.cluster` is no identifier of a cluster"));
            }
            known.zip(Some(id))
        }
        _ => {
            faults.push(format!(
                "`{place}` needs `cluster` and `cluster_resource_id`, both or none"
            ));
            None
        }
    };
    let (region, account) = (region?, account?);
    let at_aws = Place::new(partition.as_deref().unwrap_or("aws"), &region, &account);
    let at_aws = at_aws
        .map_err(|error| faults.push(format!("`{place}`: {error}")))
        .ok()?;
    let role = RoleArn::parse(&role?, &at_aws);
    if role.is_none() {
        faults.push(format!("`{place}.role_arn` is no role of this account"));
    }
    let mut endpoint = |key: &str, service: &str, url: Option<String>| match url {
        None => Some(Endpoint::of_aws(service, &region)),
        Some(url) => Endpoint::at(&url, &region)
            .map_err(|error| faults.push(format!("`{place}.{key}`: {error}")))
            .ok(),
    };
    let (rds, sts) = (
        endpoint("rds_endpoint", "rds", rds),
        endpoint("sts_endpoint", "sts", sts),
    );
    Some(AwsConfig {
        identity: Identity {
            place: at_aws,
            instances: instances.into_iter().collect::<Option<BTreeMap<_, _>>>()?,
            cluster,
        },
        base: base?,
        role: role?,
        rds: rds?,
        sts: sts?,
    })
}

/// The one place that is named; nothing is searched for.
fn parse_base(section: &mut Section, faults: &mut Vec<String>) -> Option<BaseSource> {
    let place = section.place().to_owned();
    let source = section.text("credentials", faults);
    let file = section.optional_path("credentials_file", faults);
    let profile = section.optional_text("profile", faults);
    let token_file = section.optional_path("web_identity_token_file", faults);
    let role_arn = section.optional_text("web_identity_role_arn", faults);
    match (source?.as_str(), file, profile, token_file, role_arn) {
        ("environment", None, None, None, None) => Some(BaseSource::Environment),
        ("profile", Some(file), Some(name), None, None) => Some(BaseSource::Profile { file, name }),
        ("web_identity", None, None, Some(token_file), Some(role_arn)) => {
            Some(BaseSource::WebIdentity { token_file, role_arn })
        }
        _ => {
            faults.push(format!(
                "`{place}.credentials` must be `environment`; `profile` with `credentials_file` and `profile`; or \
                 `web_identity` with `web_identity_token_file` and `web_identity_role_arn`"
            ));
            None
        }
    }
}

pub(crate) fn parse_repository(mut section: Section, faults: &mut Vec<String>) -> Option<RepositoryConfig> {
    let place = section.place().to_owned();
    let name = section.text("name", faults);
    let url = section.text("url", faults);
    let branch = section.text("branch", faults);
    let push = match section.optional_text("push", faults).as_deref() {
        None | Some("branch") => Push::Branch,
        Some("base") => Push::Base,
        Some(other) => {
            faults.push(format!("`{place}.push` is `{other}`, and not `branch` or `base`"));
            Push::Branch
        }
    };
    let ssh_key_file = section.optional_path("ssh_key_file", faults);
    let known_hosts_file = section.optional_path("known_hosts_file", faults);
    let token_file = section.optional_path("token_file", faults);
    let email = section.optional_text("email", faults);
    let api = section.optional_text("github_api", faults);
    let repository = section.optional_text("github_repository", faults);
    let github_token = section.optional_path("github_token_file", faults);
    section.end(faults);
    if let Some(url) = &url {
        check_url(&place, url, faults);
        if url.starts_with("ssh://") && (ssh_key_file.is_none() || known_hosts_file.is_none()) {
            faults.push(format!(
                "`{place}` needs `ssh_key_file` and `known_hosts_file`: its url is ssh"
            ));
        }
    }
    if token_file.is_some() && !url.as_deref().unwrap_or_default().starts_with("https://") {
        faults.push(format!("`{place}.token_file` goes with an https url"));
    }
    if let Some(branch) = &branch
        && !is_branch(branch)
    {
        faults.push(format!("`{place}.branch` is no branch's name"));
    }
    let github = match (repository, github_token) {
        (Some(repository), Some(token_file)) => {
            let api = api.unwrap_or_else(|| GITHUB.to_owned());
            check_api(&place, &api, faults);
            if !is_owner_and_name(&repository) {
                faults.push(format!("`{place}.github_repository` is not `owner/name`"));
            }
            Some(GithubConfig {
                api: api.trim_end_matches('/').to_owned(),
                repository,
                token_file,
            })
        }
        (None, None) if api.is_none() => None,
        _ => {
            faults.push(format!(
                "`{place}` needs `github_repository` and `github_token_file`, both or none"
            ));
            None
        }
    };
    Some(RepositoryConfig {
        name: name?,
        url: url?,
        branch: branch?,
        push,
        ssh_key_file,
        known_hosts_file,
        token_file,
        email: email.unwrap_or_else(|| EMAIL.to_owned()),
        github,
    })
}

/// Git knows many more forms, some of which run programs (`ext::`), and takes what begins with a dash for an option.
fn check_url(place: &str, url: &str, faults: &mut Vec<String>) {
    let known = url.starts_with("https://") || url.starts_with("ssh://") || url.starts_with('/');
    if !known {
        faults.push(format!(
            "`{place}.url` must begin with `https://`, `ssh://`, or be an absolute path"
        ));
    }
    let host = url
        .split_once("://")
        .map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    if host.starts_with('-') || (url.starts_with("https://") && host.contains('@')) {
        faults.push(format!(
            "`{place}.url` must not hold a user or password: use `token_file`"
        ));
    }
}

/// A token goes over it.
fn check_api(place: &str, api: &str, faults: &mut Vec<String>) {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| {
            api.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
    if !(api.starts_with("https://") || local) {
        faults.push(format!("`{place}.github_api` must be `https://…`"));
    }
}

fn is_branch(name: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    name.split('/').all(|part| {
        !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock") && part.bytes().all(byte)
    }) && !name.contains("..")
}

fn is_owner_and_name(text: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(byte);
    text.split_once('/')
        .is_some_and(|(owner, name)| plain(owner) && plain(name))
}

const GITHUB: &str = "https://api.github.com";
const EMAIL: &str = "countersign-executor@localhost";
