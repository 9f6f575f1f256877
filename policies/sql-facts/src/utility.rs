//! What the root says if it is a utility statement that maintains or configures one object: on what, with which options.

use pg_query::protobuf::{AlterTableType, DropBehavior, ObjectType, ReindexObjectType, VariableSetKind};

use crate::facts::{Object, Parameter, Utility};
use crate::names;
use crate::tree::{Fields, Tree};

/// Stands for a value that is no plain constant.
const NOT_A_CONSTANT: &str = "?";

pub(crate) fn of(root: &str, body: &Fields) -> Utility {
    let mut utility = Utility {
        cascade: cascades(body),
        if_exists: flag(body, "missing_ok"),
        ..Utility::default()
    };
    match root {
        "VacuumStmt" => {
            utility.parameters = parameters(body.get("options"));
            for relation in list(body.get("rels")).filter_map(|node| node.at("/node/VacuumRelation")) {
                utility.objects.extend(relation.get("relation").and_then(range_var));
                let columns = list(relation.get("va_cols")).filter_map(names::string_node);
                utility.columns.extend(columns.map(str::to_owned));
            }
        }
        "DropStmt" => {
            utility.object_type = object_type(body.get("remove_type"));
            utility.objects = list(body.get("objects")).map(named_object).collect();
        }
        "ReindexStmt" => {
            let kind = number(body.get("kind")).and_then(|kind| ReindexObjectType::try_from(kind).ok());
            utility.object_type = kind.map_or_else(String::new, |kind| lower(kind.as_str_name(), "REINDEX_OBJECT_"));
            utility.objects = body.get("relation").and_then(range_var).into_iter().collect();
            utility.parameters = parameters(body.get("params"));
        }
        "AlterTableStmt" => {
            utility.object_type = object_type(body.get("objtype"));
            utility.objects = body.get("relation").and_then(range_var).into_iter().collect();
            for command in list(body.get("cmds")).filter_map(|node| node.at("/node/AlterTableCmd")?.as_object()) {
                let kind = number(command.get("subtype")).and_then(|kind| AlterTableType::try_from(kind).ok());
                utility
                    .commands
                    .push(kind.map_or_else(String::new, |kind| lower(kind.as_str_name(), "AT_")));
                let options = command.get("def").and_then(|def| def.at("/node/List/items"));
                utility.parameters.extend(parameters(options));
                utility.cascade |= cascades(command);
                utility.if_exists |= flag(command, "missing_ok");
            }
        }
        "AlterRoleSetStmt" => {
            utility.database = names::text(body, "database").unwrap_or_default().to_owned();
            if let Some(set) = body.get("setstmt").and_then(Tree::as_object) {
                let kind = number(set.get("kind")).and_then(|kind| VariableSetKind::try_from(kind).ok());
                utility
                    .commands
                    .push(kind.map_or_else(String::new, |kind| lower(kind.as_str_name(), "VAR_")));
                let name = names::text(set, "name").unwrap_or_default().to_ascii_lowercase();
                utility.parameters = list(set.get("args"))
                    .map(|value| Parameter {
                        name: name.clone(),
                        value: constant(value),
                    })
                    .collect();
            }
        }
        _ => return Utility::default(),
    }
    utility
}

/// Whether an option that may be switched on or off is on, as PostgreSQL reads it: on where it has no value.
pub(crate) fn is_on(option: &Fields) -> bool {
    match option.get("arg").filter(|value| !value.is_null()).map(constant) {
        None => true,
        Some(value) => ["1", "on", "true"].contains(&value.to_ascii_lowercase().as_str()),
    }
}

fn parameters(options: Option<&Tree>) -> Vec<Parameter> {
    list(options)
        .filter_map(|node| node.at("/node/DefElem")?.as_object())
        .map(|option| {
            let namespace = names::text(option, "defnamespace");
            let name = names::text(option, "defname").unwrap_or_default();
            Parameter {
                name: namespace.into_iter().chain([name]).collect::<Vec<_>>().join("."),
                value: option
                    .get("arg")
                    .filter(|value| !value.is_null())
                    .map_or_else(String::new, constant),
            }
        })
        .collect()
}

/// Returns a constant as text; a word that the grammar takes for a type's name, as `off` in `SET (x = off)`, is one.
fn constant(node: &Tree) -> String {
    let of = |path: &str| node.at(path);
    let text = of("/node/String/sval")
        .or_else(|| of("/node/AConst/val/Sval/sval"))
        .or_else(|| of("/node/Float/fval"))
        .or_else(|| of("/node/AConst/val/Fval/fval"))
        .and_then(Tree::as_str)
        .map(str::to_owned);
    let number = of("/node/Integer/ival").or_else(|| of("/node/AConst/val/Ival/ival"));
    let boolean = of("/node/Boolean/boolval").or_else(|| of("/node/AConst/val/Boolval/boolval"));
    let word = || {
        let names = of("/node/TypeName/names")?.as_array()?;
        let [only] = names else { return None };
        names::string_node(only).map(str::to_owned)
    };
    text.or_else(|| number.and_then(Tree::as_i64).map(|number| number.to_string()))
        .or_else(|| boolean.and_then(Tree::as_bool).map(|boolean| boolean.to_string()))
        .or_else(word)
        .unwrap_or_else(|| NOT_A_CONSTANT.to_owned())
}

fn range_var(node: &Tree) -> Option<Object> {
    let fields = node.as_object()?;
    let name = names::text(fields, "relname")?.to_owned();
    // With a database before it, the schema is not all that qualifies the name.
    let schema = names::text(fields, "schemaname").filter(|_| names::text(fields, "catalogname").is_none());
    Some(Object {
        schema: schema.unwrap_or_default().to_owned(),
        name,
    })
}

/// A dropped object is a list of name parts, or one name.
fn named_object(node: &Tree) -> Object {
    let parts: Vec<&str> = match node.at("/node/List/items") {
        Some(items) => list(Some(items)).filter_map(names::string_node).collect(),
        None => names::string_node(node).into_iter().collect(),
    };
    match parts.as_slice() {
        [schema, name] => Object {
            schema: (*schema).to_owned(),
            name: (*name).to_owned(),
        },
        [name] => Object {
            schema: String::new(),
            name: (*name).to_owned(),
        },
        _ => Object::default(),
    }
}

fn object_type(kind: Option<&Tree>) -> String {
    number(kind)
        .and_then(|kind| ObjectType::try_from(kind).ok())
        .map_or_else(String::new, |kind| lower(kind.as_str_name(), "OBJECT_"))
}

/// Writes a constant of the grammar as other facts are written: `AT_SetRelOptions` is `set_rel_options`.
fn lower(constant: &str, prefix: &str) -> String {
    let stem = constant.strip_prefix(prefix).unwrap_or(constant);
    if stem.chars().any(|letter| letter.is_ascii_lowercase()) {
        names::snake(stem)
    } else {
        stem.to_ascii_lowercase()
    }
}

fn cascades(body: &Fields) -> bool {
    number(body.get("behavior")) == Some(DropBehavior::DropCascade as i32)
}

fn flag(body: &Fields, key: &str) -> bool {
    body.get(key).and_then(Tree::as_bool) == Some(true)
}

fn number(value: Option<&Tree>) -> Option<i32> {
    value?.as_i64().and_then(|number| i32::try_from(number).ok())
}

fn list(value: Option<&Tree>) -> impl Iterator<Item = &Tree> {
    value.and_then(Tree::as_array).into_iter().flatten()
}
