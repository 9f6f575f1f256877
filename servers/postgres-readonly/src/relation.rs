//! One relation as the catalog describes it, without a lock and with what only a lock lets one read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the catalog says. `definition`s that are missing could not be read without waiting.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Relation {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    #[serde(skip_serializing)]
    pub qualified: String,
    #[serde(skip_serializing)]
    pub relkind: String,
    #[serde(skip_deserializing)]
    pub kind: Kind,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlogged: bool,
    pub owner: String,
    pub comment: Option<String>,
    pub estimated_rows: Option<f64>,
    /// By the catalog's count of pages, as of the last VACUUM or ANALYZE.
    pub bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toast_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reloptions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub row_security: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_row_security: bool,
    /// At most 500.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    pub columns_total: i64,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Foreign keys of other tables to this one, at most 50.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub referenced_by: Vec<ReferencedBy>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitioned_by: Option<PartitionedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_bound: Option<String>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// Partitions or inheriting tables, at most 100.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    pub children_total: i64,
    #[serde(default, deserialize_with = "or_empty")]
    pub privileges: Vec<Privilege>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// The table of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_of: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub view_definition: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Table,
    PartitionedTable,
    ForeignTable,
    View,
    MaterializedView,
    Sequence,
    Index,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    pub name: String,
    #[serde(skip_serializing)]
    pub quoted: String,
    #[serde(rename = "type")]
    pub data_type: String,
    pub nullable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// stored or virtual
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// Not only inherited.
    #[serde(skip_serializing)]
    pub local: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    pub name: String,
    #[serde(skip_serializing)]
    pub quoted: String,
    pub kind: String,
    pub definition: Option<String>,
    pub validated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReferencedBy {
    name: String,
    table: String,
    definition: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    pub name: String,
    method: String,
    unique: bool,
    primary: bool,
    valid: bool,
    partial: bool,
    bytes: Option<i64>,
    columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<Vec<String>>,
    /// It enforces a constraint of the same name.
    pub of_constraint: bool,
    #[serde(skip_deserializing)]
    pub definition: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    pub name: String,
    function: String,
    enabled: bool,
    #[serde(skip_deserializing)]
    pub definition: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    pub name: String,
    #[serde(skip_serializing)]
    pub quoted: String,
    pub command: String,
    pub permissive: bool,
    pub roles: Vec<String>,
    #[serde(skip_deserializing)]
    pub using: Option<String>,
    #[serde(skip_deserializing)]
    pub check: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PartitionedBy {
    pub strategy: String,
    pub columns: Vec<String>,
    #[serde(skip_deserializing)]
    pub definition: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Child {
    name: String,
    bound: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Privilege {
    grantee: String,
    privileges: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sequence {
    #[serde(rename = "type")]
    pub data_type: String,
    pub start: String,
    pub increment: String,
    pub min: String,
    pub max: String,
    pub cache: String,
    pub cycle: bool,
}

/// What only opening the relation tells; by the names of the parts.
#[derive(Debug, Default, Deserialize)]
pub struct Definitions {
    constraints: Option<BTreeMap<String, Option<String>>>,
    indexes: Option<BTreeMap<String, Option<String>>>,
    triggers: Option<BTreeMap<String, Option<String>>>,
    policies: Option<BTreeMap<String, PolicyDefinition>>,
    generated: Option<BTreeMap<String, Option<String>>>,
    view: Option<String>,
    partition_key: Option<String>,
    pub statistics: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct PolicyDefinition {
    using: Option<String>,
    check: Option<String>,
}

impl Kind {
    pub const ALL: &'static str = "rpfvmS";

    pub fn of(relkind: &str) -> Self {
        match relkind {
            "p" => Self::PartitionedTable,
            "f" => Self::ForeignTable,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "S" => Self::Sequence,
            "i" | "I" => Self::Index,
            _ => Self::Table,
        }
    }

    pub fn relkinds(self) -> &'static str {
        match self {
            Self::Table => "r",
            Self::PartitionedTable => "p",
            Self::ForeignTable => "f",
            Self::View => "v",
            Self::MaterializedView => "m",
            Self::Sequence => "S",
            Self::Index => "iI",
        }
    }
}

impl Relation {
    /// Fills in what only opening the relation told.
    pub fn define(&mut self, mut told: Definitions) {
        let of = |from: &mut Option<BTreeMap<String, Option<String>>>, name: &str| {
            from.as_mut().and_then(|definitions| definitions.remove(name)).flatten()
        };
        for constraint in self.constraints.iter_mut().filter(|one| one.definition.is_none()) {
            constraint.definition = of(&mut told.constraints, &constraint.name);
        }
        for index in &mut self.indexes {
            index.definition = of(&mut told.indexes, &index.name);
        }
        for trigger in &mut self.triggers {
            trigger.definition = of(&mut told.triggers, &trigger.name);
        }
        for column in self.columns.iter_mut().filter(|column| column.generated.is_some()) {
            column.default = of(&mut told.generated, &column.name);
        }
        for policy in &mut self.policies {
            if let Some(definition) = told.policies.as_mut().and_then(|all| all.remove(&policy.name)) {
                policy.using = definition.using;
                policy.check = definition.check;
            }
        }
        if let Some(partitioned_by) = &mut self.partitioned_by {
            partitioned_by.definition = told.partition_key;
        }
        self.view_definition = told.view;
    }
}

fn or_empty<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}
