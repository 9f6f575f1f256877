//! What one read brought back, and the shape that every tool's answer shares.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    Verdict,
    value::{self, Rows},
};
use crate::wire::{Column, Flight, TextRow};

/// Bound on any single text of a tool's own rows; tools bound what they show more tightly in their SQL.
const MAX_OWN_CHARS: usize = 512 * 1024;

/// The rows of one read, its time on the database's clock, and over which role they came.
#[derive(Debug)]
pub struct Reading {
    pub taken_at: String,
    pub role: Arc<Verdict>,
    target: Option<String>,
    flight: Flight,
}

/// A tool's answer: its body, when it was true, and what must be said about the role it was read with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer<T> {
    /// The database's clock when the call began, to within a round trip.
    taken_at: String,
    /// Which of several configured targets this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What this answer cost: milliseconds that its statement took, the way there and back included.
    cost_ms: f64,
    #[serde(flatten)]
    body: T,
    /// Present and true when the role could write and was accepted all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged_role: Option<bool>,
    /// What is missing from this answer because a privilege, an extension or a setting is, and what would show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<String>,
    /// What limits this answer, or the trust in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl<T> Answer<T> {
    /// Says what is missing from this answer, and why.
    pub fn hiding(mut self, what: impl IntoIterator<Item = String>) -> Self {
        self.hidden.extend(what);
        self
    }

    /// Turns the body into another.
    pub fn mapped<U>(self, to: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            body: to(self.body),
            taken_at: self.taken_at,
            target: self.target,
            cost_ms: self.cost_ms,
            privileged_role: self.privileged_role,
            hidden: self.hidden,
            warning: self.warning,
        }
    }

    /// Counts the cost of a further statement that this answer stands on.
    pub fn costing(self, also: &Reading) -> Self {
        self.costing_ms(also.elapsed_ms())
    }

    /// Counts the cost of further statements, in milliseconds.
    pub fn costing_ms(mut self, ms: f64) -> Self {
        self.cost_ms = ((self.cost_ms + ms) * 1e3).round() / 1e3;
        self
    }
}

impl Reading {
    pub fn new(flight: Flight, taken_at: String, role: Arc<Verdict>) -> Self {
        Self {
            taken_at,
            role,
            target: None,
            flight,
        }
    }

    /// Says which of several targets was read.
    pub fn of_target(mut self, target: Option<String>) -> Self {
        self.target = target;
        self
    }

    pub fn columns(&self) -> &[Column] {
        &self.flight.columns
    }

    pub fn truncated(&self) -> bool {
        self.flight.truncated
    }

    pub fn elapsed_ms(&self) -> f64 {
        (self.flight.elapsed.as_secs_f64() * 1e6).round() / 1e3
    }

    /// Takes the rows out as JSON arrays within `max_bytes`, and says whether a row or part of a value was left out.
    pub fn take_rows(&mut self, max_chars: usize, max_bytes: usize) -> (Rows, bool) {
        let oids = self.flight.columns.iter().map(|column| column.type_oid).collect();
        Rows::bounded(std::mem::take(&mut self.flight.rows), oids, max_chars, max_bytes)
    }

    /// Returns the first column of every row as it came, for rows that are too many to be made into JSON. What is not a
    /// number must not be shown like this.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.flight
            .rows
            .iter()
            .filter_map(move |row| std::str::from_utf8(row.values().next().flatten()?).ok())
    }

    /// Reads each row as a `T`, by the names of the columns.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Vec<T>, serde_json::Error> {
        let columns = &self.flight.columns;
        let named = |row: &TextRow| -> Map<String, Value> {
            let cells = columns.iter().zip(row.values());
            cells
                .map(|(column, text)| {
                    (
                        column.name.clone(),
                        value::to_json(column.type_oid, text, MAX_OWN_CHARS),
                    )
                })
                .collect()
        };
        let rows = self.flight.rows.iter();
        rows.map(|row| serde_json::from_value(Value::Object(named(row))))
            .collect()
    }

    /// Wraps a tool's body.
    pub fn answer<T>(&self, body: T) -> Answer<T> {
        Answer {
            taken_at: self.taken_at.clone(),
            target: self.target.clone(),
            cost_ms: self.elapsed_ms(),
            body,
            privileged_role: (!self.role.is_harmless()).then_some(true),
            hidden: Vec::new(),
            warning: self.role.warning(),
        }
    }
}
