//! What the tools share: the database and what is known of its catalog.

use kit::{CallContext, ToolError};

use crate::{
    db::{Bounds, Database, DbError, Read, Reading},
    guard::Catalog,
};

/// JSON bytes that a tool's rows may have; the rest of the kit's budget is for what stands around them.
pub const MAX_RESULT_BYTES: usize = 200 * 1024;

pub struct State {
    pub db: Database,
    pub catalog: Catalog,
}

impl State {
    pub fn new(db: Database) -> Self {
        Self {
            db,
            catalog: Catalog::default(),
        }
    }

    /// Runs one of the tools' own statements.
    pub async fn ask(
        &self,
        sql: &'static str,
        parameters: Vec<Option<String>>,
        max_rows: u32,
        call: &CallContext,
    ) -> Result<Reading, ToolError> {
        let bounds = Bounds {
            max_rows,
            max_bytes: 8 << 20,
        };
        Ok(self
            .db
            .read(Read::own(sql, parameters, bounds), &call.cancelled)
            .await?)
    }
}

/// Says that rows of ours do not have the shape that their tool expects.
pub fn misshapen(error: serde_json::Error) -> ToolError {
    DbError::from(error).into()
}
