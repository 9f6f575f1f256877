//! The judgement of what a statement reaches: a work list of objects and texts, until nothing is left or one is harmful.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::{Arc, OnceLock},
};

use sql_facts::Statement;
use sql_facts::Tree;

use super::{
    NotAdmitted, Refusal,
    catalog::{Builtins, Found, Lookup, Wanted},
    lists,
    objects::{Class, Danger, Described, Function, Need, Object, Operator, Relation, Type, Usage},
    syntax::{self, Purpose},
    typing::{self, Body, Cast, Known},
    uses::{Name, UNWRITTEN, Uses},
};
use crate::db::DbError;

/// How much one statement may hang on.
const MAX_OBJECTS: usize = 2000;
const MAX_TEXTS: usize = 128;
const PG_CATALOG: &str = "pg_catalog";
/// A statement that reads and does nothing else. Only [`super::admit`] makes one.
#[derive(Debug, Clone)]
#[must_use]
pub struct Admitted {
    pub(super) canonical: String,
    pub(super) path: String,
    /// What of it is run, and so costs something: a SELECT, alone or under EXPLAIN ANALYZE.
    pub(super) run: Option<Arc<str>>,
    /// What the planner thought of that when it was asked; shared by all copies.
    pub(super) cost: Arc<OnceLock<f64>>,
}

impl Admitted {
    /// Returns the text that was judged; it is what must be sent.
    pub fn into_canonical(self) -> String {
        self.canonical
    }

    /// Returns the search path that the text was judged under, as SET takes it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Why something is harmful, or that it could not be found out.
pub(super) type Outcome = Result<(), NotAdmitted>;

/// What leads from the statement to what is judged now, for the refusal's message.
type Via = Option<Arc<str>>;

/// What a statement was found to reach.
pub(super) struct Reached {
    /// The names that it writes.
    pub found: BTreeMap<Wanted, Found>,
    /// Functions and operators that bodies which it runs name without a schema, and columns.
    pub used_inside: BTreeSet<String>,
    pub columns_inside: BTreeSet<String>,
}

/// A text of the catalog.
#[derive(Debug)]
struct Pending {
    text: String,
    /// Parameters of the function whose body it is, where the catalog has only its text. Of every other text the catalog
    /// says what it depends on, implicit casts and overloads that were chosen among them.
    body_of: Option<Body>,
}

impl Pending {
    fn known(text: String) -> Self {
        Self { text, body_of: None }
    }
}

pub(super) struct Judge<'a> {
    lookup: Lookup<'a>,
    /// Where bare names in texts of the catalog are looked for; those texts write the schema of everything else.
    path: &'a [String],
    objects: VecDeque<(Object, Via)>,
    texts: Vec<(Pending, Via)>,
    seen: HashSet<Object>,
    texts_seen: usize,
    /// The columns that the statement itself names; `None` inside what it reaches, where all count.
    columns: Option<&'a Uses>,
    /// The statement is only planned, and these are changed by it.
    written: bool,
    /// What is judged is itself tied to what is built in.
    tied: bool,
    /// Functions and operators that bodies which it runs name without a schema.
    used_inside: BTreeSet<String>,
    columns_inside: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    pub fn new(lookup: Lookup<'a>, path: &'a [String]) -> Self {
        Self {
            lookup,
            path,
            objects: VecDeque::new(),
            texts: Vec::new(),
            seen: HashSet::new(),
            texts_seen: 0,
            columns: None,
            written: false,
            tied: false,
            used_inside: BTreeSet::new(),
            columns_inside: BTreeSet::new(),
        }
    }

    /// Judges functions alone.
    pub async fn functions(lookup: Lookup<'a>, path: &'a [String], oids: &[u32]) -> Outcome {
        let mut judge = Self::new(lookup, path);
        judge.add(
            oids.iter().map(|oid| Object {
                class: Class::Function,
                oid: *oid,
            }),
            &None,
        );
        judge.finish().await
    }

    /// Judges a statement, whose bare names have schemas by now, and everything that it reaches.
    pub async fn statement(mut self, statement: &Statement, uses: &'a Uses) -> Result<Reached, NotAdmitted> {
        self.written = !statement.facts().relations_written.is_empty();
        self.columns = Some(uses);
        let found = self.names(statement, uses, &None).await?;
        self.unnamed(statement.tree(), uses, &found, &Body::default(), &None)
            .await?;
        // Relations that the statement names come first, while its own columns are what counts.
        self.relations().await?;
        self.columns = None;
        self.written = false;
        self.finish().await?;
        Ok(Reached {
            found,
            used_inside: self.used_inside,
            columns_inside: self.columns_inside,
        })
    }

    async fn finish(&mut self) -> Outcome {
        loop {
            if let Some((text, via)) = self.texts.pop() {
                self.text(text, via).await?;
            } else if self.objects.is_empty() {
                return Ok(());
            } else {
                self.batch().await?;
            }
        }
    }

    async fn batch(&mut self) -> Outcome {
        self.relations().await?;
        let functions = self.take(Class::Function);
        for (function, via) in self.described(&functions, &self.lookup.catalog.functions).await? {
            self.function(&function, &via)?;
        }
        let types = self.take(Class::Type);
        for (r#type, _) in self.described(&types, &self.lookup.catalog.types).await? {
            self.r#type(&r#type)?;
        }
        let operators = self.take(Class::Operator);
        for (operator, _) in self.described(&operators, &self.lookup.catalog.operators).await? {
            self.operator(&operator);
        }
        Ok(())
    }

    async fn relations(&mut self) -> Outcome {
        let relations = self.take(Class::Relation);
        for (relation, via) in self.described(&relations, &self.lookup.catalog.relations).await? {
            self.relation(&relation, &via).await?;
        }
        Ok(())
    }

    fn take(&mut self, class: Class) -> Vec<(u32, Via)> {
        let (taken, left) = self.objects.drain(..).partition(|(object, _)| object.class == class);
        self.objects = left;
        let taken: VecDeque<(Object, Via)> = taken;
        taken.into_iter().map(|(object, via)| (object.oid, via)).collect()
    }

    async fn described<T: Described + serde::de::DeserializeOwned>(
        &self,
        wanted: &[(u32, Via)],
        kept: &super::catalog::Kept<u32, Arc<T>>,
    ) -> Result<Vec<(Arc<T>, Via)>, DbError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let oids: Vec<u32> = wanted.iter().map(|(oid, _)| *oid).collect();
        let via: BTreeMap<u32, Via> = wanted.iter().cloned().collect();
        let rows = self.lookup.describe(kept, &oids).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.clone(), via.get(&row.oid()).cloned().flatten()))
            .collect())
    }

    fn add(&mut self, objects: impl IntoIterator<Item = Object>, via: &Via) {
        for object in objects {
            if self.seen.insert(object) {
                self.objects.push_back((object, via.clone()));
            }
        }
    }

    fn add_needs(&mut self, needs: Option<&Vec<Need>>, via: &Via) {
        self.add(needs.into_iter().flatten().filter_map(Need::object), via);
    }

    async fn text(&mut self, pending: Pending, via: Via) -> Outcome {
        self.texts_seen += 1;
        if self.texts_seen > MAX_TEXTS || self.seen.len() > MAX_OBJECTS {
            return Err(refused(Refusal::TooMuch, &via));
        }
        let statement = Statement::parse(&pending.text).map_err(|error| refused(Refusal::Text(error), &via))?;
        syntax::check(&statement, Purpose::Read).map_err(|refusal| refused(refusal, &via))?;
        let uses = Uses::of(statement.tree());
        let Some(body) = pending.body_of else {
            return self.built_in(&statement, &uses, &via).await;
        };
        let found = self.names(&statement, &uses, &via).await?;
        self.used_inside.extend(uses.names().map(str::to_owned));
        self.columns_inside.extend(uses.columns.iter().cloned());
        self.unnamed(statement.tree(), &uses, &found, &body, &via).await
    }

    /// Looks up every name of a statement and judges what can be judged by name alone.
    async fn names(
        &mut self,
        statement: &Statement,
        uses: &Uses,
        via: &Via,
    ) -> Result<BTreeMap<Wanted, Found>, NotAdmitted> {
        self.built_in(statement, uses, via).await?;
        let builtins = self.lookup.builtins().await?;
        let mut wanted = BTreeSet::new();
        let mut want = |kind: &'static str, (schema, name): &Name| {
            wanted.insert(Wanted {
                kind,
                schema: schema.clone(),
                name: name.clone(),
            })
        };
        for function in uses.functions.iter().filter(|name| !is_built_in(name, &builtins)) {
            // `mood('good')` is a cast when no function has that name.
            want("function", function);
            want("type", function);
        }
        let relations = relations_of(statement);
        let not_in_catalog = |name: &&Name| name.0.as_deref().is_some_and(|schema| schema != PG_CATALOG);
        relations.iter().for_each(|name| {
            want("relation", name);
        });
        uses.types.iter().filter(not_in_catalog).for_each(|name| {
            want("type", name);
        });
        uses.operators.iter().filter(not_in_catalog).for_each(|name| {
            want("operator", name);
        });
        let found = self.lookup.names(wanted.clone(), self.path).await?;
        for wanted in &wanted {
            self.found(wanted, found.get(wanted), &found, via)?;
        }
        Ok(found)
    }

    /// Judges what is built in, by name. That is all that is left to do of a text of which the catalog says what else it
    /// depends on.
    async fn built_in(&self, statement: &Statement, uses: &Uses, via: &Via) -> Outcome {
        let catalogs = [None, Some(PG_CATALOG), Some("information_schema")];
        for (schema, name) in relations_of(statement) {
            if lists::is_secret_relation(&name) && catalogs.contains(&schema.as_deref()) {
                let why = "it holds credentials, server files or protected data";
                return Err(refused(relation(&name, why), via));
            }
        }
        let builtins = self.lookup.builtins().await?;
        for name in uses.functions.iter().filter(|name| is_built_in(name, &builtins)) {
            let found = builtins.function(&name.1);
            let verdict = found.map_or(Ok(()), |found| lists::builtin(&name.1, found.volatile, found.added));
            verdict.map_err(|why| refused(called(&name.1, why), via))?;
        }
        Ok(())
    }

    fn found(&mut self, wanted: &Wanted, here: Option<&Found>, all: &BTreeMap<Wanted, Found>, via: &Via) -> Outcome {
        let class = match wanted.kind {
            "relation" => Class::Relation,
            "function" => Class::Function,
            "operator" => Class::Operator,
            _ => Class::Type,
        };
        if let Some(here) = here {
            self.add(here.oids.iter().map(|oid| Object { class, oid: *oid }), via);
            return Ok(());
        }
        let as_type = Wanted {
            kind: "type",
            ..wanted.clone()
        };
        match class {
            Class::Function if !all.contains_key(&as_type) => Err(refused(
                called(
                    &wanted.name,
                    "there is no function of this name in the search path or in that schema",
                ),
                via,
            )),
            // That the rest does not exist the server will say better.
            Class::Function | Class::Relation | Class::Type | Class::Operator => Ok(()),
        }
    }

    /// Judges code that is tied to what is built in, where the statement can meet it.
    async fn unnamed(
        &mut self,
        tree: &Tree,
        uses: &Uses,
        found: &BTreeMap<Wanted, Found>,
        body: &Body,
        via: &Via,
    ) -> Outcome {
        if self.tied {
            return Ok(());
        }
        let dangers = self.lookup.dangers().await?;
        let mut harmful: Vec<(&Danger, NotAdmitted)> = Vec::new();
        for danger in dangers.iter() {
            let functions = danger.functions.clone().unwrap_or_default();
            let mut judge = Judge::new(self.lookup, self.path);
            judge.tied = true;
            judge.add(
                functions.iter().map(|oid| Object {
                    class: Class::Function,
                    oid: *oid,
                }),
                &None,
            );
            match Box::pin(judge.finish()).await {
                Ok(()) => {}
                Err(unknown @ NotAdmitted::Unknown(_)) => return Err(unknown),
                Err(refusal) => harmful.push((danger, refusal)),
            }
        }
        if harmful.is_empty() {
            return Ok(());
        }
        let known = typing_of(self.lookup, uses, found).await?;
        let met = harmful
            .into_iter()
            .find(|(danger, _)| meets(danger, tree, uses, &known, body));
        match met {
            None => Ok(()),
            Some((danger, refusal)) => {
                let (kind, name) = (&danger.kind, &danger.name);
                let why = format!("{kind} `{name}` is tied to what is built in and would run: {refusal}");
                Err(refused(Refusal::Tied(why), via))
            }
        }
    }

    fn function(&mut self, function: &Function, via: &Via) -> Outcome {
        let name = function.shown();
        let fail = |why: &str| Err(refused(called(&name, why), via));
        if function.builtin {
            let volatile = function.volatility == "v";
            return lists::builtin(&function.name, volatile, false).or_else(fail);
        }
        if self.lookup.db.knows_function(&function.signature) {
            return Ok(());
        }
        if let Some(extension) = &function.extension
            && let Some(verdict) = lists::extension_function(extension, function)
        {
            return verdict.or_else(fail);
        }
        let via = &Some(Arc::from(name.as_str()));
        self.add_needs(function.needs.as_ref(), via);
        self.texts.extend(
            function
                .defaults
                .iter()
                .map(|defaults| (Pending::known(format!("SELECT {defaults}")), via.clone())),
        );
        match (function.kind.as_str(), function.language.as_str()) {
            ("a", _) => self.add(Object::all(Class::Function, function.parts.as_ref()), via),
            ("f", "internal") if lists::is_range_constructor(function.source.as_deref().unwrap_or_default()) => {}
            ("f", "sql") if function.security_definer => {
                return fail("it runs with its owner's rights (SECURITY DEFINER)");
            }
            ("f", "sql") if function.has_settings => return fail("it changes settings while it runs (SET)"),
            ("f", "sql") => match (&function.source, &function.definition) {
                (Some(source), _) => {
                    let body_of = Some(Body {
                        parameters: function.parameters.clone().unwrap_or_default(),
                        result: Some(function.result),
                    });
                    let text = source.clone();
                    self.texts.push((Pending { text, body_of }, via.clone()));
                }
                (None, Some(definition)) => match syntax::sql_body(definition) {
                    Some(body) => self.texts.push((Pending::known(body), via.clone())),
                    None => return fail("its body cannot be read"),
                },
                (None, None) => return fail("its body cannot be read"),
            },
            ("f", language) => {
                return fail(&format!(
                    "it is written in {}, so what it does cannot be judged",
                    kit::text::clean(language, 40)
                ));
            }
            _ => return fail("it is a procedure or a window function that is not built in"),
        }
        Ok(())
    }

    fn r#type(&mut self, found: &Type) -> Outcome {
        if found.oid < FIRST_USER_OID && found.kind != "c" {
            return Ok(());
        }
        let via = &Some(Arc::from(format!("type {}", found.shown())));
        self.add(
            [found.element, found.base, found.subtype]
                .into_iter()
                .flatten()
                .map(|oid| Object {
                    class: Class::Type,
                    oid,
                }),
            via,
        );
        self.add(Object::all(Class::Function, found.functions.as_ref()), via);
        self.add_needs(found.needs.as_ref(), via);
        self.texts.extend(
            found
                .checks
                .iter()
                .flatten()
                .map(|check| (Pending::known(format!("SELECT {check}")), via.clone())),
        );
        match found.kind.as_str() {
            "c" => self.add(
                found.relation.map(|oid| Object {
                    class: Class::Relation,
                    oid,
                }),
                via,
            ),
            "b" if found.element.is_none() && found.extension.is_none() => {
                return Err(refused(
                    Refusal::Type {
                        name: found.shown(),
                        why: "its input and output are code that is not built in".into(),
                    },
                    via,
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn operator(&mut self, operator: &Operator) {
        let via = Some(Arc::from(format!("operator {}", operator.shown())));
        self.add(Object::all(Class::Function, operator.functions.as_ref()), &via);
    }

    async fn relation(&mut self, found: &Relation, via: &Via) -> Outcome {
        if found.builtin {
            return Ok(());
        }
        let name = found.shown();
        let fail = |why: &str| Err(refused(relation(&name, why), via));
        match found.kind.as_str() {
            "r" | "p" | "m" | "S" | "t" | "v" | "c" => {}
            "f" => return fail("a foreign table opens a session on another server"),
            _ => return fail("it is nothing that can be read"),
        }
        if found.has_foreign_parts {
            return fail("a part of it is a foreign table, which opens a session on another server");
        }
        if self.written && (found.has_rules || found.kind == "v") {
            return fail("what a change of it would do is rewritten by rules");
        }
        if found.kind == "v" && !found.texts.iter().flatten().any(|text| text.usage == Usage::Reads) {
            return fail("its definition cannot be read");
        }
        let via = &Some(Arc::from(name.as_str()));
        for text in found.texts.iter().flatten() {
            match text.usage {
                Usage::Reads => {
                    self.texts.push((Pending::known(text.text.clone()), via.clone()));
                    self.add_needs(text.needs.as_ref(), via);
                }
                Usage::Writes if self.written => {
                    self.texts.push((Pending::known(text.text.clone()), via.clone()));
                    self.add_needs(text.needs.as_ref(), via);
                }
                Usage::Writes => {}
                Usage::Plans => self.planned(&text.text, text.needs.as_ref(), via).await?,
            }
        }
        let columns = found.columns.iter().flatten();
        let columns = columns.filter(|(column, _)| {
            self.columns
                .is_none_or(|uses| uses.star || uses.columns.contains(column))
        });
        let types: Vec<Object> = columns
            .map(|(_, oid)| Object {
                class: Class::Type,
                oid: *oid,
            })
            .collect();
        self.add(types, via);
        Ok(())
    }

    /// Judges an expression of which only constant parts are computed, and only by functions declared immutable: built-in
    /// ones are what they say, others may lie. A call over a column is never constant.
    async fn planned(&mut self, text: &str, needs: Option<&Vec<Need>>, via: &Via) -> Outcome {
        let objects: Vec<Object> = needs
            .into_iter()
            .flatten()
            .filter_map(Need::object)
            .filter(|object| matches!(object.class, Class::Function | Class::Operator))
            .collect();
        if objects.is_empty() {
            return Ok(());
        }
        let uses = Statement::parse(text).map(|statement| Uses::of(statement.tree())).ok();
        let oids = |class: Class| -> Vec<(u32, Via)> {
            objects
                .iter()
                .filter(|object| object.class == class)
                .map(|object| (object.oid, None))
                .collect()
        };
        let functions = self
            .described(&oids(Class::Function), &self.lookup.catalog.functions)
            .await?;
        let operators = self
            .described(&oids(Class::Operator), &self.lookup.catalog.operators)
            .await?;
        let over_columns =
            |name: &str, named: bool| uses.as_ref().is_some_and(|uses| named && !uses.constant.contains(name));
        let named_function = |name: &str| {
            uses.as_ref()
                .is_some_and(|uses| uses.functions.iter().any(|(_, used)| used == name))
        };
        let named_operator = |name: &str| {
            uses.as_ref()
                .is_some_and(|uses| uses.operators.iter().any(|(_, used)| used == name))
        };
        let left_functions = functions
            .iter()
            .filter(|(function, _)| !over_columns(&function.name, named_function(&function.name)))
            .map(|(function, _)| Object {
                class: Class::Function,
                oid: function.oid,
            });
        let left_operators = operators
            .iter()
            .filter(|(operator, _)| !over_columns(&operator.name, named_operator(&operator.name)))
            .map(|(operator, _)| Object {
                class: Class::Operator,
                oid: operator.oid,
            });
        let left: Vec<Object> = left_functions.chain(left_operators).collect();
        self.add(left, via);
        Ok(())
    }
}

/// Objects with smaller numbers came with the server.
const FIRST_USER_OID: u32 = 16384;

/// Asks for what the types in a statement can be told by.
pub(super) async fn typing_of(
    lookup: Lookup<'_>,
    uses: &Uses,
    found: &BTreeMap<Wanted, Found>,
) -> Result<Known, DbError> {
    let relations: Vec<u32> = found
        .iter()
        .filter(|(wanted, _)| wanted.kind == "relation")
        .flat_map(|(_, found)| found.oids.clone())
        .collect();
    let names = uses
        .functions
        .iter()
        .chain(&uses.operators)
        .map(|(_, name)| name.clone());
    let names = names.chain(UNWRITTEN.map(str::to_owned));
    let types = uses.types.iter().chain(&uses.functions).map(|(_, name)| name.clone());
    lookup.typing(&relations, names, types).await
}

/// Whether a statement may meet code that is tied to what is built in.
fn meets(danger: &Danger, tree: &Tree, uses: &Uses, known: &Known, body: &Body) -> bool {
    match (danger.source, danger.target) {
        (Some(source), Some(target)) => typing::may_run(
            tree,
            known,
            body,
            Cast {
                source,
                target,
                implicit: danger.implicit,
                assignment: danger.assignment,
            },
        ),
        (Some(source), None) => {
            let named = uses
                .types
                .iter()
                .any(|(_, used)| Some(used) == danger.source_name.as_ref());
            // Rows, arrays and many functions over them compare by it too.
            let compares = uses.unwritten || !uses.operators.is_empty() || !uses.functions.is_empty();
            let used = match danger.kind.as_str() {
                // Support functions across types; comparisons across types need an operator, which is judged itself.
                "operator family" => uses.frames,
                _ => uses.sorts || compares,
            };
            used && (named || typing::may_have(tree, known, body, source))
        }
        (None, _) => uses.names().any(|name| name == danger.name),
    }
}

fn relations_of(statement: &Statement) -> BTreeSet<Name> {
    let facts = statement.facts();
    let names = facts.relations_read.iter().chain(&facts.relations_written);
    names.filter_map(|name| super::names::split(name)).collect()
}

fn is_built_in((schema, name): &Name, builtins: &Builtins) -> bool {
    schema.as_deref().is_none_or(|schema| schema == PG_CATALOG) && builtins.function(name).is_some()
}

fn called(name: &str, why: &str) -> Refusal {
    Refusal::Function {
        name: name.to_owned(),
        why: why.to_owned(),
    }
}

fn relation(name: &str, why: &str) -> Refusal {
    Refusal::Relation {
        name: name.to_owned(),
        why: why.to_owned(),
    }
}

pub(super) fn refused(refusal: Refusal, via: &Via) -> NotAdmitted {
    NotAdmitted::Refused {
        refusal,
        through: via.as_deref().map(str::to_owned),
    }
}
