//! Calls of RDS against an emulator that enforces IAM, and against a stand-in that has what an emulator lacks.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed set-up is a failed test")]

#[path = "../../../../tests/aws/support.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    reason = "written for tests of servers; only the stand-in is needed here"
)]
mod support;

mod crash;
mod denied;
mod emulator;
mod parameters;
mod refused;
mod scene;
mod session;
