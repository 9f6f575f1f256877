//! The look at a database that every diagnosis stands on: the first sweep, and a second look where it leaves the cause open.

use std::time::Duration;

use tokio::time::Instant;

use super::{Taken, Toolbelt};
use crate::config::TargetSection;

impl Toolbelt {
    /// Takes the whole look within a deadline; what has not come by then is missing, and the rest counts.
    pub async fn look(&self, target: &TargetSection, within: Duration) -> Taken {
        let until = Instant::now() + within;
        let mut taken = self.take(target, &agents::first_sweep(), within, 1).await;
        for round in agents::second_look(&taken.evidence) {
            if Instant::now() + round.after >= until {
                break;
            }
            tokio::time::sleep(round.after).await;
            let left = until.saturating_duration_since(Instant::now());
            let first_id = taken.evidence.len().saturating_add(1);
            // A second look that fails leaves the first one as it was: nothing is missing that a diagnosis needs.
            let more = self.take(target, &round.probes, left, first_id).await;
            taken.evidence.extend(more.evidence);
            taken.notes.extend(more.notes);
        }
        taken
    }
}
