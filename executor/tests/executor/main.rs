//! The executor on a real PostgreSQL, with real keys, as the real binary. Whether something happened is asked of the
//! database, never of the executor.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed set-up is a failed test"
)]

mod aws_rds;
mod calls;
mod catalog;
mod ci_dispatch;
mod collateral;
mod crashes;
#[cfg(feature = "danger")]
mod danger;
mod faults;
mod full_disk;
mod fuzz;
mod gate;
mod git_change;
mod github;
mod grants;
mod guards;
mod happy;
mod hooks;
mod incidents;
mod people;
mod postgres;
mod preflight;
mod refusals;
mod role;
mod rollbacks;
mod scene;
mod serving;
mod soak;
#[path = "../../../tests/aws/support.rs"]
#[expect(dead_code, reason = "written for tests of servers; only the stand-in is needed here")]
mod support;
mod tls;
mod trouble;
