//! What the tools share: the configured databases, and of each what is known of its catalog.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use kit::{CallContext, ToolError};

use crate::{
    db::{Bounds, Database, DbError, Read, Reading},
    growth::StoredBefore,
    guard::Catalog,
    pace::Pace,
    statement_counters::Snapshot,
};

/// JSON bytes that a tool's rows may have; the rest of the kit's budget is for what stands around them.
pub const MAX_RESULT_BYTES: usize = 200 * 1024;
/// Bytes of values that one of the tools' own statements may bring.
pub const MAX_OWN_BYTES: usize = 8 << 20;

/// The databases that this server reads, by the names that the operator gave them.
pub struct State(BTreeMap<String, Arc<Source>>);

/// One database.
pub struct Source {
    /// The target's name, where there are several to tell apart.
    pub name: Option<String>,
    pub db: Database,
    pub catalog: Catalog,
    /// For free statements that come to nothing.
    pace: Pace,
    /// How much was stored when that was last asked: growth is told against it.
    pub stored: StoredBefore,
    /// What `top_queries` saw last.
    pub last_counters: Mutex<Option<Arc<Snapshot>>>,
}

impl State {
    pub fn new(databases: BTreeMap<String, Database>) -> Self {
        let several = databases.len() > 1;
        let sources = databases.into_iter().map(|(name, db)| {
            let source = Source {
                name: several.then(|| name.clone()),
                db,
                catalog: Catalog::default(),
                pace: Pace::default(),
                stored: StoredBefore::default(),
                last_counters: Mutex::default(),
            };
            (name, Arc::new(source))
        });
        Self(sources.collect())
    }

    /// Returns the database that a call is about: the one that it names, or the only one there is.
    pub fn source(&self, target: Option<&str>) -> Result<&Source, ToolError> {
        let known = || {
            let names: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
            format!("configured: {}", names.join(", "))
        };
        let mut all = self.0.iter();
        match (target, all.next(), all.next()) {
            (Some(name), ..) => self.0.get(name).map(Arc::as_ref).ok_or_else(|| {
                let name = kit::text::clean(name, 80);
                ToolError::new("unknown_target", format!("no target is named `{name}`")).hint(known())
            }),
            (None, Some((_, only)), None) => Ok(only),
            (None, ..) => Err(
                ToolError::new("unknown_target", "several targets are configured: name one in `target`").hint(known()),
            ),
        }
    }
}

impl Source {
    /// Runs one of the tools' own statements. Parameters travel as text; the statement casts them (`$1::bigint`).
    pub async fn ask(
        &self,
        sql: &'static str,
        parameters: Vec<Option<String>>,
        max_rows: u32,
        call: &CallContext,
    ) -> Result<Reading, ToolError> {
        self.read(Read::own(sql, parameters, self.bounds(max_rows)), call).await
    }

    /// Does the work on a free statement, and takes its time over one that is refused or fails.
    pub async fn paced<T>(
        &self,
        work: impl Future<Output = Result<T, ToolError>>,
        call: &CallContext,
    ) -> Result<T, ToolError> {
        let started = Instant::now();
        let outcome = work.await;
        if outcome.is_err() {
            let rest = started.elapsed() * self.db.rest_after_failure();
            self.pace.rest(rest, &call.cancelled).await;
        }
        outcome
    }

    /// Returns how much one of the tools' own statements may bring.
    pub fn bounds(&self, max_rows: u32) -> Bounds {
        Bounds {
            max_rows,
            max_bytes: MAX_OWN_BYTES,
        }
    }

    /// Runs one statement, of ours or admitted by the guard.
    pub async fn read(&self, read: Read, call: &CallContext) -> Result<Reading, ToolError> {
        let reading = self.db.read(read, &call.cancelled).await?;
        Ok(reading.of_target(self.name.clone()))
    }
}

/// Says that rows of ours do not have the shape that their tool expects.
pub fn misshapen(error: serde_json::Error) -> ToolError {
    DbError::from(error).into()
}
