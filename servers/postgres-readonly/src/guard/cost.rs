//! Asks the planner what a free statement would cost before it is run.

use kit::{CallContext, ToolError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admitted, Explained, Parameters};
use crate::{
    db::{Bounds, Read},
    state::{Source, misshapen},
};

const ONE_PLAN: Bounds = Bounds {
    max_rows: 1,
    max_bytes: 1 << 20,
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
        plan: Value,
    }
    let alone = Admitted {
        canonical: run.to_owned(),
        ..admitted.clone()
    };
    let no_parameters = Parameters { count: 0, major: 0 };
    let read = Read::explained(Explained::planned(alone, no_parameters), ONE_PLAN);
    let rows: Vec<Row> = source.read(read, call).await?.decode().map_err(misshapen)?;
    let cost = rows
        .first()
        .and_then(|row| row.plan.pointer("/0/Plan/Total Cost")?.as_f64());
    // A plan that is longer than what is read of it is no cheap one.
    Ok(cost.unwrap_or(f64::INFINITY))
}
