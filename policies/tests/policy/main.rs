//! The shipped policy as its callers see it, and everything that is refused as a policy.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod corpus;
mod damaged_input;
mod decisions;
mod golden;
mod loading;
mod matrix;
mod rego_suite;
mod samples;
mod support;
