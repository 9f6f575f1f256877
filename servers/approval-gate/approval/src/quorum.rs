//! How many people, and from which groups: counted by id, never by key, and zero is never enough.

use std::collections::BTreeSet;

use runbooks::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    approvers::{Approvers, Person},
    refusal::Refusal,
    statement::Method,
};

/// What the verifier itself asks for at least, from its own configuration. A policy may ask for more, never for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// People who must approve; 0 is refused.
    pub approvers: u32,
    /// How many of them with a hardware key.
    #[serde(default)]
    pub hardware: u32,
    /// How many of them with an SSH key, on a machine of their own. The gate's pages ask for passkeys, so a gate that lies
    /// could show one thing and ask for another; these it cannot get.
    #[serde(default)]
    pub ssh: u32,
    /// Whether an approval counts that nobody but the gate vouches for.
    #[serde(default)]
    pub attested: bool,
    /// Whether what people signed ahead of time counts: a standing grant.
    #[serde(default)]
    pub grants: bool,
}

/// Returns how many people must approve. Neither side may leave it at zero.
pub(crate) fn required(policy: u32, floor: &Floor) -> Result<u32, Refusal> {
    if policy == 0 || floor.approvers == 0 {
        return Err(Refusal::NoQuorum);
    }
    Ok(policy.max(floor.approvers))
}

/// One valid signature for a plan, whatever it is under.
pub(crate) struct Yes<'a> {
    pub(crate) approver: &'a str,
    pub(crate) method: Method,
    pub(crate) hardware: bool,
}

/// Counts the people behind approvals and returns their ids, sorted.
pub(crate) fn count(given: &[Yes<'_>], need: u32, floor: &Floor) -> Result<Vec<String>, Refusal> {
    let people: BTreeSet<&str> = given.iter().map(|yes| yes.approver).collect();
    let those = |counts: &dyn Fn(&Yes<'_>) -> bool| {
        let people: BTreeSet<&str> = given.iter().filter(|yes| counts(yes)).map(|yes| yes.approver).collect();
        as_count(people.len())
    };
    let have = as_count(people.len());
    if have < need {
        return Err(Refusal::NotEnoughApprovers { have, need });
    }
    let have = those(&|yes| yes.hardware);
    if have < floor.hardware {
        return Err(Refusal::NotEnoughHardware {
            have,
            need: floor.hardware,
        });
    }
    let have = those(&|yes| yes.method == Method::Ssh);
    if have < floor.ssh {
        return Err(Refusal::NotEnoughSsh { have, need: floor.ssh });
    }
    Ok(people.into_iter().map(str::to_owned).collect())
}

/// Checks that the people behind approvals represent each of these groups, nobody more than one.
pub(crate) fn represent(people: &[String], groups: &[String], approvers: &Approvers) -> Result<(), Refusal> {
    let memberships: Vec<&[String]> = people
        .iter()
        .filter_map(|id| approvers.person(id))
        .map(|person| person.groups.as_slice())
        .collect();
    match missing_groups(groups, &memberships) {
        missing if missing.is_empty() => Ok(()),
        groups => Err(Refusal::GroupMissing { groups }),
    }
}

/// Checks that those who may approve what `requester` asks for could represent each of these groups, before anyone is asked.
pub fn check_groups(groups: &[String], requester: &str, approvers: &Approvers, now: Timestamp) -> Result<(), Refusal> {
    let may = |person: &&Person| {
        let has_key = person
            .keys
            .iter()
            .any(|key| key.valid_from <= now && now < key.valid_until);
        !person.agent && has_key && !is_requester(&person.id, requester)
    };
    let people = approvers.people().iter().filter(may);
    let memberships: Vec<&[String]> = people.map(|person| person.groups.as_slice()).collect();
    match missing_groups(groups, &memberships) {
        missing if missing.is_empty() => Ok(()),
        groups => Err(Refusal::NobodyInGroup { groups }),
    }
}

/// Returns the groups that are left when as many as possible are represented, each by one of `people`, of whom each
/// represents one at most.
pub fn missing_groups(groups: &[String], people: &[&[String]]) -> Vec<String> {
    let mut stands_for: Vec<Option<usize>> = vec![None; people.len()];
    let mut missing = Vec::new();
    for (group, name) in groups.iter().enumerate() {
        if !place(group, groups, people, &mut stands_for, &mut BTreeSet::new()) {
            missing.push(name.clone());
        }
    }
    missing
}

/// Finds a person for a group; someone who stands for another one already may change over if another can take that place.
fn place(
    group: usize,
    groups: &[String],
    people: &[&[String]],
    stands_for: &mut [Option<usize>],
    asked: &mut BTreeSet<usize>,
) -> bool {
    for (person, memberships) in people.iter().enumerate() {
        let is_member = groups.get(group).is_some_and(|name| memberships.contains(name));
        if !is_member || !asked.insert(person) {
            continue;
        }
        let free = match stands_for.get(person).copied().flatten() {
            None => true,
            Some(other) => place(other, groups, people, stands_for, asked),
        };
        if let Some(place) = stands_for.get_mut(person).filter(|_| free) {
            *place = Some(group);
            return true;
        }
    }
    false
}

/// Requesters come from elsewhere and may be spelt otherwise; ids of people are lower-case by construction.
pub(crate) fn is_requester(person: &str, requester: &str) -> bool {
    person.eq_ignore_ascii_case(requester.trim())
}

fn as_count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn floor(approvers: u32) -> Floor {
        Floor {
            approvers,
            hardware: 0,
            ssh: 0,
            attested: false,
            grants: false,
        }
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
    fn each_group_is_represented_by_somebody_else() {
        let missing = |groups: &[&str], people: &[&[&str]]| -> Vec<String> {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let people: Vec<Vec<String>> = people.iter().map(|groups| owned(groups)).collect();
            let people: Vec<&[String]> = people.iter().map(Vec::as_slice).collect();
            missing_groups(&owned(groups), &people)
        };
        let both = ["dba", "owner"];
        assert!(missing(&[], &[]).is_empty());
        assert_eq!(missing(&both, &[]), both);
        assert_eq!(missing(&both, &[&["dba"], &["dba"]]), ["owner"]);
        assert_eq!(missing(&both, &[&both]).len(), 1);
        assert!(missing(&both, &[&["dba"], &["owner"]]).is_empty());
        // Whoever is in both stands for the one that nobody else can.
        assert!(missing(&both, &[&both, &["dba"]]).is_empty());
        assert!(missing(&both, &[&both, &["owner"]]).is_empty());
        assert!(missing(&["a", "b", "c"], &[&["a", "b"], &["a", "c"], &["a"]]).is_empty());
        assert_eq!(missing(&["a", "b", "c"], &[&["a", "b"], &["a"], &["a"]]), ["c"]);
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(count(&[], 1, &floor(1)).unwrap_err().code(), "not_enough_approvers");
    }
}
