//! Beside the orders: plans that the gate wants looked at before it asks people. What fails here is told in the log alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Bench, preflight};
use crate::executor::Executor;
use crate::gate::{Gate, GateError};
use crate::ledger;

/// Answers the gate until the executor is stopped.
pub(crate) async fn serve(executor: Arc<Executor>) {
    let Some(gate) = executor.gate() else {
        return;
    };
    let mut pause = MIN_PAUSE;
    while !executor.is_stopped() {
        let began = Instant::now();
        let turn = tokio::select! {
            turn = turn(&executor, gate) => turn,
            () = executor.stopped() => return,
        };
        match turn {
            Ok(Turn::Answered) => pause = MIN_PAUSE,
            // A gate that does not wait is not asked without a pause.
            Ok(Turn::Idle) => {
                pause = MIN_PAUSE;
                sleep_until(began + MIN_PAUSE).await;
            }
            Err(error) => {
                tracing::debug!(error = crate::chain(&error), "no preflight could be claimed or told");
                sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

enum Turn {
    Answered,
    Idle,
}

async fn turn(executor: &Executor, gate: &Gate) -> Result<Turn, GateError> {
    let config = executor.config();
    let Some(plan) = gate
        .claim_preflight(&config.id, &config.environment, CLAIM_WAIT_S)
        .await?
    else {
        return Ok(Turn::Idle);
    };
    let now = executor.now();
    let bench = Bench {
        config,
        catalog: executor.catalog(),
        policy: executor.policy(),
        now,
        executions: &|target| ledger::executions_last_day(executor, target, now),
    };
    match timeout(MAX_LOOK, preflight(&bench, plan.as_bytes())).await {
        Ok(report) => gate.report_preflight(&report).await?,
        Err(_) => tracing::warn!("a preflight took too long, and the gate hears nothing of it"),
    }
    Ok(Turn::Answered)
}

const CLAIM_WAIT_S: u64 = 25;
/// The gate waits for seconds; a target that is slower than this has not been checked.
const MAX_LOOK: Duration = Duration::from_secs(20);
const MIN_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(4);
