//! Sets up the roles: the observer's and the executor's by the SQL that the products themselves print, and the application's.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::binaries::Binaries;
use super::database::Database;
use super::faults::Scenario;

pub(super) const OBSERVER: &str = "countersign_readonly";
pub(super) const EXECUTOR: &str = "countersign_executor";
pub(super) const SHOP: &str = "shop";
pub(super) const REPORTS: &str = "reports";
pub(super) const MIGRATOR: &str = "migrator";

const SCHEMA: &str = "
CREATE TABLE public.orders (id bigint PRIMARY KEY, state text NOT NULL, touched integer NOT NULL DEFAULT 0);
INSERT INTO public.orders SELECT n, 'open', 0 FROM generate_series(1, 1000) n;
CREATE TABLE public.visits (id bigint PRIMARY KEY, seen bigint NOT NULL DEFAULT 0);
INSERT INTO public.visits SELECT n, 0 FROM generate_series(1, 16) n;
GRANT SELECT, UPDATE ON public.orders, public.visits TO shop;
GRANT SELECT ON public.orders TO reports;
ALTER TABLE public.orders OWNER TO migrator;
GRANT CREATE ON SCHEMA public TO migrator;
";

/// The application's roles and tables.
pub(super) async fn set_up_shop(database: &mut Database) -> Result<()> {
    for role in [SHOP, REPORTS, MIGRATOR] {
        database.create_role(role).await?;
    }
    database.run_script(SCHEMA).await
}

/// The roles of our own servers, with no more than this incident's runbook needs.
pub(super) async fn set_up_products(database: &mut Database, binaries: &Binaries, scenario: Scenario) -> Result<()> {
    set_up_servers(database, binaries).await?;
    match scenario {
        Scenario::ConnectionSaturation => let_executor_limit_reports(database).await,
        Scenario::IdleInTransactionBlocker | Scenario::DdlLockQueue => Ok(()),
    }
}

/// The observer's and the executor's roles, with what every runbook needs.
pub(super) async fn set_up_servers(database: &mut Database, binaries: &Binaries) -> Result<()> {
    for (program, role) in [(&binaries.postgres_readonly, OBSERVER), (&binaries.executor, EXECUTOR)] {
        database.run_script(&setup_sql(program, role).await?).await?;
        database.let_in(role).await?;
    }
    Ok(())
}

/// What setup-sql prints as a comment: it is for runbooks that change a role alone.
async fn let_executor_limit_reports(database: &Database) -> Result<()> {
    database
        .run_script(&format!("ALTER ROLE {EXECUTOR} CREATEROLE;"))
        .await?;
    if database
        .ask("SELECT current_setting('server_version_num')::int >= 160000")
        .await?
        == "t"
    {
        let grant = format!("GRANT {REPORTS} TO {EXECUTOR} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;");
        database.run_script(&grant).await?;
    }
    Ok(())
}

pub(super) async fn setup_sql(program: &Path, role: &str) -> Result<String> {
    let output = Command::new(program).args(["setup-sql", "--role", role]).output().await;
    let output = output.with_context(|| format!("could not run `{}`", program.display()))?;
    ensure!(
        output.status.success(),
        "`{} setup-sql` failed: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("setup-sql printed something unreadable")
}
