//! Admits a statement: parse, look at its syntax, write the schema to every name, judge everything it reaches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kit::CancellationToken;
use sql_facts::{Bare, BareKind, Statement};

use super::{
    Catalog, NotAdmitted, Refusal,
    catalog::{Builtins, Lookup, Wanted},
    judge::{Admitted, Judge, refused},
    objects::PathSchema,
    syntax::{self, Purpose},
    uses::Uses,
};
use crate::db::Database;

const PG_CATALOG: &str = "pg_catalog";

/// The role's search path as far as it can be used.
#[derive(Debug, Default)]
pub struct Path {
    /// Where bare names are looked for: pg_catalog, then the role's own schemas.
    all: Vec<String>,
    /// Those among them in which everything that a statement reaches without naming the schema is harmless. Only these
    /// stand in the session's search_path; names of the others get their schema written.
    harmless: Vec<String>,
    /// Harmful functions in those that `t.name` would call.
    by_column: BTreeSet<String>,
}

/// Admits `sql` if everything in it is known to be harmless in this database. Not knowing refuses.
pub async fn admit(
    sql: &str,
    catalog: &Catalog,
    db: &Database,
    cancelled: &CancellationToken,
) -> Result<Admitted, NotAdmitted> {
    if let Some(known) = catalog.admitted(sql) {
        return Ok(known);
    }
    let lookup = Lookup { catalog, db, cancelled };
    let direct = |refusal| refused(refusal, &None);
    let statement = Statement::parse(sql).map_err(|error| direct(Refusal::Text(error)))?;
    syntax::check(&statement, Purpose::Call).map_err(direct)?;
    let builtins = lookup.builtins().await?;
    let path = path(lookup).await?;
    let schemas = schemas_to_write(sql, lookup, &builtins, &path).await?;
    let statement = match schemas.is_empty() {
        true => statement,
        false => sql_facts::qualify(sql, &schemas).map_err(|error| direct(Refusal::Text(error)))?,
    };
    let uses = Uses::of(statement.tree());
    if let Some(name) = uses.columns.intersection(&path.by_column).next() {
        return Err(direct(Refusal::Function {
            name: name.clone(),
            why: "written like a column it calls this function, whose effects cannot be judged".to_owned(),
        }));
    }
    Judge::new(lookup, &path.all).statement(&statement, &uses).await?;
    let admitted = Admitted {
        canonical: statement.canonical().to_owned(),
        path: path.as_setting(),
    };
    catalog.remember(sql, &admitted);
    Ok(admitted)
}

/// Finds the schemas of bare names that pg_catalog does not have.
async fn schemas_to_write(
    sql: &str,
    lookup: Lookup<'_>,
    builtins: &Builtins,
    path: &Path,
) -> Result<Vec<(Bare, String)>, NotAdmitted> {
    let bare = sql_facts::bare_names(sql).map_err(|error| refused(Refusal::Text(error), &None))?;
    let is_builtin = |bare: &Bare| bare.kind == BareKind::Function && builtins.function(&bare.name).is_some();
    let wanted_as = |kind, name: &str| Wanted {
        kind,
        schema: None,
        name: name.to_owned(),
    };
    let asked: Vec<(Bare, Vec<Wanted>)> = bare
        .into_iter()
        .filter(|bare| !is_builtin(bare))
        .map(|bare| {
            let kinds: &[&'static str] = match bare.kind {
                BareKind::Relation => &["relation"],
                // `mood('good')` is a cast when no function has that name.
                BareKind::Function => &["function", "type"],
                BareKind::Type => &["type"],
            };
            let wanted = kinds.iter().map(|kind| wanted_as(*kind, &bare.name)).collect();
            (bare, wanted)
        })
        .collect();
    let all: BTreeSet<Wanted> = asked.iter().flat_map(|(_, wanted)| wanted.iter().cloned()).collect();
    let found: BTreeMap<Wanted, _> = match all.is_empty() {
        true => BTreeMap::new(),
        false => lookup.names(all, &path.all).await?,
    };
    let schema_of = |wanted: &[Wanted]| {
        wanted
            .iter()
            .find_map(|wanted| found.get(wanted))
            .map(|found| found.schema.clone())
    };
    let written = asked
        .into_iter()
        .filter_map(|(bare, wanted)| Some((bare, schema_of(&wanted)?)));
    Ok(written.filter(|(_, schema)| schema != PG_CATALOG).collect())
}

async fn path(lookup: Lookup<'_>) -> Result<Arc<Path>, NotAdmitted> {
    if let Some(known) = lookup.catalog.path() {
        return Ok(known);
    }
    let schemas = lookup.path().await?;
    let mut path = Path {
        all: vec![PG_CATALOG.to_owned()],
        ..Path::default()
    };
    path.all.extend(schemas.iter().map(|entry| entry.schema.clone()));
    for entry in schemas {
        if !is_harmless(lookup, &path.all, entry.unnamed.as_deref().unwrap_or_default()).await? {
            continue;
        }
        path.by_column
            .append(&mut harmful_by_column(lookup, &path.all, &entry).await?);
        path.harmless.push(entry.schema);
    }
    let path = Arc::new(path);
    lookup.catalog.remember_path(path.clone());
    Ok(path)
}

async fn is_harmless(lookup: Lookup<'_>, path: &[String], functions: &[u32]) -> Result<bool, NotAdmitted> {
    match Judge::functions(lookup, path, functions).await {
        Ok(()) => Ok(true),
        Err(NotAdmitted::Refused { .. }) => Ok(false),
        Err(unknown) => Err(unknown),
    }
}

async fn harmful_by_column(
    lookup: Lookup<'_>,
    path: &[String],
    entry: &PathSchema,
) -> Result<BTreeSet<String>, NotAdmitted> {
    let oids = entry.by_column.as_deref().unwrap_or_default();
    let mut harmful = BTreeSet::new();
    for function in lookup.describe(&lookup.catalog.functions, oids).await? {
        if !is_harmless(lookup, path, &[function.oid]).await? {
            harmful.insert(function.name.clone());
        }
    }
    Ok(harmful)
}

impl Path {
    /// Returns the list that `SET search_path =` takes. Temporary objects come last; there are none.
    fn as_setting(&self) -> String {
        let quoted = self
            .harmless
            .iter()
            .map(|schema| format!("\"{}\"", schema.replace('"', "\"\"")));
        let all: Vec<String> = [PG_CATALOG.to_owned()]
            .into_iter()
            .chain(quoted)
            .chain(["pg_temp".to_owned()])
            .collect();
        all.join(", ")
    }
}
