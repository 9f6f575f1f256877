//! What must hold right before the call, and what is noted of the values that it changes.
//!
//! RDS has no condition that goes with a request, so between this look and the call lie milliseconds in which somebody
//! else could add a pending modification.

use std::collections::BTreeMap;

use rds_call::{ApplyMethod, Change, ClusterId, GroupName, InstanceId, ParameterName, RdsCall};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ask::Rds;
use crate::error::RdsError;
use crate::identity::Identity;
use crate::state::{Cluster, Instance};

/// The values that the call changes, as they were. It goes into the journal, so that the state can be judged after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BeforeImage(BTreeMap<String, Value>);

/// The call must not be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("`{name}` does not belong to the configured target")]
    NotConfigured { name: String },
    #[error("there is no `{name}`")]
    Missing { name: String },
    #[error("`{name}` is `{found}`, not the configured `{expected}`: another one has its name")]
    WrongIdentity {
        name: String,
        expected: String,
        found: String,
    },
    #[error("`{name}` is `{status}`, not `available`")]
    NotAvailable { name: String, status: String },
    #[error("`{name}` has pending modifications that nobody signed here: {}; the call would apply them", .pending.join(", "))]
    ForeignPending { name: String, pending: Vec<String> },
    #[error("there is nothing to change: it is so already")]
    AlreadySo,
    #[error("allocated storage cannot become smaller: it is {current} GiB, and {asked} GiB are asked for")]
    StorageSmaller { current: u32, asked: u32 },
    #[error(
        "allocated storage grows by at least 10 %: it is {current} GiB, and RDS would round {asked} GiB up to {least} GiB"
    )]
    StorageStep { current: u32, asked: u32, least: u32 },
    #[error(
        "the limit of storage autoscaling must be at least {least} GiB, 10 % above the {current} GiB there are, or the same to switch it off"
    )]
    StorageLimit { current: u32, least: u32 },
    #[error("`{name}` is a member of the cluster `{cluster}`, which has its storage in common")]
    StorageOfCluster { name: String, cluster: String },
    #[error("the parameter group `{group}` is used by none of the target's instances")]
    GroupNotUsed { group: String },
    #[error("the parameter group `{group}` is used by others as well: {}", .others.join(", "))]
    SharedGroup { group: String, others: Vec<String> },
    #[error("`{parameter}` of `{group}` cannot be modified")]
    NotModifiable { group: String, parameter: String },
    #[error("`{parameter}` takes effect after a restart only: its `ApplyMethod` must be `pending-reboot`")]
    NeedsReboot { parameter: String },
    #[error("the cluster `{cluster}` has no reader that is available")]
    NoReader { cluster: String },
    #[error("`{name}` is no reader of the cluster `{cluster}`")]
    NotAReader { name: String, cluster: String },
    /// RDS could not be asked.
    #[error(transparent)]
    Rds(#[from] RdsError),
}

impl Refused {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured { .. } => "rds_not_configured",
            Self::Missing { .. } => "aws_not_found",
            Self::WrongIdentity { .. } => "wrong_resource",
            Self::NotAvailable { .. } => "rds_not_available",
            Self::ForeignPending { .. } => "foreign_pending_modification",
            Self::AlreadySo => "precondition_changed",
            Self::StorageSmaller { .. } => "storage_smaller",
            Self::StorageStep { .. } => "storage_step_too_small",
            Self::StorageLimit { .. } => "storage_limit_too_small",
            Self::StorageOfCluster { .. } => "storage_of_cluster",
            Self::GroupNotUsed { .. } => "parameter_group_not_used",
            Self::SharedGroup { .. } => "parameter_group_shared",
            Self::NotModifiable { .. } => "parameter_not_modifiable",
            Self::NeedsReboot { .. } => "parameter_needs_reboot",
            Self::NoReader { .. } => "no_available_reader",
            Self::NotAReader { .. } => "not_a_reader",
            Self::Rds(error) => error.code(),
        }
    }
}

impl BeforeImage {
    fn of<const N: usize>(values: [(&str, Value); N]) -> Self {
        Self(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Returns what a value was, by the name that the API gives it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl Rds {
    /// Looks whether the call may be made now, and notes what it is about to change. It changes nothing.
    ///
    /// # Errors
    /// When it may not, or RDS does not say.
    pub async fn before(&self, call: &RdsCall, identity: &Identity) -> Result<BeforeImage, Refused> {
        match call {
            RdsCall::ModifyInstance { instance, change, .. } => self.before_modify(instance, change, identity).await,
            RdsCall::SetParameter {
                group,
                name,
                value,
                method,
            } => {
                self.before_parameter(group, name, Some(value.as_str()), *method, identity)
                    .await
            }
            RdsCall::ResetParameter { group, name, method } => {
                self.before_parameter(group, name, None, *method, identity).await
            }
            RdsCall::RebootInstance { instance } => self.before_reboot(instance, identity).await,
            RdsCall::FailoverCluster { cluster, to } => self.before_failover(cluster, to.as_ref(), identity).await,
        }
    }

    async fn before_modify(
        &self,
        name: &InstanceId,
        change: &Change,
        identity: &Identity,
    ) -> Result<BeforeImage, Refused> {
        let instance = self.configured(name, identity).await?;
        check_status(&instance, lets_grow(change))?;
        let asked = change.values();
        check_pending(&instance, &asked)?;
        if let Change::Storage {
            allocated_gib,
            max_allocated_gib,
            ..
        } = change
        {
            check_storage(&instance, *allocated_gib, *max_allocated_gib)?;
        }
        if asked.iter().all(|(name, value)| instance.has(name, value)) {
            return Err(Refused::AlreadySo);
        }
        Ok(BeforeImage(
            asked
                .iter()
                .map(|(name, _)| ((*name).to_owned(), json!(instance.values.get(name))))
                .collect(),
        ))
    }

    async fn before_parameter(
        &self,
        group: &GroupName,
        name: &ParameterName,
        asked: Option<&str>,
        method: ApplyMethod,
        identity: &Identity,
    ) -> Result<BeforeImage, Refused> {
        let mut users = 0;
        let mut others = Vec::new();
        for instance in self.instances().await?.iter().filter(|one| one.uses(group.as_str())) {
            match InstanceId::parse(&instance.name).filter(|name| identity.instances.contains_key(name)) {
                Some(name) => {
                    check_identity(instance, &name, identity)?;
                    check_status(instance, false)?;
                    users += 1;
                }
                None => others.push(instance.name.clone()),
            }
        }
        let group_name = || group.as_str().to_owned();
        if !others.is_empty() {
            others.truncate(5);
            return Err(Refused::SharedGroup {
                group: group_name(),
                others,
            });
        }
        if users == 0 {
            return Err(Refused::GroupNotUsed { group: group_name() });
        }
        let parameter = self.parameter(group.as_str(), name.as_str()).await?;
        let parameter = parameter.ok_or_else(|| Refused::Missing {
            name: format!("{group}/{name}"),
        })?;
        if !parameter.is_modifiable {
            return Err(Refused::NotModifiable {
                group: group_name(),
                parameter: name.to_string(),
            });
        }
        if parameter.is_static && method == ApplyMethod::Immediate {
            return Err(Refused::NeedsReboot {
                parameter: name.to_string(),
            });
        }
        let is_so = match asked {
            Some(asked) => parameter.is_of_user && parameter.value.as_deref() == Some(asked),
            None => !parameter.is_of_user,
        };
        if is_so {
            return Err(Refused::AlreadySo);
        }
        Ok(BeforeImage::of([
            ("ParameterValue", json!(parameter.value)),
            ("Source", json!(if parameter.is_of_user { "user" } else { "default" })),
        ]))
    }

    async fn before_reboot(&self, name: &InstanceId, identity: &Identity) -> Result<BeforeImage, Refused> {
        let instance = self.configured(name, identity).await?;
        check_status(&instance, false)?;
        // What waits for a restart would come with it.
        check_pending(&instance, &[])?;
        Ok(BeforeImage::of([("DBInstanceStatus", json!(instance.status))]))
    }

    async fn before_failover(
        &self,
        name: &ClusterId,
        to: Option<&InstanceId>,
        identity: &Identity,
    ) -> Result<BeforeImage, Refused> {
        let cluster = self.configured_cluster(name, identity).await?;
        if cluster.status != "available" {
            return Err(Refused::NotAvailable {
                name: name.to_string(),
                status: cluster.status,
            });
        }
        let writer = cluster.writer().ok_or_else(|| Refused::NotAvailable {
            name: name.to_string(),
            status: "without a writer".to_owned(),
        })?;
        let readers = cluster.members.iter().filter(|(_, is_writer)| !*is_writer);
        let readers: Vec<&str> = readers.map(|(name, _)| name.as_str()).collect();
        match to {
            Some(to) if !readers.contains(&to.as_str()) => Err(Refused::NotAReader {
                name: to.to_string(),
                cluster: name.to_string(),
            }),
            Some(to) => check_status(&self.configured(to, identity).await?, false),
            None => {
                let available = self
                    .instances()
                    .await?
                    .into_iter()
                    .any(|instance| instance.status == "available" && readers.contains(&instance.name.as_str()));
                available.then_some(()).ok_or_else(|| Refused::NoReader {
                    cluster: name.to_string(),
                })
            }
        }?;
        Ok(BeforeImage::of([("writer", json!(writer))]))
    }

    /// Returns the instance, if it is the one that the configuration means.
    async fn configured(&self, name: &InstanceId, identity: &Identity) -> Result<Instance, Refused> {
        if !identity.instances.contains_key(name) {
            return Err(Refused::NotConfigured { name: name.to_string() });
        }
        let found = self.instance(name.as_str()).await?;
        let instance = found.ok_or_else(|| Refused::Missing { name: name.to_string() })?;
        check_identity(&instance, name, identity)?;
        Ok(instance)
    }

    async fn configured_cluster(&self, name: &ClusterId, identity: &Identity) -> Result<Cluster, Refused> {
        let configured = identity.cluster.as_ref().filter(|(known, _)| known == name);
        let (_, resource_id) = configured.ok_or_else(|| Refused::NotConfigured { name: name.to_string() })?;
        let found = self.cluster(name.as_str()).await?;
        let cluster = found.ok_or_else(|| Refused::Missing { name: name.to_string() })?;
        same(name.as_str(), &identity.place.cluster(name), &cluster.arn)?;
        same(name.as_str(), resource_id, &cluster.resource_id)?;
        Ok(cluster)
    }
}

impl Instance {
    /// Whether a value is what is asked for. RDS shows no limit of autoscaling where it is the allocated storage.
    pub(crate) fn has(&self, name: &str, asked: &str) -> bool {
        match self.values.get(name) {
            Some(found) => found == asked,
            None => {
                name == "MaxAllocatedStorage"
                    && self
                        .values
                        .get("AllocatedStorage")
                        .is_some_and(|allocated| allocated == asked)
            }
        }
    }
}

fn check_identity(instance: &Instance, name: &InstanceId, identity: &Identity) -> Result<(), Refused> {
    same(name.as_str(), &identity.place.instance(name), &instance.arn)?;
    let resource_id = identity.instances.get(name).map_or("", String::as_str);
    same(name.as_str(), resource_id, &instance.resource_id)
}

fn same(name: &str, expected: &str, found: &str) -> Result<(), Refused> {
    if expected == found {
        return Ok(());
    }
    Err(Refused::WrongIdentity {
        name: name.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// A full instance can be given storage, and nothing else: that is how RDS documents the way out.
fn check_status(instance: &Instance, may_be_full: bool) -> Result<(), Refused> {
    if instance.status == "available" || (may_be_full && instance.status == "storage-full") {
        return Ok(());
    }
    Err(Refused::NotAvailable {
        name: instance.name.clone(),
        status: instance.status.clone(),
    })
}

/// Whatever is pending is applied along with the call, so it may be nothing but what the call itself asks for.
fn check_pending(instance: &Instance, asked: &[(&'static str, String)]) -> Result<(), Refused> {
    let is_asked = |name: &str, value: &Option<String>| {
        asked
            .iter()
            .any(|(asked, wanted)| *asked == name && value.as_ref() == Some(wanted))
    };
    let foreign = instance.pending.iter().filter(|(name, value)| !is_asked(name, value));
    // Their values are nobody's business here: one of them may be a password.
    let pending: Vec<String> = foreign.map(|(name, _)| name.clone()).collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Refused::ForeignPending {
        name: instance.name.clone(),
        pending,
    })
}

fn check_storage(instance: &Instance, asked: Option<u32>, limit: Option<u32>) -> Result<(), Refused> {
    if let Some(cluster) = &instance.cluster {
        return Err(Refused::StorageOfCluster {
            name: instance.name.clone(),
            cluster: cluster.clone(),
        });
    }
    let current = instance.values.get("AllocatedStorage");
    let current: u32 = current.and_then(|text| text.parse().ok()).ok_or(RdsError::Unreadable {
        operation: "DescribeDBInstances",
    })?;
    let least = current.saturating_add(current.div_ceil(10));
    match asked {
        Some(asked) if asked < current => return Err(Refused::StorageSmaller { current, asked }),
        Some(asked) if asked > current && asked < least => {
            return Err(Refused::StorageStep { current, asked, least });
        }
        Some(_) | None => {}
    }
    match limit {
        Some(limit) if limit != current && limit < least => Err(Refused::StorageLimit { current, least }),
        Some(_) | None => Ok(()),
    }
}

fn lets_grow(change: &Change) -> bool {
    match change {
        Change::Storage { allocated_gib, .. } => allocated_gib.is_some(),
        Change::Class(_) => false,
    }
}
