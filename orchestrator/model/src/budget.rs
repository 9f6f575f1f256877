//! How much asking may cost: tokens, money, calls and seconds, for one agent and for the whole incident. What a call may
//! cost at most is set aside before it is made, and what it did cost is booked after.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::ModelError;
use crate::request::{Answer, Request, Usage};

/// What may be spent. A missing limit is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Input and output together.
    pub tokens: Option<u64>,
    /// In millionths of the currency that the prices are in.
    pub money_micros: Option<u64>,
    /// Attempts: a retry is one more.
    pub calls: Option<u32>,
    /// From the first look at the budget on.
    pub time: Option<Duration>,
}

/// What was spent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub tokens: u64,
    pub money_micros: u64,
    pub calls: u32,
}

/// What a million tokens cost, in millionths of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    pub input_micros: u64,
    pub output_micros: u64,
}

/// A purse. Clones share it, and what a part of it spends the whole has spent.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    since: Instant,
    state: Mutex<State>,
    whole: Option<Budget>,
}

#[derive(Debug, Default)]
struct State {
    spent: Spent,
    reserved: Spent,
}

/// What one attempt may cost at most, set aside. Dropped unbooked, as when the caller gives up, it counts as spent.
#[must_use]
pub(crate) struct Reservation {
    budget: Budget,
    held: Spent,
    open: bool,
}

impl Budget {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::within(limits, None)
    }

    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(Limits::default())
    }

    /// A part with limits of its own.
    #[must_use]
    pub fn part(&self, limits: Limits) -> Self {
        Self::within(limits, Some(self.clone()))
    }

    #[must_use]
    pub fn spent(&self) -> Spent {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).spent
    }

    /// What is left of the time, here and in the whole.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let own = self
            .0
            .limits
            .time
            .map(|time| time.saturating_sub(self.0.since.elapsed()));
        let whole = self.0.whole.as_ref().and_then(Self::time_left);
        match (own, whole) {
            (Some(own), Some(whole)) => Some(own.min(whole)),
            (own, whole) => own.or(whole),
        }
    }

    /// Runs one attempt on this budget; it is not begun when what it may cost is no longer there.
    pub(crate) async fn charge(
        request: &Request,
        price: Price,
        attempt: impl Future<Output = Result<Answer, ModelError>>,
    ) -> Result<Answer, ModelError> {
        let (input, output) = (request.input_tokens_at_most(), request.max_output_tokens);
        let reservation = request.budget.reserve(Spent {
            tokens: u64::from(input).saturating_add(u64::from(output)),
            money_micros: price.of(input, output),
            calls: 1,
        })?;
        match attempt.await {
            Ok(mut answer) => {
                answer.usage.cost_micros = price.of(answer.usage.input_tokens, answer.usage.output_tokens);
                reservation.book(answer.usage);
                Ok(answer)
            }
            Err(error) if error.may_have_cost() => Err(error),
            Err(error) => {
                reservation.book(Usage::default());
                Err(error)
            }
        }
    }

    fn within(limits: Limits, whole: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            limits,
            since: Instant::now(),
            state: Mutex::default(),
            whole,
        }))
    }

    fn reserve(&self, ask: Spent) -> Result<Reservation, ModelError> {
        if self.time_left().is_some_and(|left| left.is_zero()) {
            return Err(ModelError::OverBudget("seconds"));
        }
        self.hold(ask)?;
        Ok(Reservation {
            budget: self.clone(),
            held: ask,
            open: true,
        })
    }

    fn hold(&self, ask: Spent) -> Result<(), ModelError> {
        {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            let after = state.spent.plus(state.reserved).plus(ask);
            let Limits {
                tokens,
                money_micros,
                calls,
                ..
            } = self.0.limits;
            if tokens.is_some_and(|limit| after.tokens > limit) {
                return Err(ModelError::OverBudget("tokens"));
            }
            if money_micros.is_some_and(|limit| after.money_micros > limit) {
                return Err(ModelError::OverBudget("money"));
            }
            if calls.is_some_and(|limit| after.calls > limit) {
                return Err(ModelError::OverBudget("calls"));
            }
            state.reserved = state.reserved.plus(ask);
        }
        let whole = self.0.whole.as_ref().map_or(Ok(()), |whole| whole.hold(ask));
        if whole.is_err() {
            self.settle(ask, Spent::default());
        }
        whole
    }

    fn settle(&self, held: Spent, cost: Spent) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserved = state.reserved.minus(held);
        state.spent = state.spent.plus(cost);
    }

    fn settle_all(&self, held: Spent, cost: Spent) {
        self.settle(held, cost);
        if let Some(whole) = &self.0.whole {
            whole.settle_all(held, cost);
        }
    }
}

/// Two names of one purse.
impl PartialEq for Budget {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Reservation {
    fn book(mut self, usage: Usage) {
        self.open = false;
        let cost = Spent {
            tokens: u64::from(usage.input_tokens).saturating_add(u64::from(usage.output_tokens)),
            money_micros: usage.cost_micros,
            calls: 1,
        };
        self.budget.settle_all(self.held, cost);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.budget.settle_all(self.held, self.held);
        }
    }
}

impl Price {
    /// What so many tokens cost, rounded up.
    #[must_use]
    pub fn of(&self, input_tokens: u32, output_tokens: u32) -> u64 {
        let part = |tokens: u32, micros: u64| u128::from(tokens).saturating_mul(u128::from(micros));
        let whole = part(input_tokens, self.input_micros).saturating_add(part(output_tokens, self.output_micros));
        u64::try_from(whole.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Spent {
    const fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            money_micros: self.money_micros.saturating_add(other.money_micros),
            calls: self.calls.saturating_add(other.calls),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            money_micros: self.money_micros.saturating_sub(other.money_micros),
            calls: self.calls.saturating_sub(other.calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input_micros: 3_000_000,
        output_micros: 15_000_000,
    };

    fn request(budget: &Budget) -> Request {
        Request {
            budget: budget.clone(),
            ..Request::asking("s", "t", 100, Duration::from_secs(1))
        }
    }

    fn answer(input_tokens: u32, output_tokens: u32) -> Answer {
        Answer {
            text: String::new(),
            tool_calls: Vec::new(),
            model: "m".to_owned(),
            usage: Usage {
                input_tokens,
                output_tokens,
                cost_micros: 0,
            },
        }
    }

    async fn spend(budget: &Budget, end: Result<Answer, ModelError>) -> Result<Answer, ModelError> {
        Budget::charge(&request(budget), PRICE, async { end }).await
    }

    #[tokio::test]
    async fn what_was_used_is_booked_here_and_in_the_whole() {
        let incident = Budget::unlimited();
        let agent = incident.part(Limits::default());
        let answered = spend(&agent, Ok(answer(10, 20))).await;
        let cost = 10 * 3 + 20 * 15;
        assert_eq!(answered.map(|answer| answer.usage.cost_micros), Ok(cost));
        let spent = Spent {
            tokens: 30,
            money_micros: cost,
            calls: 1,
        };
        assert_eq!((agent.spent(), incident.spent()), (spent, spent));
    }

    #[tokio::test]
    async fn a_call_that_could_cost_too_much_is_not_made() {
        let limits = |tokens, money_micros, calls| Limits {
            tokens,
            money_micros,
            calls,
            time: None,
        };
        for (limits, part) in [
            (limits(Some(100), None, None), "tokens"),
            (limits(None, Some(1_500), None), "money"),
            (limits(None, None, Some(0)), "calls"),
        ] {
            let whole = Budget::new(limits);
            for budget in [whole.clone(), whole.part(Limits::default())] {
                let mut begun = false;
                let attempt = async {
                    begun = true;
                    Ok(answer(1, 1))
                };
                let refused = Budget::charge(&request(&budget), PRICE, attempt).await;
                assert_eq!(refused, Err(ModelError::OverBudget(part)));
                assert!(!begun);
                assert_eq!(budget.spent(), Spent::default());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_out_like_money() {
        let whole = Budget::new(Limits {
            time: Some(Duration::from_secs(5)),
            ..Limits::default()
        });
        let part = whole.part(Limits::default());
        assert!(spend(&part, Ok(answer(1, 1))).await.is_ok());
        tokio::time::advance(Duration::from_secs(5)).await;
        let refused = spend(&part, Ok(answer(1, 1))).await;
        assert_eq!(refused, Err(ModelError::OverBudget("seconds")));
    }

    #[tokio::test]
    async fn an_answer_that_broke_off_counts_in_full_and_a_refusal_at_the_door_as_a_call() {
        let budget = Budget::unlimited();
        let door = spend(&budget, Err(ModelError::Throttled(Duration::ZERO))).await;
        assert!(door.is_err());
        assert_eq!((budget.spent().tokens, budget.spent().calls), (0, 1));
        let broken = spend(&budget, Err(ModelError::CutConnection)).await;
        assert!(broken.is_err());
        assert!(budget.spent().tokens > 100);
        assert_eq!(budget.spent().calls, 2);
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_counts_in_full() {
        let budget = Budget::unlimited();
        let given_up = request(&budget);
        let endless = Budget::charge(&given_up, PRICE, std::future::pending());
        let ended = tokio::time::timeout(Duration::from_millis(5), endless).await;
        assert!(ended.is_err());
        assert!(budget.spent().tokens > 100);
    }
}
