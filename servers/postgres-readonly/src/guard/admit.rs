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

/// The role's search path: pg_catalog first, then its own schemas.
#[derive(Debug, Default)]
pub struct Path {
    schemas: Vec<String>,
    /// Of the role's own: names of harmful code that a statement reaches without writing the schema.
    own: Vec<Own>,
}

#[derive(Debug)]
struct Own {
    schema: String,
    /// Operators, and functions of a name that pg_catalog has too.
    harmful: BTreeSet<String>,
    /// Functions that `t.name` calls.
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
    let used = Judge::new(lookup, &path.schemas).statement(&statement, &uses).await?;
    let admitted = Admitted {
        canonical: statement.canonical().to_owned(),
        path: path.setting_for(&used, &uses.columns),
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
        false => lookup.names(all, &path.schemas).await?,
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
        schemas: vec![PG_CATALOG.to_owned()],
        own: Vec::new(),
    };
    path.schemas.extend(schemas.iter().map(|entry| entry.schema.clone()));
    for PathSchema {
        schema,
        unnamed,
        by_column,
    } in schemas
    {
        let own = Own {
            harmful: harmful(lookup, &path.schemas, unnamed.unwrap_or_default()).await?,
            by_column: harmful(lookup, &path.schemas, by_column.unwrap_or_default()).await?,
            schema,
        };
        path.own.push(own);
    }
    let path = Arc::new(path);
    lookup.catalog.remember_path(path.clone());
    Ok(path)
}

/// Returns the names of those functions that are harmful or cannot be judged.
async fn harmful(
    lookup: Lookup<'_>,
    path: &[String],
    functions: Vec<(String, u32)>,
) -> Result<BTreeSet<String>, NotAdmitted> {
    let oids: Vec<u32> = functions.iter().map(|(_, oid)| *oid).collect();
    // Asked for in one go; each judgement finds them there.
    lookup.describe(&lookup.catalog.functions, &oids).await?;
    let mut harmful = BTreeSet::new();
    for (name, oid) in functions {
        match Judge::functions(lookup, path, &[oid]).await {
            Ok(()) => {}
            Err(NotAdmitted::Refused { .. }) => {
                harmful.insert(name);
            }
            Err(unknown) => return Err(unknown),
        }
    }
    Ok(harmful)
}

impl Path {
    /// Returns the list that `SET search_path =` takes for a statement that uses these names: without the schemas in which
    /// one of them is harmful. There the server then finds no such operator or function, unless its schema is written,
    /// and then it is judged. Temporary objects come last; there are none.
    fn setting_for(&self, used: &BTreeSet<String>, columns: &BTreeSet<String>) -> String {
        let harmless = self
            .own
            .iter()
            .filter(|own| own.harmful.is_disjoint(used) && own.by_column.is_disjoint(columns));
        let quoted = harmless.map(|own| format!("\"{}\"", own.schema.replace('"', "\"\"")));
        let all = [PG_CATALOG.to_owned()]
            .into_iter()
            .chain(quoted)
            .chain(["pg_temp".to_owned()]);
        all.collect::<Vec<_>>().join(", ")
    }
}
