//! Where this database keeps the extensions that some tools stand on, and how statements over them are written.

use std::collections::BTreeMap;

use kit::{CallContext, ToolError};
use serde::Deserialize;

use crate::{
    db::{Bounds, Read, Reading},
    state::{MAX_OWN_BYTES, Source, misshapen},
};

/// Stands in queries/ where the schema of their extension goes, as it does in PostgreSQL's own extension scripts.
const SCHEMA_MARK: &str = "@extschema@";

/// What the database offers beyond the server itself.
#[derive(Debug, Deserialize)]
pub struct Surroundings {
    pub major: u32,
    pub in_recovery: bool,
    extensions: Option<BTreeMap<String, Extension>>,
    statements_loaded: bool,
    pub track_io_timing: bool,
    pub sees_all_statements: bool,
}

/// An installed extension. Only the catalog makes one, so its schema is a name that exists.
#[derive(Debug, Clone, Deserialize)]
pub struct Extension {
    schema: String,
    version: String,
    usable: bool,
}

impl Surroundings {
    pub async fn of(source: &Source, call: &CallContext) -> Result<(Self, Reading), ToolError> {
        let reading = source
            .ask(include_str!("queries/extensions.sql"), vec![], 1, call)
            .await?;
        let found = reading.decode().map_err(misshapen)?.pop();
        let found = found.ok_or_else(|| ToolError::new("internal", "the server says nothing of itself"))?;
        Ok((found, reading))
    }

    /// Returns pg_stat_statements, or what is missing and how to get it.
    pub fn statements(&self) -> Result<&Extension, String> {
        let extension = self.extension("pg_stat_statements").ok_or(
            "statement statistics: pg_stat_statements is not installed in this database (add it to shared_preload_libraries, restart, CREATE EXTENSION pg_stat_statements)",
        )?;
        if !self.statements_loaded {
            return Err("statement statistics: pg_stat_statements is installed but not loaded (add it to shared_preload_libraries and restart)".to_owned());
        }
        extension.used_by_this_role("pg_stat_statements")
    }

    /// Returns hypopg, or what is missing and how to get it.
    pub fn hypopg(&self) -> Result<&Extension, String> {
        let extension = self.extension("hypopg").ok_or(
            "hypothetical plans: hypopg is not installed in this database (install the package postgresql-NN-hypopg, then CREATE EXTENSION hypopg; RDS and Aurora offer it)",
        )?;
        extension.used_by_this_role("hypopg")
    }

    fn extension(&self, name: &str) -> Option<&Extension> {
        self.extensions.as_ref()?.get(name)
    }
}

impl Extension {
    /// Returns a statement of ours with the extension's schema in it.
    pub fn place(&self, statement: &'static str) -> String {
        statement.replace(SCHEMA_MARK, &quoted(&self.schema))
    }

    /// Returns whether the installed version is at least this one.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }

    fn used_by_this_role(&self, name: &str) -> Result<&Self, String> {
        match self.usable {
            true => Ok(self),
            false => Err(format!(
                "{name}: this role may not use its schema (GRANT USAGE ON SCHEMA {} TO this role)",
                quoted(&self.schema)
            )),
        }
    }
}

impl Source {
    /// Runs one of the tools' own statements over an extension.
    pub async fn ask_extension(
        &self,
        extension: &Extension,
        sql: &'static str,
        parameters: Vec<Option<String>>,
        max_rows: u32,
        call: &CallContext,
    ) -> Result<Reading, ToolError> {
        let bounds = Bounds {
            max_rows,
            max_bytes: MAX_OWN_BYTES,
        };
        self.read(Read::of_extension(sql, extension, parameters, bounds), call)
            .await
    }
}

/// Returns a name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text as an SQL string, whatever standard_conforming_strings says.
pub fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(literal("it's \\'"), "E'it\\'s \\\\\\''");
    }

    #[test]
    fn versions_compare_by_number() {
        let extension = |version: &str| Extension {
            schema: "x\"y".to_owned(),
            version: version.to_owned(),
            usable: true,
        };
        assert!(extension("1.10").is_at_least(1, 9));
        assert!(!extension("1.8").is_at_least(1, 9));
        assert_eq!(extension("1").place("SELECT @extschema@.f()"), "SELECT \"x\"\"y\".f()");
    }
}
