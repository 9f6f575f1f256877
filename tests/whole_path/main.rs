//! Whole-binary tests: the built programs, a real PostgreSQL, real SSH keys, and questions asked of the database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod bindings;
mod cluster;
mod crash;
mod demo;
mod fault;
mod keys;
mod recorded;
mod suite;
mod token_matrix;
mod trial;
