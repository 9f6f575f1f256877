//! Before people are asked, the executor says whether it could run the plan. What it says can stop a request, and can
//! approve nothing. Questions live in memory: after a crash they are asked again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use approval::Action;
use policies::PermittedPlan;
use runbooks::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

use crate::config::PreflightSection;
use crate::gate::Gate;
use crate::refusal::Refusal;

/// What an executor found. Foreign text: bounded by [`Preflight::check`], and escaped wherever it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// The plan that it looked at.
    pub plan_digest: Digest,
    /// Who looked.
    pub executor: String,
    /// When, by its own clock.
    pub at: Timestamp,
    /// What stands against the plan, or should be known.
    pub findings: Vec<Finding>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the plan could be run.
    pub severity: Severity,
}

/// What a finding means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The plan could not be run: nobody is asked.
    Blocks,
    /// People are asked, and see it.
    Warns,
}

/// The questions that wait for an executor, and who waits for their answers.
pub struct Preflights {
    wait: Duration,
    required: bool,
    desk: Mutex<Desk>,
    offered: Notify,
}

#[derive(Default)]
struct Desk {
    /// Not handed out yet, the oldest first.
    queue: VecDeque<Digest>,
    asked: BTreeMap<Digest, Asked>,
    waiters: u64,
    /// Executors that wait for a question at this moment.
    listeners: usize,
    last_heard: Option<Instant>,
}

struct Asked {
    plan: String,
    waiting: Vec<(u64, Sender<Preflight>)>,
}

impl Gate {
    /// Asks the executor about a plan that people have not been asked about yet, and waits for its answer, no longer than
    /// configured. `None`: it was not checked. A rollback is not: what it needs was looked at with the plan.
    ///
    /// # Errors
    /// When the executor could not run it, or said nothing and must.
    pub fn preflight(&self, permitted: &PermittedPlan, action: Action) -> Result<Option<Preflight>, Refusal> {
        let plan = permitted.plan();
        if action == Action::Rollback
            || self
                .store
                .view(|rows| rows.request_for(plan.digest(), action))?
                .is_some()
        {
            return Ok(None);
        }
        match self
            .preflights
            .ask(plan.digest(), &String::from_utf8_lossy(plan.bytes()))
        {
            Some(found) if found.blocks() => Err(found.refusal()),
            None if self.preflights.required => Err(Refusal::new(
                "preflight_missing",
                "no executor said in time whether it could run the plan, and this gate asks nobody without that",
            )
            .retryable()
            .hint("see that the executor runs and reaches this gate, then call again")),
            found => Ok(found),
        }
    }

    /// Hands out the next question, waiting up to `wait` for one.
    ///
    /// # Errors
    /// When another executor asks than the one this gate serves.
    pub async fn claim_preflight(
        &self,
        executor: &str,
        environments: &[String],
        wait: Duration,
    ) -> Result<Option<String>, Refusal> {
        self.check_executor(executor, environments)?;
        let _listening = Listening::new(&self.preflights);
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Made before looking, so that a question asked in between wakes it.
            let woken = self.preflights.offered.notified();
            if let Some(plan) = self.preflights.next() {
                return Ok(Some(plan));
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep_until(deadline) => return Ok(None),
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    /// Takes an answer: journals it, then tells those who wait.
    ///
    /// # Errors
    /// When it is malformed, nobody waits for it, or it could not be journalled.
    pub fn take_preflight(&self, found: Preflight) -> Result<(), Refusal> {
        self.check_executor(&found.executor, std::slice::from_ref(&self.environment))?;
        found.check()?;
        // An answer for each question: whoever has the bearer cannot fill the journal with more.
        if !self.preflights.is_asked(found.plan_digest) {
            let message = format!("nobody waits for what `{}` was found to be", found.plan_digest);
            return Err(Refusal::new("unknown_preflight", message));
        }
        let subject = found.plan_digest.to_string();
        let data = serde_json::to_value(&found)?;
        self.store.change(|change| change.note("preflighted", &subject, data))?;
        self.preflights.tell(&found);
        Ok(())
    }
}

impl Preflight {
    /// Whether anything stands against the plan.
    pub fn blocks(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Blocks)
    }

    fn refusal(&self) -> Refusal {
        let blocking = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Blocks);
        let said: Vec<String> = blocking
            .map(|finding| format!("{} ({})", finding.message, finding.code))
            .collect();
        Refusal::new(
            "preflight_failed",
            format!(
                "executor `{}` could not run this plan: {}",
                self.executor,
                said.join("; ")
            ),
        )
        .with(json!({"preflight": self}))
        .hint("no person is asked about a plan that cannot run; mend what is named, then make a new plan")
    }

    fn check(&self) -> Result<(), Refusal> {
        let malformed = |message: String| Err(Refusal::new("malformed_preflight", message));
        if self.findings.len() > MAX_FINDINGS {
            return malformed(format!("a preflight has at most {MAX_FINDINGS} findings"));
        }
        for Finding { code, message, .. } in &self.findings {
            let is_code = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if !(1..=64).contains(&code.len()) || !code.bytes().all(is_code) {
                return malformed("a finding's code is 1 to 64 characters of `a-z 0-9 _`".to_owned());
            }
            if message.chars().count() > MAX_MESSAGE_CHARS {
                return malformed(format!(
                    "a finding's message has at most {MAX_MESSAGE_CHARS} characters"
                ));
            }
        }
        Ok(())
    }
}

impl Preflights {
    /// Nobody has asked or answered yet.
    pub fn new(config: &PreflightSection) -> Self {
        Self {
            wait: Duration::from_secs(u64::from(config.wait_s)),
            required: config.required,
            desk: Mutex::default(),
            offered: Notify::new(),
        }
    }

    /// Blocks its thread until there is an answer or the wait is over.
    fn ask(&self, plan: Digest, text: &str) -> Option<Preflight> {
        let (tell, told) = mpsc::channel();
        let waiter = {
            let mut desk = self.desk();
            // Where no executor listens there is nothing to wait for, and an incident loses no time by it.
            let is_heard = desk.listeners > 0 || desk.last_heard.is_some_and(|at| at.elapsed() < self.wait);
            if self.wait.is_zero() || !(is_heard || self.required) || desk.asked.len() >= MAX_ASKED {
                return None;
            }
            desk.ask(plan, text, tell)
        };
        self.offered.notify_waiters();
        let found = told.recv_timeout(self.wait).ok();
        if found.is_none() {
            self.desk().forget(plan, waiter);
        }
        // It may have come between the two lines above.
        found.or_else(|| told.try_recv().ok())
    }

    fn next(&self) -> Option<String> {
        let mut desk = self.desk();
        let plan = desk.queue.pop_front()?;
        desk.asked.get(&plan).map(|asked| asked.plan.clone())
    }

    fn is_asked(&self, plan: Digest) -> bool {
        self.desk().asked.contains_key(&plan)
    }

    fn tell(&self, found: &Preflight) {
        let mut desk = self.desk();
        desk.last_heard = Some(Instant::now());
        desk.queue.retain(|queued| *queued != found.plan_digest);
        let asked = desk.asked.remove(&found.plan_digest);
        for (_, waiting) in asked.into_iter().flat_map(|asked| asked.waiting) {
            // Whose wait is over does not listen any more.
            let _ = waiting.send(found.clone());
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn ask(&mut self, plan: Digest, text: &str, tell: Sender<Preflight>) -> u64 {
        self.waiters += 1;
        if !self.asked.contains_key(&plan) {
            self.queue.push_back(plan);
        }
        let asked = self.asked.entry(plan).or_insert_with(|| Asked {
            plan: text.to_owned(),
            waiting: Vec::new(),
        });
        asked.waiting.push((self.waiters, tell));
        self.waiters
    }

    fn forget(&mut self, plan: Digest, waiter: u64) {
        let Some(asked) = self.asked.get_mut(&plan) else {
            return;
        };
        asked.waiting.retain(|(other, _)| *other != waiter);
        if asked.waiting.is_empty() {
            self.asked.remove(&plan);
            self.queue.retain(|queued| *queued != plan);
        }
    }
}

/// An executor that waits for a question; dropped when it goes away.
struct Listening<'a>(&'a Preflights);

impl<'a> Listening<'a> {
    fn new(preflights: &'a Preflights) -> Self {
        preflights.desk().listeners += 1;
        Self(preflights)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut desk = self.0.desk();
        desk.listeners = desk.listeners.saturating_sub(1);
        desk.last_heard = Some(Instant::now());
    }
}

const MAX_FINDINGS: usize = 32;
const MAX_MESSAGE_CHARS: usize = 600;
const MAX_ASKED: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::thread;

    use super::*;

    fn preflights(wait_s: u32, required: bool) -> Preflights {
        Preflights::new(&PreflightSection { wait_s, required })
    }

    fn found(plan: Digest, findings: Vec<Finding>) -> Preflight {
        Preflight {
            plan_digest: plan,
            executor: "executor-1".to_owned(),
            at: Timestamp::from_unix(1_000),
            findings,
        }
    }

    fn finding(code: &str, message: &str, severity: Severity) -> Finding {
        Finding {
            code: code.to_owned(),
            message: message.to_owned(),
            severity,
        }
    }

    #[test]
    fn where_nobody_listens_nobody_waits() {
        let started = Instant::now();
        assert_eq!(preflights(20, false).ask(Digest::of(b"plan"), "plan"), None);
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_question_is_handed_out_once_and_answers_all_who_asked() {
        let desk = preflights(20, true);
        let plan = Digest::of(b"plan");
        thread::scope(|scope| {
            let asking: Vec<_> = (0..3).map(|_| scope.spawn(|| desk.ask(plan, "the plan"))).collect();
            while desk.desk().asked.get(&plan).is_none_or(|asked| asked.waiting.len() < 3) {
                thread::yield_now();
            }
            assert_eq!(desk.next().unwrap(), "the plan");
            assert_eq!(desk.next(), None);
            desk.tell(&found(plan, Vec::new()));
            for one in asking {
                assert_eq!(one.join().unwrap(), Some(found(plan, Vec::new())));
            }
        });
        assert!(!desk.is_asked(plan));
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_forgotten() {
        let desk = Preflights {
            wait: Duration::from_millis(5),
            ..preflights(1, true)
        };
        assert_eq!(desk.ask(Digest::of(b"plan"), "plan"), None);
        assert!(!desk.is_asked(Digest::of(b"plan")));
        assert_eq!(desk.next(), None);
    }

    #[test]
    fn a_refusal_says_what_blocks_and_what_only_warns_blocks_nothing() {
        let warning = finding("lock_wait", "somebody holds a lock", Severity::Warns);
        let only_warned = found(Digest::of(b"plan"), vec![warning.clone()]);
        assert!(!only_warned.blocks());
        let blocking = finding("missing_privilege", "no CREATEROLE", Severity::Blocks);
        let refusal = found(Digest::of(b"plan"), vec![warning, blocking]).refusal();
        assert_eq!(refusal.code, "preflight_failed");
        assert!(
            refusal.message.ends_with("no CREATEROLE (missing_privilege)"),
            "{refusal}"
        );
        assert!(!refusal.message.contains("lock_wait"));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let one = |code: &str, message: &str| finding(code, message, Severity::Warns);
        for findings in [
            vec![one("a", "m"); MAX_FINDINGS + 1],
            vec![one("No Code", "m")],
            vec![one("", "m")],
            vec![one("a", &"m".repeat(MAX_MESSAGE_CHARS + 1))],
        ] {
            let refusal = found(Digest::of(b"plan"), findings).check().unwrap_err();
            assert_eq!(refusal.code, "malformed_preflight");
        }
    }
}
