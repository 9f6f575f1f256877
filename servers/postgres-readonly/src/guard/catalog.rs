//! What the connected database says of names and objects, asked in batches and kept for a while.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kit::CancellationToken;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    admit::Path,
    judge::Admitted,
    objects::{Danger, Described, Function, Operator, PathSchema, Relation, Type},
    typing::Known,
};
use crate::db::{Bounds, Database, DbError, Read};

/// Built-ins change with the server's version alone.
const KEEP_BUILTINS: Duration = Duration::from_secs(300);
/// Between the look-up and the statement an object can be replaced; only its owner can do that.
const KEEP_OBJECTS: Duration = Duration::from_secs(60);
const MAX_KEPT: usize = 4096;
/// Statements that were admitted, by their text.
const MAX_ADMITTED: usize = 256;
const MAX_ADMITTED_BYTES: usize = 4096;

/// The function names of pg_catalog.
#[derive(Debug, Default)]
pub struct Builtins {
    functions: HashMap<String, Builtin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    pub volatile: bool,
    /// Somebody put a function of this name into pg_catalog.
    pub added: bool,
}

/// A name to be looked up: `relation`, `function`, `type` or `operator`, its schema if it was written, itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    pub kind: &'static str,
    pub schema: Option<String>,
    pub name: String,
}

/// Where a name was found, and everything of that name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub schema: String,
    pub oids: Vec<u32>,
}

/// The catalog of one database. Every look-up is a read like any other: own transaction, own bounds.
#[derive(Debug, Default)]
pub struct Catalog {
    builtins: Kept<(), Arc<Builtins>>,
    path: Kept<(), Arc<Path>>,
    dangers: Kept<(), Arc<[Danger]>>,
    names: Kept<Wanted, Option<Found>>,
    pub(super) functions: Kept<u32, Arc<Function>>,
    pub(super) types: Kept<u32, Arc<Type>>,
    pub(super) operators: Kept<u32, Arc<Operator>>,
    pub(super) relations: Kept<u32, Arc<Relation>>,
    admitted: Kept<String, Admitted>,
    type_names: Mutex<HashMap<u32, String>>,
}

/// A catalog together with the way to ask for what is not in it yet.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    pub catalog: &'a Catalog,
    pub db: &'a Database,
    pub cancelled: &'a CancellationToken,
}

impl Builtins {
    pub fn function(&self, name: &str) -> Option<Builtin> {
        self.functions.get(name).copied()
    }
}

impl Catalog {
    /// Returns the statement as it was admitted not long ago.
    pub fn admitted(&self, sql: &str) -> Option<Admitted> {
        self.admitted.get(sql, KEEP_OBJECTS)
    }

    /// Returns the search path as it was judged not long ago.
    pub fn path(&self) -> Option<Arc<Path>> {
        self.path.get(&(), KEEP_OBJECTS)
    }

    pub fn remember_path(&self, path: Arc<Path>) {
        self.path.put((), path);
    }

    pub fn remember(&self, sql: &str, admitted: &Admitted) {
        if sql.len() <= MAX_ADMITTED_BYTES {
            self.admitted.put_within(sql.to_owned(), admitted.clone(), MAX_ADMITTED);
        }
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
        let unknown: Vec<u32> = {
            let known = self.type_names.lock().unwrap_or_else(PoisonError::into_inner);
            oids.iter().copied().filter(|oid| !known.contains_key(oid)).collect()
        };
        if !unknown.is_empty() {
            let lookup = Lookup {
                catalog: self,
                db,
                cancelled,
            };
            let rows: Vec<Row> = lookup
                .ask(include_str!("../queries/types.sql"), vec![array(&unknown)])
                .await?;
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

impl Lookup<'_> {
    pub async fn builtins(&self) -> Result<Arc<Builtins>, DbError> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
            volatile: bool,
            added: bool,
        }
        if let Some(kept) = self.catalog.builtins.get(&(), KEEP_BUILTINS) {
            return Ok(kept);
        }
        let rows: Vec<Row> = self.ask(include_str!("../queries/guard/builtins.sql"), vec![]).await?;
        let functions = rows.into_iter().map(|row| {
            let Row { name, volatile, added } = row;
            (name, Builtin { volatile, added })
        });
        let builtins = Arc::new(Builtins {
            functions: functions.collect(),
        });
        self.catalog.builtins.put((), builtins.clone());
        Ok(builtins)
    }

    /// Returns the schemas of the role's own search path after pg_catalog.
    pub async fn path(&self) -> Result<Vec<PathSchema>, DbError> {
        self.ask(include_str!("../queries/guard/path.sql"), vec![]).await
    }

    pub async fn dangers(&self) -> Result<Arc<[Danger]>, DbError> {
        if let Some(kept) = self.catalog.dangers.get(&(), KEEP_OBJECTS) {
            return Ok(kept);
        }
        let dangers: Arc<[Danger]> = self
            .ask(include_str!("../queries/guard/dangers.sql"), vec![])
            .await?
            .into();
        self.catalog.dangers.put((), dangers.clone());
        Ok(dangers)
    }

    /// Looks names up; one that is not in the answer does not exist. `path` is where bare names are looked for.
    pub async fn names(&self, wanted: BTreeSet<Wanted>, path: &[String]) -> Result<BTreeMap<Wanted, Found>, DbError> {
        #[derive(Deserialize)]
        struct Row {
            kind: String,
            written: String,
            name: String,
            schema: String,
            oids: Vec<u32>,
        }
        let (mut found, mut unknown) = (BTreeMap::new(), Vec::new());
        for name in wanted {
            match self.catalog.names.get(&name, KEEP_OBJECTS) {
                Some(Some(kept)) => {
                    found.insert(name, kept);
                }
                // What does not exist now may be made at any time: only what was found is kept.
                Some(None) | None => unknown.push(name),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let column = |value: fn(&Wanted) -> String| text_array(unknown.iter().map(value));
        let parameters = vec![
            column(|wanted| wanted.kind.to_owned()),
            column(|wanted| wanted.schema.clone().unwrap_or_default()),
            column(|wanted| wanted.name.clone()),
            text_array(path.iter().cloned()),
        ];
        let rows: Vec<Row> = self.ask(include_str!("../queries/guard/names.sql"), parameters).await?;
        for row in rows {
            let schema = Some(row.written).filter(|written| !written.is_empty());
            let is_it =
                |wanted: &&Wanted| wanted.kind == row.kind && wanted.schema == schema && wanted.name == row.name;
            let Some(wanted) = unknown.iter().find(is_it) else {
                continue;
            };
            let here = Found {
                schema: row.schema,
                oids: row.oids,
            };
            self.catalog.names.put(wanted.clone(), Some(here.clone()));
            found.insert(wanted.clone(), here);
        }
        Ok(found)
    }

    /// Returns what the catalog says of these objects; one that is gone meanwhile is missing.
    pub async fn describe<T: Described + DeserializeOwned>(
        &self,
        kept: &Kept<u32, Arc<T>>,
        oids: &[u32],
    ) -> Result<Vec<Arc<T>>, DbError> {
        let (mut described, mut unknown) = (Vec::new(), Vec::new());
        for oid in oids {
            match kept.get(oid, KEEP_OBJECTS) {
                Some(known) => described.push(known),
                None => unknown.push(*oid),
            }
        }
        if !unknown.is_empty() {
            let rows: Vec<T> = self.ask(T::SQL, vec![array(&unknown)]).await?;
            for row in rows {
                let row = Arc::new(row);
                kept.put(row.oid(), row.clone());
                described.push(row);
            }
        }
        Ok(described)
    }

    /// Returns what the types of a statement can be told by: the relations that it reads, the functions and operators, and
    /// the types that it names.
    pub async fn typing(
        &self,
        relations: &[u32],
        names: impl Iterator<Item = String>,
        types: impl Iterator<Item = String>,
    ) -> Result<Known, DbError> {
        let parameters = vec![array(relations), text_array(names), text_array(types)];
        let rows: Vec<Known> = self
            .ask(include_str!("../queries/guard/typing.sql"), parameters)
            .await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        sql: &'static str,
        parameters: Vec<Option<String>>,
    ) -> Result<Vec<T>, DbError> {
        let bounds = Bounds {
            max_rows: 20_000,
            max_bytes: 4 << 20,
        };
        let reading = self.db.read(Read::own(sql, parameters, bounds), self.cancelled).await?;
        if reading.truncated() {
            // Half a list of what is harmful is none.
            return Err(DbError::Unproven(
                "a catalog query returned more than is kept".to_owned(),
            ));
        }
        Ok(reading.decode()?)
    }
}

fn array(oids: &[u32]) -> Option<String> {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    Some(format!("{{{}}}", oids.join(",")))
}

/// Writes an array in PostgreSQL's text form.
fn text_array(items: impl Iterator<Item = String>) -> Option<String> {
    let quoted = items.map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\"")));
    Some(format!("{{{}}}", quoted.collect::<Vec<_>>().join(",")))
}

/// A small cache whose entries are believed for a time.
#[derive(Debug)]
pub struct Kept<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V: Clone> Kept<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q, for_at_most: Duration) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)
            .filter(|(since, _)| since.elapsed() < for_at_most)
            .map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) {
        self.put_within(key, value, MAX_KEPT);
    }

    fn put_within(&self, key: K, value: V, most: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= most {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), value));
    }
}
