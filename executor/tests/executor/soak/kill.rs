//! When the executor is killed, and the killing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::records::Records;
use crate::fuzz::Random;

/// The moment of a kill.
#[derive(Debug, Clone, Copy)]
pub enum Kill {
    /// When the event of this number is durable, before the executor acts on it.
    At(u64),
    /// That long after it.
    After(u64, Duration),
    /// That long after its start.
    Moment(Duration),
}

impl Kill {
    /// Picks one that is likely to come before the end.
    pub fn at_random(random: &mut Random, records: &Records) -> Self {
        let so_far = u64::try_from(records.events().len()).unwrap();
        let event = so_far + random.below_u64(8_u64.saturating_sub(so_far).max(4));
        let micros = |random: &mut Random, most| Duration::from_micros(random.below_u64(most));
        match random.below(4) {
            0 => Self::At(event),
            // A statement takes some milliseconds.
            1 => Self::After(event, micros(random, 8_000)),
            2 => Self::After(event, micros(random, 80_000)),
            _ => Self::Moment(micros(random, 1_500_000)),
        }
    }

    /// Runs the command until it ends or is killed; `true`: it was killed.
    pub fn run(self, mut command: Command, records: &Records) -> bool {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let due = |reached: Option<Instant>| match self {
            // The publishing command does it.
            Self::At(_) => false,
            Self::After(_, delay) => reached.is_some_and(|reached| reached.elapsed() >= delay),
            Self::Moment(delay) => began.elapsed() >= delay,
        };
        let mut reached = None;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code().is_none();
            }
            if let (Self::After(event, _), None) = (self, reached) {
                reached = records.is_published(event).then(Instant::now);
            }
            if due(reached) {
                // It may have ended meanwhile.
                child.kill().unwrap();
                return child.wait().unwrap().code().is_none();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}
