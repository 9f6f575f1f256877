//! How many people: counted by id, never by key, and zero is never enough.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, vote::Vote};

/// What the verifier itself asks for at least, from its own configuration. A policy may ask for more, never for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// People who must approve; 0 is refused.
    pub approvers: u32,
    /// How many of them with a hardware key.
    #[serde(default)]
    pub hardware: u32,
}

/// Returns how many people must approve. Neither side may leave it at zero.
pub(crate) fn required(policy: u32, floor: &Floor) -> Result<u32, Refusal> {
    if policy == 0 || floor.approvers == 0 {
        return Err(Refusal::NoQuorum);
    }
    Ok(policy.max(floor.approvers))
}

/// Counts the people behind approvals and returns their ids, sorted.
pub(crate) fn count(votes: &[Vote], need: u32, need_hardware: u32) -> Result<Vec<String>, Refusal> {
    let people: BTreeSet<&str> = votes.iter().map(|vote| vote.statement().approver.as_str()).collect();
    let with_hardware: BTreeSet<&str> = votes
        .iter()
        .filter(|vote| vote.is_hardware())
        .map(|vote| vote.statement().approver.as_str())
        .collect();
    let have = as_count(people.len());
    if have < need {
        return Err(Refusal::NotEnoughApprovers { have, need });
    }
    let have = as_count(with_hardware.len());
    if have < need_hardware {
        return Err(Refusal::NotEnoughHardware {
            have,
            need: need_hardware,
        });
    }
    Ok(people.into_iter().map(str::to_owned).collect())
}

fn as_count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn floor(approvers: u32) -> Floor {
        Floor { approvers, hardware: 0 }
    }

    #[test]
    fn the_floor_raises_and_never_lowers() {
        assert_eq!(required(1, &floor(2)).unwrap(), 2);
        assert_eq!(required(3, &floor(2)).unwrap(), 3);
    }

    #[test]
    fn zero_is_an_error_on_either_side() {
        assert_eq!(required(0, &floor(2)).unwrap_err().code(), "no_quorum");
        assert_eq!(required(2, &floor(0)).unwrap_err().code(), "no_quorum");
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(count(&[], 1, 0).unwrap_err().code(), "not_enough_approvers");
    }
}
