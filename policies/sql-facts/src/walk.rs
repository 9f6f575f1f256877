//! One walk over a parse tree that gathers its facts. It knows few node types by name and treats all others alike,
//! so a node it has never heard of is still searched through, and a statement it has never heard of is still named.

use std::collections::BTreeSet;
use std::rc::Rc;

use pg_query::protobuf::{CmdType, ObjectType, VariableSetKind};

use crate::facts::{Call, Facts};
use crate::guards::{self, Guards};
use crate::names;
use crate::rows::Rows;
use crate::select::{self, Select};
use crate::statement::ParseError;
use crate::tree::{Fields, Tree};
use crate::utility;

/// Deeper than any tree that the parser hands over; passing it means that bound is gone.
const MAX_DEPTH: usize = 512;

pub(crate) fn facts_of(tree: &Tree) -> Result<Facts, ParseError> {
    let (name, body) = tagged(tree).ok_or_else(|| ParseError::Unreadable {
        message: "no statement node".into(),
    })?;
    if !name.ends_with("Stmt") {
        return Err(ParseError::Unreadable {
            message: format!("root node `{name}` is no statement"),
        });
    }
    let mut walk = Walk::default();
    walk.statement(name, body, &Place::default())?;
    Ok(walk.into_facts(name, body))
}

/// What a node inherits from where it stands.
#[derive(Debug, Clone, Default)]
struct Place {
    depth: usize,
    /// How many statements, and how many SELECTs, stand around it.
    statements: usize,
    selects: usize,
    /// Relations met here are read, not written.
    reading: bool,
    /// Names of the CTEs that a relation name may refer to here.
    ctes: Rc<Vec<String>>,
    /// The nearest SELECT above, and which of its clauses this is in.
    select: Rc<Select>,
    clause: &'static str,
}

#[derive(Debug, Default)]
struct Walk {
    nested: BTreeSet<String>,
    functions: BTreeSet<String>,
    calls: BTreeSet<Call>,
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    types: BTreeSet<String>,
    roles: BTreeSet<String>,
    settings: BTreeSet<String>,
    opaque: BTreeSet<String>,
    where_clause: Option<bool>,
    /// What its option of that name says, where it has one; said once off, it is off.
    concurrently: Option<bool>,
    row_locks: bool,
}

impl Walk {
    fn into_facts(self, root: &str, body: &Fields) -> Facts {
        let mut where_columns = BTreeSet::new();
        body.get("where_clause")
            .iter()
            .for_each(|clause| guards::columns(clause, &mut where_columns));
        let rows = Rows::of(root, body);
        Facts {
            kind: names::kind(root, body),
            nested_kinds: self.nested.into_iter().collect(),
            functions: self.functions.into_iter().collect(),
            calls: self.calls.into_iter().collect(),
            relations_read: self.read.into_iter().collect(),
            relations_written: self.written.into_iter().collect(),
            types: self.types.into_iter().collect(),
            roles: self.roles.into_iter().collect(),
            settings: self.settings.into_iter().collect(),
            options: options(body).into_iter().collect(),
            where_clause: self.where_clause,
            where_columns: where_columns.into_iter().collect(),
            pinned_columns: Guards::of(body.get("where_clause")).pinned.into_iter().collect(),
            concurrently: self.concurrently == Some(true),
            row_locks: self.row_locks,
            opaque: self.opaque.into_iter().collect(),
            utility: utility::of(root, body),
            from: rows.from,
            conditions: rows.conditions.into_iter().collect(),
            output: rows.output,
        }
    }

    fn value(&mut self, value: &Tree, place: &Place) -> Result<(), ParseError> {
        if place.depth > MAX_DEPTH {
            return Err(ParseError::Unreadable {
                message: "statement is nested too deeply".into(),
            });
        }
        let place = &Place {
            depth: place.depth + 1,
            ..place.clone()
        };
        match value {
            Tree::Array(items) => items.iter().try_for_each(|item| self.value(item, place)),
            Tree::Object(fields) => match tagged(value) {
                Some((name, body)) if name.ends_with("Stmt") => self.statement(name, body, place),
                Some((name, body)) => self.node(name, body, place),
                None => self.node(shape(fields), fields, place),
            },
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => Ok(()),
        }
    }

    fn statement(&mut self, name: &str, body: &Fields, place: &Place) -> Result<(), ParseError> {
        if place.statements > 0 {
            self.nested.insert(names::kind(name, body));
        }
        self.note_statement(name, body);
        let copies_out = name == "CopyStmt" && body.get("is_from").and_then(Tree::as_bool) == Some(false);
        let reading = name == "SelectStmt" || copies_out;
        let place = Place {
            statements: place.statements + 1,
            reading,
            select: Rc::default(),
            clause: "",
            ..place.clone()
        };
        self.fields(body, &place)
    }

    /// What is particular to one statement and is not found by walking its fields.
    fn note_statement(&mut self, name: &str, body: &Fields) {
        match name {
            "UpdateStmt" | "DeleteStmt" => {
                let has_where = body.get("where_clause").is_some_and(|clause| !clause.is_null());
                self.where_clause = Some(has_where && self.where_clause != Some(false));
            }
            "DoStmt" => self.hide("do block"),
            "ExecuteStmt" => self.hide("execute"),
            "CallStmt" => self.hide("call"),
            "CreateFunctionStmt" => self.hide("function body"),
            "CreateTrigStmt" | "CreateEventTrigStmt" => self.hide("trigger"),
            "RuleStmt" => self.hide("rule"),
            "LoadStmt" => self.hide("load library"),
            "CreateExtensionStmt" | "AlterExtensionStmt" => self.hide("extension script"),
            "CreatePlangStmt" => self.hide("language handler"),
            "CopyStmt" if body.get("is_program").and_then(Tree::as_bool) == Some(true) => self.hide("copy program"),
            "CopyStmt" if names::text(body, "filename").is_some() => self.hide("copy file"),
            "DropStmt" | "CommentStmt" | "SecLabelStmt" => {
                for object in body.get("objects").into_iter().chain(body.get("object")) {
                    self.note_objects(object);
                }
            }
            "CreateRoleStmt" => self.roles.extend(names::text(body, "role").map(str::to_owned)),
            "RenameStmt" if body.get("relation").is_none_or(Tree::is_null) => {
                let name = names::text(body, "subname").map(str::to_owned);
                match body.get("rename_type").and_then(Tree::as_i64) == Some(ObjectType::ObjectRole as i64) {
                    true => self.roles.extend(name),
                    false => self.written.extend(name),
                }
            }
            "GrantRoleStmt" => {
                let granted = body.get("granted_roles").and_then(Tree::as_array).into_iter().flatten();
                let granted = granted.filter_map(|node| node.at("/node/AccessPriv/priv_name"));
                self.roles.extend(granted.filter_map(Tree::as_str).map(str::to_owned));
            }
            "AlterRoleSetStmt" if body.get("role").is_none_or(Tree::is_null) => {
                self.roles.insert("all".into());
            }
            "VariableSetStmt" => self.note_setting(body),
            _ => {}
        }
    }

    fn node(&mut self, name: &str, body: &Fields, place: &Place) -> Result<(), ParseError> {
        match name {
            "RangeVar" => self.note_relation(body, place),
            "RoleSpec" => self.roles.extend(names::role(body)),
            "FuncCall" => self.note_function(body, place),
            "TypeName" => self.types.extend(names::dotted(body.get("names"))),
            "RangeTableSample" => self.functions.extend(names::dotted(body.get("method"))),
            "LockingClause" => self.row_locks = true,
            "IntoClause" => {
                return self.fields(
                    body,
                    &Place {
                        reading: false,
                        ..place.clone()
                    },
                );
            }
            "MergeWhenClause" => self.note_merge_action(body),
            "VariableSetStmt" => self.note_setting(body),
            "AExpr" => {
                if let Some(schema) = names::operator_schema(body)
                    && schema != "pg_catalog"
                {
                    self.hide(&format!("operator of schema: {schema}"));
                }
            }
            "DefElem" if names::text(body, "defname") == Some("concurrently") => {
                self.concurrently = Some(utility::is_on(body) && self.concurrently != Some(false));
            }
            _ => {}
        }
        self.fields(body, place)
    }

    fn fields(&mut self, body: &Fields, place: &Place) -> Result<(), ParseError> {
        if body.get("concurrent").and_then(Tree::as_bool) == Some(true) {
            self.concurrently = Some(true);
        }
        if body.get("into_clause").is_some_and(|into| !into.is_null()) {
            self.nested.insert("create_table_as".into());
        }
        let mut place = self.with_clause(body, place)?;
        let is_select = select::is_select(body);
        if is_select {
            place.select = Rc::new(Select::of(body, &place.ctes));
            place.selects += 1;
        }
        for (key, value) in body.iter().filter(|(key, _)| *key != "with_clause") {
            let reads = matches!(key, "from_clause" | "using_clause" | "source_relation");
            // The rows that FOR UPDATE OF names are aliases of relations that FROM has named already.
            if key == "locked_rels" {
                continue;
            }
            let clause = if is_select { select::clause(key) } else { place.clause };
            self.value(
                value,
                &Place {
                    reading: place.reading || reads,
                    clause,
                    ..place.clone()
                },
            )?;
        }
        Ok(())
    }

    /// Walks the CTEs and returns the place where their names are known. Without RECURSIVE a CTE sees only those
    /// before it, so `WITH t AS (SELECT * FROM t) …` reads the real `t`.
    fn with_clause(&mut self, body: &Fields, place: &Place) -> Result<Place, ParseError> {
        let mut place = place.clone();
        let Some(with) = body.get("with_clause").filter(|with| !with.is_null()) else {
            return Ok(place);
        };
        let list = with.get("ctes").and_then(Tree::as_array).unwrap_or_default();
        let name_of = |cte: &Tree| {
            cte.at("/node/CommonTableExpr/ctename")
                .and_then(Tree::as_str)
                .map(str::to_owned)
        };
        if with.get("recursive").and_then(Tree::as_bool) == Some(true) {
            Rc::make_mut(&mut place.ctes).extend(list.iter().filter_map(name_of));
        }
        for cte in list {
            self.value(cte, &place)?;
            Rc::make_mut(&mut place.ctes).extend(name_of(cte));
        }
        Ok(place)
    }

    fn note_relation(&mut self, range_var: &Fields, place: &Place) {
        let Some(name) = names::relation(range_var) else { return };
        if !place.reading {
            self.written.insert(name);
        } else if !names::is_cte(range_var, &place.ctes) {
            self.read.insert(name);
        }
    }

    /// A dropped or commented object is a list of name parts, a list of such lists, or a node that has one.
    fn note_objects(&mut self, object: &Tree) {
        match object {
            Tree::Array(items) => items.iter().for_each(|item| self.note_objects(item)),
            Tree::Object(_) => {
                let list = object
                    .at("/node/List/items")
                    .or_else(|| object.at("/node/ObjectWithArgs/objname"));
                match names::dotted(list) {
                    Some(name) => self.written.extend([name]),
                    None => self.written.extend(names::string_node(object).map(str::to_owned)),
                }
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
        }
    }

    fn note_function(&mut self, call: &Fields, place: &Place) {
        let Some(name) = names::dotted(call.get("funcname")) else {
            return;
        };
        self.opaque.extend(names::hides(&name));
        if name == "set_config" || name == "pg_catalog.set_config" {
            match call
                .get("args")
                .and_then(|args| args.at("/0/node/AConst/val/Sval/sval"))
                .and_then(Tree::as_str)
            {
                Some(setting) => self.settings.extend([setting.to_ascii_lowercase()]),
                None => self.hide("dynamic setting: set_config"),
            }
        }
        let select = &place.select;
        let argument = |nth: usize| select.column(call.get("args")?.as_array()?.get(nth)?);
        self.calls.insert(Call {
            function: name.clone(),
            first_argument: argument(0),
            second_argument: argument(1),
            constant: only_constant(call),
            clause: place.clause.to_owned(),
            in_root: place.selects == 1 && place.statements == 1,
            relations: select.relations.clone(),
            pinned_columns: select.guards.pinned.iter().cloned().collect(),
            bounded_columns: select.guards.bounded.iter().cloned().collect(),
            limit: select.limit,
        });
        self.functions.insert(name);
    }

    fn note_setting(&mut self, set: &Fields) {
        let resets_all = set.get("kind").and_then(Tree::as_i64) == Some(VariableSetKind::VarResetAll as i64);
        match names::text(set, "name") {
            Some(name) => self.settings.insert(name.to_ascii_lowercase()),
            None if resets_all => self.settings.insert("all".into()),
            None => self.settings.insert("unknown".into()),
        };
    }

    fn note_merge_action(&mut self, clause: &Fields) {
        let command = clause
            .get("command_type")
            .and_then(Tree::as_i64)
            .and_then(|kind| i32::try_from(kind).ok());
        let kind = match command.map(CmdType::try_from) {
            Some(Ok(CmdType::CmdDelete)) => "delete",
            Some(Ok(CmdType::CmdUpdate)) => "update",
            Some(Ok(CmdType::CmdInsert)) => "insert",
            Some(Ok(CmdType::CmdNothing)) => return,
            _ => "unknown",
        };
        self.nested.insert(kind.into());
    }

    fn hide(&mut self, reason: &str) {
        self.opaque.insert(reason.to_owned());
    }
}

fn options(body: &Fields) -> BTreeSet<String> {
    let lists = ["options", "params", "opt"]
        .iter()
        .filter_map(|key| body.get(key))
        .filter_map(Tree::as_array);
    let names = lists
        .flatten()
        .filter_map(|node| node.at("/node/DefElem/defname"))
        .filter_map(Tree::as_str);
    names.map(str::to_ascii_lowercase).collect()
}

fn only_constant(call: &Fields) -> Option<String> {
    let [only] = call.get("args")?.as_array()? else {
        return None;
    };
    only.at("/node/AConst/val/Sval/sval")?.as_str().map(str::to_owned)
}

/// Returns the name and fields of a node that carries its type: `{"node": {"SelectStmt": {…}}}`.
fn tagged(value: &Tree) -> Option<(&str, &Fields)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let inner = fields.get("node")?.as_object().filter(|inner| inner.len() == 1)?;
    let (name, body) = inner.iter().next()?;
    body.as_object().map(|body| (name, body))
}

/// Returns the type of a node that stands in a field of fixed type and so carries no name of its own.
fn shape(fields: &Fields) -> &'static str {
    let has = |keys: &[&str]| keys.iter().all(|key| fields.contains_key(key));
    if has(&["relname", "schemaname", "relpersistence"]) {
        "RangeVar"
    } else if has(&["roletype", "rolename"]) {
        "RoleSpec"
    } else if has(&["funcname", "func_variadic", "agg_star"]) {
        "FuncCall"
    } else if has(&["names", "typmods", "setof"]) {
        "TypeName"
    } else if has(&["rel", "on_commit", "table_space_name"]) {
        "IntoClause"
    } else if has(&["kind", "name", "args", "is_local"]) {
        "VariableSetStmt"
    } else {
        ""
    }
}
