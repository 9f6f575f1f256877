//! Whether it has recovered, as our own telemetry sees it. The executor's word is not asked.

use std::time::{Duration, Instant};

use chrono::Utc;
use incident::{Event, Incident, Reading, Recovery};
use runbooks::{Expect, PlanDocument};
use serde_json::{Value, json};

use crate::config::TargetSection;
use crate::pipeline::Pipeline;
use crate::stage::{Step, document_of, plan_of};

const OBSERVER: &str = "postgres-readonly";
const SIGNAL: &str = "signal";

impl Pipeline {
    /// Reads the plan's signal until it has held for as long as it must, or the deadline is over.
    pub(crate) async fn verify(&self, incident: &Incident) -> Step {
        let target = self.target_of(incident)?;
        let document = document_of(plan_of(incident)?)?;
        let verification = &document.verification;
        let deadline = Instant::now() + Duration::from_secs(u64::from(verification.deadline_s));
        let mut watch = Watch::new(Duration::from_secs(u64::from(verification.hold_s)));
        loop {
            watch.see(self.read_signal(target, &document).await, Instant::now());
            if watch.has_held() || Instant::now() >= deadline {
                break;
            }
            self.pause(Duration::from_millis(u64::from(verification.interval_ms)))
                .await?;
        }

        let mut collateral = Vec::new();
        for check in &verification.collateral {
            let reading = self.read_check(target, &check.id, &check.query, &check.expect).await;
            if !reading.held {
                collateral.push(reading);
            }
        }
        let recovered = watch.has_held() && collateral.is_empty();
        let recovery = Recovery {
            recovered,
            signal: verification.signal.clone(),
            hold_s: verification.hold_s,
            deadline_s: verification.deadline_s,
            held_ms: u64::try_from(watch.held_for().as_millis()).unwrap_or(u64::MAX),
            readings_taken: watch.taken,
            readings: watch.readings,
            collateral,
            diagnosed_after: self.diagnose_again(target).await,
        };
        Ok(if recovered {
            Event::Recovered { recovery }
        } else {
            Event::NotRecovered { recovery }
        }
        .into())
    }

    /// One reading of the plan's own recovery signal.
    pub(crate) async fn read_signal(&self, target: &TargetSection, document: &PlanDocument) -> Reading {
        let verification = &document.verification;
        self.read_check(target, SIGNAL, &verification.query, &verification.expect)
            .await
    }

    /// A question that could not be asked, or has another answer than one value, does not hold.
    async fn read_check(&self, target: &TargetSection, id: &str, query: &str, expect: &Expect) -> Reading {
        let answer = self
            .toolbelt
            .ask_kind(target, OBSERVER, "query", json!({"sql": query, "max_rows": 2}))
            .await;
        let value = match &answer {
            Ok(body) => one_value(body),
            Err(error) => {
                tracing::warn!(
                    check = id,
                    code = error.code(),
                    error = crate::chain(error),
                    "a check could not be read"
                );
                None
            }
        };
        let held = value.as_ref().is_some_and(|value| expect.holds(value));
        Reading {
            check: id.to_owned(),
            at: Utc::now(),
            value: value.unwrap_or_default(),
            held,
        }
    }

    /// The root cause that a fresh look finds, for the post-mortem: the next incident may stand behind this one.
    async fn diagnose_again(&self, target: &TargetSection) -> Option<String> {
        let deadline = Duration::from_secs(u64::from(self.config.orchestrator.observe_within_s));
        let taken = self.toolbelt.look(target, deadline).await;
        let diagnosis = agents::diagnose(&taken.evidence).ok()?;
        Some(diagnosis.best().root_cause.to_string())
    }
}

fn one_value(body: &Value) -> Option<Value> {
    match body.get("rows")?.as_array()?.as_slice() {
        [row] => match row.as_array()?.as_slice() {
            [value] => Some(value.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// How long the signal has held without a break.
struct Watch {
    hold: Duration,
    held_since: Option<Instant>,
    last: Option<Instant>,
    taken: u32,
    readings: Vec<Reading>,
}

impl Watch {
    fn new(hold: Duration) -> Self {
        Self {
            hold,
            held_since: None,
            last: None,
            taken: 0,
            readings: Vec::new(),
        }
    }

    fn see(&mut self, reading: Reading, at: Instant) {
        self.taken = self.taken.saturating_add(1);
        self.last = Some(at);
        self.held_since = if reading.held {
            self.held_since.or(Some(at))
        } else {
            None
        };
        // The first, each change, and always the newest: a reading that repeats the one before replaces it.
        let repeats = match self.readings.as_slice() {
            [.., before, last] => same(before, last) && same(last, &reading),
            _ => false,
        };
        if repeats {
            self.readings.pop();
        }
        self.readings.push(reading);
    }

    fn held_for(&self) -> Duration {
        match (self.held_since, self.last) {
            (Some(since), Some(last)) => last.saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }

    fn has_held(&self) -> bool {
        self.held_since.is_some() && self.held_for() >= self.hold
    }
}

fn same(a: &Reading, b: &Reading) -> bool {
    a.value == b.value && a.held == b.held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: i64, held: bool) -> Reading {
        Reading {
            check: SIGNAL.to_owned(),
            at: Utc::now(),
            value: json!(value),
            held,
        }
    }

    #[test]
    fn a_break_starts_the_hold_again() {
        let mut watch = Watch::new(Duration::from_secs(5));
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        watch.see(reading(0, true), at(0));
        watch.see(reading(0, true), at(4));
        assert!(!watch.has_held());
        watch.see(reading(2, false), at(5));
        watch.see(reading(0, true), at(6));
        watch.see(reading(0, true), at(10));
        assert!(!watch.has_held());
        watch.see(reading(0, true), at(11));
        assert!(watch.has_held());
        assert_eq!(watch.held_for(), Duration::from_secs(5));
    }

    #[test]
    fn readings_that_repeat_are_kept_once_at_each_end() {
        let mut watch = Watch::new(Duration::from_secs(9));
        let now = Instant::now();
        for value in [3, 3, 3, 0, 0, 0, 0] {
            watch.see(reading(value, value == 0), now);
        }
        let values: Vec<i64> = watch.readings.iter().filter_map(|r| r.value.as_i64()).collect();
        assert_eq!(values, [3, 3, 0, 0]);
        assert_eq!(watch.taken, 7);
    }

    #[test]
    fn only_one_row_with_one_column_is_an_answer() {
        assert_eq!(one_value(&json!({"rows": [[7]]})), Some(json!(7)));
        for odd in [
            json!({"rows": []}),
            json!({"rows": [[1], [2]]}),
            json!({"rows": [[1, 2]]}),
            json!({}),
        ] {
            assert_eq!(one_value(&odd), None, "{odd}");
        }
    }
}
