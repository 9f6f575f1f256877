//! `storage`: what takes the space, and how fast it grows.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::Answer,
    growth::{Look, Thing},
    inquiry::Inquiry,
    state::State,
};

const DEFAULT_RELATIONS: u32 = 20;
const MAX_DATABASES: u32 = 50;

pub struct Storage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// How many relations are shown; 20 by default
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Also the exact size of every database; the server looks at each of their files for it
    exact: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    #[serde(flatten)]
    stored: Stored,
    /// Exact sizes, the biggest first, at most 50; only when `exact` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<Vec<DatabaseSize>>,
    /// Tables with their TOAST and indexes, the biggest first.
    relations: Vec<Relation>,
    /// Files in the WAL directory.
    wal_directory: Option<Directory>,
    /// Temporary files that lie there now, in all tablespaces.
    temp_directory: Option<Directory>,
    /// Since an earlier call that this process remembers; left out in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<Growth>,
    /// There are more relations than are shown.
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stored {
    database: String,
    /// Pages that the catalog counts times their size, as of each relation's last VACUUM or ANALYZE; no file is looked at.
    database_bytes: Option<i64>,
    relations_total: u64,
    /// Tables that were never counted: they are missing from the sums.
    relations_never_counted: u64,
    #[serde(skip_serializing)]
    wal_position_bytes: i64,
    /// Written since the statistics were reset, by all databases.
    temp_files: Option<i64>,
    temp_bytes: Option<i64>,
    /// What bounds WAL and temporary files.
    settings: BTreeMap<String, Option<String>>,
    tablespaces: Option<Vec<Tablespace>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tablespace {
    name: String,
    location: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseSize {
    database: String,
    bytes: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Directory {
    files: i64,
    bytes: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Relation {
    oid: i64,
    schema: String,
    relation: String,
    kind: String,
    rows_estimate: Option<i64>,
    total_bytes: i64,
    table_bytes: i64,
    toast_bytes: i64,
    index_bytes: i64,
    /// Since the call that `growth` names; moves when VACUUM or ANALYZE counts anew.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    bytes_per_s: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Growth {
    since: String,
    over_s: f64,
    database_bytes_per_s: Option<i64>,
    wal_bytes_per_s: Option<i64>,
    temp_bytes_per_s: Option<i64>,
}

#[async_trait]
impl Tool for Storage {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "storage";
    const TITLE: &'static str = "Storage";
    const DESCRIPTION: &'static str = "What takes the space: this database, its biggest tables with TOAST and indexes, WAL, temporary files, tablespaces; and how fast each grows since an earlier call. \
        Sizes are the catalog's page counts as of the last VACUUM or ANALYZE; `exact` measures databases on disk, which takes long with many tables.";

    fn deadline() -> Duration {
        Duration::from_secs(60)
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let source = state.source(input.target.as_deref())?;
        let mut asked = Inquiry::of(source, call);
        let stored: Stored = asked.row(include_str!("../queries/storage.sql")).await?;
        let at = Instant::now();
        let limit = input.limit.unwrap_or(DEFAULT_RELATIONS);
        let sql = include_str!("../queries/storage_relations.sql");
        let mut relations: Vec<Relation> = asked.rows(sql, vec![Some((limit + 1).to_string())], limit + 1).await?;
        let truncated = relations.len() > limit as usize;
        relations.truncate(limit as usize);
        let sql = include_str!("../queries/storage_wal_directory.sql");
        let wal_directory = asked
            .part("the WAL directory (needs pg_monitor)", sql, vec![], 1)
            .await?
            .pop();
        let sql = include_str!("../queries/storage_temp_directory.sql");
        let temp_directory = asked
            .part("temporary files (needs pg_monitor)", sql, vec![], 1)
            .await?
            .pop();
        let databases = if input.exact.unwrap_or(false) {
            let sql = include_str!("../queries/storage_databases.sql");
            Some(asked.part("exact sizes", sql, vec![], MAX_DATABASES).await?)
        } else {
            None
        };
        let growth = source
            .stored
            .measure(look(asked.taken_at(), at, &stored, &relations))
            .map(|growth| {
                for relation in &mut relations {
                    relation.bytes_per_s = growth.per_s(&Thing::Relation(relation.oid));
                }
                Growth {
                    since: growth.since().to_owned(),
                    over_s: (growth.over_s * 1000.0).round() / 1000.0,
                    database_bytes_per_s: growth.per_s(&Thing::DatabaseBytes),
                    wal_bytes_per_s: growth.per_s(&Thing::WalBytes),
                    temp_bytes_per_s: growth.per_s(&Thing::TempBytes),
                }
            });
        asked.answer(Output {
            stored,
            databases,
            relations,
            wal_directory,
            temp_directory,
            growth,
            truncated,
        })
    }
}

fn look(taken_at: String, at: Instant, stored: &Stored, relations: &[Relation]) -> Look {
    let mut amounts: BTreeMap<Thing, i64> = relations
        .iter()
        .map(|relation| (Thing::Relation(relation.oid), relation.total_bytes))
        .collect();
    amounts.insert(Thing::WalBytes, stored.wal_position_bytes);
    amounts.extend(stored.database_bytes.map(|bytes| (Thing::DatabaseBytes, bytes)));
    amounts.extend(stored.temp_bytes.map(|bytes| (Thing::TempBytes, bytes)));
    Look { taken_at, at, amounts }
}
