//! The journal from outside: what it keeps, what it notices, what its binary says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod append;
mod cli;
mod support;
mod tamper;
