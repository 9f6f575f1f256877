//! `index_health`: which indexes are missing, and which are in the way.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    advice::{self, Advice, LIMITS},
    db::{Answer, Reading, bounded_rows},
    extensions::{Surroundings, quoted},
    state::{Source, State, misshapen},
};

/// Shown of each kind.
const MAX_ROWS: u32 = 30;
const MAX_SECTION_BYTES: usize = 24 * 1024;
/// Rows that a scan of a whole table reads on average for the table to be told.
const ROWS_PER_SCAN: u32 = 10_000;
/// With more indexes than this, small ones are left out: 16 pages are 128 KiB, and all together would take too long.
const MANY_INDEXES: i64 = 5_000;
const SMALL_PAGES: u32 = 16;
/// Younger counters have not seen the weekly report.
const YOUNG_S: i64 = 7 * 24 * 3600;

pub struct IndexHealth;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// Suggest indexes for costly statements; true by default
    advise: Option<bool>,
    /// Statements to advise on besides those of pg_stat_statements
    #[schemars(length(max = 10))]
    queries: Option<Vec<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// When usage counters began, if the server says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stats_reset: Option<String>,
    /// What limits the trust in usage counters.
    notes: Vec<String>,
    /// Not usable, or not yet.
    invalid: Section<Index>,
    /// Same keys as another index.
    duplicate: Section<Index>,
    /// Their keys are the first keys of another index.
    redundant: Section<Index>,
    /// Never read, and nothing depends on them.
    unused: Section<Index>,
    /// Written to over 1000 times for each read.
    rarely_used: Section<Index>,
    foreign_keys_without_index: Section<ForeignKey>,
    /// Often read whole; `advice` says what would help.
    seq_scanned_tables: Section<Table>,
    /// Btrees over twice the size that their rows need, estimated.
    bloated: Section<Bloated>,
    /// Indexes to add. Kept: tables of 64 pages or more, at least 20 % off a plan's cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

/// At most 30, largest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Section<T> {
    total: u64,
    rows: Vec<T>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    schema: String,
    table: String,
    index: String,
    method: String,
    is_unique: bool,
    columns: Option<Vec<String>>,
    size_bytes: i64,
    idx_scan: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_idx_scan: Option<String>,
    /// Rows inserted and updated.
    table_writes: i64,
    /// The index that answers the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_by: Option<String>,
    /// CREATE INDEX or REINDEX is at work on it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    build_phase: Option<String>,
    /// A suggestion for people; nothing here runs it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    ddl: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForeignKey {
    schema: String,
    table: String,
    constraint: String,
    columns: Vec<String>,
    table_bytes: i64,
    table_rows: f64,
    referenced: String,
    /// Rows deleted from and updated in the referenced table.
    referenced_deletes: i64,
    referenced_updates: i64,
    #[serde(skip_deserializing)]
    ddl: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    schema: String,
    table: String,
    table_bytes: i64,
    table_rows: f64,
    seq_scan: i64,
    seq_tup_read: i64,
    rows_per_seq_scan: i64,
    idx_scan: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Bloated {
    schema: String,
    table: String,
    index: String,
    size_bytes: i64,
    bloat_bytes: i64,
    #[serde(skip_deserializing)]
    ddl: String,
}

#[derive(Deserialize)]
struct Counting {
    stats_reset: Option<String>,
    counted_s: Option<i64>,
    standbys: i64,
    indexes: i64,
    unread_btrees: i64,
}

#[derive(Deserialize)]
struct Counted<T> {
    #[serde(default)]
    kind: String,
    total: u64,
    #[serde(flatten)]
    row: T,
}

#[async_trait]
impl Tool for IndexHealth {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "index_health";
    const TITLE: &'static str = "Index health";
    const DESCRIPTION: &'static str = "Indexes of this database that are missing, unused, duplicate, redundant, invalid or bloated, and foreign keys without one, each with its evidence and a statement to suggest. \
        `advice` suggests indexes for the costliest statements (and for `queries`), checked by hypothetical plans where hypopg is installed. \
        At most 30 of each kind and 10 suggestions; nothing is changed.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let source = state.source(input.target.as_deref())?;
        let (around, first) = Surroundings::of(source, call).await?;
        let mut readings = vec![first];
        let (counting, reading) =
            rows::<Counting>(source, include_str!("../queries/index_health_counting.sql"), &[], call).await?;
        readings.push(reading);
        let counting = counting.into_iter().next();
        let many = counting
            .as_ref()
            .is_some_and(|counting| counting.indexes > MANY_INDEXES);
        let sized = [MAX_ROWS, if many { SMALL_PAGES } else { 0 }];
        let queries = input.advise.unwrap_or(true).then(|| input.queries.unwrap_or_default());
        // Beside each other, over as many connections as there are.
        let sql = include_str!("../queries/index_health_indexes.sql");
        let ((indexes, main), found, advised) = tokio::try_join!(
            rows::<Counted<Index>>(source, sql, &sized, call),
            found(source, &sized, call),
            advised(source, &around, queries, call),
        )?;
        readings.extend(found.readings);
        let (advice, more, plans_ms) = advised;
        readings.extend(more);
        let mut kinds = Kinds(indexes);
        let body = Output {
            stats_reset: counting.as_ref().and_then(|counting| counting.stats_reset.clone()),
            notes: notes(counting.as_ref(), &around),
            invalid: kinds.section("invalid", repair),
            duplicate: kinds.section("duplicate", drop),
            redundant: kinds.section("redundant", drop),
            unused: kinds.section("unused", drop),
            rarely_used: kinds.section("rarely_used", |_| None),
            foreign_keys_without_index: section(found.keys.into_iter().map(|mut key| {
                key.row.ddl = key.row.ddl();
                key
            })),
            seq_scanned_tables: section(found.tables.into_iter()),
            bloated: section(found.bloated.into_iter().map(|mut index| {
                index.row.ddl = format!(
                    "REINDEX INDEX CONCURRENTLY {}.{}",
                    quoted(&index.row.schema),
                    quoted(&index.row.index)
                );
                index
            })),
            advice,
        };
        let unread = counting.as_ref().map_or(0, |counting| counting.unread_btrees);
        let hidden = hidden(unread, &main.role.role, &around, body.advice.as_ref());
        let answer = readings.iter().fold(main.answer(body), Answer::costing);
        Ok(answer.costing_ms(plans_ms).hiding(hidden))
    }
}

/// What other statements than the one over all indexes find.
struct Found {
    keys: Vec<Counted<ForeignKey>>,
    tables: Vec<Counted<Table>>,
    bloated: Vec<Counted<Bloated>>,
    readings: [Reading; 3],
}

async fn found(source: &Source, sized: &[u32], call: &CallContext) -> Result<Found, ToolError> {
    let sql = include_str!("../queries/index_health_foreign_keys.sql");
    let (keys, keys_reading) = rows(source, sql, sized, call).await?;
    let sql = include_str!("../queries/index_health_seq_scans.sql");
    let bounds = [MAX_ROWS, u32::try_from(LIMITS.table_pages).unwrap_or(0), ROWS_PER_SCAN];
    let (tables, tables_reading) = rows(source, sql, &bounds, call).await?;
    let sql = include_str!("../queries/index_health_bloat.sql");
    let (bloated, bloated_reading) = rows(source, sql, &[MAX_ROWS], call).await?;
    Ok(Found {
        keys,
        tables,
        bloated,
        readings: [keys_reading, tables_reading, bloated_reading],
    })
}

async fn advised(
    source: &Source,
    around: &Surroundings,
    queries: Option<Vec<String>>,
    call: &CallContext,
) -> Result<(Option<Advice>, Vec<Reading>, f64), ToolError> {
    let Some(queries) = queries else {
        return Ok((None, Vec::new(), 0.0));
    };
    let (advice, readings, plans_ms) = advice::advise(source, around, &queries, call).await?;
    Ok((Some(advice), readings, plans_ms))
}

async fn rows<T: DeserializeOwned>(
    source: &Source,
    sql: &'static str,
    bounds: &[u32],
    call: &CallContext,
) -> Result<(Vec<T>, Reading), ToolError> {
    let parameters = bounds.iter().map(|bound| Some(bound.to_string())).collect();
    let reading = source.ask(sql, parameters, 8 * MAX_ROWS, call).await?;
    Ok((reading.decode().map_err(misshapen)?, reading))
}

/// Indexes of all kinds, as one statement brings them.
struct Kinds(Vec<Counted<Index>>);

impl Kinds {
    fn section(&mut self, kind: &str, ddl: impl Fn(&Index) -> Option<String>) -> Section<Index> {
        let (of_kind, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|counted| counted.kind == kind);
        self.0 = rest;
        let of_kind: Vec<Counted<Index>> = of_kind;
        section(of_kind.into_iter().map(|mut counted| {
            counted.row.ddl = ddl(&counted.row);
            counted
        }))
    }
}

fn section<T: Serialize>(rows: impl Iterator<Item = Counted<T>>) -> Section<T> {
    let rows: Vec<Counted<T>> = rows.collect();
    let total = rows.first().map_or(0, |counted| counted.total);
    let (rows, _) = bounded_rows(rows.into_iter().map(|counted| counted.row).collect(), MAX_SECTION_BYTES);
    Section { total, rows }
}

fn drop(index: &Index) -> Option<String> {
    Some(format!(
        "DROP INDEX CONCURRENTLY {}.{}",
        quoted(&index.schema),
        quoted(&index.index)
    ))
}

/// What is being built is left alone; what a failed REINDEX left behind goes; what should be there is built again.
fn repair(index: &Index) -> Option<String> {
    if index.build_phase.is_some() {
        return None;
    }
    let stem = index.index.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.ends_with("_ccnew") || stem.ends_with("_ccold") {
        return drop(index);
    }
    let reindex = format!(
        "REINDEX INDEX CONCURRENTLY {}.{}",
        quoted(&index.schema),
        quoted(&index.index)
    );
    Some(match index.is_unique {
        true => format!("{reindex} -- after the duplicate keys are gone"),
        false => reindex,
    })
}

impl ForeignKey {
    fn ddl(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        format!(
            "CREATE INDEX CONCURRENTLY ON {}.{} ({})",
            quoted(&self.schema),
            quoted(&self.table),
            columns.join(", ")
        )
    }
}

fn notes(counting: Option<&Counting>, around: &Surroundings) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(seconds) = counting
        .and_then(|counting| counting.counted_s)
        .filter(|seconds| *seconds < YOUNG_S)
    {
        let days = seconds as f64 / 86_400.0;
        notes.push(format!(
            "usage counters are {days:.1} days old: what runs weekly or monthly has not been seen"
        ));
    }
    if let Some(many) = counting
        .map(|counting| counting.indexes)
        .filter(|indexes| *indexes > MANY_INDEXES)
    {
        notes.push(format!(
            "there are {many} indexes: those below {SMALL_PAGES} pages, and foreign keys of such tables, are left out"
        ));
    }
    match counting.map_or(0, |counting| counting.standbys) {
        0 => {}
        standbys => notes.push(format!(
            "{standbys} replication clients are connected: a standby may use an index that is unused here; ask it as well"
        )),
    }
    if around.in_recovery {
        notes.push("this is a standby: its counters know nothing of the primary's use".to_owned());
    }
    notes
}

fn hidden(unread_btrees: i64, role: &str, around: &Surroundings, advice: Option<&Advice>) -> Vec<String> {
    let bloat = (unread_btrees > 0).then(|| {
        format!("bloat of {unread_btrees} large index(es): pg_stats shows only what the role may SELECT; GRANT pg_read_all_data TO {role} shows it")
    });
    let mut hidden: Vec<String> = bloat.into_iter().collect();
    let Some(advice) = advice else { return hidden };
    hidden.extend([around.statements().err(), around.hypopg().err()].into_iter().flatten());
    if !around.sees_all_statements {
        hidden.push(
            "statements of other roles: this role lacks pg_read_all_stats (GRANT pg_monitor TO this role)".to_owned(),
        );
    }
    if advice
        .skipped
        .iter()
        .any(|skipped| skipped.reason.contains("permission denied"))
    {
        hidden.push("plans of statements over tables that this role may not read (GRANT pg_read_all_data, or SELECT on them, TO this role)".to_owned());
    }
    hidden
}
