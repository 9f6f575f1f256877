//! What the operator decides: the account and the instances. Nothing here is an argument of a tool.

use std::collections::BTreeMap;

use aws_telemetry::{Account, AwsFlags, AwsSettings};
use clap::Parser;
use kit::ServeArgs;
use serde::{Deserialize, Serialize};

use crate::instances::{InstanceSettings, Instances};

/// Performance Insights over MCP, for the instances that the operator names
#[derive(Debug, Parser)]
#[command(version)]
pub struct Flags {
    #[command(flatten)]
    pub serve: ServeArgs,
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Instance that may be read, and its DbiResourceId; may be repeated
    #[arg(
        long = "instance",
        value_name = "NAME=db-ID",
        env = "COUNTERSIGN_DB_INSTANCES",
        value_delimiter = ','
    )]
    pub instances: Vec<String>,
}

/// The configuration as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub aws: AwsSettings,
    /// `[instances.orders] dbi_resource_id = "db-…"`; the name is what tools take.
    pub instances: BTreeMap<String, InstanceSettings>,
}

/// Reads the file, and puts environment and flags on top.
pub fn settings(flags: Flags) -> Result<Settings, Vec<String>> {
    let mut settings: Settings = match &flags.serve.config {
        Some(path) => kit::config::load(path).map_err(|error| vec![error.to_string()])?,
        None => Settings::default(),
    };
    settings.aws = settings.aws.overridden_by(flags.aws);
    let mut faults = Vec::new();
    for instance in flags.instances.iter().filter(|text| !text.is_empty()) {
        match instance.split_once('=') {
            Some((name, id)) => {
                let named = InstanceSettings {
                    dbi_resource_id: id.to_owned(),
                    vcpus: None,
                };
                settings
                    .instances
                    .entry(name.to_owned())
                    .and_modify(|known| known.dbi_resource_id = id.to_owned())
                    .or_insert(named);
            }
            None => faults.push(format!("`--instance {instance}` is not of the form NAME=db-ID")),
        }
    }
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

/// The configuration as parsed.
#[derive(Debug)]
pub struct Config {
    pub account: Account,
    pub instances: Instances,
}

impl Config {
    /// Parses the settings, or returns every fault, each with its key.
    pub fn parse(settings: Settings) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let account =
            Account::parse(settings.aws).map_err(|found| faults.extend(found.iter().map(|f| format!("[aws] {f}"))));
        let instances = Instances::parse(settings.instances).map_err(|found| faults.extend(found));
        match (account, instances) {
            (Ok(account), Ok(instances)) => Ok(Self { account, instances }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use super::*;

    #[test]
    fn all_faults_are_reported_with_their_keys() {
        let settings: Settings =
            toml::from_str("[aws]\nregion = 'nowhere'\n[instances.orders]\ndbi_resource_id = 'orders-1'\nvcpus = 0")
                .unwrap();
        let faults = Config::parse(settings).unwrap_err();
        for key in ["`region`", "`dbi_resource_id`", "`vcpus`"] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
        }
    }

    #[test]
    fn flags_add_instances_and_correct_known_ones() {
        let flags = Flags::parse_from(["x", "--instance", "orders=db-ABC", "--instance", "billing=db-DEF"]);
        let settings = settings(flags).unwrap();
        assert_eq!(settings.instances["orders"].dbi_resource_id, "db-ABC");
        assert!(Config::parse(settings).is_ok());
        assert!(super::settings(Flags::parse_from(["x", "--instance", "orders"])).is_err());
    }
}
