//! What the catalog says of the objects that a statement reaches, as queries/guard/*.sql return it.

use serde::Deserialize;

/// A kind of object that can bring code into a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Relation,
    Function,
    Type,
    Operator,
}

/// One object of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub class: Class,
    pub oid: u32,
}

/// An entry of pg_depend: the catalog that the object stands in, and its oid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Need(String, u32);

#[derive(Debug, Clone, Deserialize)]
pub struct Function {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `schema.name(types)`, as the operator writes functions.
    pub signature: String,
    pub builtin: bool,
    pub kind: String,
    pub volatility: String,
    pub security_definer: bool,
    pub has_settings: bool,
    pub language: String,
    pub extension: Option<String>,
    /// The text of a body in SQL, or the C symbol of one that is `internal`.
    pub source: Option<String>,
    /// The whole CREATE FUNCTION, where the body is stored as a parse tree.
    pub definition: Option<String>,
    pub defaults: Option<String>,
    pub parts: Option<Vec<u32>>,
    pub needs: Option<Vec<Need>>,
    pub parameters: Option<Vec<(Option<String>, u32)>>,
    pub result: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Type {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub kind: String,
    pub element: Option<u32>,
    pub base: Option<u32>,
    pub relation: Option<u32>,
    pub extension: Option<String>,
    pub subtype: Option<u32>,
    pub checks: Option<Vec<String>>,
    pub needs: Option<Vec<Need>>,
    pub functions: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Operator {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub functions: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Relation {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub kind: String,
    pub builtin: bool,
    pub has_foreign_parts: bool,
    pub has_rules: bool,
    pub texts: Option<Vec<Text>>,
    /// Columns of types that are not built in.
    pub columns: Option<Vec<(String, u32)>>,
}

/// SQL that hangs on a relation.
#[derive(Debug, Clone, Deserialize)]
pub struct Text {
    pub usage: Usage,
    pub text: String,
    pub needs: Option<Vec<Need>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Every reading runs it.
    Reads,
    /// The planner computes its constant parts.
    Plans,
    /// Planning a change of the relation adds it to the plan.
    Writes,
}

/// One schema of the role's search path.
#[derive(Debug, Clone, Deserialize)]
pub struct PathSchema {
    pub schema: String,
    pub unnamed: Option<Vec<(String, u32)>>,
    pub by_column: Option<Vec<(String, u32)>>,
}

/// Code tied to what is built in.
#[derive(Debug, Clone, Deserialize)]
pub struct Danger {
    pub kind: String,
    pub name: String,
    pub source: Option<u32>,
    pub source_name: Option<String>,
    pub target: Option<u32>,
    pub implicit: bool,
    pub assignment: bool,
    pub functions: Option<Vec<u32>>,
}

impl Need {
    /// Returns the object, if it is of a class that can bring code.
    pub fn object(&self) -> Option<Object> {
        let class = match self.0.as_str() {
            "pg_proc" => Class::Function,
            "pg_operator" => Class::Operator,
            "pg_type" => Class::Type,
            "pg_class" => Class::Relation,
            _ => return None,
        };
        Some(Object { class, oid: self.1 })
    }
}

impl Object {
    pub fn all(class: Class, oids: Option<&Vec<u32>>) -> impl Iterator<Item = Self> + use<> {
        oids.cloned()
            .unwrap_or_default()
            .into_iter()
            .map(move |oid| Self { class, oid })
    }
}

/// What every object of the catalog is asked for together with.
pub trait Described: Clone {
    const SQL: &'static str;
    fn oid(&self) -> u32;
    /// Returns the name that a refusal shows.
    fn shown(&self) -> String;
}

macro_rules! described {
    ($type:ident, $file:literal) => {
        impl Described for $type {
            const SQL: &'static str = include_str!(concat!("../queries/guard/", $file));
            fn oid(&self) -> u32 {
                self.oid
            }
            fn shown(&self) -> String {
                format!("{}.{}", self.schema, self.name)
            }
        }
    };
}

described!(Function, "functions.sql");
described!(Type, "types.sql");
described!(Operator, "operators.sql");
described!(Relation, "relations.sql");
