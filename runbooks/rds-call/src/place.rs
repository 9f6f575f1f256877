//! Where a resource is: partition, Region and account, of which every ARN is made.

use crate::name::{ClusterId, GroupName, InstanceId};

/// The operator's account in one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    partition: String,
    region: String,
    account: String,
}

/// A part that stands in no ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("`{0}` is no AWS partition, as `aws`, `aws-cn`, `aws-us-gov`")]
    Partition(String),
    #[error("`{0}` is no AWS Region, as `eu-central-1`")]
    Region(String),
    #[error("`{0}` is no account: twelve digits")]
    Account(String),
}

impl Place {
    /// # Errors
    /// With the part that cannot be one: each of them becomes part of a policy and of a host name.
    pub fn new(partition: &str, region: &str, account: &str) -> Result<Self, PlaceError> {
        let words = |text: &str| {
            text.len() <= 32
                && text
                    .split('-')
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        };
        if !words(partition) || !(partition == "aws" || partition.starts_with("aws-")) {
            return Err(PlaceError::Partition(partition.to_owned()));
        }
        if !words(region) || !region.contains('-') {
            return Err(PlaceError::Region(region.to_owned()));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PlaceError::Account(account.to_owned()));
        }
        Ok(Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    pub fn partition(&self) -> &str {
        &self.partition
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    pub fn instance(&self, instance: &InstanceId) -> String {
        self.arn("db", instance.as_str())
    }

    pub fn cluster(&self, cluster: &ClusterId) -> String {
        self.arn("cluster", cluster.as_str())
    }

    pub fn group(&self, group: &GroupName) -> String {
        self.arn("pg", group.as_str())
    }

    /// Every instance of the account in this Region.
    pub fn instances(&self) -> String {
        self.arn("db", "*")
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        format!(
            "arn:{}:rds:{}:{}:{kind}:{name}",
            self.partition, self.region, self.account
        )
    }
}
