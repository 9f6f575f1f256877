//! What names mean in the connected database, asked once and kept for a while.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kit::CancellationToken;
use serde::{Deserialize, de::DeserializeOwned};

use crate::db::{Bounds, Database, DbError, Read};

/// Built-ins change with the server's version alone.
const KEEP_BUILTINS: Duration = Duration::from_secs(300);
/// Between the look-up and the statement an object can be replaced; only its owner can do that.
const KEEP_OBJECTS: Duration = Duration::from_secs(60);
const MAX_KEPT: usize = 4096;

/// The names of pg_catalog and of types.
#[derive(Debug, Default)]
pub struct Builtins {
    functions: HashMap<String, Function>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    pub volatile: bool,
    /// Somebody put a function of this name into pg_catalog.
    pub added: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Relation {
    pub kind: String,
    pub builtin: bool,
    pub definition: Option<String>,
    pub policies: Option<Vec<String>>,
    pub has_foreign_parts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtherFunction {
    pub builtin: bool,
    pub volatile: bool,
    pub extension: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Type {
    pub builtin: bool,
    pub kind: String,
}

/// A schema and a name in it.
type Name = (String, String);

/// The catalog of one database. Every look-up is a read like any other: own transaction, own bounds.
#[derive(Debug, Default)]
pub struct Catalog {
    builtins: Kept<(), Arc<Builtins>>,
    relations: Kept<Name, Option<Relation>>,
    functions: Kept<Name, Vec<OtherFunction>>,
    types: Kept<Name, Option<Type>>,
    type_names: Mutex<HashMap<u32, String>>,
}

impl Builtins {
    pub fn function(&self, name: &str) -> Option<Function> {
        self.functions.get(name).copied()
    }
}

impl Catalog {
    pub async fn builtins(&self, db: &Database, cancelled: &CancellationToken) -> Result<Arc<Builtins>, DbError> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
            volatile: bool,
            added: bool,
        }
        if let Some(kept) = self.builtins.get(&(), KEEP_BUILTINS) {
            return Ok(kept);
        }
        let rows: Vec<Row> = ask(db, include_str!("../queries/builtins.sql"), vec![], cancelled).await?;
        let functions = rows.into_iter().map(|row| {
            (
                row.name,
                Function {
                    volatile: row.volatile,
                    added: row.added,
                },
            )
        });
        let builtins = Arc::new(Builtins {
            functions: functions.collect(),
        });
        self.builtins.put((), builtins.clone());
        Ok(builtins)
    }

    pub async fn relation(
        &self,
        db: &Database,
        name: &Name,
        cancelled: &CancellationToken,
    ) -> Result<Option<Relation>, DbError> {
        if let Some(kept) = self.relations.get(name, KEEP_OBJECTS) {
            return Ok(kept);
        }
        let rows: Vec<Relation> = ask_by_name(db, include_str!("../queries/relation.sql"), name, cancelled).await?;
        let found = rows.into_iter().next();
        // What does not exist now may be made at any time: only what was found is kept.
        found
            .iter()
            .for_each(|found| self.relations.put(name.clone(), Some(found.clone())));
        Ok(found)
    }

    pub async fn functions(
        &self,
        db: &Database,
        name: &Name,
        cancelled: &CancellationToken,
    ) -> Result<Vec<OtherFunction>, DbError> {
        if let Some(kept) = self.functions.get(name, KEEP_OBJECTS) {
            return Ok(kept);
        }
        let rows: Vec<OtherFunction> =
            ask_by_name(db, include_str!("../queries/function.sql"), name, cancelled).await?;
        self.functions.put(name.clone(), rows.clone());
        Ok(rows)
    }

    pub async fn r#type(
        &self,
        db: &Database,
        name: &Name,
        cancelled: &CancellationToken,
    ) -> Result<Option<Type>, DbError> {
        if let Some(kept) = self.types.get(name, KEEP_OBJECTS) {
            return Ok(kept);
        }
        let rows: Vec<Type> = ask_by_name(db, include_str!("../queries/type.sql"), name, cancelled).await?;
        let found = rows.into_iter().next();
        // What does not exist now may be made at any time: only what was found is kept.
        found
            .iter()
            .for_each(|found| self.types.put(name.clone(), Some(found.clone())));
        Ok(found)
    }

    /// Returns the names of types by oid; a type that is gone meanwhile is named by its number.
    pub async fn type_names(
        &self,
        db: &Database,
        oids: &[u32],
        cancelled: &CancellationToken,
    ) -> Result<Vec<String>, DbError> {
        #[derive(Deserialize)]
        struct Row {
            oid: u32,
            name: String,
        }
        let unknown: Vec<String> = {
            let known = self.type_names.lock().unwrap_or_else(PoisonError::into_inner);
            oids.iter()
                .filter(|oid| !known.contains_key(oid))
                .map(u32::to_string)
                .collect()
        };
        if !unknown.is_empty() {
            let list = format!("{{{}}}", unknown.join(","));
            let rows: Vec<Row> = ask(db, include_str!("../queries/types.sql"), vec![Some(list)], cancelled).await?;
            let mut known = self.type_names.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() > MAX_KEPT {
                known.clear();
            }
            known.extend(rows.into_iter().map(|row| (row.oid, row.name)));
        }
        let known = self.type_names.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(oids
            .iter()
            .map(|oid| known.get(oid).cloned().unwrap_or_else(|| format!("oid {oid}")))
            .collect())
    }
}

async fn ask_by_name<T: DeserializeOwned>(
    db: &Database,
    sql: &'static str,
    (schema, name): &Name,
    cancelled: &CancellationToken,
) -> Result<Vec<T>, DbError> {
    ask(db, sql, vec![Some(schema.clone()), Some(name.clone())], cancelled).await
}

async fn ask<T: DeserializeOwned>(
    db: &Database,
    sql: &'static str,
    parameters: Vec<Option<String>>,
    cancelled: &CancellationToken,
) -> Result<Vec<T>, DbError> {
    let bounds = Bounds {
        max_rows: 20_000,
        max_bytes: 4 << 20,
    };
    let reading = db.read(Read::own(sql, parameters, bounds), cancelled).await?;
    if reading.truncated() {
        // Half a list of what is harmful is none.
        return Err(DbError::Unproven(
            "a catalog query returned more than is kept".to_owned(),
        ));
    }
    Ok(reading.decode()?)
}

/// A small cache whose entries are believed for a time.
#[derive(Debug)]
struct Kept<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V: Clone> Kept<K, V> {
    fn get(&self, key: &K, for_at_most: Duration) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)
            .filter(|(since, _)| since.elapsed() < for_at_most)
            .map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), value));
    }
}
