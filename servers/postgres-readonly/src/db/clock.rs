//! The database's clock, told from ours: asking it in every call would cost a statement each time.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Timelike, Utc};

/// Our two clocks run apart when the machine slept or its time was set; what was learned before is worth nothing then.
const APART: Duration = Duration::from_secs(1);

/// What the database's clock said, and when.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    said: DateTime<Utc>,
    at: Instant,
    at_by_wall: SystemTime,
}

impl Clock {
    /// Takes the middle of the way there and back for the moment in which the server looked.
    pub fn read(said: DateTime<Utc>, asked: Instant) -> Self {
        let back = asked.elapsed() / 2;
        Self {
            said,
            at: Instant::now().checked_sub(back).unwrap_or(asked),
            at_by_wall: SystemTime::now().checked_sub(back).unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// Returns the database's time now, to within a round trip, as PostgreSQL writes it.
    pub fn now(&self) -> String {
        let since = TimeDelta::from_std(self.at.elapsed()).unwrap_or_default();
        let now = self.said.checked_add_signed(since).unwrap_or(self.said);
        let (date, time) = (now.date_naive(), now.time());
        // `{time}` by chrono would leave out a fraction of zero.
        format!(
            "{date} {:02}:{:02}:{:02}.{:06}+00",
            time.hour(),
            time.minute(),
            time.second(),
            time.nanosecond() / 1000
        )
    }

    /// Returns whether time has passed for us as it has for everybody since the server was asked.
    pub fn holds(&self) -> bool {
        let by_wall = self.at_by_wall.elapsed();
        by_wall.is_ok_and(|by_wall| by_wall.abs_diff(self.at.elapsed()) < APART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_what_was_said() {
        let said = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let asked = Instant::now()
            .checked_sub(Duration::from_secs(20))
            .unwrap_or_else(Instant::now);
        let clock = Clock::read(said, asked);
        // Half of the twenty seconds that the answer took.
        assert!(clock.now().starts_with("2026-11-18 11:06:50."), "{}", clock.now());
        assert!(clock.now().ends_with("+00"), "{}", clock.now());
        assert_eq!(clock.now().len(), "2026-11-18 11:06:50.000000+00".len());
        assert!(clock.holds());
    }

    #[test]
    fn a_machine_that_slept_knows_the_time_no_more() {
        let mut clock = Clock::read(Utc::now(), Instant::now());
        clock.at_by_wall -= Duration::from_secs(3600);
        assert!(!clock.holds());
        clock.at_by_wall += Duration::from_secs(7200);
        assert!(!clock.holds());
    }
}
