//! Whole-binary tests: the built programs, a real PostgreSQL, real SSH keys, and questions asked of the database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod aws;
#[path = "../aws/support.rs"]
#[expect(dead_code, reason = "shared with the tests of AWS's servers, which use more of it")]
mod aws_standins;
mod bindings;
mod cluster;
mod crash;
mod demo;
mod fault;
mod keys;
mod model;
#[path = "../../orchestrator/model/tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the model's own tests, which use more of it")]
mod model_stand_in;
mod page;
mod recorded;
#[path = "../aws/sns.rs"]
#[expect(dead_code, reason = "shared with the orchestrator's own tests, which use more of it")]
mod sns;
mod suite;
mod token_matrix;
mod trial;
#[path = "../../servers/approval-gate/tests/gate/webdriver.rs"]
#[expect(dead_code, reason = "shared with the gate's own tests, which use more of it")]
mod webdriver;
