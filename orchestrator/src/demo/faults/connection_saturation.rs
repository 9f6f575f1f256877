//! A worker opens sessions and never gives them back, until hardly any are left.

use anyhow::Result;
use futures_util::future::try_join_all;

use super::Fault;
use crate::demo::database::Database;
use crate::demo::roles::REPORTS;
use crate::demo::session::Session;

/// Of 40, 3 are reserved for superusers; the bystanders and our own servers need a few.
const LEAKED: usize = 29;

pub(super) async fn cause(database: &Database) -> Result<Fault> {
    let opening = (0..LEAKED).map(|_| async {
        let mut session = Session::open(database, REPORTS, "report-worker").await?;
        session.run("SELECT count(*) FROM public.orders;").await?;
        anyhow::Ok(session)
    });
    let held = try_join_all(opening).await?;
    Ok(Fault {
        says: format!("the report worker holds {LEAKED} idle sessions of 40 and gives none back"),
        symptom: "SELECT count(*) >= 32 AND bool_or(application_name = 'report-worker' AND clock_timestamp() - state_change > interval '6 s') \
                  FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'demo'",
        waiting: Vec::new(),
        innocent: Vec::new(),
        held,
        afterwards: vec![
            (
                "the leaked sessions are gone".to_owned(),
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'report-worker'".to_owned(),
            ),
            (
                "the worker's role is limited".to_owned(),
                "SELECT rolconnlimit = 20 FROM pg_roles WHERE rolname = 'reports'".to_owned(),
            ),
            (
                "there is room again".to_owned(),
                "SELECT count(*) < 28 FROM pg_stat_activity WHERE backend_type = 'client backend'".to_owned(),
            ),
        ],
    })
}
