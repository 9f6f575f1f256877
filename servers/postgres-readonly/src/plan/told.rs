//! The plan in short: one line for each node, and its JSON without what nobody reads.

use serde_json::{Map, Value};

use super::Node;
use crate::db::json_bytes;

const MAX_LINES: usize = 200;
const MAX_DETAIL_CHARS: usize = 240;
/// Columns that a node hands on, and flags that are false nearly always.
const NOT_SHOWN: [&str; 5] = ["Output", "Async Capable", "Parallel Aware", "Inner Unique", "Disabled"];

/// Returns the plan as indented lines, and whether lines were left out.
pub fn as_text(root: &Node) -> (String, bool) {
    let mut lines = Vec::new();
    add(root, 0, &mut lines);
    let cut = lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    (lines.join("\n"), cut)
}

fn add(node: &Node, depth: usize, lines: &mut Vec<String>) {
    if lines.len() > MAX_LINES {
        return;
    }
    let mut line = format!("{}{}", "  ".repeat(depth.min(40)), node.kind);
    if let Some(join) = node.join.as_deref().filter(|join| *join != "Inner") {
        line.push_str(&format!(" ({join})"));
    }
    if let Some(index) = &node.index {
        line.push_str(&format!(" using {index}"));
    }
    if let Some((schema, table)) = node.table() {
        line.push_str(&format!(" on {schema}.{table}"));
    }
    let others = [&node.function, &node.cte];
    if let Some(name) = others.into_iter().flatten().next() {
        line.push_str(&format!(" on {name}"));
    }
    line.push_str(&format!(
        " (cost={:.2}..{:.2} rows={:.0} width={:.0})",
        node.startup_cost, node.total_cost, node.plan_rows, node.plan_width
    ));
    if let (Some(rows), Some(loops)) = (node.actual_rows, node.loops) {
        line.push_str(&format!(
            " (actual rows={rows:.0} loops={loops:.0} ms={:.3})",
            node.actual_ms.unwrap_or(0.0)
        ));
    }
    let details = [
        ("index", &node.index_cond),
        ("hash", &node.hash_cond),
        ("filter", &node.filter),
    ];
    for (name, text) in details
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_ref()?)))
    {
        line.push_str(&format!(" {name}: {}", kit::text::clean(text, MAX_DETAIL_CHARS)));
    }
    if !node.sort_key.is_empty() {
        let keys = node.sort_key.join(", ");
        line.push_str(&format!(" key: {}", kit::text::clean(&keys, MAX_DETAIL_CHARS)));
    }
    lines.push(line);
    node.plans.iter().for_each(|inner| add(inner, depth + 1, lines));
}

/// Returns the plan's JSON with at most `max_bytes`: inner nodes are left out until it fits. Says whether any was.
pub fn bounded_json(mut plan: Value, max_bytes: usize) -> (Value, bool) {
    strip(&mut plan);
    let mut depth = 64;
    let mut cut = false;
    while json_bytes(&plan) > max_bytes && depth > 0 {
        depth /= 2;
        prune(&mut plan, depth);
        cut = true;
    }
    (plan, cut)
}

fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(members) => {
            members.retain(|name, _| !NOT_SHOWN.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::String(text) if text.len() > 4 * MAX_DETAIL_CHARS => {
            *text = kit::text::clean(text, 4 * MAX_DETAIL_CHARS)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn prune(value: &mut Value, depth: usize) {
    let Some(members) = value.as_object_mut() else { return };
    if depth == 0 {
        if let Some(Value::Array(inner)) = members.remove("Plans") {
            members.insert("Plans left out".to_owned(), inner.len().into());
        }
        return;
    }
    let inner = |members: &mut Map<String, Value>, key: &str| match members.get_mut(key) {
        Some(Value::Array(nodes)) => nodes.iter_mut().for_each(|node| prune(node, depth - 1)),
        Some(node) => prune(node, depth - 1),
        None => {}
    };
    inner(members, "Plan");
    inner(members, "Plans");
}
