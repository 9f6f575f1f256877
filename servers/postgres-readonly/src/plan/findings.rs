//! What in a plan is worth a look, each with the node and the numbers that say so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Node;

const MAX_FINDINGS: usize = 20;
/// A table with fewer rows is read whole in a moment.
const MANY_ROWS: f64 = 10_000.0;
/// A filter that keeps at most this part of a table is one that an index answers.
const SELECTIVE: f64 = 0.1;
const MANY_LOOPS: f64 = 1_000.0;
const MISESTIMATE: f64 = 10.0;
/// Ten times nothing is nothing.
const MISESTIMATED_ROWS: f64 = 100.0;
const MANY_PARTITIONS: usize = 4;
/// Rows changed since the last ANALYZE, as a part of the table.
const STALE: f64 = 0.2;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    pub code: Code,
    /// The node's type and what it reads.
    pub node: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    SeqScanSelective,
    SortSpills,
    HashSpills,
    NestedLoopManyRows,
    RowMisestimate,
    PartitionsNotPruned,
    FunctionScan,
    MissingStatistics,
    StaleStatistics,
}

/// What the catalog knows of a relation in the plan.
#[derive(Debug, Clone, Deserialize)]
pub struct Known {
    pub schema: String,
    pub name: String,
    /// Below zero: never analysed.
    pub reltuples: f64,
    pub changed: f64,
    /// The partitioned table that it is a part of, and how many parts that has.
    pub parent: Option<String>,
    pub siblings: usize,
    pub work_mem_bytes: f64,
}

/// Returns the findings, outer nodes first.
pub fn findings(root: &Node, known: &[Known]) -> Vec<Finding> {
    let mut found = Vec::new();
    for node in root.all() {
        let relation = known_of(node, known);
        scan(node, relation, &mut found);
        spill(node, known, &mut found);
        join(node, &mut found);
        misestimate(node, &mut found);
        partitions(node, known, &mut found);
    }
    found.dedup();
    found.truncate(MAX_FINDINGS);
    found
}

fn known_of<'k>(node: &Node, known: &'k [Known]) -> Option<&'k Known> {
    let (schema, name) = node.table()?;
    known
        .iter()
        .find(|relation| relation.schema == schema && relation.name == name)
}

fn scan(node: &Node, relation: Option<&Known>, found: &mut Vec<Finding>) {
    if node.kind == "Function Scan" {
        let message = "rows of a function: the planner guesses how many come".to_owned();
        found.push(finding(Code::FunctionScan, node, message));
    }
    let Some(relation) = relation else { return };
    if relation.reltuples < 0.0 {
        let message = "never analysed: every estimate of it is a guess (ANALYZE)".to_owned();
        found.push(finding(Code::MissingStatistics, node, message));
    } else if relation.changed > MANY_ROWS && relation.changed > STALE * relation.reltuples {
        let message = format!(
            "{:.0} rows changed since the last ANALYZE of {:.0}",
            relation.changed, relation.reltuples
        );
        found.push(finding(Code::StaleStatistics, node, message));
    }
    let rows = match (node.actual_rows, node.removed) {
        (Some(kept), Some(removed)) => kept + removed,
        _ => relation.reltuples,
    };
    let kept = node.actual_rows.unwrap_or(node.plan_rows);
    let is_whole = node.kind == "Seq Scan" && node.filter.is_some();
    if is_whole && rows >= MANY_ROWS && kept <= SELECTIVE * rows {
        let message = format!("reads {rows:.0} rows to keep {kept:.0}: an index on the filter's columns would not");
        found.push(finding(Code::SeqScanSelective, node, message));
    }
}

fn spill(node: &Node, known: &[Known], found: &mut Vec<Finding>) {
    if node.sort_space.as_deref() == Some("Disk") {
        let message = format!("sorted on disk, {:.0} KiB", node.sort_kib.unwrap_or(0.0));
        found.push(finding(Code::SortSpills, node, message));
    }
    if node.hash_batches.unwrap_or(1.0) > 1.0 {
        let message = format!(
            "hashed in {:.0} batches through files",
            node.hash_batches.unwrap_or(1.0)
        );
        found.push(finding(Code::HashSpills, node, message));
    }
    let work_mem = known.first().map(|relation| relation.work_mem_bytes);
    let bytes = node.plan_rows * (node.plan_width + 24.0);
    if node.kind == "Sort" && node.sort_space.is_none() && work_mem.is_some_and(|work_mem| bytes > work_mem) {
        let message = format!("about {bytes:.0} bytes to sort, more than work_mem: it will go to disk");
        found.push(finding(Code::SortSpills, node, message));
    }
}

fn join(node: &Node, found: &mut Vec<Finding>) {
    let [outer, inner, ..] = node.plans.as_slice() else {
        return;
    };
    if node.kind != "Nested Loop" {
        return;
    }
    let loops = inner.loops.unwrap_or(outer.plan_rows);
    let reads_whole = inner.kind == "Seq Scan" && inner.plan_rows > 1.0;
    if loops >= MANY_ROWS || (loops >= MANY_LOOPS && reads_whole) {
        let message = format!("the inner side runs {loops:.0} times");
        found.push(finding(Code::NestedLoopManyRows, node, message));
    }
}

fn misestimate(node: &Node, found: &mut Vec<Finding>) {
    let (Some(actual), Some(loops)) = (node.actual_rows, node.loops) else {
        return;
    };
    let (less, more) = (actual.min(node.plan_rows).max(1.0), actual.max(node.plan_rows));
    if loops > 0.0 && more / less >= MISESTIMATE && more * loops >= MISESTIMATED_ROWS {
        let message = format!(
            "{:.0} rows expected, {actual:.0} came ({:.0} times off)",
            node.plan_rows,
            more / less
        );
        found.push(finding(Code::RowMisestimate, node, message));
    }
}

fn partitions(node: &Node, known: &[Known], found: &mut Vec<Finding>) {
    if !matches!(node.kind.as_str(), "Append" | "Merge Append") || node.subplans_removed.unwrap_or(0.0) > 0.0 {
        return;
    }
    let parts: Vec<&Known> = node.plans.iter().filter_map(|part| known_of(part, known)).collect();
    let Some(first) = parts.first() else { return };
    let all_of_one = parts
        .iter()
        .all(|part| part.parent.is_some() && part.parent == first.parent);
    if all_of_one && parts.len() == first.siblings && parts.len() >= MANY_PARTITIONS {
        let parent = first.parent.as_deref().unwrap_or_default();
        let message = format!(
            "reads all {} partitions of {parent}: no condition on its key",
            parts.len()
        );
        found.push(finding(Code::PartitionsNotPruned, node, message));
    }
}

fn finding(code: Code, node: &Node, message: String) -> Finding {
    let read = match node.table() {
        Some((schema, table)) => format!(" on {schema}.{table}"),
        None => String::new(),
    };
    Finding {
        code,
        node: format!("{}{read}", node.kind),
        message,
    }
}
