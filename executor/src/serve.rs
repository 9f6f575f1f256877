//! Pulls orders from the gate and runs them, one after another. There is no inbound port.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::executor::Executor;
use crate::gate::Gate;
use crate::halt::Fault;
use crate::outcome::{Ended, Exit};
use crate::recover::recover;
use crate::reports::{DeliveryError, deliver};
use crate::run::run_order;

/// Serves until it is stopped; with `once`, until one order was run. `tell` hears of each end.
pub async fn serve(executor: &Executor, once: bool, tell: &dyn Fn(&Ended)) -> Result<Exit, Fault> {
    let Some(gate) = executor.gate() else {
        tracing::error!("`gate.url` is missing: give it in the configuration or with --gate");
        return Ok(Exit::Usage);
    };
    let mut pause = MIN_PAUSE;
    while !executor.is_stopped() {
        match turn(executor, gate, tell).await? {
            Turn::Ran(exit) if once => return Ok(exit),
            Turn::Ran(_) | Turn::Idle => pause = MIN_PAUSE,
            Turn::Stuck => {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = executor.stopped() => {}
                }
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
    Ok(Exit::Done)
}

/// Runs `work`, and tells the gate meanwhile what happens; at its end waits a little for what is still to be told.
pub async fn with_reports<T>(executor: &Executor, work: impl Future<Output = T>) -> T {
    let Some(gate) = executor.gate() else {
        return work.await;
    };
    let result = tokio::select! {
        result = work => result,
        never = report_for_ever(executor, gate) => match never {},
    };
    flush(executor, gate).await;
    result
}

enum Turn {
    Ran(Exit),
    Idle,
    Stuck,
}

async fn turn(executor: &Executor, gate: &Gate, tell: &dyn Fn(&Ended)) -> Result<Turn, Fault> {
    // What a crash left comes first, and nothing new is taken while it cannot be finished.
    for (_, ended) in with_reports(executor, recover(executor)).await? {
        tell(&ended);
        if matches!(ended, Ended::Suspended { .. } | Ended::Interrupted) {
            return Ok(Turn::Stuck);
        }
    }
    // The gate hears the last outcome before it is asked for more, or it would hand the same order out again.
    match deliver(executor, gate).await {
        Ok(()) => {}
        Err(DeliveryError::Fault(fault)) => return Err(fault),
        Err(DeliveryError::Gate(error)) => {
            tracing::warn!(error = crate::chain(&error), "the gate cannot be reported to");
            return Ok(Turn::Stuck);
        }
    }
    let config = executor.config();
    let claimed = tokio::select! {
        claimed = gate.claim(&config.id, &config.environment, CLAIM_WAIT_S) => claimed,
        () = executor.stopped() => return Ok(Turn::Idle),
    };
    match claimed {
        Ok(None) => Ok(Turn::Idle),
        Ok(Some(envelope)) => {
            let ended = with_reports(executor, run_order(executor, &envelope)).await?;
            tell(&ended);
            if let Ended::Refused { .. } = ended {
                // A gate that hands out nonsense is not asked for more of it without a pause.
                sleep(MIN_PAUSE).await;
            }
            Ok(Turn::Ran(ended.exit()))
        }
        Err(error) => {
            tracing::warn!(error = crate::chain(&error), "no order could be claimed");
            Ok(Turn::Stuck)
        }
    }
}

async fn report_for_ever(executor: &Executor, gate: &Gate) -> Infallible {
    loop {
        match deliver(executor, gate).await {
            Ok(()) => executor.has_report().await,
            Err(error) => {
                tracing::debug!(error = crate::chain(&error), "reports wait");
                sleep(MAX_PAUSE / 8).await;
            }
        }
    }
}

async fn flush(executor: &Executor, gate: &Gate) {
    let deadline = Instant::now() + FLUSH;
    while let Err(error) = deliver(executor, gate).await {
        if Instant::now() >= deadline || executor.is_stopped() {
            tracing::warn!(error = crate::chain(&error), "reports wait for the next start");
            return;
        }
        sleep(MIN_PAUSE).await;
    }
}

const CLAIM_WAIT_S: u64 = 25;
const FLUSH: Duration = Duration::from_secs(10);
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(4);
