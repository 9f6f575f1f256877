//! The judgement: parse, look at every kind of syntax, resolve every name, follow views and policies.

use std::collections::BTreeSet;

use kit::CancellationToken;
use sql_facts::{Facts, Statement};

use super::{
    Catalog, NotAdmitted, Refusal,
    catalog::{Builtins, Relation},
    lists, names, nodes,
};
use crate::db::Database;

/// How many views, policies and foreign names one statement may hang on.
const MAX_OBJECTS: usize = 64;
const EXPLAIN_OPTIONS: [&str; 8] = [
    "verbose",
    "costs",
    "settings",
    "summary",
    "generic_plan",
    "memory",
    "format",
    "buffers",
];
const TRUSTED_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// A statement that reads and does nothing else. Only [`admit`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    canonical: String,
}

impl Admitted {
    /// Returns the text that was judged; it is what must be sent.
    pub fn into_canonical(self) -> String {
        self.canonical
    }
}

/// Admits `sql` if everything in it is known to be harmless in this database. Not knowing refuses.
pub async fn admit(
    sql: &str,
    catalog: &Catalog,
    db: &Database,
    cancelled: &CancellationToken,
) -> Result<Admitted, NotAdmitted> {
    let direct = |refusal| NotAdmitted::Refused { refusal, through: None };
    let statement = Statement::parse(sql).map_err(|error| direct(Refusal::Text(error)))?;
    by_syntax(&statement).map_err(direct)?;

    let builtins = catalog.builtins(db, cancelled).await?;
    let mut judge = Judge {
        catalog,
        db,
        cancelled,
        builtins: &builtins,
        seen: BTreeSet::new(),
        left: Vec::new(),
    };
    judge.names(statement.facts()).await?.map_err(direct)?;
    while let Some((through, text)) = judge.left.pop() {
        let refused = |refusal| NotAdmitted::Refused {
            refusal,
            through: Some(through.clone()),
        };
        let inner = Statement::parse(&text).map_err(|error| refused(Refusal::Text(error)))?;
        by_syntax(&inner).map_err(refused)?;
        judge.names(inner.facts()).await?.map_err(refused)?;
    }
    Ok(Admitted {
        canonical: statement.canonical().to_owned(),
    })
}

/// What can be said without the database.
fn by_syntax(statement: &Statement) -> Result<(), Refusal> {
    let facts = statement.facts();
    match facts.kind.as_str() {
        "select" | "variable_show" => {}
        "explain" => {
            if let Some(option) = facts
                .options
                .iter()
                .find(|option| !EXPLAIN_OPTIONS.contains(&option.as_str()))
            {
                return Err(Refusal::ExplainOption(option.clone()));
            }
        }
        other => return Err(Refusal::Kind(other.to_owned())),
    }
    if let Some(kind) = facts.nested_kinds.iter().find(|kind| *kind != "select") {
        return Err(Refusal::Nested(kind.clone()));
    }
    if facts.row_locks {
        return Err(Refusal::RowLock);
    }
    if let Some(written) = facts
        .relations_written
        .iter()
        .chain(&facts.settings)
        .chain(&facts.roles)
        .next()
    {
        return Err(Refusal::Writes(written.clone()));
    }
    if let Some(reason) = facts.opaque.first() {
        return Err(Refusal::Opaque(reason.clone()));
    }
    match nodes::first_unknown(statement.tree()) {
        Some(node) => Err(Refusal::Node(node.to_owned())),
        None => Ok(()),
    }
}

struct Judge<'a> {
    catalog: &'a Catalog,
    db: &'a Database,
    cancelled: &'a CancellationToken,
    builtins: &'a Builtins,
    seen: BTreeSet<(String, String)>,
    /// Texts that reading something would run, and what that something is.
    left: Vec<(String, String)>,
}

type Verdict = Result<(), Refusal>;

impl Judge<'_> {
    /// Judges every name. The outer error means that the database could not be asked.
    async fn names(&mut self, facts: &Facts) -> Result<Verdict, NotAdmitted> {
        for name in &facts.functions {
            if let Err(why) = self.function(name).await? {
                return Ok(Err(Refusal::Function {
                    name: name.clone(),
                    why,
                }));
            }
        }
        for name in &facts.types {
            if let Err(why) = self.r#type(name).await? {
                return Ok(Err(Refusal::Type {
                    name: name.clone(),
                    why,
                }));
            }
        }
        for name in &facts.relations_read {
            if let Err(why) = self.relation(name).await? {
                return Ok(Err(Refusal::Relation {
                    name: name.clone(),
                    why,
                }));
            }
            if self.seen.len() > MAX_OBJECTS || self.left.len() > MAX_OBJECTS {
                return Ok(Err(Refusal::TooMuch));
            }
        }
        Ok(Ok(()))
    }

    async fn function(&self, dotted: &str) -> Result<Result<(), &'static str>, NotAdmitted> {
        let Some((schema, name)) = names::split(dotted) else {
            return Ok(Err("the name cannot be read"));
        };
        match schema.as_deref() {
            None | Some("pg_catalog") => {}
            Some(schema) => {
                let found = self
                    .catalog
                    .functions(self.db, &(schema.to_owned(), name.clone()), self.cancelled)
                    .await?;
                let harmless = |function: &super::catalog::OtherFunction| {
                    let extension = function.extension.as_deref().unwrap_or_default();
                    lists::is_harmless_extension_function(extension, &name)
                };
                return Ok(match found.as_slice() {
                    [] => Err("there is no such function"),
                    all if all.iter().all(harmless) => Ok(()),
                    _ => Err("it is not built in"),
                });
            }
        }
        Ok(match self.builtins.function(&name) {
            None => Err("there is no built-in function of this name (search_path is pg_catalog alone)"),
            Some(function) if function.added => Err("somebody added a function of this name to pg_catalog"),
            Some(function) => lists::builtin(&name, function.volatile),
        })
    }

    async fn r#type(&self, dotted: &str) -> Result<Result<(), &'static str>, NotAdmitted> {
        let Some((schema, name)) = names::split(dotted) else {
            return Ok(Err("the name cannot be read"));
        };
        let Some(schema) = schema.filter(|schema| schema != "pg_catalog") else {
            return Ok(Ok(()));
        };
        Ok(
            match self.catalog.r#type(self.db, &(schema, name), self.cancelled).await? {
                None => Err("there is no such type"),
                Some(found) if found.builtin || found.kind == "e" => Ok(()),
                Some(_) => Err("it is neither built in nor an enum: its input may run code"),
            },
        )
    }

    async fn relation(&mut self, dotted: &str) -> Result<Result<(), &'static str>, NotAdmitted> {
        let Some((schema, name)) = names::split(dotted) else {
            return Ok(Err("the name cannot be read"));
        };
        if lists::is_secret_relation(&name) && schema.as_deref().is_none_or(|schema| TRUSTED_SCHEMAS.contains(&schema))
        {
            return Ok(Err("it holds credentials, server files or protected data"));
        }
        // Without a schema it is in pg_catalog, or the statement fails: search_path has nothing else, and the session
        // has no temporary objects.
        let Some(schema) = schema else { return Ok(Ok(())) };
        let key = (schema, name);
        if !self.seen.insert(key.clone()) {
            return Ok(Ok(()));
        }
        Ok(match self.catalog.relation(self.db, &key, self.cancelled).await? {
            // The server will say so better.
            None => Ok(()),
            Some(relation) => self.content(dotted, &relation),
        })
    }

    fn content(&mut self, name: &str, relation: &Relation) -> Result<(), &'static str> {
        if relation.builtin {
            return Ok(());
        }
        match (relation.kind.as_str(), &relation.definition) {
            ("r" | "p" | "m" | "S" | "t", _) => {}
            ("v", Some(definition)) => self.left.push((name.to_owned(), definition.clone())),
            ("v", None) => return Err("its definition cannot be read"),
            ("f", _) => return Err("a foreign table opens a session on another server"),
            _ => return Err("it is nothing that can be read"),
        }
        if relation.has_foreign_parts {
            return Err("a part of it is a foreign table, which opens a session on another server");
        }
        let policies = relation.policies.iter().flatten();
        self.left
            .extend(policies.map(|policy| (name.to_owned(), format!("SELECT {policy}"))));
        Ok(())
    }
}
