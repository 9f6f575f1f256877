//! Durable incident state: the journal is the truth, an incident is the fold of its entries, tables only help to find it.

mod error;
mod intake;
mod rows;
mod store;
mod viewer;

pub use error::StoreError;
pub use intake::{News, Received};
pub use rows::Summary;
pub use store::{Store, StoreConfig};
pub use viewer::Viewer;
