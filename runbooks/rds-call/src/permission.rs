//! What a call needs of IAM: of it a session policy is made that lets through this call, its questions, and nothing else.

use crate::call::RdsCall;
use crate::place::Place;

/// Actions on resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub actions: Vec<&'static str>,
    /// ARNs.
    pub resources: Vec<String>,
}

impl RdsCall {
    /// Returns what the call needs: first the change itself, on exact ARNs, then the questions before and after it.
    ///
    /// A question may reach further than the change: whether a parameter group is shared can only be seen among all
    /// instances, and `DescribeEvents` knows no resources. A question changes nothing.
    pub fn permissions(&self, place: &Place) -> Vec<Permission> {
        match self {
            Self::ModifyInstance { instance, .. } => vec![on(
                &["rds:ModifyDBInstance", "rds:DescribeDBInstances"],
                [place.instance(instance)],
            )],
            Self::SetParameter { group, .. } => vec![
                on(
                    &["rds:ModifyDBParameterGroup", "rds:DescribeDBParameters"],
                    [place.group(group)],
                ),
                on(&["rds:DescribeDBInstances"], [place.instances()]),
            ],
            Self::ResetParameter { group, .. } => vec![
                on(
                    &["rds:ResetDBParameterGroup", "rds:DescribeDBParameters"],
                    [place.group(group)],
                ),
                on(&["rds:DescribeDBInstances"], [place.instances()]),
            ],
            Self::RebootInstance { instance } => vec![
                on(
                    &["rds:RebootDBInstance", "rds:DescribeDBInstances"],
                    [place.instance(instance)],
                ),
                on(&["rds:DescribeEvents"], ["*".to_owned()]),
            ],
            Self::FailoverCluster { cluster, to } => {
                let cluster = place.cluster(cluster);
                let reader = to.as_ref().map(|to| place.instance(to));
                vec![
                    on(
                        &["rds:FailoverDBCluster"],
                        [cluster.clone()].into_iter().chain(reader.clone()),
                    ),
                    on(&["rds:DescribeDBClusters"], [cluster]),
                    on(
                        &["rds:DescribeDBInstances"],
                        [reader.unwrap_or_else(|| place.instances())],
                    ),
                    on(&["rds:DescribeEvents"], ["*".to_owned()]),
                ]
            }
        }
    }

    /// Returns every IAM action that the call needs, the change first.
    pub fn actions(&self) -> Vec<&'static str> {
        match self {
            Self::ModifyInstance { .. } => vec!["rds:ModifyDBInstance", "rds:DescribeDBInstances"],
            Self::SetParameter { .. } => vec![
                "rds:ModifyDBParameterGroup",
                "rds:DescribeDBParameters",
                "rds:DescribeDBInstances",
            ],
            Self::ResetParameter { .. } => vec![
                "rds:ResetDBParameterGroup",
                "rds:DescribeDBParameters",
                "rds:DescribeDBInstances",
            ],
            Self::RebootInstance { .. } => {
                vec!["rds:RebootDBInstance", "rds:DescribeDBInstances", "rds:DescribeEvents"]
            }
            Self::FailoverCluster { .. } => vec![
                "rds:FailoverDBCluster",
                "rds:DescribeDBClusters",
                "rds:DescribeDBInstances",
                "rds:DescribeEvents",
            ],
        }
    }

    /// Returns the ARNs of what the call changes.
    pub fn resources(&self, place: &Place) -> Vec<String> {
        self.permissions(place)
            .into_iter()
            .next()
            .map(|permission| permission.resources)
            .unwrap_or_default()
    }
}

fn on(actions: &[&'static str], resources: impl IntoIterator<Item = String>) -> Permission {
    Permission {
        actions: actions.to_vec(),
        resources: resources.into_iter().collect(),
    }
}
