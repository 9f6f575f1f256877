//! What a SQL statement is and what it touches, by PostgreSQL's own parser. Judges nothing, runs nothing.

mod facts;
mod guards;
mod names;
mod parser;
mod qualify;
mod rewrite;
mod rows;
mod select;
mod statement;
mod tree;
mod unfold;
mod usage;
mod utility;
mod walk;

pub use facts::{Call, Facts, Object, Parameter, Utility};
pub use qualify::{Bare, BareKind, bare_names, qualify};
pub use statement::{MAX_STATEMENT_BYTES, ParseError, Statement};
pub use tree::{Fields, Tree};
pub use usage::{Column, Condition, Ordered, Scope, Table, Use};
