//! `overview`: the first look at a server, and what is wrong with it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::Answer,
    facts::{
        activity::{Checkpoints, Counters, DatabaseCounters, Load},
        freeze::Ages,
        replication::{Receiver, Server, Slot, Standby},
    },
    inquiry::Inquiry,
    risks::{
        Risk, load, replication,
        upkeep::{self, InvalidIndex, UsedSequence},
        worst_first,
    },
    state::State,
    tools::Target,
};

const MAX_INVALID_INDEXES: u32 = 20;
const MAX_SEQUENCES: u32 = 10;
const MAX_RISKS: usize = 100;

pub struct Overview;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    #[serde(flatten)]
    identity: Identity,
    load: Load,
    /// Reads of this database that shared buffers served, in percent.
    cache_hit_pct: Option<f64>,
    /// This database first, then the busiest, at most 20.
    databases: Vec<DatabaseCounters>,
    databases_total: u64,
    replication: Replication,
    /// The oldest transaction id of all databases, in percent of autovacuum_freeze_max_age.
    xid_age_pct: Option<f64>,
    /// As xid_age_pct, for multixacts.
    mxid_age_pct: Option<f64>,
    /// What is wrong or will be, the worst first; empty: nothing was found.
    risks: Vec<Risk>,
    /// There are more risks or databases than are shown.
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The cluster's own number: the same after a restart, another after a restore to a new cluster. As text, for it has 64 bits.
    system_identifier: String,
    database: String,
    server_version: String,
    /// True on a standby.
    in_recovery: bool,
    current_role: String,
    /// As its settings and roles suggest.
    flavor: Flavor,
    started_at: String,
    uptime_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    Postgres,
    Aurora,
    Rds,
    Cloudsql,
    Azure,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Replication {
    standbys: usize,
    /// The furthest behind; on a standby, itself.
    worst_lag_bytes: Option<i64>,
    worst_lag_s: Option<f64>,
    slots: usize,
    inactive_slots: usize,
    /// By the slot that keeps most.
    retained_wal_bytes: i64,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    identity: Identity,
    #[serde(flatten)]
    load: Load,
    server_version_num: i32,
    databases: Option<Vec<DatabaseCounters>>,
    databases_total: u64,
    cache_hit_pct: Option<f64>,
    counters: Counters,
    switches: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct SequenceRow {
    #[serde(flatten)]
    used: Option<UsedSequence>,
    sequences_total: u64,
    asked: u64,
    locked: u64,
    unreadable: u64,
}

#[async_trait]
impl Tool for Overview {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "overview";
    const TITLE: &'static str = "Overview";
    const DESCRIPTION: &'static str = "The first call to make: which cluster, database and version this is and as which role it is read, how loaded it is, replication in short, \
        and `risks`, the worst first, each with its numbers and the tool that shows more. Looks at this database's own tables, and at the server as a whole.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let mut asked = Inquiry::of(state.source(input.target.as_deref())?, call);
        let row: Row = asked.row(include_str!("../queries/overview.sql")).await?;
        let aurora = row.identity.flavor == Flavor::Aurora;
        let mut risks = load::judge(&row.load);
        risks.extend(load::judge_switches(&row.switches, aurora));
        risks.extend(load::judge_counters(&row.counters));
        let checkpoints = Checkpoints::read(&mut asked, row.server_version_num).await?;
        risks.extend(checkpoints.and_then(load::judge_checkpoints));
        let (replication, found) = look_at_replication(&mut asked, row.identity.in_recovery).await?;
        risks.extend(found);
        let ages = Ages::read(&mut asked).await?;
        risks.extend(upkeep::judge_ages(&ages));
        risks.extend(look_at_catalog(&mut asked).await?);

        let databases = row.databases.unwrap_or_default();
        let truncated = risks.len() > MAX_RISKS || databases.len() < row.databases_total as usize;
        let mut risks = worst_first(risks);
        risks.truncate(MAX_RISKS);
        let worst =
            |pct: fn(&crate::facts::freeze::DatabaseAge) -> f64| ages.databases.iter().map(pct).max_by(f64::total_cmp);
        asked.answer(Output {
            identity: row.identity,
            load: row.load,
            cache_hit_pct: row.cache_hit_pct,
            databases,
            databases_total: row.databases_total,
            replication,
            xid_age_pct: worst(|of| of.xid_forced_pct),
            mxid_age_pct: worst(|of| of.mxid_forced_pct),
            risks,
            truncated,
        })
    }
}

async fn look_at_replication(
    asked: &mut Inquiry<'_>,
    in_recovery: bool,
) -> Result<(Replication, Vec<Risk>), ToolError> {
    let server = Server::read(asked).await?;
    let standbys = Standby::read(asked).await?;
    let slots = Slot::read(asked).await?;
    let receiver = if in_recovery {
        Receiver::read(asked).await?
    } else {
        None
    };
    let risks = replication::judge(&server, &standbys, &slots, receiver.as_ref());
    let own_bytes = receiver.as_ref().and_then(|receiver| receiver.replay_lag_bytes);
    let own_s = receiver.as_ref().and_then(|receiver| receiver.replay_lag_s);
    let standby_bytes = standbys.iter().filter_map(|standby| standby.replay_lag_bytes);
    let standby_s = standbys.iter().filter_map(|standby| standby.replay_lag_s);
    let summary = Replication {
        standbys: standbys.first().map_or(0, |first| first.total),
        worst_lag_bytes: standby_bytes.chain(own_bytes).max(),
        worst_lag_s: standby_s.chain(own_s).max_by(f64::total_cmp),
        slots: slots.first().map_or(0, |first| first.total),
        inactive_slots: slots.iter().filter(|slot| !slot.active).count(),
        retained_wal_bytes: slots
            .iter()
            .filter_map(|slot| slot.retained_wal_bytes)
            .max()
            .unwrap_or(0),
    };
    Ok((summary, risks))
}

async fn look_at_catalog(asked: &mut Inquiry<'_>) -> Result<Vec<Risk>, ToolError> {
    let sql = include_str!("../queries/overview_invalid_indexes.sql");
    let invalid: Vec<InvalidIndex> = asked.part("invalid indexes", sql, vec![], MAX_INVALID_INDEXES).await?;
    let sql = include_str!("../queries/overview_sequences.sql");
    let sequences: Vec<SequenceRow> = asked.part_without_waiting("sequences", sql, MAX_SEQUENCES).await?;
    if let Some(first) = sequences.first() {
        if first.sequences_total > first.asked {
            asked.hide(format!(
                "sequences: {} of {} were asked for their value, the likeliest to run out first: asking takes a lock on each",
                first.asked, first.sequences_total
            ));
        }
        if first.locked > 0 {
            asked.hide(format!(
                "sequences: {} were left out because somebody has locked them",
                first.locked
            ));
        }
        if first.unreadable > 0 {
            asked.hide(format!(
                "sequences: {} cannot be read by this role; GRANT SELECT on them, or pg_read_all_data, would show them",
                first.unreadable
            ));
        }
    }
    let used = sequences.iter().filter_map(|row| row.used.as_ref());
    let mut risks: Vec<Risk> = upkeep::judge_indexes(&invalid).into_iter().collect();
    risks.extend(used.filter_map(upkeep::judge_sequence));
    Ok(risks)
}
