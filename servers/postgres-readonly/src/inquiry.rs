//! The statements that one answer stands on: some it cannot do without, some whose absence it admits.

use kit::{CallContext, ToolError};
use serde::de::DeserializeOwned;

use crate::{
    db::{Answer, Read, Reading},
    state::{Source, misshapen},
};

/// What a tool asks of one database for one answer.
pub struct Inquiry<'a> {
    source: &'a Source,
    call: &'a CallContext,
    readings: Vec<Reading>,
    hidden: Vec<String>,
}

impl<'a> Inquiry<'a> {
    pub fn of(source: &'a Source, call: &'a CallContext) -> Self {
        Self {
            source,
            call,
            readings: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Returns the rows of a statement without which there is no answer.
    pub async fn rows<T: DeserializeOwned>(
        &mut self,
        sql: &'static str,
        parameters: Vec<Option<String>>,
        max_rows: u32,
    ) -> Result<Vec<T>, ToolError> {
        let reading = self.source.ask(sql, parameters, max_rows, self.call).await?;
        let rows = reading.decode().map_err(misshapen);
        self.readings.push(reading);
        rows
    }

    /// Returns the one row of a statement without which there is no answer.
    pub async fn row<T: DeserializeOwned>(&mut self, sql: &'static str) -> Result<T, ToolError> {
        let row = self.rows(sql, vec![], 1).await?.pop();
        row.ok_or_else(|| ToolError::new("internal", "the server left a statement without its one row"))
    }

    /// Returns the rows of a statement that managed services, privileges or locks may refuse; then `what` is missing from
    /// the answer, which says so.
    pub async fn part<T: DeserializeOwned>(
        &mut self,
        what: &str,
        sql: &'static str,
        parameters: Vec<Option<String>>,
        max_rows: u32,
    ) -> Result<Vec<T>, ToolError> {
        let rows = self.rows(sql, parameters, max_rows).await;
        self.or_hidden(what, rows)
    }

    /// As [`Self::part`], but gives up on a lock almost at once: nobody ever queues behind this statement for long.
    pub async fn part_without_waiting<T: DeserializeOwned>(
        &mut self,
        what: &str,
        sql: &'static str,
        max_rows: u32,
    ) -> Result<Vec<T>, ToolError> {
        let read = Read::own(sql, vec![], self.source.bounds(max_rows)).after("SET LOCAL lock_timeout = 5".to_owned());
        let rows = match self.source.read(read, self.call).await {
            Ok(reading) => {
                let rows = reading.decode().map_err(misshapen);
                self.readings.push(reading);
                rows
            }
            Err(error) => Err(error),
        };
        self.or_hidden(what, rows)
    }

    /// Says that something is missing from the answer, why, and what would show it.
    pub fn hide(&mut self, what: impl Into<String>) {
        self.hidden.push(what.into());
    }

    /// Returns whether the role sees other roles' sessions (pg_read_all_stats, part of pg_monitor).
    pub fn sees_all_sessions(&self) -> bool {
        self.readings
            .first()
            .is_some_and(|reading| reading.role.sees_all_sessions)
    }

    /// Returns the database's clock at the first statement.
    pub fn taken_at(&self) -> String {
        self.readings
            .first()
            .map(|reading| reading.taken_at.clone())
            .unwrap_or_default()
    }

    /// Wraps the body with the first statement's time and the cost of all of them.
    pub fn answer<T>(self, body: T) -> Result<Answer<T>, ToolError> {
        let mut readings = self.readings.iter();
        let first = readings
            .next()
            .ok_or_else(|| ToolError::new("internal", "nothing was asked of the database"))?;
        let answer = readings.fold(first.answer(body), |answer, also| answer.costing(also));
        Ok(answer.hiding(self.hidden))
    }

    fn or_hidden<T>(&mut self, what: &str, rows: Result<Vec<T>, ToolError>) -> Result<Vec<T>, ToolError> {
        match rows {
            Err(error)
                if matches!(
                    error.code,
                    "permission_denied" | "sql_error" | "lock_timeout" | "statement_timeout" | "out_of_resources"
                ) =>
            {
                self.hide(format!("{what}: {}", error.message));
                Ok(Vec::new())
            }
            rows => rows,
        }
    }
}
