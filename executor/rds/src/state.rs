//! What RDS says there is: answers of its Describe operations, as far as a step looks at them.

use std::collections::BTreeMap;

use aws_query::{Element, Xml};

/// A DB instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) resource_id: String,
    pub(crate) status: String,
    /// `DBInstanceClass`, `AllocatedStorage`, `MaxAllocatedStorage`, `Iops`, `StorageThroughput`, as far as they are set.
    pub(crate) values: BTreeMap<&'static str, String>,
    /// What is still to be applied; `None` for what has parts of its own.
    pub(crate) pending: BTreeMap<String, Option<String>>,
    pub(crate) cluster: Option<String>,
    /// Name and `ParameterApplyStatus`.
    pub(crate) groups: Vec<(String, String)>,
}

/// An Aurora or Multi-AZ DB cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) arn: String,
    pub(crate) resource_id: String,
    pub(crate) status: String,
    /// Name, and whether it is the writer.
    pub(crate) members: Vec<(String, bool)>,
}

/// One parameter of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) value: Option<String>,
    /// Set by the customer, not by RDS or the engine.
    pub(crate) is_of_user: bool,
    pub(crate) is_static: bool,
    pub(crate) is_modifiable: bool,
}

/// Something that happened to an instance or a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) message: String,
    pub(crate) categories: Vec<String>,
}

/// A page of an answer, and where the next one begins.
pub(crate) struct Page<T> {
    pub(crate) found: Vec<T>,
    pub(crate) marker: Option<String>,
}

/// What a status means for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing that matters here is going on.
    Settled,
    /// RDS is at it.
    Busy,
    /// It does not get better by waiting.
    Bad,
}

/// Reads a page of `list`, each member by `read`; a member that cannot be read makes the whole page unreadable.
pub(crate) fn page<T>(answer: &str, list: &str, read: fn(Element<'_, '_>) -> Option<T>) -> Option<Page<T>> {
    let xml = Xml::parse(answer)?;
    let root = xml.root();
    root.descendant(list)?;
    Some(Page {
        found: root.members(list).map(read).collect::<Option<_>>()?,
        marker: root.descendant("Marker").and_then(Element::text).map(str::to_owned),
    })
}

impl Instance {
    pub(crate) fn read(element: Element<'_, '_>) -> Option<Self> {
        let text = |name| element.text_of(name).map(str::to_owned);
        let pending = element.child("PendingModifiedValues");
        let groups = element.child("DBParameterGroups");
        Some(Self {
            name: text("DBInstanceIdentifier")?,
            arn: text("DBInstanceArn")?,
            resource_id: text("DbiResourceId")?,
            status: text("DBInstanceStatus")?,
            values: VALUES
                .into_iter()
                .filter_map(|name| Some((name, text(name)?)))
                .collect(),
            pending: pending
                .into_iter()
                .flat_map(Element::children)
                .filter_map(pending_value)
                .collect(),
            cluster: text("DBClusterIdentifier"),
            groups: groups
                .into_iter()
                .flat_map(Element::children)
                .map(|group| {
                    let text = |name| group.text_of(name).unwrap_or_default().to_owned();
                    (text("DBParameterGroupName"), text("ParameterApplyStatus"))
                })
                .collect(),
        })
    }

    pub(crate) fn uses(&self, group: &str) -> bool {
        self.groups.iter().any(|(name, _)| name == group)
    }
}

impl Cluster {
    pub(crate) fn read(element: Element<'_, '_>) -> Option<Self> {
        let text = |name| element.text_of(name).map(str::to_owned);
        let members = element.child("DBClusterMembers")?.children();
        Some(Self {
            arn: text("DBClusterArn")?,
            resource_id: text("DbClusterResourceId")?,
            status: text("Status")?,
            members: members
                .map(|member| {
                    let name = member.text_of("DBInstanceIdentifier")?.to_owned();
                    Some((name, member.text_of("IsClusterWriter")? == "true"))
                })
                .collect::<Option<_>>()?,
        })
    }

    pub(crate) fn writer(&self) -> Option<&str> {
        self.members
            .iter()
            .find(|(_, is_writer)| *is_writer)
            .map(|(name, _)| name.as_str())
    }
}

impl Parameter {
    pub(crate) fn read(element: Element<'_, '_>) -> Option<(String, Self)> {
        let is = |name, wanted| element.text_of(name) == Some(wanted);
        let parameter = Self {
            value: element.text_of("ParameterValue").map(str::to_owned),
            is_of_user: is("Source", "user"),
            is_static: is("ApplyType", "static"),
            is_modifiable: is("IsModifiable", "true"),
        };
        Some((element.text_of("ParameterName")?.to_owned(), parameter))
    }
}

impl Event {
    pub(crate) fn read(element: Element<'_, '_>) -> Option<Self> {
        let categories = element.child("EventCategories");
        Some(Self {
            message: element.text_of("Message").unwrap_or_default().to_owned(),
            categories: categories
                .into_iter()
                .flat_map(Element::children)
                .filter_map(|category| category.text().map(str::to_owned))
                .collect(),
        })
    }
}

/// An empty list in the answer is nothing that is pending.
fn pending_value(element: Element<'_, '_>) -> Option<(String, Option<String>)> {
    let name = element.name().to_owned();
    match (element.children().next(), element.text()) {
        (Some(_), _) => Some((name, None)),
        (None, Some(text)) => Some((name, Some(text.to_owned()))),
        (None, None) => None,
    }
}

pub(crate) fn weather(status: &str) -> Weather {
    match status {
        // The first stands for all; in the others the instance serves, and only RDS's own work goes on.
        "available" | "storage-optimization" | "storage-config-upgrade" | "storage-initialization" | "backing-up" => {
            Weather::Settled
        }
        "modifying"
        | "rebooting"
        | "starting"
        | "upgrading"
        | "maintenance"
        | "renaming"
        | "creating"
        | "configuring-enhanced-monitoring"
        | "configuring-iam-database-auth"
        | "configuring-log-exports"
        | "converting-to-vpc"
        | "moving-to-vpc"
        | "resetting-master-credentials"
        | "failing-over"
        | "promoting"
        | "update-iam-db-auth"
        | "storage-full" => Weather::Busy,
        // Failed, stopped, deleted, incompatible with something, or a status that is new.
        _ => Weather::Bad,
    }
}

const VALUES: [&str; 5] = [
    "DBInstanceClass",
    "AllocatedStorage",
    "MaxAllocatedStorage",
    "Iops",
    "StorageThroughput",
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const ANSWER: &str = "<DescribeDBInstancesResponse xmlns='http://rds.amazonaws.com/doc/2014-10-31/'><DescribeDBInstancesResult><DBInstances><DBInstance>
        <DBInstanceIdentifier>orders-1</DBInstanceIdentifier><DBInstanceArn>arn:x</DBInstanceArn><DbiResourceId>db-A</DbiResourceId>
        <DBInstanceStatus>available</DBInstanceStatus><AllocatedStorage>100</AllocatedStorage>
        <PendingModifiedValues><AllocatedStorage>120</AllocatedStorage><ProcessorFeatures/>
        <PendingCloudwatchLogsExports><LogTypesToEnable><member>postgresql</member></LogTypesToEnable></PendingCloudwatchLogsExports></PendingModifiedValues>
        <DBParameterGroups><DBParameterGroup><DBParameterGroupName>g</DBParameterGroupName><ParameterApplyStatus>in-sync</ParameterApplyStatus></DBParameterGroup></DBParameterGroups>
        </DBInstance></DBInstances><Marker>m</Marker></DescribeDBInstancesResult></DescribeDBInstancesResponse>";

    #[test]
    fn what_is_pending_is_not_taken_for_what_is() {
        let page = page(ANSWER, "DBInstances", Instance::read).unwrap();
        assert_eq!(page.marker.as_deref(), Some("m"));
        let instance = page.found.first().unwrap();
        assert_eq!(instance.values, [("AllocatedStorage", "100".to_owned())].into());
        assert_eq!(
            instance.pending,
            [
                ("AllocatedStorage".to_owned(), Some("120".to_owned())),
                ("PendingCloudwatchLogsExports".to_owned(), None)
            ]
            .into()
        );
        assert!(instance.uses("g") && !instance.uses("h"));
    }

    #[test]
    fn a_page_with_a_member_that_cannot_be_read_is_none() {
        assert!(page(&ANSWER.replace("DbiResourceId", "X"), "DBInstances", Instance::read).is_none());
        assert!(page("<Other/>", "DBInstances", Instance::read).is_none());
        assert!(page("no xml", "DBInstances", Instance::read).is_none());
    }
}
