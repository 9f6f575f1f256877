//! The built binary over MCP against a real PostgreSQL: each tool about a provoked situation, the proof of the role, and
//! hostile statements whose effects are asked of the database, never of the server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed set-up is a failed test"
)]

mod blocking_tree;
mod cluster;
mod connection;
mod corpus;
mod explain;
mod hostile;
mod hostile_corpus;
mod index_advice;
mod index_health;
mod legitimate;
mod legitimate_corpus;
mod mcp;
mod oracle;
mod overview;
mod pooler;
mod refusals;
mod regress;
mod replication;
mod role;
mod scene;
mod schema;
mod sessions;
mod settings;
mod storage;
mod table_health;
mod targets;
mod top_queries;
mod trapped;
mod unguarded;
mod vacuum_horizon;
