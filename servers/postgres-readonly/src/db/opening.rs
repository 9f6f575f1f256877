//! How a transaction is opened: what holds inside it, and what undoes a call that is over.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Options;

/// Our own statements name no schema but pg_catalog. Another session's temporary tables come last: unnamed, they would
/// come first, and behind a pooler there may be some.
const OWN_PATH: &str = "pg_catalog, pg_temp";
/// What PostgreSQL 15 and newer have by themselves.
const MAX_HASH_MEM_MULTIPLIER: f64 = 2.0;

/// The session's own limits by name, as far as this server has them, in the units of pg_settings.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Limits(BTreeMap<String, String>);

/// The texts that stand around every statement on one connection.
#[derive(Debug)]
pub struct Opening {
    pub begin: String,
    /// For our own statements.
    pub prologue: Vec<String>,
    pub reset: &'static str,
    /// Set in one SELECT where they are many; else one SET for each, which costs the server a third of it.
    settings: Vec<(&'static str, String)>,
    /// What bounds foreign statements only: what we wrote ourselves needs no cap, and its answer to "what is set here"
    /// should not be our own setting.
    caps: Vec<(&'static str, String)>,
}

impl Opening {
    /// For a session that is ours: its defaults were given when it began, and DISCARD ALL comes back to them.
    pub fn direct(options: &Options, limits: &Limits) -> Self {
        Self {
            begin: "BEGIN READ ONLY".to_owned(),
            prologue: Vec::new(),
            reset: "DISCARD ALL",
            settings: Vec::new(),
            caps: limits.caps(options),
        }
        .composed()
    }

    /// For a session that is ours only while a transaction is open: everything is set inside it, and nothing outside.
    pub fn pooled(options: &Options, limits: &Limits) -> Self {
        let ms = |time: std::time::Duration| time.as_millis().max(1).to_string();
        let settings = vec![
            // Another client may have left its SET ROLE.
            ("role", "none".to_owned()),
            ("statement_timeout", ms(options.statement_timeout)),
            ("lock_timeout", ms(options.lock_timeout)),
            ("idle_in_transaction_session_timeout", "10000".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("max_parallel_workers_per_gather", "0".to_owned()),
            ("TimeZone", "UTC".to_owned()),
            ("DateStyle", "ISO, YMD".to_owned()),
            ("IntervalStyle", "postgres".to_owned()),
            ("bytea_output", "hex".to_owned()),
            ("extra_float_digits", "1".to_owned()),
            ("jit", "off".to_owned()),
        ];
        Self {
            begin: "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE".to_owned(),
            prologue: Vec::new(),
            reset: "",
            settings,
            caps: limits.caps(options),
        }
        .composed()
    }

    /// Caps temporary files, where the role may do that.
    pub fn with_temp_file_limit(mut self, limit_kb: Option<u64>) -> Self {
        self.caps
            .extend(limit_kb.map(|limit| ("temp_file_limit", limit.to_string())));
        self
    }

    /// Returns the prologue for a foreign statement, which is to find names in `path`.
    pub fn in_path(&self, path: &str) -> Vec<String> {
        self.setting(path, &self.caps)
    }

    fn composed(mut self) -> Self {
        self.prologue = self.setting(OWN_PATH, &[]);
        self
    }

    fn setting(&self, path: &str, caps: &[(&'static str, String)]) -> Vec<String> {
        if self.settings.is_empty() {
            let path = format!("SET LOCAL search_path = {path}");
            let caps = caps
                .iter()
                .map(|(name, value)| format!("SET LOCAL {name} = {}", quoted(value)));
            return std::iter::once(path).chain(caps).collect();
        }
        let mut text = format!("SELECT pg_catalog.set_config('search_path', {}, true)", quoted(path));
        for (name, value) in self.settings.iter().chain(caps) {
            text += &format!(", pg_catalog.set_config('{name}', {}, true)", quoted(value));
        }
        vec![text]
    }
}

impl Limits {
    pub fn temp_files_are_unlimited(&self) -> bool {
        self.0.get("temp_file_limit").is_some_and(|limit| limit == "-1")
    }

    /// Returns what must be lowered or added; what the operator has set lower stays.
    fn caps(&self, options: &Options) -> Vec<(&'static str, String)> {
        let number = |name: &str| self.0.get(name).and_then(|value| value.parse::<f64>().ok());
        let mut caps = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "work_mem has at most 31 bits")]
        if number("work_mem").is_some_and(|kib| kib > options.work_mem_kb as f64) {
            caps.push(("work_mem", options.work_mem_kb.to_string()));
        }
        if number("hash_mem_multiplier").is_some_and(|factor| factor > MAX_HASH_MEM_MULTIPLIER) {
            caps.push(("hash_mem_multiplier", MAX_HASH_MEM_MULTIPLIER.to_string()));
        }
        // From 17 on: bounds the whole transaction, should a statement's own timeout ever not.
        if self.0.contains_key("transaction_timeout") {
            let ms = options.statement_timeout.as_millis() * 2 + 10_000;
            caps.push(("transaction_timeout", ms.to_string()));
        }
        // A foreign table opens a session elsewhere.
        if self.0.contains_key("restrict_nonsystem_relation_kind") {
            caps.push(("restrict_nonsystem_relation_kind", "foreign-table".to_owned()));
        }
        caps
    }
}

/// Writes a literal; standard_conforming_strings is on wherever this is sent.
fn quoted(text: &str) -> String {
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''")),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lowered_and_never_raised() {
        let limits = |pairs: &[(&str, &str)]| {
            Limits(
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            )
        };
        let options = Options::default();
        assert_eq!(
            limits(&[("work_mem", "4096"), ("hash_mem_multiplier", "2")]).caps(&options),
            []
        );
        assert_eq!(
            limits(&[("work_mem", "1048576"), ("hash_mem_multiplier", "8")]).caps(&options),
            [
                ("work_mem", "16384".to_owned()),
                ("hash_mem_multiplier", "2".to_owned())
            ]
        );
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let opening = Opening::pooled(&Options::default(), &Limits::default());
        let text = opening.in_path("a', true), pg_catalog.pg_sleep(1); --\\").concat();
        assert!(
            text.contains(r"E'a'', true), pg_catalog.pg_sleep(1); --\\', true)"),
            "{text}"
        );
    }
}
