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
        value_parser = parse_named,
        value_name = "NAME=db-ID",
        env = "COUNTERSIGN_DB_INSTANCES",
        value_delimiter = ','
    )]
    pub instances: Vec<Option<NamedInstance>>,
}

/// The configuration as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub aws: AwsSettings,
    /// `[instances.orders] dbi_resource_id = "db-…"`; the name is what tools take.
    pub instances: BTreeMap<String, InstanceSettings>,
}

/// `NAME=db-ID`, as a flag or in the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInstance {
    name: String,
    dbi_resource_id: String,
}

/// An empty text is none: clients hand on variables that nobody has set.
fn parse_named(text: &str) -> Result<Option<NamedInstance>, String> {
    match text.split_once('=') {
        _ if text.is_empty() => Ok(None),
        Some((name, id)) => Ok(Some(NamedInstance {
            name: name.to_owned(),
            dbi_resource_id: id.to_owned(),
        })),
        None => Err("expected NAME=db-ID".to_owned()),
    }
}

impl Settings {
    /// Puts environment and flags on top of the file.
    pub fn overridden_by(mut self, aws: AwsFlags, instances: Vec<Option<NamedInstance>>) -> Self {
        self.aws = self.aws.overridden_by(aws);
        for NamedInstance { name, dbi_resource_id } in instances.into_iter().flatten() {
            let known = self.instances.remove(&name);
            let settings = InstanceSettings {
                dbi_resource_id,
                vcpus: known.as_ref().and_then(|known| known.vcpus),
                db_instance: known.and_then(|known| known.db_instance),
            };
            self.instances.insert(name, settings);
        }
        self
    }
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
            toml::from_str("[aws]\nregion = 'nowhere'\n[instances.orders]\ndbi_resource_id = 'orders-1'\nvcpus = 0\ndb_instance = 'a&b'")
                .unwrap();
        let faults = Config::parse(settings).unwrap_err();
        for key in ["`region`", "`dbi_resource_id`", "`vcpus`", "`db_instance`"] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
        }
    }

    #[test]
    fn flags_add_instances_and_correct_known_ones() {
        let file: Settings = toml::from_str("[instances.orders]\ndbi_resource_id = 'db-OLD'\nvcpus = 8").unwrap();
        let flags = Flags::parse_from(["x", "--instance", "orders=db-ABC", "--instance", "billing=db-DEF,"]);
        let settings = file.overridden_by(flags.aws, flags.instances);
        let orders = &settings.instances["orders"];
        assert_eq!((orders.dbi_resource_id.as_str(), orders.vcpus), ("db-ABC", Some(8)));
        assert_eq!(
            Config::parse(settings)
                .unwrap()
                .instances
                .allow("billing")
                .unwrap()
                .resource_id(),
            "db-DEF"
        );
        assert!(Flags::try_parse_from(["x", "--instance", "orders"]).is_err());
    }
}
