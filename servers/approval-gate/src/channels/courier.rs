//! Carries notices: one task per channel, woken by changes of state and by times, so that no vendor holds up another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use runbooks::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::card::Card;
use super::delivery::Undelivered;
use super::notice::{Notice, Post, Step, face};
use crate::execution::Execution;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::store::Rows;

/// Where notices go.
#[async_trait]
pub trait Channel: Send + Sync {
    /// By which marks and journal name it.
    fn name(&self) -> &'static str;

    /// Takes one step; returns the messages that are new.
    async fn tell(&self, step: Step, card: &Card, notice: &Notice) -> Result<Vec<Post>, Undelivered>;
}

/// Carries notices until the gate stops. Whatever fails here changes no decision.
pub async fn carry(gate: Arc<Gate>, channel: Arc<dyn Channel>) {
    let mut hold: Option<Instant> = None;
    let mut failures = 0;
    loop {
        // Made before looking, so that a change in between wakes it.
        let changed = gate.store.changed.notified();
        if hold.is_none_or(|until| until <= Instant::now()) {
            hold = None;
        }
        let due = match hold {
            Some(_) => None,
            None => match round(&gate, channel.as_ref()).await {
                Ok(due) => {
                    failures = 0;
                    due
                }
                Err(undelivered) => {
                    failures += 1;
                    let wait = wait_after(failures, &undelivered);
                    tracing::warn!(channel = channel.name(), error = %undelivered, wait_s = wait.as_secs(), "a notice waits");
                    hold = Some(Instant::now() + wait);
                    None
                }
            },
        };
        let sleep = hold.map_or_else(
            || time_until(due),
            |until| until.saturating_duration_since(Instant::now()),
        );
        tokio::select! {
            () = gate.stop.cancelled() => return,
            () = changed, if hold.is_none() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Takes every step that is due; returns when the next one is. One request that fails does not keep back the others.
async fn round(gate: &Gate, channel: &dyn Channel) -> Result<Option<Timestamp>, Undelivered> {
    let mut due: Option<Timestamp> = None;
    let mut failed = None;
    let open = local(|| {
        gate.close_windows(gate.now())?;
        open_requests(gate, channel.name())
    })?;
    for id in open {
        match bring_up_to_date(gate, channel, &id).await {
            Ok(next) => due = [due, next].into_iter().flatten().min(),
            Err(undelivered @ Undelivered::Later { wait_s: Some(_), .. }) => return Err(undelivered),
            Err(undelivered) => failed = Some(undelivered),
        }
    }
    failed.map_or(Ok(due), Err)
}

async fn bring_up_to_date(gate: &Gate, channel: &dyn Channel, id: &str) -> Result<Option<Timestamp>, Undelivered> {
    loop {
        let Some((sight, step)) = local(|| gate.store.view(|rows| look(gate, rows, channel.name(), id)))? else {
            return Ok(None);
        };
        let mut given_up = false;
        let posts = match step {
            Step::Wait(due) => return Ok(due),
            Step::Forget => Vec::new(),
            Step::Open | Step::Show | Step::Remind(_) | Step::Escalate => {
                let card = local(|| {
                    gate.store
                        .view(|rows| Card::of(gate, rows, &sight.request, sight.execution.as_ref()))
                })?;
                match channel.tell(step, &card, &sight.notice).await {
                    Ok(posts) => posts,
                    Err(Undelivered::Never(why)) => {
                        tracing::error!(channel = channel.name(), request = id, why, "a notice was given up");
                        given_up = true;
                        Vec::new()
                    }
                    Err(later) => return Err(later),
                }
            }
        };
        let kind = if given_up { "notice_given_up" } else { "notice_sent" };
        local(|| keep(gate, (channel.name(), kind), id, step, &sight, posts))?;
    }
}

struct Sight {
    request: Request,
    execution: Option<Execution>,
    notice: Notice,
}

fn look(gate: &Gate, rows: &Rows<'_>, channel: &str, id: &str) -> Result<Option<(Sight, Step)>, Refusal> {
    let Some(request) = rows.request(id)? else {
        return Ok(None);
    };
    let execution = request.execution().map(|id| rows.execution(id)).transpose()?.flatten();
    let notice: Option<Notice> = rows.mark(&mark(channel, id))?;
    let times = &gate.channels.times;
    let step = Notice::next(notice.as_ref(), &request, execution.as_ref(), times, gate.now());
    let sight = Sight {
        request,
        execution,
        notice: notice.unwrap_or_default(),
    };
    Ok(Some((sight, step)))
}

fn keep(
    gate: &Gate,
    (channel, kind): (&str, &str),
    id: &str,
    step: Step,
    sight: &Sight,
    posts: Vec<Post>,
) -> Result<(), Refusal> {
    let mut notice = sight.notice.clone();
    let shown = face(&sight.request, sight.execution.as_ref());
    let told = match step {
        Step::Wait(_) => return Ok(()),
        Step::Forget => return gate.store.change(|change| change.drop_mark(&mark(channel, id))),
        Step::Open => "opened".to_owned(),
        Step::Show => shown.clone(),
        Step::Remind(minutes) => {
            notice.reminded_min = Some(minutes);
            format!("reminded {minutes} min before")
        }
        Step::Escalate => {
            notice.escalated = true;
            "escalated".to_owned()
        }
    };
    if matches!(step, Step::Open | Step::Show) {
        notice.face = shown;
    }
    let data = json!({"channel": channel, "told": told, "posts": posts});
    notice.posts.extend(posts);
    gate.store.change(|change| {
        change.note(kind, id, data)?;
        change.set_mark(&mark(channel, id), &notice)
    })
}

/// What still waits, and what was told of and may still change.
fn open_requests(gate: &Gate, channel: &str) -> Result<Vec<String>, Refusal> {
    gate.store.view(|rows| {
        let told: BTreeMap<String, Notice> = rows.marks(&mark(channel, ""))?;
        let pending = rows.requests(Some("pending"), MAX_PENDING)?;
        let granted = rows.granted_since(gate.now().plus_s(-GRANTED_S))?;
        let news = pending.into_iter().chain(granted);
        let mut ids: Vec<String> = news.map(|request| request.terms.id).collect();
        for id in told.into_keys() {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    })
}

/// The notice that a channel has of a request.
pub fn notice_of(rows: &Rows<'_>, channel: &str, id: &str) -> Result<Option<Notice>, Refusal> {
    rows.mark(&mark(channel, id))
}

fn mark(channel: &str, id: &str) -> String {
    format!("notice {channel} {id}")
}

fn local<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Undelivered> {
    tokio::task::block_in_place(work).map_err(|refusal| Undelivered::later(format!("{refusal} ({})", refusal.code)))
}

fn wait_after(failures: u32, undelivered: &Undelivered) -> Duration {
    let asked = match undelivered {
        Undelivered::Later { wait_s, .. } => *wait_s,
        Undelivered::Never(_) => None,
    };
    Duration::from_secs(asked.unwrap_or_else(|| (1_u64 << failures.min(9)).min(MAX_WAIT_S)))
}

fn time_until(due: Option<Timestamp>) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let due = due.map(|due| Duration::from_secs(u64::try_from(due.unix()).unwrap_or(0)));
    // A clock that is set back is noticed within a minute.
    due.map_or(MAX_SLEEP, |due| {
        due.saturating_sub(now).clamp(Duration::from_millis(50), MAX_SLEEP)
    })
}

/// No plan lives longer than a day, and nothing is reported of it after that and an hour.
const GRANTED_S: i64 = 2 * 86_400;
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// Others wait behind what fails, so it is not long.
const MAX_WAIT_S: u64 = 60;
const MAX_PENDING: u32 = 500;
