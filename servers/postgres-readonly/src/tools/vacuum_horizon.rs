//! `vacuum_horizon`: how old ids are, and who keeps vacuum from doing its work.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::Answer,
    facts::freeze::{Ages, DatabaseAge},
    inquiry::Inquiry,
    risks::{Risk, upkeep, worst_first},
    state::State,
};

const DEFAULT_TABLES: u32 = 10;
const MAX_ROWS: u32 = 50;

pub struct VacuumHorizon;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// How many tables are shown; 10 by default
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    freeze_max_age: i64,
    multixact_freeze_max_age: i64,
    /// Nearest to a forced vacuum first, at most 50.
    databases: Vec<DatabaseAge>,
    /// Of this database, nearest to a forced vacuum first.
    tables: Vec<Table>,
    /// Oldest first, at most 50.
    holders: Vec<Holder>,
    holders_total: usize,
    /// Vacuums that run now.
    vacuums: Vec<Vacuum>,
    /// The caches of subtransactions and multixacts.
    slru: Vec<Slru>,
    /// What is wrong, the worst first.
    findings: Vec<Risk>,
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    oid: i64,
    schema: String,
    table: String,
    /// The table whose TOAST it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    toast_of: Option<String>,
    bytes: i64,
    xid_age: i64,
    /// The table's own limit where it is lower than the server's.
    freeze_max_age: i64,
    /// From 100 on a vacuum is forced.
    xid_forced_pct: f64,
    mxid_age: i64,
    multixact_freeze_max_age: i64,
    mxid_forced_pct: f64,
    /// The older of both, in percent of 2^31.
    wraparound_pct: f64,
    /// The table's own autovacuum_enabled is off.
    autovacuum_off: bool,
}

/// Somebody whose snapshot or transaction keeps dead rows from being removed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    kind: HolderKind,
    /// What it keeps: rows of this database's tables, of the system catalogs alone, or of another database.
    holds: Holds,
    /// The oldest that keeps rows of this database's tables; a slot that keeps catalogs for longer is marked as well.
    #[serde(default)]
    holds_horizon: bool,
    pid: Option<i32>,
    backend_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_name: Option<String>,
    application_name: Option<String>,
    /// Transactions since the oldest that it keeps visible.
    xmin_age: i64,
    since: Option<String>,
    age_s: Option<i64>,
    state: Option<String>,
    usename: Option<String>,
    database: Option<String>,
    query: Option<String>,
    #[serde(skip_serializing, default)]
    total: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    Session,
    PreparedTransaction,
    ReplicationSlot,
    StandbyFeedback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    Tables,
    Catalogs,
    OtherDatabase,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Vacuum {
    pid: i32,
    backend_start: Option<String>,
    database: Option<String>,
    table: Option<String>,
    phase: Option<String>,
    /// Of the table's pages, scanned or vacuumed, as the phase says.
    percent: Option<f64>,
    index_vacuums: Option<i64>,
    automatic: Option<bool>,
    prevents_wraparound: Option<bool>,
    age_s: Option<i64>,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Slru {
    name: String,
    blks_hit: i64,
    blks_read: i64,
    hit_pct: Option<f64>,
}

#[async_trait]
impl Tool for VacuumHorizon {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "vacuum_horizon";
    const TITLE: &'static str = "Vacuum horizon";
    const DESCRIPTION: &'static str = "How near databases and tables are to a forced vacuum and to wraparound (transaction ids and multixacts), and who holds the horizon back: \
        sessions, prepared transactions, replication slots, standbys, oldest first. Also running vacuums. Use it when dead rows are not removed or ids grow old.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let mut asked = Inquiry::of(state.source(input.target.as_deref())?, call);
        let ages = Ages::read(&mut asked).await?;
        let limit = input.limit.unwrap_or(DEFAULT_TABLES);
        let sql = include_str!("../queries/vacuum_horizon_tables.sql");
        let mut tables: Vec<Table> = asked.rows(sql, vec![Some((limit + 1).to_string())], limit + 1).await?;
        let more_tables = tables.len() > limit as usize;
        tables.truncate(limit as usize);
        let sql = include_str!("../queries/vacuum_horizon_holders.sql");
        let mut holders: Vec<Holder> = asked.rows(sql, vec![], MAX_ROWS).await?;
        mark(&mut holders);
        let sql = include_str!("../queries/vacuum_horizon_progress.sql");
        let vacuums = asked.part("running vacuums", sql, vec![], MAX_ROWS).await?;
        let sql = include_str!("../queries/vacuum_horizon_slru.sql");
        let slru = asked.part("SLRU caches", sql, vec![], MAX_ROWS).await?;
        if !asked.sees_all_sessions() {
            asked.hide("sessions of other roles and standbys that hold the horizon: GRANT pg_monitor to this role would show them");
        }

        let mut findings = upkeep::judge_ages(&ages);
        let horizon = holders.iter().filter(|holder| holder.holds_horizon);
        findings.extend(horizon.filter_map(|of| upkeep::judge_horizon(&of.name(), of.xmin_age, of.age_s)));
        let off = tables.iter().filter(|table| table.autovacuum_off);
        findings.extend(off.filter_map(|table| {
            let name = format!("{}.{}", table.schema, table.table);
            upkeep::judge_switched_off(&name, table.xid_forced_pct.max(table.mxid_forced_pct))
        }));
        let holders_total = holders.first().map_or(0, |first| first.total);
        asked.answer(Output {
            freeze_max_age: ages.freeze_max_age,
            multixact_freeze_max_age: ages.multixact_freeze_max_age,
            truncated: more_tables || holders.len() < holders_total || ages.databases.len() < ages.total,
            databases: ages.databases,
            tables,
            holders,
            holders_total,
            vacuums,
            slru,
            findings: worst_first(findings),
        })
    }
}

/// Marks who holds the horizon of this database's tables, and a slot that holds the catalogs' for longer.
fn mark(holders: &mut [Holder]) {
    let mut catalogs_marked = false;
    for holder in holders {
        match holder.holds {
            Holds::Tables => {
                holder.holds_horizon = true;
                return;
            }
            Holds::Catalogs if !catalogs_marked => {
                holder.holds_horizon = true;
                catalogs_marked = true;
            }
            Holds::Catalogs | Holds::OtherDatabase => {}
        }
    }
}

impl Holder {
    fn name(&self) -> String {
        let of = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        match self.kind {
            HolderKind::Session => format!("session {}", self.pid.unwrap_or_default()),
            HolderKind::PreparedTransaction => format!("prepared transaction `{}`", of(&self.gid)),
            HolderKind::ReplicationSlot => format!("replication slot `{}`", of(&self.slot_name)),
            HolderKind::StandbyFeedback => format!("standby `{}`", of(&self.application_name)),
        }
    }
}
