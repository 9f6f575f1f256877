//! The calls themselves, and what can be said of each without asking anybody.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::form::Form;
use crate::name::{ClusterId, GroupName, InstanceClass, InstanceId, ParameterName, ParameterValue};
use crate::parameters::{Bound, Parameters, RdsCallError};

/// One call of the closed set. Made only by [`RdsCall::parse`]; a variant that is missing here cannot be in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RdsCall {
    /// `ModifyDBInstance`: storage or class, and nothing else of an instance.
    ModifyInstance {
        instance: InstanceId,
        change: Change,
        apply_immediately: bool,
    },
    /// `ModifyDBParameterGroup` with one parameter.
    SetParameter {
        group: GroupName,
        name: ParameterName,
        value: ParameterValue,
        method: ApplyMethod,
    },
    /// `ResetDBParameterGroup` with one parameter; never the whole group.
    ResetParameter {
        group: GroupName,
        name: ParameterName,
        method: ApplyMethod,
    },
    /// `RebootDBInstance`, without a forced failover.
    RebootInstance { instance: InstanceId },
    /// `FailoverDBCluster`; without a target RDS chooses the reader.
    FailoverCluster { cluster: ClusterId, to: Option<InstanceId> },
}

/// What a `ModifyDBInstance` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An outage, so it goes with nothing else.
    Class(InstanceClass),
    /// At least one of them is given. RDS wants `Iops` said again when provisioned storage grows.
    Storage {
        allocated_gib: Option<u32>,
        max_allocated_gib: Option<u32>,
        iops: Option<u32>,
        throughput_mibps: Option<u32>,
    },
}

/// When a parameter takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMethod {
    Immediate,
    PendingReboot,
}

impl RdsCall {
    /// Every operation that [`RdsCall::parse`] knows.
    pub const OPERATIONS: [&str; 5] = [
        "ModifyDBInstance",
        "ModifyDBParameterGroup",
        "ResetDBParameterGroup",
        "RebootDBInstance",
        "FailoverDBCluster",
    ];

    /// Parses an operation of the API and its parameters, which bear the names that they have there.
    ///
    /// # Errors
    /// With the parameter that is unknown, missing, of the wrong type or out of bounds, or the combination that RDS or we
    /// do not allow.
    pub fn parse(operation: &str, parameters: &BTreeMap<String, Value>) -> Result<Self, RdsCallError> {
        let mut given = Parameters::of(operation, parameters);
        let call = match operation {
            "ModifyDBInstance" => Self::ModifyInstance {
                instance: given.required("DBInstanceIdentifier")?,
                apply_immediately: given.required_flag("ApplyImmediately")?,
                change: Change::parse(&mut given)?,
            },
            "ModifyDBParameterGroup" => Self::SetParameter {
                group: given.required("DBParameterGroupName")?,
                name: given.required("ParameterName")?,
                value: given.required("ParameterValue")?,
                method: given.required("ApplyMethod")?,
            },
            "ResetDBParameterGroup" => Self::ResetParameter {
                group: given.required("DBParameterGroupName")?,
                name: given.required("ParameterName")?,
                method: given.required("ApplyMethod")?,
            },
            "RebootDBInstance" => Self::RebootInstance {
                instance: given.required("DBInstanceIdentifier")?,
            },
            "FailoverDBCluster" => Self::FailoverCluster {
                cluster: given.required("DBClusterIdentifier")?,
                to: given.optional("TargetDBInstanceIdentifier")?,
            },
            _ => {
                return Err(RdsCallError::UnknownOperation {
                    operation: operation.to_owned(),
                });
            }
        };
        given.end()?;
        Ok(call)
    }

    /// Returns the operation's name in the API.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::ModifyInstance { .. } => "ModifyDBInstance",
            Self::SetParameter { .. } => "ModifyDBParameterGroup",
            Self::ResetParameter { .. } => "ResetDBParameterGroup",
            Self::RebootInstance { .. } => "RebootDBInstance",
            Self::FailoverCluster { .. } => "FailoverDBCluster",
        }
    }

    /// Returns why the effect cannot be taken back, where it cannot.
    pub fn irreversible(&self) -> Option<&'static str> {
        match self {
            Self::ModifyInstance {
                change: Change::Storage {
                    allocated_gib: Some(_), ..
                },
                ..
            } => Some("allocated storage cannot be made smaller again"),
            Self::RebootInstance { .. } => Some("a restart ends every session"),
            Self::FailoverCluster { .. } => {
                Some("a failover ends every session of the writer; it can only be failed over again")
            }
            Self::ModifyInstance { .. } | Self::SetParameter { .. } | Self::ResetParameter { .. } => None,
        }
    }

    /// Returns the instance that the call names, if it names one.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::ModifyInstance { instance, .. } | Self::RebootInstance { instance } => Some(instance),
            Self::FailoverCluster { to, .. } => to.as_ref(),
            Self::SetParameter { .. } | Self::ResetParameter { .. } => None,
        }
    }

    /// Returns the body of the request, as the Query protocol writes it.
    pub fn form(&self) -> String {
        let mut form = Form::new(self.operation());
        match self {
            Self::ModifyInstance {
                instance,
                change,
                apply_immediately,
            } => {
                form.field("DBInstanceIdentifier", instance.as_str());
                for (name, value) in change.values() {
                    form.field(name, &value);
                }
                form.field("ApplyImmediately", if *apply_immediately { "true" } else { "false" });
            }
            Self::SetParameter {
                group,
                name,
                value,
                method,
            } => {
                form.field("DBParameterGroupName", group.as_str());
                form.field("Parameters.Parameter.1.ParameterName", name.as_str());
                form.field("Parameters.Parameter.1.ParameterValue", value.as_str());
                form.field("Parameters.Parameter.1.ApplyMethod", method.as_str());
            }
            Self::ResetParameter { group, name, method } => {
                form.field("DBParameterGroupName", group.as_str());
                // Left out, it would mean all of them.
                form.field("ResetAllParameters", "false");
                form.field("Parameters.Parameter.1.ParameterName", name.as_str());
                form.field("Parameters.Parameter.1.ApplyMethod", method.as_str());
            }
            Self::RebootInstance { instance } => {
                form.field("DBInstanceIdentifier", instance.as_str());
                form.field("ForceFailover", "false");
            }
            Self::FailoverCluster { cluster, to } => {
                form.field("DBClusterIdentifier", cluster.as_str());
                if let Some(to) = to {
                    form.field("TargetDBInstanceIdentifier", to.as_str());
                }
            }
        }
        form.finish()
    }
}

impl Change {
    fn parse(given: &mut Parameters<'_>) -> Result<Self, RdsCallError> {
        let class = given.optional("DBInstanceClass")?;
        let allocated_gib = given.optional_number(
            "AllocatedStorage",
            Bound {
                least: 20,
                most: 65_536,
            },
        )?;
        let max_allocated_gib = given.optional_number(
            "MaxAllocatedStorage",
            Bound {
                least: 20,
                most: 65_536,
            },
        )?;
        let iops = given.optional_number(
            "Iops",
            Bound {
                least: 1_000,
                most: 256_000,
            },
        )?;
        let throughput_mibps = given.optional_number(
            "StorageThroughput",
            Bound {
                least: 125,
                most: 4_000,
            },
        )?;
        let storage = [allocated_gib, max_allocated_gib, iops, throughput_mibps];
        match class {
            Some(_) if storage.iter().any(Option::is_some) => Err(given.combination(
                "`DBInstanceClass` is an outage and goes with no change of storage: make two steps of it",
            )),
            Some(class) => Ok(Self::Class(class)),
            None if storage.iter().all(Option::is_none) => Err(given.combination(
                "one of `AllocatedStorage`, `MaxAllocatedStorage`, `DBInstanceClass`, `Iops`, `StorageThroughput` is needed",
            )),
            None => {
                if let (Some(allocated), Some(most)) = (allocated_gib, max_allocated_gib)
                    && most <= allocated
                {
                    return Err(given.combination("`MaxAllocatedStorage` is not above `AllocatedStorage`"));
                }
                Ok(Self::Storage {
                    allocated_gib,
                    max_allocated_gib,
                    iops,
                    throughput_mibps,
                })
            }
        }
    }

    /// Returns what is asked for, by the API's names.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Class(class) => vec![("DBInstanceClass", class.as_str().to_owned())],
            Self::Storage {
                allocated_gib,
                max_allocated_gib,
                iops,
                throughput_mibps,
            } => [
                ("AllocatedStorage", allocated_gib),
                ("MaxAllocatedStorage", max_allocated_gib),
                ("Iops", iops),
                ("StorageThroughput", throughput_mibps),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?.to_string())))
            .collect(),
        }
    }
}

impl ApplyMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::PendingReboot => "pending-reboot",
        }
    }
}
