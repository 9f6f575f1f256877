//! `replication`: who follows this server, whom it follows, and what that keeps on it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::Answer,
    facts::replication::{ArchiveWaiting, Receiver, Server, Slot, Standby, is_synchronous_satisfied},
    inquiry::Inquiry,
    risks::{Risk, replication, worst_first},
    state::State,
    tools::Target,
};

const MAX_SUBSCRIPTIONS: u32 = 50;
/// PostgreSQL 14 brought pg_stat_wal.
const WAL_VIEW: i32 = 140_000;

pub struct Replication;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    #[serde(flatten)]
    server: Server,
    /// Enough of the standbys stream that commits wait for; null: commits wait for none, or it cannot be seen.
    synchronous_satisfied: Option<bool>,
    /// Where WAL is archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_waiting: Option<ArchiveWaiting>,
    /// Since the statistics were reset; from PostgreSQL 14 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    wal: Option<Wal>,
    standbys: Vec<Standby>,
    standbys_total: usize,
    /// On a standby: how it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<Receiver>,
    slots: Vec<Slot>,
    slots_total: usize,
    /// Of this database.
    subscriptions: Vec<Subscription>,
    /// What is wrong, the worst first.
    findings: Vec<Risk>,
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Wal {
    bytes: i64,
    full_page_images: i64,
    since: Option<String>,
    bytes_per_s: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    subscription: String,
    enabled: bool,
    /// Null: no apply worker runs.
    pid: Option<i32>,
    received_lsn: Option<String>,
    last_message_age_s: Option<i64>,
    relations_by_state: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing, default)]
    total: usize,
}

#[async_trait]
impl Tool for Replication {
    type State = State;
    type Input = Target;
    type Output = Answer<Output>;
    const NAME: &'static str = "replication";
    const TITLE: &'static str = "Replication";
    const DESCRIPTION: &'static str = "Standbys with their lag in bytes and seconds, slots with the WAL that they keep, the archiver, synchronous standbys, subscriptions, and on a standby \
        how it follows and what replay cancelled. Use it for lag, for WAL that fills the disk, and before a failover. At most 100 standbys and slots, the furthest behind first.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let mut asked = Inquiry::of(state.source(input.target.as_deref())?, call);
        let server = Server::read(&mut asked).await?;
        let archive_waiting = ArchiveWaiting::read(&server, &mut asked).await?;
        let standbys = Standby::read(&mut asked).await?;
        let slots = Slot::read(&mut asked).await?;
        let receiver = if server.in_recovery {
            Receiver::read(&mut asked).await?
        } else {
            None
        };
        let sql = include_str!("../queries/replication_subscriptions.sql");
        let subscriptions: Vec<Subscription> = asked.part("subscriptions", sql, vec![], MAX_SUBSCRIPTIONS).await?;
        let wal = if server.server_version_num < WAL_VIEW {
            None
        } else {
            let sql = include_str!("../queries/replication_wal.sql");
            asked.part("how much WAL is written", sql, vec![], 1).await?.pop()
        };
        if standbys.iter().any(|standby| standby.state.is_none()) {
            asked.hide("state and lag of standbys: GRANT pg_monitor to this role would show them");
        }
        let mut findings = replication::judge(&server, &standbys, &slots, receiver.as_ref());
        findings.extend(replication::judge_waiting(&server, archive_waiting.as_ref()));
        let standbys_total = standbys.first().map_or(0, |first| first.total);
        let slots_total = slots.first().map_or(0, |first| first.total);
        let subscriptions_total = subscriptions.first().map_or(0, |first| first.total);
        asked.answer(Output {
            synchronous_satisfied: is_synchronous_satisfied(&server, &standbys),
            truncated: standbys.len() < standbys_total
                || slots.len() < slots_total
                || subscriptions.len() < subscriptions_total,
            server,
            archive_waiting,
            wal,
            standbys,
            standbys_total,
            receiver,
            slots,
            slots_total,
            subscriptions,
            findings: worst_first(findings),
        })
    }
}
