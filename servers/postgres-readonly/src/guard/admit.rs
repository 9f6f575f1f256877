//! Admits a statement: parse, look at its syntax, write the schema to every name, judge everything it reaches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kit::CancellationToken;
use sql_facts::Tree;
use sql_facts::{Bare, BareKind, ParseError, Statement};

use super::{
    Catalog, NotAdmitted, Refusal,
    catalog::{Builtins, Lookup, Wanted},
    judge::{Admitted, Judge, Reached, refused, typing_of},
    objects::PathSchema,
    syntax::{self, Purpose},
    typing,
    uses::Uses,
};
use crate::db::Database;

const PG_CATALOG: &str = "pg_catalog";
/// Bound on a statement's parse tree, packed: about an IN list of 7 000 numbers, or 1 600 conditions.
const MAX_PACKED_BYTES: usize = 100_000;
const MAX_ITEMS: usize = 8000;

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
    harmful: BTreeMap<String, BTreeSet<u32>>,
    /// Functions that `t.name` calls.
    by_column: BTreeMap<String, BTreeSet<u32>>,
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
    let admitted = judged(sql, lookup, Purpose::Call).await?;
    catalog.remember(sql, &admitted);
    Ok(admitted)
}

/// Admits a statement that is only planned, and so may be a change.
pub async fn admit_planned(
    sql: &str,
    catalog: &Catalog,
    db: &Database,
    cancelled: &CancellationToken,
) -> Result<Admitted, NotAdmitted> {
    let lookup = Lookup { catalog, db, cancelled };
    judged(sql, lookup, Purpose::Plan).await
}

async fn judged(sql: &str, lookup: Lookup<'_>, purpose: Purpose) -> Result<Admitted, NotAdmitted> {
    let direct = |refusal| refused(refusal, &None);
    // Lists take the most memory of all while they are parsed, so they are looked at before.
    let items = sql.bytes().filter(|byte| *byte == b',').count();
    if items > MAX_ITEMS {
        return Err(direct(Refusal::Items(items)));
    }
    let statement = Statement::parse_within(sql, MAX_PACKED_BYTES).map_err(|error| direct(Refusal::Text(error)))?;
    syntax::check(&statement, purpose).map_err(direct)?;
    let builtins = lookup.builtins().await?;
    let path = path(lookup).await?;
    let schemas = schemas_to_write(sql, lookup, &builtins, &path).await?;
    let statement = match schemas.is_empty() {
        true => statement,
        false => sql_facts::qualify(sql, &schemas).map_err(|error| direct(Refusal::Text(error)))?,
    };
    let uses = Uses::of(statement.tree());
    let reached = Judge::new(lookup, &path.schemas).statement(&statement, &uses).await?;
    let path = path.setting_for(lookup, statement.tree(), &uses, &reached).await?;
    Ok(Admitted {
        canonical: statement.canonical().to_owned(),
        path,
        run: what_runs(&statement).map_err(|error| direct(Refusal::Text(error)))?,
        cost: Arc::default(),
    })
}

fn what_runs(statement: &Statement) -> Result<Option<Arc<str>>, ParseError> {
    let facts = statement.facts();
    let analyzes = facts.options.iter().any(|option| option == "analyze");
    match facts.kind.as_str() {
        "select" => Ok(Some(statement.canonical().into())),
        "explain" if analyzes => Ok(statement.explained()?.map(Arc::from)),
        _ => Ok(None),
    }
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

/// Returns those functions that are harmful or cannot be judged, by the names that reach them.
async fn harmful(
    lookup: Lookup<'_>,
    path: &[String],
    functions: Vec<(String, u32)>,
) -> Result<BTreeMap<String, BTreeSet<u32>>, NotAdmitted> {
    let oids: Vec<u32> = functions.iter().map(|(_, oid)| *oid).collect();
    // Asked for in one go; each judgement finds them there.
    lookup.describe(&lookup.catalog.functions, &oids).await?;
    let mut harmful: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (name, oid) in functions {
        match Judge::functions(lookup, path, &[oid]).await {
            Ok(()) => {}
            Err(NotAdmitted::Refused { .. }) => {
                harmful.entry(name).or_default().insert(oid);
            }
            Err(unknown) => return Err(unknown),
        }
    }
    Ok(harmful)
}

impl Path {
    /// Returns the list that `SET search_path =` takes for a statement: without the schemas in which a name that it uses
    /// may come to mean something harmful. There the server then finds no such operator or function, unless its schema is
    /// written, and then it is judged. Temporary objects come last; there are none.
    async fn setting_for(
        &self,
        lookup: Lookup<'_>,
        tree: &Tree,
        uses: &Uses,
        reached: &Reached,
    ) -> Result<String, NotAdmitted> {
        let mut setting = PG_CATALOG.to_owned();
        let mut known = None;
        for own in &self.own {
            let inside = reached.used_inside.iter().any(|name| own.harmful.contains_key(name));
            let mut columns = uses.columns.iter().chain(&reached.columns_inside);
            if inside || columns.any(|column| own.by_column.contains_key(column)) {
                continue;
            }
            let named = uses.names().filter_map(|name| own.harmful.get(name));
            let harmful: BTreeSet<u32> = named.flatten().copied().collect();
            if !harmful.is_empty() {
                let known = match &mut known {
                    Some(known) => known,
                    none => none.insert(typing_of(lookup, uses, &reached.found).await?),
                };
                if typing::may_choose(tree, known, &harmful) {
                    continue;
                }
            }
            setting.push_str(&format!(", \"{}\"", own.schema.replace('"', "\"\"")));
        }
        setting.push_str(", pg_temp");
        Ok(setting)
    }
}
