//! Indexes that do not exist: written out as suggestions, and shown to the planner through hypopg.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extensions::{Extension, literal, quoted};

/// An index that might be made. Its names come from the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index {
    pub schema: String,
    pub table: String,
    pub keys: Vec<Key>,
    pub method: Method,
    pub unique: bool,
}

/// One column of it, as it is or through a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub column: String,
    /// Schema, if one is written, and name of a function of the column.
    pub function: Option<String>,
    pub descending: bool,
    /// Where it is not what the direction brings by itself.
    pub nulls_first: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    #[default]
    Btree,
    Hash,
    Brin,
    Gin,
    Gist,
}

/// What hypopg says of an index that it holds.
#[derive(Debug, Clone, Deserialize)]
pub struct Held {
    pub name: String,
    pub size_bytes: i64,
}

impl Key {
    pub fn plain(column: &str) -> Self {
        Self {
            column: column.to_owned(),
            function: None,
            descending: false,
            nulls_first: None,
        }
    }

    /// Returns the key as it stands in a list of keys.
    pub fn shown(&self) -> String {
        let mut text = match &self.function {
            Some(function) => format!("{function}({})", quoted(&self.column)),
            None => quoted(&self.column),
        };
        if self.descending {
            text.push_str(" DESC");
        }
        match self.nulls_first {
            Some(true) => text.push_str(" NULLS FIRST"),
            Some(false) => text.push_str(" NULLS LAST"),
            None => {}
        }
        text
    }
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Hash => "hash",
            Self::Brin => "brin",
            Self::Gin => "gin",
            Self::Gist => "gist",
        }
    }

    /// Returns whether hypopg can stand in for such an index.
    pub fn can_be_hypothetical(self) -> bool {
        match self {
            Self::Btree | Self::Hash | Self::Brin => true,
            Self::Gin | Self::Gist => false,
        }
    }
}

impl Index {
    /// Returns the statement that would make the index, for people to run.
    pub fn ddl(&self) -> String {
        self.statement(" CONCURRENTLY")
    }

    pub fn columns(&self) -> Vec<String> {
        self.keys.iter().map(Key::shown).collect()
    }

    fn statement(&self, concurrently: &str) -> String {
        format!(
            "CREATE {}INDEX{concurrently} ON {}.{} USING {} ({})",
            if self.unique { "UNIQUE " } else { "" },
            quoted(&self.schema),
            quoted(&self.table),
            self.method.name(),
            self.columns().join(", ")
        )
    }
}

/// Returns what makes the indexes known to the planner, in the server process that runs it and nowhere else.
pub fn setup(extension: &Extension, indexes: &[Index]) -> String {
    let create = extension.place("SELECT @extschema@.hypopg_create_index");
    let each = indexes
        .iter()
        .map(|index| format!("{create}({})", literal(&index.statement(""))));
    each.collect::<Vec<_>>().join("; ")
}

/// Returns what makes the server process forget them.
pub fn epilogue(extension: &Extension) -> String {
    extension.place("SELECT @extschema@.hypopg_reset()")
}

/// Returns whether a plan's index is a hypothetical one.
pub fn is_hypothetical(name: &str) -> bool {
    let number = name.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    number.is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

impl Held {
    /// Returns whether the plan's index `name` is this one, in whichever server process: the number in front differs, and
    /// its length says where a long name is cut.
    pub fn is(&self, name: &str) -> bool {
        let bare = |name: &'_ str| {
            name.split_once('>')
                .map(|(_, rest)| rest.to_owned())
                .unwrap_or_default()
        };
        let (own, other) = (bare(&self.name), bare(name));
        let long = own.len().min(other.len()) >= 50;
        own == other || (long && (own.starts_with(&other) || other.starts_with(&own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_directions_written() {
        let mut index = Index {
            schema: "pub\"lic".to_owned(),
            table: "Orders".to_owned(),
            keys: vec![
                Key {
                    function: Some("lower".to_owned()),
                    ..Key::plain("e'mail")
                },
                Key {
                    descending: true,
                    nulls_first: Some(false),
                    ..Key::plain("placed")
                },
            ],
            method: Method::Btree,
            unique: false,
        };
        assert_eq!(
            index.ddl(),
            "CREATE INDEX CONCURRENTLY ON \"pub\"\"lic\".\"Orders\" USING btree (lower(\"e'mail\"), \"placed\" DESC NULLS LAST)"
        );
        index.unique = true;
        assert!(index.statement("").starts_with("CREATE UNIQUE INDEX ON"));
    }

    #[test]
    fn a_hypothetical_index_is_known_by_its_name_in_any_process() {
        let held = Held {
            name: "<13543>btree_orders_customer_id".to_owned(),
            size_bytes: 1,
        };
        assert!(is_hypothetical("<7>btree_x") && !is_hypothetical("<x>") && !is_hypothetical("orders_pkey"));
        assert!(held.is("<7>btree_orders_customer_id"));
        assert!(!held.is("<7>btree_orders_customer_id_placed"));
    }
}
