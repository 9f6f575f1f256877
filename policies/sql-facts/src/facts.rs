//! The facts of one statement, as policy input and tool output see them.

use serde::Serialize;

/// What one statement is and touches. Lists are sorted and hold each name once; names are as written, folded to
/// lower case where they were not quoted.
#[derive(Serialize, Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The statement's own kind, as the grammar names it: `select`, `alter_role_set`, `drop`, `do`, …
    pub kind: String,
    /// Every statement kind inside it: in a CTE, EXPLAIN, PREPARE, rule, cursor, COPY, SELECT INTO, MERGE action …
    pub nested_kinds: Vec<String>,
    /// Functions called, anywhere.
    pub functions: Vec<String>,
    /// The same calls, each with where it stands, so that a guard can be asked for where the call is.
    pub calls: Vec<Call>,
    /// Relations read; the names of its own CTEs are no relations.
    pub relations_read: Vec<String>,
    /// Relations and other named objects written, defined, locked, or dropped.
    pub relations_written: Vec<String>,
    /// Types that values are cast to or columns are defined with.
    pub types: Vec<String>,
    /// Roles it alters, creates, drops, grants, or is granted to.
    pub roles: Vec<String>,
    /// Settings it changes, by SET, RESET, ALTER … SET, or set_config.
    pub settings: Vec<String>,
    /// Names of the root statement's own options: `connectionlimit`, `analyze`, `full`, …
    pub options: Vec<String>,
    /// For UPDATE and DELETE, at the root or inside: whether each one has a WHERE. None if there is none of them.
    pub where_clause: Option<bool>,
    /// Columns named anywhere in the root's WHERE, without their qualifier.
    pub where_columns: Vec<String>,
    /// Columns that the root's WHERE pins to one constant: `column = constant`, joined by AND at its top level.
    pub pinned_columns: Vec<String>,
    /// Whether it asks for CONCURRENTLY.
    pub concurrently: bool,
    /// Whether it locks rows: FOR UPDATE, FOR SHARE, and the like.
    pub row_locks: bool,
    /// Reasons why what it does cannot be judged from its tree. Empty: nothing hidden was found.
    pub opaque: Vec<String>,
    /// What the root says if it is VACUUM, ANALYZE, DROP, REINDEX, ALTER TABLE or ALTER ROLE … SET; else empty.
    pub utility: Utility,
    /// What the root reads, sorted, if it is a SELECT without WITH and UNION: each relation as often as it stands in FROM,
    /// `?` for anything else there.
    pub from: Vec<String>,
    /// What that SELECT asks of every row, as far as it is `relation.column`, `NOT relation.column`,
    /// `relation.column = 'constant'` or `relation.column = relation.column`, joined by AND.
    pub conditions: Vec<String>,
    /// What that SELECT returns, if it is one thing: `count(*)`, or a condition of such a form. Else empty.
    pub output: String,
}

/// What a utility statement acts on and how. Lists are in the order of the text and hold what it repeats.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, Default)]
pub struct Utility {
    /// The kind of object that DROP, REINDEX or ALTER TABLE names: `index`, `table`, `schema`, …
    pub object_type: String,
    pub objects: Vec<Object>,
    /// The columns that VACUUM or ANALYZE names.
    pub columns: Vec<String>,
    /// The commands of ALTER TABLE, as `set_rel_options`; or how ALTER ROLE sets: `set_value`, `reset`, …
    pub commands: Vec<String>,
    /// Options, storage parameters, or the values of a setting.
    pub parameters: Vec<Parameter>,
    pub cascade: bool,
    pub if_exists: bool,
    /// The database that ALTER ROLE … IN DATABASE names.
    pub database: String,
}

/// An object's name, each part as the catalog has it, without quotes.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// Empty where the name has no schema, or more than one qualifier.
    pub schema: String,
    pub name: String,
}

/// One option or setting.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// With its namespace before it, as `toast.autovacuum_enabled`.
    pub name: String,
    /// Empty where there is none; `?` where it is no constant.
    pub value: String,
}

/// One call of a function, and what limits how often and with what it runs. Where the SELECT that holds it only reads
/// one plain subquery, as in `SELECT f(t.pid) FROM (SELECT a.pid FROM … LIMIT 9) t`, the two are seen as one.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Call {
    pub function: String,
    /// The first argument, where it is nothing but a column of `relations`.
    pub first_argument: Option<String>,
    /// The second one, likewise.
    pub second_argument: Option<String>,
    /// The only argument, where it is a string constant.
    pub constant: Option<String>,
    /// The clause of the nearest SELECT that holds the call: `target_list`, `where_clause`, … Empty outside any SELECT.
    pub clause: String,
    /// Whether that SELECT is the whole statement, no CTE, subquery, or arm of a UNION in it.
    pub in_root: bool,
    /// What that SELECT reads, `?` for anything but a plain relation, in order.
    pub relations: Vec<String>,
    /// Columns that its WHERE pins to one constant.
    pub pinned_columns: Vec<String>,
    /// Columns that its WHERE keeps at or below a constant, the pinned ones included.
    pub bounded_columns: Vec<String>,
    /// The most rows it reads, where LIMIT says so with a constant.
    pub limit: Option<i64>,
}
