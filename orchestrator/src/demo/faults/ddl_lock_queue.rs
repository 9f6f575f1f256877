//! A report reads on in an open transaction, a migration waits for it, and readers queue behind the migration.

use anyhow::Result;

use super::Fault;
use crate::demo::database::Database;
use crate::demo::roles::{MIGRATOR, REPORTS, SHOP};
use crate::demo::session::Session;

pub(super) async fn cause(database: &Database) -> Result<Fault> {
    let mut report = Session::open(database, REPORTS, "monthly-report").await?;
    report
        .run("BEGIN; DECLARE pages CURSOR FOR SELECT * FROM public.orders; FETCH 10 FROM pages;")
        .await?;
    let mut migration = Session::open(database, MIGRATOR, "migration").await?;
    migration
        .send("ALTER TABLE public.orders ADD COLUMN note text;")
        .await?;
    until_it_waits(database).await?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut reader = Session::open(database, SHOP, "checkout").await?;
        reader.send("SELECT count(*) FROM public.orders;").await?;
        waiting.push(reader);
    }
    let says = format!(
        "the migration of session {} waits behind the report of session {}; three readers queue behind it",
        migration.identity.pid, report.identity.pid
    );
    // The migration's own session is waited for too: its statement ends, by an error.
    waiting.push(migration);
    Ok(Fault {
        says,
        symptom: "SELECT count(*) = 3 FROM pg_stat_activity WHERE application_name = 'checkout' AND wait_event_type = 'Lock' \
                  AND clock_timestamp() - query_start > interval '4 s'",
        waiting,
        innocent: vec![report],
        held: Vec::new(),
        afterwards: vec![
            (
                "the migration is cancelled and changed nothing".to_owned(),
                "SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND attname = 'note'".to_owned(),
            ),
            (
                "nobody waits for a lock".to_owned(),
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'".to_owned(),
            ),
            (
                "the report is still in its transaction".to_owned(),
                "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'monthly-report' AND xact_start IS NOT NULL".to_owned(),
            ),
        ],
    })
}

async fn until_it_waits(database: &Database) -> Result<()> {
    let waits =
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'migration' AND wait_event_type = 'Lock'";
    while database.ask(waits).await? != "t" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}
