//! What several tools read alike and judge alike.

pub mod activity;
pub mod freeze;
pub mod replication;
pub mod setting_notes;
pub mod settings;
