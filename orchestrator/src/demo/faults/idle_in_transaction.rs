//! A session takes a row lock and goes idle; three others want the same row.

use anyhow::Result;

use super::Fault;
use crate::demo::database::Database;
use crate::demo::roles::SHOP;
use crate::demo::session::Session;

pub(super) async fn cause(database: &Database) -> Result<Fault> {
    let mut blocker = Session::open(database, SHOP, "checkout-worker").await?;
    blocker
        .run("BEGIN; UPDATE public.orders SET state = 'paid' WHERE id = 7;")
        .await?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut waiter = Session::open(database, SHOP, "checkout").await?;
        waiter
            .send("UPDATE public.orders SET touched = touched + 1 WHERE id = 7;")
            .await?;
        waiting.push(waiter);
    }
    let blocker_there = format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {} AND backend_start = '{}'",
        blocker.identity.pid, blocker.identity.backend_start
    );
    Ok(Fault {
        says: format!(
            "session {} holds a row lock and went idle; three checkouts wait for it",
            blocker.identity.pid
        ),
        symptom: "SELECT count(*) = 3 FROM pg_stat_activity WHERE application_name = 'checkout' AND wait_event_type = 'Lock' \
                  AND clock_timestamp() - query_start > interval '4 s'",
        waiting,
        innocent: Vec::new(),
        held: vec![blocker],
        afterwards: vec![
            ("the blocker is gone".to_owned(), blocker_there),
            (
                "its uncommitted change is rolled back".to_owned(),
                "SELECT state = 'open' FROM public.orders WHERE id = 7".to_owned(),
            ),
            (
                "all three checkouts are through".to_owned(),
                "SELECT touched = 3 FROM public.orders WHERE id = 7".to_owned(),
            ),
        ],
    })
}
