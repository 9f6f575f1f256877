//! What the catalog knows of the tables that statements read.

use kit::{CallContext, ToolError};
use serde::Deserialize;
use serde_json::json;
use sql_facts::Scope;

use crate::{
    db::Reading,
    hypothetical::{Index, Method},
    state::{Source, misshapen},
};

const MAX_TABLES: u32 = 200;
/// Types that a btree cannot order, or not to anybody's use.
const NOT_ORDERED: [&str; 12] = [
    "json", "jsonb", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery",
];
/// Longer values make an index that is as large as its table.
const MAX_WIDTH: i64 = 300;

#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub kind: String,
    pub rows: f64,
    pub pages: i64,
    pub inserted: i64,
    pub updated: i64,
    pub deleted: i64,
    columns: Option<Vec<Column>>,
    indexes: Option<Vec<Existing>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Column {
    number: i64,
    pub name: String,
    r#type: String,
    category: String,
    n_distinct: Option<f64>,
    avg_width: Option<i64>,
}

/// An index that is there.
#[derive(Debug, Clone, Deserialize)]
struct Existing {
    /// Column numbers, 0 for an expression.
    keys: Vec<i64>,
    method: String,
    unique: bool,
    /// It is valid and has no predicate.
    whole: bool,
}

#[derive(Debug, Default)]
pub struct Tables(Vec<Table>);

impl Tables {
    /// Reads what is known of tables by name, with or without a schema.
    pub async fn load(
        source: &Source,
        names: &[(Option<String>, String)],
        call: &CallContext,
    ) -> Result<(Self, Reading), ToolError> {
        let wanted: Vec<_> = names
            .iter()
            .map(|(schema, name)| json!({"schema": schema, "name": name}))
            .collect();
        let sql = include_str!("../queries/advice_tables.sql");
        let reading = source
            .ask(sql, vec![Some(json!(wanted).to_string())], MAX_TABLES, call)
            .await?;
        Ok((Self(reading.decode().map_err(misshapen)?), reading))
    }

    pub fn find(&self, schema: &str, name: &str) -> Option<&Table> {
        self.0.iter().find(|table| table.schema == schema && table.name == name)
    }

    /// Returns the size of the largest table that the scopes name, in pages.
    pub fn largest(&self, scopes: &[Scope]) -> i64 {
        let pages = scopes.iter().flat_map(|scope| &scope.tables).filter_map(|named| {
            let schema = named.schema.clone().or_else(|| self.schema_of(&named.name))?;
            Some(self.find(&schema, &named.name)?.pages)
        });
        pages.max().unwrap_or(0)
    }

    /// Returns the schema that a table without one is in: the system's, the only one, or public.
    pub fn schema_of(&self, name: &str) -> Option<String> {
        let mut named = self.0.iter().filter(|table| table.name == name);
        let preferred = |schema: &str| {
            let of = |table: &&Table| table.name == name && table.schema == schema;
            self.0.iter().find(of).map(|table| table.schema.clone())
        };
        if preferred("pg_catalog").is_some() {
            return None;
        }
        match (named.next(), named.next()) {
            (Some(only), None) => Some(only.schema.clone()),
            _ => preferred("public"),
        }
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.as_ref()?.iter().find(|column| column.name == name)
    }

    /// Returns whether an existing index answers what this one would: the same keys or more of them, or a unique key
    /// within these.
    pub fn has_index_like(&self, index: &Index) -> bool {
        let plain = index.keys.iter().all(|key| key.function.is_none());
        let numbers: Option<Vec<i64>> = index
            .keys
            .iter()
            .map(|key| self.column(&key.column).map(|column| column.number))
            .collect();
        let (true, Some(numbers)) = (plain, numbers) else {
            return false;
        };
        self.indexes.iter().flatten().any(|existing| {
            let unique_within = existing.unique && numbers.starts_with(&existing.keys);
            let covers = existing.keys.starts_with(&numbers) || unique_within;
            existing.whole && existing.method == index.method.name() && covers
        })
    }

    /// Returns about how many bytes the index would have, by the widths of its columns.
    pub fn size_of(&self, index: &Index) -> i64 {
        // Tuple header and line pointer; pages are filled to nine tenths.
        let keys = index.keys.iter().map(|key| {
            let width = self.column(&key.column).and_then(|column| column.avg_width);
            (width.unwrap_or(8) + 7) / 8 * 8
        });
        let entry = match index.method {
            Method::Brin => return 8192 * 4,
            Method::Btree | Method::Hash | Method::Gin | Method::Gist => 12 + keys.sum::<i64>(),
        };
        (self.rows.max(0.0) * entry as f64 / 0.9) as i64 + 8192
    }

    /// Returns the part of the table that equality on these leading keys keeps, as far as statistics say.
    pub fn selectivity(&self, columns: &[&str]) -> Option<f64> {
        columns.iter().try_fold(1.0, |part, name| {
            let distinct = self.column(name)?.distinct(self.rows)?;
            Some(part / distinct.max(1.0))
        })
    }
}

impl Column {
    /// Returns how many different values it has, if that is known.
    pub fn distinct(&self, rows: f64) -> Option<f64> {
        self.n_distinct
            .map(|distinct| if distinct < 0.0 { -distinct * rows } else { distinct })
    }

    pub fn can_be_ordered(&self) -> bool {
        let wide = self.avg_width.is_some_and(|width| width > MAX_WIDTH);
        !wide && self.category != "A" && !NOT_ORDERED.contains(&self.r#type.as_str())
    }

    pub fn can_be_inverted(&self) -> bool {
        self.category == "A" || matches!(self.r#type.as_str(), "jsonb" | "tsvector")
    }
}
