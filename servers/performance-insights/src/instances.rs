//! Which instances may be read. A name from a tool's argument becomes a request only by passing through here.

use std::collections::BTreeMap;

use aws_telemetry::Refusal;
use kit::ToolError;
use serde::{Deserialize, Serialize};

/// One instance in the configuration, as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSettings {
    /// `db-` and capitals, as DescribeDBInstances shows it; the API takes no instance name.
    pub dbi_resource_id: String,
    /// Used where the instance does not report its own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// The instance's own name (DBInstanceIdentifier): metrics of CloudWatch and events of RDS go by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_instance: Option<String>,
}

#[derive(Debug)]
pub struct Instances(BTreeMap<String, Instance>);

/// An instance that the operator has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    name: String,
    resource_id: String,
    vcpus: Option<u32>,
    db_instance: Option<String>,
}

impl Instance {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn resource_id(&self) -> &str {
        &self.resource_id
    }

    pub fn vcpus(&self) -> Option<u32> {
        self.vcpus
    }

    /// Returns the DBInstanceIdentifier; where the operator has not given it the error is `not_configured`.
    pub fn db_instance(&self) -> Result<&str, ToolError> {
        self.db_instance.as_deref().ok_or_else(|| {
            Refusal::NotConfigured
                .error(format!("the name that RDS has for `{}` is not configured", self.name))
                .hint("the operator must set `[instances.<name>] db_instance`")
        })
    }
}

impl Instances {
    /// Parses the configured instances, or returns every fault.
    pub fn parse(settings: BTreeMap<String, InstanceSettings>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        for (name, instance) in &settings {
            if !is_name(name) {
                faults.push(format!(
                    "[instances] `{name}` is not a name of letters, digits, `-` and `_`"
                ));
            }
            if !is_resource_id(&instance.dbi_resource_id) {
                faults.push(format!(
                    "[instances.{name}] `dbi_resource_id` is not of the form db-ABC…"
                ));
            }
            if instance.db_instance.as_deref().is_some_and(|id| !is_db_instance(id)) {
                faults.push(format!(
                    "[instances.{name}] `db_instance` is not a DBInstanceIdentifier"
                ));
            }
            if instance.vcpus == Some(0) {
                faults.push(format!("[instances.{name}] `vcpus` is 0"));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let named = settings.into_iter().map(|(name, settings)| {
            (
                name.clone(),
                Instance {
                    name,
                    resource_id: settings.dbi_resource_id,
                    vcpus: settings.vcpus,
                    db_instance: settings.db_instance,
                },
            )
        });
        Ok(Self(named.collect()))
    }

    pub fn allow(&self, name: &str) -> Result<&Instance, ToolError> {
        if self.0.is_empty() {
            return Err(Refusal::NotConfigured.error("no instance is configured").hint(
                "the operator must set `[instances.<name>] dbi_resource_id`, `--instance` or COUNTERSIGN_DB_INSTANCES",
            ));
        }
        self.0.get(name).ok_or_else(|| {
            let known: Vec<String> = self.0.keys().take(20).map(|name| format!("`{name}`")).collect();
            ToolError::new(
                "outside_allow_list",
                "this instance is not one that the operator has named",
            )
            .hint(format!("named: {}", known.join(", ")))
        })
    }
}

fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// What goes into the body of a request.
fn is_db_instance(id: &str) -> bool {
    (1..=63).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_resource_id(id: &str) -> bool {
    id.strip_prefix("db-").is_some_and(|rest| {
        (1..=250).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn instances(name: &str, id: &str) -> Result<Instances, Vec<String>> {
        let settings = InstanceSettings {
            dbi_resource_id: id.to_owned(),
            vcpus: None,
            db_instance: None,
        };
        Instances::parse(BTreeMap::from([(name.to_owned(), settings)]))
    }

    #[test]
    fn only_a_configured_name_passes_and_never_an_identifier() {
        let instances = instances("orders", "db-ABC123").unwrap();
        assert_eq!(instances.allow("orders").unwrap().resource_id(), "db-ABC123");
        for name in ["db-ABC123", "Orders", "orders ", ""] {
            assert_eq!(instances.allow(name).unwrap_err().code, "outside_allow_list", "{name}");
        }
    }

    #[test]
    fn an_instance_name_is_no_resource_id() {
        for id in ["orders-1", "db-", "db-abc", "db-ABC/../x", "cluster-ABC"] {
            assert_eq!(instances("orders", id).unwrap_err().len(), 1, "{id}");
        }
    }

    #[test]
    fn without_instances_nothing_is_allowed() {
        assert_eq!(
            Instances::parse(BTreeMap::new())
                .unwrap()
                .allow("orders")
                .unwrap_err()
                .code,
            "not_configured"
        );
    }
}
