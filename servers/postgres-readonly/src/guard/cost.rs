//! Asks the planner what a free statement would cost before it is run.

use kit::{CallContext, ToolError};
use serde::Deserialize;
use serde_json::json;

use super::{Admitted, Explained};
use crate::{
    db::{Bounds, Read},
    state::{Source, misshapen},
};

/// The first line has the whole plan's cost; how long the rest is does not matter.
const FIRST_LINE: Bounds = Bounds {
    max_rows: 1,
    max_bytes: 64 * 1024,
};

/// Refuses a statement whose plan costs more than the operator allows. Statements that are not run cost nothing.
pub async fn check(admitted: &Admitted, source: &Source, call: &CallContext) -> Result<(), ToolError> {
    let max_cost = source.db.max_cost();
    let Some(run) = admitted.run.as_deref().filter(|_| max_cost.is_finite()) else {
        return Ok(());
    };
    let cost = match admitted.cost.get() {
        Some(known) => *known,
        None => {
            let cost = asked(admitted, run, source, call).await?;
            *admitted.cost.get_or_init(|| cost)
        }
    };
    if cost <= max_cost {
        return Ok(());
    }
    Err(ToolError::new(
        "too_expensive",
        format!("the planner expects a cost of {cost:.0}, more than {max_cost:.0} are allowed"),
    )
    .hint("narrow it (WHERE, LIMIT, TABLESAMPLE, fewer joins); look at the plan with `explain`; the operator's bound is --max-cost")
    .data(json!({"cost": cost, "max_cost": max_cost})))
}

async fn asked(admitted: &Admitted, run: &str, source: &Source, call: &CallContext) -> Result<f64, ToolError> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "QUERY PLAN")]
        line: String,
    }
    let alone = Admitted {
        canonical: run.to_owned(),
        ..admitted.clone()
    };
    let read = Read::explained(Explained::costed(alone), FIRST_LINE);
    let rows: Vec<Row> = source.read(read, call).await?.decode().map_err(misshapen)?;
    // Not knowing is not cheap.
    Ok(rows
        .first()
        .and_then(|row| total_cost(&row.line))
        .unwrap_or(f64::INFINITY))
}

/// Reads the second number of `(cost=0.00..35.50 rows=2550 width=4)`, the last one in the line: the rest may be names.
fn total_cost(line: &str) -> Option<f64> {
    let (_, costs) = line.rsplit_once("(cost=")?;
    costs.split_once("..")?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_read_past_names_that_look_like_one() {
        let line = "Seq Scan on \"x (cost=0.00..1.00 rows=1 width=1)\"  (cost=0.00..35.50 rows=2550 width=4)";
        assert_eq!(total_cost(line), Some(35.5));
        assert_eq!(total_cost("Result"), None);
    }
}
