//! `table_health`: dead rows, bloat, stale statistics, and what autovacuum does about them.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::{Answer, Reading, bounded_rows},
    state::{MAX_RESULT_BYTES, State, misshapen},
    tables::{BLOAT_SOURCE, Bloat, Effective, Finding, Run, Settings, TableFact, findings},
};

const DEFAULT_TABLES: u32 = 20;
/// Bloat is not known before statistics are read, so it is looked for where it can matter: in the biggest tables.
const BLOAT_CANDIDATES: u32 = 100;
const MAX_RUNS: u32 = 50;

pub struct TableHealth;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// Only tables of this schema
    schema: Option<String>,
    /// Only tables of this name
    table: Option<String>,
    /// dead_tuples by default
    order_by: Option<Order>,
    /// How many tables are shown; 20 by default
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    DeadTuples,
    DeadPct,
    /// Among the 100 biggest tables
    Bloat,
    /// Rows modified since the last ANALYZE
    Modified,
    XidAge,
    Size,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Tables that fit the filters, shown or not.
    total: u64,
    truncated: bool,
    tables: Vec<TableHealthRow>,
    /// What `bloat` is worth.
    bloat_source: &'static str,
    autovacuum: Autovacuum,
    /// VACUUM and ANALYZE that run now in this database, oldest first, at most 50.
    running: Vec<Run>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Autovacuum {
    #[serde(flatten)]
    settings: Settings,
    workers_running: i64,
}

/// Counts since the statistics were reset; rows and sizes as of the last VACUUM or ANALYZE.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TableHealthRow {
    schema: String,
    table: String,
    relid: u32,
    kind: String,
    findings: Vec<Finding>,
    /// None before the first VACUUM or ANALYZE.
    estimated_rows: Option<f64>,
    heap_bytes: i64,
    toast_bytes: i64,
    n_live_tup: i64,
    n_dead_tup: i64,
    dead_pct: f64,
    toast_n_dead_tup: Option<i64>,
    bloat: Option<Bloat>,
    n_mod_since_analyze: i64,
    n_ins_since_vacuum: i64,
    last_vacuum: Option<String>,
    last_autovacuum: Option<String>,
    last_analyze: Option<String>,
    last_autoanalyze: Option<String>,
    n_tup_ins: i64,
    n_tup_upd: i64,
    n_tup_del: i64,
    hot_update_pct: Option<f64>,
    seq_scan: i64,
    seq_tup_read: i64,
    idx_scan: Option<i64>,
    xid_age: Option<i64>,
    mxid_age: Option<i64>,
    autovacuum: Effective,
}

#[derive(Deserialize)]
struct TableRow {
    total: u64,
    #[serde(flatten)]
    fact: TableFact,
}

#[derive(Deserialize)]
struct ServerRow {
    settings: Settings,
    workers_running: i64,
    pid: Option<i32>,
}

#[async_trait]
impl Tool for TableHealth {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "table_health";
    const TITLE: &'static str = "Table health";
    const DESCRIPTION: &'static str = "Per table: dead rows against autovacuum's threshold, estimated bloat, stale or missing statistics, effective autovacuum settings, \
        HOT updates, scans, transaction id age, with `findings` that give the reason; and VACUUM or ANALYZE that run now, blocked or throttled. \
        Use it when plans went bad, tables grow, or vacuum does not keep up. At most 100 tables; opens none of them.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let order = input.order_by.unwrap_or(Order::DeadTuples);
        let limit = input.limit.unwrap_or(DEFAULT_TABLES);
        let asked = if order == Order::Bloat { BLOAT_CANDIDATES } else { limit };
        let order_name = serde_json::to_value(order).map_err(misshapen)?;
        let source = state.source(input.target.as_deref())?;
        let server = include_str!("../queries/table_health_vacuum.sql");
        let server = source.ask(server, vec![], MAX_RUNS, call).await?;
        let parameters = vec![
            input.schema,
            input.table,
            order_name.as_str().map(str::to_owned),
            Some(asked.to_string()),
        ];
        let tables = include_str!("../queries/table_health.sql");
        let tables = source.ask(tables, parameters, asked, call).await?;

        let (autovacuum, running) = read_server(&server)?;
        let rows: Vec<TableRow> = tables.decode().map_err(misshapen)?;
        let total = rows.first().map_or(0, |row| row.total);
        let facts: Vec<TableFact> = rows.into_iter().map(|row| row.fact).collect();
        let hidden = hidden(&facts, &running, &tables);
        let mut shown: Vec<TableHealthRow> = facts
            .into_iter()
            .map(|fact| judge(fact, &autovacuum.settings, &running))
            .collect();
        if order == Order::Bloat {
            shown.sort_by_key(|row| std::cmp::Reverse(row.bloat.as_ref().map(|bloat| bloat.bytes)));
            shown.truncate(limit as usize);
        }
        let (shown, cut) = bounded_rows(shown, MAX_RESULT_BYTES);
        let output = Output {
            total,
            truncated: cut || (shown.len() as u64) < total,
            tables: shown,
            bloat_source: BLOAT_SOURCE,
            autovacuum,
            running,
        };
        Ok(tables.answer(output).costing(&server).hiding(hidden))
    }
}

fn read_server(reading: &Reading) -> Result<(Autovacuum, Vec<Run>), ToolError> {
    let rows: Vec<serde_json::Value> = reading.decode().map_err(misshapen)?;
    let mut autovacuum = None;
    let mut running = Vec::new();
    for row in rows {
        let server: ServerRow = serde_json::from_value(row.clone()).map_err(misshapen)?;
        if server.pid.is_some() {
            running.push(serde_json::from_value(row).map_err(misshapen)?);
        }
        autovacuum = Some(Autovacuum {
            settings: server.settings,
            workers_running: server.workers_running,
        });
    }
    let autovacuum = autovacuum.ok_or_else(|| ToolError::new("internal", "the server told no settings"))?;
    Ok((autovacuum, running))
}

fn judge(fact: TableFact, settings: &Settings, running: &[Run]) -> TableHealthRow {
    let effective = settings.for_table(&fact);
    let bloat = Bloat::of(&fact);
    let runs: Vec<&Run> = running.iter().filter(|run| run.relid == Some(fact.relid)).collect();
    let has_toast = fact.toast_pages.is_some();
    TableHealthRow {
        findings: findings(&fact, &effective, bloat.as_ref(), &runs),
        estimated_rows: (fact.reltuples >= 0.0).then_some(fact.reltuples),
        heap_bytes: fact.pages * fact.block_size,
        toast_bytes: fact.toast_pages.unwrap_or(0) * fact.block_size,
        dead_pct: fact.dead_pct(),
        toast_n_dead_tup: fact.toast_dead_tup.filter(|_| has_toast),
        hot_update_pct: fact.hot_update_pct(),
        bloat,
        autovacuum: effective,
        schema: fact.schema,
        table: fact.table,
        relid: fact.relid,
        kind: fact.kind,
        n_live_tup: fact.n_live_tup,
        n_dead_tup: fact.n_dead_tup,
        n_mod_since_analyze: fact.n_mod_since_analyze,
        n_ins_since_vacuum: fact.n_ins_since_vacuum,
        last_vacuum: fact.last_vacuum,
        last_autovacuum: fact.last_autovacuum,
        last_analyze: fact.last_analyze,
        last_autoanalyze: fact.last_autoanalyze,
        n_tup_ins: fact.n_tup_ins,
        n_tup_upd: fact.n_tup_upd,
        n_tup_del: fact.n_tup_del,
        seq_scan: fact.seq_scan,
        seq_tup_read: fact.seq_tup_read,
        idx_scan: fact.idx_scan,
        xid_age: fact.xid_age.max(fact.toast_xid_age),
        mxid_age: fact.mxid_age,
    }
}

fn hidden(facts: &[TableFact], running: &[Run], reading: &Reading) -> Vec<String> {
    let role = &reading.role.role;
    let unread = facts.iter().filter(|fact| !fact.may_read).count();
    let unseen = running.iter().filter(|run| run.relid.is_none()).count();
    let tables = (unread > 0).then(|| {
        format!("bloat of {unread} table(s): pg_stats shows only what the role may SELECT; GRANT pg_read_all_data TO {role} shows it")
    });
    let runs = (unseen > 0).then(|| {
        format!("what {unseen} running VACUUM or ANALYZE of other roles do: GRANT pg_read_all_stats TO {role} shows it")
    });
    tables.into_iter().chain(runs).collect()
}
