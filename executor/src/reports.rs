//! What the gate is told: queued in the same transaction as the journal, delivered at least once, in order.

use journal::Tx;
use rusqlite::OptionalExtension;
use serde_json::{Value, json};

use crate::execution::{Event, WholeEvent};
use crate::executor::Executor;
use crate::gate::{Gate, GateError};
use crate::halt::Fault;

pub(crate) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS executor_reports (
    seq INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;";

/// A report that the gate has not taken yet.
struct Report {
    seq: i64,
    order: String,
    kind: String,
    data: String,
}

/// Queues the report of an event.
pub(crate) fn queue(tx: &Tx<'_>, seq: u64, order: &str, event: &Event, data: &Value) -> Result<(), Fault> {
    match event {
        Event::Whole(WholeEvent::ExecutionEnded { outcome }) => {
            let mut told = json!({"message": outcome.to_string(), "code": "done"});
            if let (Some(cause), Some(fields)) = (outcome.cause(), told.as_object_mut()) {
                fields.insert("code".to_owned(), json!(cause.code));
            }
            insert(tx, seq, order, outcome.report_kind(), told)
        }
        Event::Whole(_) | Event::Step { .. } => insert(tx, seq, order, event.kind(), data.clone()),
    }
}

/// Queues the report of a refused order.
pub(crate) fn queue_refusal(tx: &Tx<'_>, seq: u64, order: &str, data: &Value) -> Result<(), Fault> {
    insert(tx, seq, order, "refused", data.clone())
}

fn insert(tx: &Tx<'_>, seq: u64, order: &str, kind: &str, mut data: Value) -> Result<(), Fault> {
    // The gate knows a repeated report by its being the same; the number keeps two alike events apart.
    if let Some(fields) = data.as_object_mut() {
        fields.insert("seq".to_owned(), json!(seq));
    }
    tx.sql().execute(
        "INSERT INTO executor_reports (seq, order_id, kind, data) VALUES (?1, ?2, ?3, ?4)",
        (i64::try_from(seq).unwrap_or(i64::MAX), order, kind, data.to_string()),
    )?;
    Ok(())
}

/// Delivers what is queued, oldest first, until nothing is left or the gate cannot be reached.
pub(crate) async fn deliver(executor: &Executor, gate: &Gate) -> Result<(), DeliveryError> {
    while let Some(report) = oldest(executor)? {
        let data: Value = serde_json::from_str(&report.data).unwrap_or(Value::Null);
        match gate.report(&report.order, &report.kind, &data).await {
            Ok(()) => {}
            // It will never be taken: an order that was handed over as a file, or one the gate has forgotten.
            Err(GateError::Refused { status, message }) if is_final(status) => {
                tracing::warn!(status, message, kind = report.kind, "the gate does not take a report");
            }
            Err(error) => return Err(DeliveryError::Gate(error)),
        }
        executor.journal().transact(|tx| {
            tx.sql()
                .execute("DELETE FROM executor_reports WHERE seq = ?1", [report.seq])?;
            Ok::<(), Fault>(())
        })?;
    }
    Ok(())
}

/// Why reports are still queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the gate did not take a report")]
    Gate(#[source] GateError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn oldest(executor: &Executor) -> Result<Option<Report>, Fault> {
    executor.journal().view(|sql| {
        let mut statement =
            sql.prepare_cached("SELECT seq, order_id, kind, data FROM executor_reports ORDER BY seq LIMIT 1")?;
        let report = statement
            .query_row([], |row| {
                Ok(Report {
                    seq: row.get(0)?,
                    order: row.get(1)?,
                    kind: row.get(2)?,
                    data: row.get(3)?,
                })
            })
            .optional()?;
        Ok(report)
    })
}

fn is_final(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 409 | 410 | 413 | 422)
}
