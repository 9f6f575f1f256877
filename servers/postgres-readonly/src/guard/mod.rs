//! Judges free SQL before it is sent: a statement passes only if everything in it is known to be harmless.
//!
//! This is the third layer, after the role and the READ ONLY transaction. It must hold alone all the same, for a
//! privileged role makes the first one void, and a READ ONLY transaction lets many effects through: signals, advisory
//! locks, server files, a session's settings.

mod admit;
mod catalog;
pub mod cost;
mod explained;
mod judge;
mod lists;
mod names;
mod nodes;
mod objects;
mod refusal;
mod syntax;
mod typing;
mod uses;

pub use admit::{admit, admit_planned};
pub use catalog::Catalog;
pub use explained::{Explained, Parameters};
pub use judge::Admitted;
pub use refusal::{NotAdmitted, Refusal};
