//! A plan as EXPLAIN (FORMAT JSON) gives it: read into types, told in short, and judged.

mod findings;
mod told;

use serde::Deserialize;
use serde_json::Value;

pub use findings::{Finding, Known, findings};
pub use told::{as_text, bounded_json};

/// One EXPLAIN.
#[derive(Debug, Deserialize)]
pub struct Plan {
    #[serde(rename = "Plan")]
    pub root: Node,
    #[serde(rename = "Planning Time")]
    pub planning_ms: Option<f64>,
    #[serde(rename = "Execution Time")]
    pub execution_ms: Option<f64>,
}

/// One node; what is not read here is still in the JSON that is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    #[serde(rename = "Node Type")]
    pub kind: String,
    #[serde(rename = "Join Type")]
    pub join: Option<String>,
    #[serde(rename = "Schema")]
    pub schema: Option<String>,
    #[serde(rename = "Relation Name")]
    pub relation: Option<String>,
    #[serde(rename = "Alias")]
    pub alias: Option<String>,
    #[serde(rename = "Index Name")]
    pub index: Option<String>,
    #[serde(rename = "Function Name")]
    pub function: Option<String>,
    #[serde(rename = "CTE Name")]
    pub cte: Option<String>,
    #[serde(rename = "Startup Cost")]
    pub startup_cost: f64,
    #[serde(rename = "Total Cost")]
    pub total_cost: f64,
    #[serde(rename = "Plan Rows")]
    pub plan_rows: f64,
    #[serde(rename = "Plan Width")]
    pub plan_width: f64,
    #[serde(rename = "Actual Rows")]
    pub actual_rows: Option<f64>,
    #[serde(rename = "Actual Loops")]
    pub loops: Option<f64>,
    #[serde(rename = "Actual Total Time")]
    pub actual_ms: Option<f64>,
    #[serde(rename = "Filter")]
    pub filter: Option<String>,
    #[serde(rename = "Rows Removed by Filter")]
    pub removed: Option<f64>,
    #[serde(rename = "Index Cond")]
    pub index_cond: Option<String>,
    #[serde(rename = "Hash Cond")]
    pub hash_cond: Option<String>,
    #[serde(rename = "Sort Key")]
    pub sort_key: Vec<String>,
    #[serde(rename = "Sort Space Type")]
    pub sort_space: Option<String>,
    #[serde(rename = "Sort Space Used")]
    pub sort_kib: Option<f64>,
    #[serde(rename = "Hash Batches")]
    pub hash_batches: Option<f64>,
    #[serde(rename = "Subplans Removed")]
    pub subplans_removed: Option<f64>,
    #[serde(rename = "Plans")]
    pub plans: Vec<Node>,
}

impl Plan {
    /// Reads the one value that EXPLAIN returns, and returns it as JSON as well.
    pub fn parse(explained: Value) -> Result<(Self, Value), serde_json::Error> {
        let first = match explained {
            Value::Array(items) => items.into_iter().next().unwrap_or_default(),
            other => other,
        };
        Ok((serde_json::from_value(first.clone())?, first))
    }

    /// Returns every index that the plan reads, each once.
    pub fn indexes(&self) -> Vec<String> {
        let mut names: Vec<String> = self.root.all().iter().filter_map(|node| node.index.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Node {
    /// Returns this node and all under it, outer ones first.
    pub fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            found.extend(&node.plans);
            next += 1;
        }
        found
    }

    /// Returns `schema.table` where the node reads one.
    pub fn table(&self) -> Option<(&str, &str)> {
        Some((self.schema.as_deref()?, self.relation.as_deref()?))
    }
}
