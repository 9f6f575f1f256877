//! How much queries may scan, each and together, and the refusal that says how to ask for less.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kit::ToolError;
use serde_json::json;

use crate::config::{BudgetSettings, OnEstimateFailure};

#[derive(Debug)]
pub struct Budget {
    max_query_bytes: u64,
    max_session_bytes: u64,
    session: Duration,
    on_estimate_failure: OnEstimateFailure,
    usd_per_gb: f64,
    spent: Mutex<Spent>,
}

/// Bytes scanned, and bytes that running queries may scan, each with when it began. What is older than a session is over:
/// a process that serves for months would have no purse left.
#[derive(Debug, Default)]
struct Spent {
    queries: Vec<(u64, Instant, u64)>,
    last_number: u64,
}

impl Spent {
    fn within(&mut self, session: Duration, now: Instant) -> u64 {
        self.queries
            .retain(|(_, at, _)| now.saturating_duration_since(*at) < session);
        self.queries
            .iter()
            .map(|(_, _, bytes)| bytes)
            .fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
    }

    fn begin(&mut self, now: Instant, bytes: u64) -> u64 {
        self.last_number += 1;
        self.queries.push((self.last_number, now, bytes));
        self.last_number
    }

    fn settle(&mut self, number: u64, scanned: u64) {
        for (_, _, bytes) in self.queries.iter_mut().filter(|(one, _, _)| *one == number) {
            *bytes = scanned;
        }
    }
}

/// What one query may scan. Until it is settled the estimate counts as spent, also when nobody knows what became of it.
#[derive(Debug)]
#[must_use = "a query runs within its share of the budget"]
pub struct Share<'a> {
    budget: &'a Budget,
    number: u64,
}

impl Budget {
    pub fn new(settings: &BudgetSettings) -> Self {
        Self {
            max_query_bytes: settings.max_query_bytes,
            max_session_bytes: settings.max_session_bytes,
            session: Duration::from_secs(u64::from(settings.session_hours) * 3_600),
            on_estimate_failure: settings.on_estimate_failure,
            usd_per_gb: settings.usd_per_gb,
            spent: Mutex::default(),
        }
    }

    /// Lets a query of `bytes` over `minutes` run, or refuses it with the numbers and the ways to narrow it.
    pub fn admit(&self, bytes: u64, minutes: u32) -> Result<Share<'_>, ToolError> {
        self.admit_at(bytes, minutes, Instant::now())
    }

    fn admit_at(&self, bytes: u64, minutes: u32, now: Instant) -> Result<Share<'_>, ToolError> {
        if bytes > self.max_query_bytes {
            return Err(self.over("query", bytes, self.max_query_bytes, minutes));
        }
        let mut spent = self.spent();
        let left = self.max_session_bytes.saturating_sub(spent.within(self.session, now));
        if bytes > left {
            drop(spent);
            return Err(self.over("session", bytes, left, minutes));
        }
        let number = spent.begin(now, bytes);
        Ok(Share { budget: self, number })
    }

    /// Decides about a query whose size is unknown. One that may run all the same counts as the largest that may.
    pub fn admit_unknown(&self, cause: &ToolError, minutes: u32) -> Result<Share<'_>, ToolError> {
        match self.on_estimate_failure {
            OnEstimateFailure::Allow => self.admit(self.max_query_bytes.min(self.max_session_bytes), minutes),
            OnEstimateFailure::Refuse => Err(ToolError::new(
                "estimate_failed",
                format!("the size of the query could not be estimated: {}", cause.message),
            )
            .retryable()
            .hint(
                "the operator may set `[budget] on_estimate_failure = \"allow\"`; recent_log_lines needs no estimate",
            )),
        }
    }

    /// What queries of this process may still scan, in bytes.
    pub fn session_bytes_left(&self) -> u64 {
        let spent = self.spent().within(self.session, Instant::now());
        self.max_session_bytes.saturating_sub(spent)
    }

    /// Returns the price of scanning `bytes`, in USD, rounded to a hundredth of a cent.
    pub fn price_usd(&self, bytes: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a price needs no fifteen digits")]
        let usd = bytes as f64 / 1e9 * self.usd_per_gb;
        (usd * 1e4).round() / 1e4
    }

    fn over(&self, of: &str, bytes: u64, allowed: u64, minutes: u32) -> ToolError {
        let usd = self.price_usd(bytes);
        let (wanted, shown) = (gib(bytes), gib(allowed));
        let (limit, raise) = match of {
            "query" => (format!("the budget is {shown}"), "max_query_bytes"),
            _ => (
                format!("{shown} are left of this session's {}", gib(self.max_session_bytes)),
                "max_session_bytes",
            ),
        };
        // Time is what the size of a log grows with.
        let fitting = u128::from(minutes) * u128::from(allowed) / u128::from(bytes.max(1));
        let shorter = match fitting {
            0 => "not even one minute would fit: look at a less busy log group, one at a time".to_owned(),
            fitting => format!("look at {fitting} minutes or fewer, ending (`until`) where it happened"),
        };
        let ways = [
            shorter,
            "use recent_log_lines with `contains`: it costs no query".to_owned(),
            format!("ask the operator to raise `[budget] {raise}`"),
        ];
        ToolError::new(
            "over_budget",
            format!("the query would scan {wanted} (about {usd} USD), {limit}"),
        )
        .hint(ways.join("; or "))
        .data(json!({
            "budget": of,
            "estimated_bytes": bytes,
            "allowed_bytes": allowed,
            "estimated_usd": usd,
            "ways_to_narrow": ways,
        }))
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    /// The query scanned so much; what it did not need is given back.
    pub fn settle(self, scanned: u64) {
        self.budget.spent().settle(self.number, scanned);
    }
}

fn gib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    let bytes = bytes as f64;
    match bytes {
        b if b >= f64::from(1 << 30) => format!("{:.1} GiB", b / f64::from(1 << 30)),
        b if b >= f64::from(1 << 20) => format!("{:.1} MiB", b / f64::from(1 << 20)),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_refusal_has_the_number_the_price_and_three_ways_out() {
        let budget = Budget::new(&BudgetSettings::default());
        assert!(budget.admit(5 * GIB, 30).is_ok());
        let error = budget.admit(6 * GIB, 30).unwrap_err();
        assert_eq!(error.code, "over_budget");
        assert_eq!(
            error.message,
            "the query would scan 6.0 GiB (about 0.0322 USD), the budget is 5.0 GiB"
        );
        assert!(!error.retryable);
        let ways = error.data.unwrap()["ways_to_narrow"].clone();
        assert_eq!(ways.as_array().unwrap().len(), 3);
        assert!(ways[0].as_str().unwrap().contains("look at 25 minutes"), "{ways}");
    }

    #[test]
    fn queries_spend_one_purse_and_give_back_what_they_did_not_need() {
        let settings = BudgetSettings {
            max_session_bytes: 6 * GIB,
            ..BudgetSettings::default()
        };
        let budget = Budget::new(&settings);
        let first = budget.admit(4 * GIB, 30).unwrap();
        let refused = budget.admit(3 * GIB, 30).unwrap_err();
        assert_eq!(
            refused.message,
            "the query would scan 3.0 GiB (about 0.0161 USD), 2.0 GiB are left of this session's 6.0 GiB"
        );
        first.settle(GIB);
        assert_eq!(budget.session_bytes_left(), 5 * GIB);
        // One that nobody settles stays spent.
        drop(budget.admit(3 * GIB, 30).unwrap());
        assert_eq!(budget.session_bytes_left(), 2 * GIB);
        // More than expected is spent all the same.
        budget.admit(GIB, 30).unwrap().settle(9 * GIB);
        assert_eq!(budget.session_bytes_left(), 0);
        assert_eq!(budget.admit(1, 30).unwrap_err().code, "over_budget");
    }

    #[test]
    fn the_purse_of_a_process_that_lives_long_fills_again() {
        let settings = BudgetSettings {
            max_session_bytes: 6 * GIB,
            session_hours: 2,
            ..BudgetSettings::default()
        };
        let budget = Budget::new(&settings);
        let began = Instant::now();
        let at = |minutes: u64| began + Duration::from_secs(minutes * 60);
        let first = budget.admit_at(4 * GIB, 30, at(0)).unwrap();
        drop(budget.admit_at(2 * GIB, 30, at(60)).unwrap());
        assert_eq!(budget.admit_at(1, 30, at(119)).unwrap_err().code, "over_budget");
        // The first is two hours old, the second is not.
        drop(budget.admit_at(4 * GIB, 30, at(120)).unwrap());
        assert_eq!(budget.admit_at(1, 30, at(121)).unwrap_err().code, "over_budget");
        // What ends late takes nothing from what others spend.
        first.settle(GIB);
        assert_eq!(budget.admit_at(1, 30, at(122)).unwrap_err().code, "over_budget");
    }

    #[test]
    fn an_unknown_size_is_refused_unless_the_operator_allows_it_and_counts_as_the_largest() {
        let cause = ToolError::new("x", "no number in the answer");
        let strict = Budget::new(&BudgetSettings::default());
        assert_eq!(strict.admit_unknown(&cause, 30).unwrap_err().code, "estimate_failed");
        let lenient = Budget::new(&BudgetSettings {
            on_estimate_failure: OnEstimateFailure::Allow,
            ..BudgetSettings::default()
        });
        drop(lenient.admit_unknown(&cause, 30).unwrap());
        assert_eq!(lenient.session_bytes_left(), 45 * GIB);
    }
}
