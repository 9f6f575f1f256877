//! Holds the answer to a free statement that came to nothing: whoever sends many of those would otherwise take the
//! processors that the database needs for its own work.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kit::CancellationToken;

/// No single failure waits longer for its own sake.
const MAX_REST: Duration = Duration::from_millis(1000);
/// However many are waiting.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// When the next failure may be answered; those of all callers stand in one line.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits for a failure's turn, or until the caller has gone.
    pub async fn rest(&self, rest: Duration, cancelled: &CancellationToken) {
        if rest.is_zero() {
            return;
        }
        let turn = self.turn(rest, Instant::now());
        tokio::select! {
            () = tokio::time::sleep_until(turn.into()) => {}
            () = cancelled.cancelled() => {}
        }
    }

    fn turn(&self, rest: Duration, now: Instant) -> Instant {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = last.map_or(now, |last| last.max(now));
        let turn = (from + rest.min(MAX_REST)).min(now + MAX_WAIT);
        *last = Some(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_rest_one_after_the_other_and_never_for_long() {
        let (pace, now) = (Pace::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(pace.turn(ms(18), now), now + ms(18));
        assert_eq!(pace.turn(ms(18), now), now + ms(36));
        assert_eq!(pace.turn(ms(45_000), now), now + ms(1036));
        // Who comes later does not pay for the time in between.
        assert_eq!(pace.turn(ms(9), now + ms(1500)), now + ms(1509));
        for _ in 0..100 {
            assert!(pace.turn(ms(1000), now) <= now + MAX_WAIT);
        }
    }
}
