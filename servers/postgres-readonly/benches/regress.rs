//! PostgreSQL's whole regression suite through `query`, as the owner of everything and as superuser.
//!
//! `servers/postgres-readonly/tests/fetch-regression-suite && cargo bench -p postgres-readonly --bench regress`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    reason = "a failed set-up is a failed bench; the tests' own modules are shared"
)]

#[path = "../tests/real_postgres/cluster.rs"]
mod cluster;
#[path = "../tests/real_postgres/mcp.rs"]
mod mcp;
#[path = "../tests/real_postgres/oracle.rs"]
mod oracle;
#[path = "../tests/real_postgres/regress.rs"]
mod regress;

#[tokio::main]
async fn main() {
    let suite = regress::find().unwrap_or_else(|why| panic!("{why}"));
    let roles = std::env::var("REGRESS_ROLES").unwrap_or_else(|_| "suite postgres".to_owned());
    for role in roles.split_whitespace() {
        regress::run(&suite, role, regress::Extent::Whole).await;
    }
}
