//! `top_queries`: which statements the server spends itself on, since when it counts and lately.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    db::{Answer, DbError, Reading, bounded_rows},
    extensions::{Extension, Surroundings},
    state::{MAX_RESULT_BYTES, Source, State, misshapen},
    statement_counters::{self as counters, Counters, Key, OrderBy, Snapshot},
};

const DEFAULT_LIMIT: u32 = 10;
const MAX_COUNTED: u32 = 20_000;
const MAX_QUERY_CHARS: u32 = 2000;
const MAX_RUNNING: u32 = 50;

pub struct TopQueries;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// Highest first; total_time by default
    order_by: Option<OrderBy>,
    /// How many statements are shown; 10 by default
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// Measure now, for so many seconds, and order by what happened in them
    #[schemars(range(min = 1, max = 20))]
    interval_s: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    order_by: OrderBy,
    /// When counting began, if the server says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stats_reset: Option<String>,
    /// When the counters that `delta` is measured from were read: in this call with interval_s, else in the call before.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_s: Option<f64>,
    /// Statements with counters; in `delta` those that ran since.
    statements_total: usize,
    /// What all statements together took.
    all_total_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_delta_ms: Option<f64>,
    truncated: bool,
    statements: Vec<TopQuery>,
    /// Only without pg_stat_statements: what runs now, by text, most sessions first.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Vec<Running>>,
}

/// Counters since `stats_reset`; blocks are of the server's block size. `query` is others' text, constants replaced by $n.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TopQuery {
    /// 64 bits, so text.
    queryid: String,
    dbid: u32,
    datname: Option<String>,
    usename: Option<String>,
    query: Option<String>,
    #[serde(flatten)]
    counters: Counters,
    stddev_ms: Option<f64>,
    max_ms: Option<f64>,
    io_read_ms: Option<f64>,
    io_write_ms: Option<f64>,
    /// Its part of the time of all statements.
    total_pct: f64,
    /// The same counters since `since`; absent if it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Delta>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Delta {
    #[serde(flatten)]
    counters: Counters,
    total_pct: f64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    query: Option<String>,
    queryid: Option<String>,
    datname: Option<String>,
    usename: Option<String>,
    sessions: u64,
    waiting_for_lock: u64,
    max_age_ms: Option<i64>,
    #[serde(skip_serializing)]
    #[schemars(skip)]
    total: u64,
}

#[derive(Debug, Deserialize)]
struct Detail {
    userid: u32,
    dbid: u32,
    queryid: String,
    datname: Option<String>,
    usename: Option<String>,
    stddev_ms: Option<f64>,
    max_ms: Option<f64>,
    io_read_ms: Option<f64>,
    io_write_ms: Option<f64>,
    query: Option<String>,
}

#[async_trait]
impl Tool for TopQueries {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "top_queries";
    const TITLE: &'static str = "Top queries";
    const DESCRIPTION: &'static str = "The statements that cost most, from pg_stat_statements: time, calls, rows, blocks, temp files, WAL. Counters since the last reset, \
        and `delta` since the call before this one or over interval_s seconds measured now (the call then takes that long). Use it when the server is slow or busy. \
        At most 50. Without the extension: what runs now.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let source = state.source(input.target.as_deref())?;
        let (around, first) = Surroundings::of(source, call).await?;
        let extension = match around.statements() {
            Ok(extension) => extension,
            Err(missing) => return running(source, missing, input.order_by, call).await,
        };
        let (earlier, now, reading) = moments(source, extension, input.interval_s, call).await?;
        let order_by = input.order_by.unwrap_or_default();
        let limit = input.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        let all = now.cumulative();
        let delta = earlier.as_deref().map(|earlier| now.since(earlier));
        let ranked = match (&delta, input.interval_s) {
            (Some(delta), Some(_)) => delta,
            _ => &all,
        };
        let keys = counters::top(ranked, order_by, limit);
        let (mut details, detailed) = details(source, extension, &keys, call).await?;
        let (all_total_ms, all_delta_ms) = (counters::total_ms(&all), delta.as_ref().map(counters::total_ms));
        let rows = keys.iter().map(|key| {
            let own = delta.as_ref().and_then(|delta| delta.get(key)).copied();
            let delta = own.map(|counters| Delta {
                counters,
                total_pct: percent(counters.total_ms, all_delta_ms.unwrap_or(0.0)),
            });
            row(
                *key,
                all.get(key).copied().unwrap_or_default(),
                delta,
                all_total_ms,
                details.remove(key),
            )
        });
        let (statements, cut) = bounded_rows(rows.collect(), MAX_RESULT_BYTES);
        let since_s = earlier
            .as_ref()
            .map(|earlier| counters::rounded(now.at.duration_since(earlier.at).as_secs_f64()));
        let output = Output {
            order_by,
            stats_reset: now.stats_reset.clone(),
            since: earlier.as_ref().map(|earlier| earlier.taken_at.clone()),
            since_s,
            statements_total: ranked.len(),
            all_total_ms: counters::rounded(all_total_ms),
            all_delta_ms: all_delta_ms.map(counters::rounded),
            truncated: cut || reading.truncated() || ranked.len() > keys.len(),
            statements,
            running: None,
        };
        *source.last_counters.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let answer = reading.answer(output).costing(&first).costing(&detailed);
        Ok(answer.hiding(hidden(&around)))
    }
}

/// Reads the counters, twice with an interval; returns the earlier moment, if there is one to compare with, and now.
async fn moments(
    source: &Source,
    extension: &Extension,
    interval_s: Option<u32>,
    call: &CallContext,
) -> Result<(Option<Arc<Snapshot>>, Arc<Snapshot>, Reading), ToolError> {
    let Some(seconds) = interval_s else {
        let (now, reading) = snapshot(source, extension, call).await?;
        let earlier = source
            .last_counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        return Ok((earlier, now, reading));
    };
    let (earlier, _) = snapshot(source, extension, call).await?;
    // No transaction is open and no connection held while this waits.
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {}
        () = call.cancelled.cancelled() => return Err(DbError::Cancelled.into()),
    }
    let (now, reading) = snapshot(source, extension, call).await?;
    Ok((Some(earlier), now, reading))
}

async fn snapshot(
    source: &Source,
    extension: &Extension,
    call: &CallContext,
) -> Result<(Arc<Snapshot>, Reading), ToolError> {
    #[derive(Deserialize)]
    struct Info {
        stats_reset: Option<String>,
    }
    let mut stats_reset = None;
    if extension.is_at_least(1, 9) {
        let sql = include_str!("../queries/top_queries_info.sql");
        let info: Vec<Info> = source
            .ask_extension(extension, sql, vec![], 1, call)
            .await?
            .decode()
            .map_err(misshapen)?;
        stats_reset = info.into_iter().next().and_then(|info| info.stats_reset);
    }
    let sql = include_str!("../queries/top_queries_counters.sql");
    let reading = source.ask_extension(extension, sql, vec![], MAX_COUNTED, call).await?;
    let snapshot = Snapshot::parse(reading.taken_at.clone(), stats_reset, reading.texts());
    Ok((Arc::new(snapshot), reading))
}

async fn details(
    source: &Source,
    extension: &Extension,
    keys: &[Key],
    call: &CallContext,
) -> Result<(BTreeMap<Key, Detail>, Reading), ToolError> {
    let named = |key: &Key| json!({"userid": key.userid, "dbid": key.dbid, "queryid": key.queryid.to_string()});
    let wanted = json!(keys.iter().map(named).collect::<Vec<_>>()).to_string();
    let sql = include_str!("../queries/top_queries_detail.sql");
    let parameters = vec![Some(wanted), Some(MAX_QUERY_CHARS.to_string())];
    let reading = source.ask_extension(extension, sql, parameters, 50, call).await?;
    let rows: Vec<Detail> = reading.decode().map_err(misshapen)?;
    let keyed = rows.into_iter().filter_map(|row| {
        let key = Key {
            userid: row.userid,
            dbid: row.dbid,
            queryid: row.queryid.parse().ok()?,
        };
        Some((key, row))
    });
    Ok((keyed.collect(), reading))
}

fn row(key: Key, counters: Counters, delta: Option<Delta>, all_ms: f64, detail: Option<Detail>) -> TopQuery {
    let ms = |of: fn(&Detail) -> Option<f64>| detail.as_ref().and_then(of).map(counters::rounded);
    TopQuery {
        queryid: key.queryid.to_string(),
        dbid: key.dbid,
        stddev_ms: ms(|detail| detail.stddev_ms),
        max_ms: ms(|detail| detail.max_ms),
        io_read_ms: ms(|detail| detail.io_read_ms),
        io_write_ms: ms(|detail| detail.io_write_ms),
        total_pct: percent(counters.total_ms, all_ms),
        counters,
        delta,
        datname: detail.as_ref().and_then(|detail| detail.datname.clone()),
        usename: detail.as_ref().and_then(|detail| detail.usename.clone()),
        query: detail.and_then(|detail| detail.query),
    }
}

fn hidden(around: &Surroundings) -> Vec<String> {
    let mut hidden = Vec::new();
    if !around.sees_all_statements {
        hidden.push(
            "statements of other roles: this role lacks pg_read_all_stats (GRANT pg_monitor TO this role)".to_owned(),
        );
    }
    if !around.track_io_timing {
        hidden.push("io_read_ms and io_write_ms: track_io_timing is off".to_owned());
    }
    hidden
}

async fn running(
    source: &Source,
    missing: String,
    order_by: Option<OrderBy>,
    call: &CallContext,
) -> Result<Answer<Output>, ToolError> {
    let sql = include_str!("../queries/top_queries_running.sql");
    let reading = source
        .ask(sql, vec![Some(MAX_QUERY_CHARS.to_string())], MAX_RUNNING, call)
        .await?;
    let rows: Vec<Running> = reading.decode().map_err(misshapen)?;
    let total = rows.first().map_or(0, |row| row.total);
    let (rows, cut) = bounded_rows(rows, MAX_RESULT_BYTES);
    let output = Output {
        order_by: order_by.unwrap_or_default(),
        stats_reset: None,
        since: None,
        since_s: None,
        statements_total: usize::try_from(total).unwrap_or(usize::MAX),
        all_total_ms: 0.0,
        all_delta_ms: None,
        truncated: cut || reading.truncated(),
        statements: Vec::new(),
        running: Some(rows),
    };
    Ok(reading.answer(output).hiding([missing]))
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 1e3).round() / 10.0
    } else {
        0.0
    }
}
