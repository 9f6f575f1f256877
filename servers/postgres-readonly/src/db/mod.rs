//! The database as tools see it: one call, one READ ONLY transaction, on a session whose role was proven harmless.

mod clock;
mod connection;
mod database;
mod error;
mod opening;
mod pool;
mod reading;
mod role;
mod value;

pub use database::{Bounds, Database, Options, Read};
pub use error::DbError;
pub use reading::{Answer, Reading};
#[cfg(test)]
pub use role::Finding;
pub use role::Verdict;
pub use value::{Rows, bounded_rows, json_bytes};
