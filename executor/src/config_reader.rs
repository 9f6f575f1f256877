//! Takes a TOML table apart, key by key, and collects every fault instead of stopping at the first.

use std::path::PathBuf;

use toml::{Table, Value};

/// A table whose keys are taken out one by one; what is left at the end is unknown.
pub(crate) struct Section {
    place: String,
    table: Table,
    base: PathBuf,
}

impl Section {
    pub(crate) fn new(place: String, table: Table, base: PathBuf) -> Self {
        Self { place, table, base }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(crate) fn section(&mut self, key: &str, faults: &mut Vec<String>) -> Self {
        if !self.table.contains_key(key) {
            faults.push(format!("`[{}]` is missing", self.at(key)));
            // What it lacks is clear from this; its own keys are not told as missing as well.
            let mut absent = self.child(key, Table::new());
            absent.place.clear();
            return absent;
        }
        self.optional_section(key, faults)
    }

    pub(crate) fn optional_section(&mut self, key: &str, faults: &mut Vec<String>) -> Self {
        match self.table.remove(key) {
            None => self.child(key, Table::new()),
            Some(Value::Table(table)) => self.child(key, table),
            Some(other) => {
                self.wrong(key, "a table", &other, faults);
                self.child(key, Table::new())
            }
        }
    }

    pub(crate) fn sections(&mut self, key: &str, faults: &mut Vec<String>) -> Vec<Self> {
        let list = match self.table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.wrong(key, "an array of tables", &other, faults);
                Vec::new()
            }
        };
        let mut sections = Vec::new();
        for (i, item) in list.into_iter().enumerate() {
            match item {
                Value::Table(table) => sections.push(self.child(&format!("{key}[{i}]"), table)),
                other => self.wrong(&format!("{key}[{i}]"), "a table", &other, faults),
            }
        }
        sections
    }

    pub(crate) fn text(&mut self, key: &str, faults: &mut Vec<String>) -> Option<String> {
        let text = self.optional_text(key, faults);
        match &text {
            None if !self.place.is_empty() => faults.push(format!("`{}` is missing", self.at(key))),
            Some(text) if text.trim().is_empty() => faults.push(format!("`{}` is empty", self.at(key))),
            None | Some(_) => {}
        }
        text
    }

    pub(crate) fn optional_text(&mut self, key: &str, faults: &mut Vec<String>) -> Option<String> {
        match self.table.remove(key)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong(key, "text", &other, faults);
                None
            }
        }
    }

    pub(crate) fn optional_texts(&mut self, key: &str, faults: &mut Vec<String>) -> Option<Vec<String>> {
        let wrong = |faults: &mut Vec<String>, other: &Value| self.wrong(key, "an array of texts", other, faults);
        match self.table.get(key)?.clone() {
            Value::Array(list) => {
                let texts: Option<Vec<String>> = list.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                if texts.is_none() {
                    wrong(faults, &Value::Array(list));
                }
                self.table.remove(key);
                texts
            }
            other => {
                wrong(faults, &other);
                self.table.remove(key);
                None
            }
        }
    }

    pub(crate) fn path(&mut self, key: &str, faults: &mut Vec<String>) -> Option<PathBuf> {
        self.text(key, faults).map(|text| self.base.join(text))
    }

    pub(crate) fn optional_path(&mut self, key: &str, faults: &mut Vec<String>) -> Option<PathBuf> {
        self.optional_text(key, faults).map(|text| self.base.join(text))
    }

    pub(crate) fn number(&mut self, key: &str, faults: &mut Vec<String>) -> Option<u32> {
        match self.table.remove(key)? {
            Value::Integer(number) if u32::try_from(number).is_ok() => u32::try_from(number).ok(),
            other => {
                self.wrong(key, "a whole number from 0", &other, faults);
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, key: &str, faults: &mut Vec<String>) -> Option<bool> {
        match self.table.remove(key)? {
            Value::Boolean(flag) => Some(flag),
            other => {
                self.wrong(key, "true or false", &other, faults);
                None
            }
        }
    }

    /// Tells what nobody asked for.
    pub(crate) fn end(self, faults: &mut Vec<String>) {
        for key in self.table.keys() {
            faults.push(format!("`{}` is unknown", self.at(key)));
        }
    }

    fn child(&self, key: &str, table: Table) -> Self {
        Self::new(self.at(key), table, self.base.clone())
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.place)
        }
    }

    // The value itself is not shown: it may be a secret in the wrong place.
    fn wrong(&self, key: &str, wanted: &str, found: &Value, faults: &mut Vec<String>) {
        faults.push(format!("`{}` is {}, not {wanted}", self.at(key), found.type_str()));
    }
}
