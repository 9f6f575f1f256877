//! What a SQL statement is and what it touches, by PostgreSQL's own parser. Judges nothing, runs nothing.

mod facts;
mod guards;
mod names;
mod parser;
mod select;
mod statement;
mod tree;
mod walk;

pub use facts::{Call, Facts};
pub use statement::{MAX_STATEMENT_BYTES, ParseError, Statement};
