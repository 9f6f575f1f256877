//! Where people are told, and where some of them may answer: Slack, PagerDuty, Teams. A channel proves no more than that a
//! listed account said something; `Gate::decide` alone makes a statement of it. No channel can hold up or change a decision.

mod card;
mod config;
mod courier;
mod delivery;
mod mac;
mod notice;
pub mod pagerduty;
pub mod slack;
mod teams;
mod word;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use kit::Secret;
use kit::config::FilePath;
use runbooks::Timestamp;

pub use config::ChannelsSection;
pub use word::refused;

use crate::gate::Gate;
use courier::Channel;
use notice::Times;
use pagerduty::PagerDuty;
use slack::Slack;
use teams::Teams;

/// The channels that are configured.
#[derive(Default)]
pub struct Channels {
    /// When people are reminded.
    times: Times,
    /// Slack, where it is configured.
    pub slack: Option<Arc<Slack>>,
    /// PagerDuty, where it is configured.
    pub pagerduty: Option<Arc<PagerDuty>>,
    /// When strangers were last noted.
    pub strangers: Strangers,
    teams: Option<Arc<Teams>>,
}

/// Bounds what people without any proof can have written into the journal.
#[derive(Default)]
pub struct Strangers(AtomicI64);

impl Strangers {
    /// Whether one more may be noted: one a minute.
    pub fn may_note(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Acquire);
        now.unix().abs_diff(last) >= 60
            && self
                .0
                .compare_exchange(last, now.unix(), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }
}

impl Channels {
    /// Reads every secret; asks nobody anything yet.
    ///
    /// # Errors
    /// When a secret's file cannot be read or holds none.
    pub fn open(section: &ChannelsSection) -> anyhow::Result<Self> {
        Ok(Self {
            times: Times {
                remind_min: section.remind_min.clone(),
                escalate_min: section.escalate_min,
            },
            slack: section.slack.as_ref().map(Slack::open).transpose()?.map(Arc::new),
            pagerduty: section
                .pagerduty
                .as_ref()
                .map(PagerDuty::open)
                .transpose()?
                .map(Arc::new),
            strangers: Strangers::default(),
            teams: section.teams.as_ref().map(Teams::open).transpose()?.map(Arc::new),
        })
    }
}

/// Starts what tells and what listens, until the gate stops.
pub fn start(gate: &Arc<Gate>) {
    let channels = &gate.channels;
    let slack = channels.slack.clone().map(|slack| slack as Arc<dyn Channel>);
    let pagerduty = channels
        .pagerduty
        .clone()
        .map(|pagerduty| pagerduty as Arc<dyn Channel>);
    let teams = channels.teams.clone().map(|teams| teams as Arc<dyn Channel>);
    for channel in [slack, pagerduty, teams].into_iter().flatten() {
        tokio::spawn(courier::carry(gate.clone(), channel));
    }
    if let Some(slack) = &channels.slack
        && slack.app_token.is_some()
    {
        tokio::spawn(slack::socket::listen(gate.clone(), slack.clone()));
    }
}

fn read_secret(key: &str, file: &FilePath) -> anyhow::Result<Secret<String>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("`channels.{key}`: `{}` cannot be read", file.display()))?;
    let secret = text.trim();
    let is_usable = secret.len() >= MIN_SECRET_CHARS && secret.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(
        is_usable,
        "`channels.{key}`: `{}` must hold one line of at least {MIN_SECRET_CHARS} visible ASCII characters",
        file.display()
    );
    Ok(Secret::new(secret.to_owned()))
}

const MIN_SECRET_CHARS: usize = 16;
