//! Standing grants as a model, searched to the end: a gate that lies sends any plan, any number of times, in any order, with
//! every signature there is; the executor crashes between any two of its steps.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Checker, Model, Property};

/// Two people must sign the grant. The third plan is outside its bounds.
const PEOPLE: u8 = 2;
const PLANS: u8 = 3;
const OUTSIDE: u8 = 2;
/// One use within a day, which has two moments; the grant ends before the last one.
const DAY: u8 = 2;
const MAX_PER_DAY: usize = 1;
const UNTIL: u8 = 4;
const LAST_MOMENT: u8 = 5;
const MAX_CRASHES: u8 = 2;

/// What is taken away to see whether it was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    /// One signature is enough.
    Quorum,
    /// A grant covers every plan.
    Bounds,
    /// The gate counts, and the executor believes it.
    Count,
    /// The plan is spent in one transaction, and the use counted in the next.
    OneTransaction,
    /// The list of the executor says nothing of grants.
    Revocation,
    /// A grant has no end.
    End,
    /// A plan that was begun may be begun again.
    Ledger,
}

#[derive(Debug, Clone)]
struct Grants {
    without: Without,
    promise: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Spent; its use is not counted yet, if that is a step of its own.
    Spent,
    Ready,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct State {
    now: u8,
    signed: BTreeSet<u8>,
    revoked: bool,
    /// The executor's books: when each plan was admitted, and the uses that it has counted.
    ledger: BTreeMap<u8, u8>,
    uses: BTreeMap<u8, u8>,
    running: Option<(u8, Phase)>,
    crashes: u8,
    effects: BTreeMap<u8, u8>,
    harm: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Tick,
    Sign(u8),
    Revoke,
    /// The gate sends this plan, with all signatures that there are.
    Send(u8),
    CountUse,
    Act,
    Crash,
    /// After a crash: what was begun is finished.
    Resume(u8),
}

impl Grants {
    fn has(&self, safeguard: Without) -> bool {
        self.without != safeguard
    }

    fn admits(&self, state: &State, plan: u8) -> bool {
        let people = if self.has(Without::Quorum) { PEOPLE } else { 1 };
        let recent = state.uses.values().filter(|at| **at + DAY > state.now).count();
        state.signed.len() >= usize::from(people)
            && (plan != OUTSIDE || !self.has(Without::Bounds))
            && (recent < MAX_PER_DAY || !self.has(Without::Count))
            && (!state.revoked || !self.has(Without::Revocation))
            && (state.now < UNTIL || !self.has(Without::End))
            && (!state.ledger.contains_key(&plan) || !self.has(Without::Ledger))
    }

    /// Notes, at the moment when it happens, what must never be.
    fn admit(&self, state: &mut State, plan: u8) {
        let recent = state.ledger.values().filter(|at| **at + DAY > state.now).count();
        let harms = [
            (state.signed.len() < usize::from(PEOPLE), SIGNED),
            (plan == OUTSIDE, WITHIN),
            (recent >= MAX_PER_DAY && !state.ledger.contains_key(&plan), COUNTED),
            (state.revoked, NOT_REVOKED),
            (state.now >= UNTIL, NOT_OVER),
        ];
        let happened = harms.into_iter().filter(|(happened, _)| *happened);
        state.harm.extend(happened.map(|(_, harm)| harm));
        state.ledger.insert(plan, state.now);
        let phase = if self.has(Without::OneTransaction) {
            state.uses.insert(plan, state.now);
            Phase::Ready
        } else {
            Phase::Spent
        };
        state.running = Some((plan, phase));
    }
}

impl Model for Grants {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < LAST_MOMENT {
            actions.push(Action::Tick);
        }
        actions.extend(
            (0..PEOPLE)
                .filter(|person| !state.signed.contains(person))
                .map(Action::Sign),
        );
        if !state.revoked {
            actions.push(Action::Revoke);
        }
        let Some((_, phase)) = state.running else {
            let open = |plan: &u8| state.ledger.contains_key(plan) && !state.effects.contains_key(plan);
            match (0..PLANS).find(open) {
                // What was begun comes first.
                Some(plan) => actions.push(Action::Resume(plan)),
                None => actions.extend((0..PLANS).filter(|plan| self.admits(state, *plan)).map(Action::Send)),
            }
            return;
        };
        actions.push(match phase {
            Phase::Spent => Action::CountUse,
            Phase::Ready => Action::Act,
        });
        if state.crashes < MAX_CRASHES {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match (action, before.running) {
            (Action::Tick, _) => state.now += 1,
            (Action::Sign(person), _) => drop(state.signed.insert(person)),
            (Action::Revoke, _) => state.revoked = true,
            (Action::Send(plan), None) => self.admit(&mut state, plan),
            (Action::CountUse, Some((plan, _))) => {
                state.uses.insert(plan, state.now);
                state.running = Some((plan, Phase::Ready));
            }
            (Action::Act, Some((plan, _))) => {
                let times = state.effects.entry(plan).or_default();
                *times += 1;
                if *times > 1 {
                    state.harm.insert(ONCE);
                }
                state.running = None;
            }
            (Action::Crash, Some(_)) => {
                state.crashes += 1;
                state.running = None;
            }
            (Action::Resume(plan), None) => state.running = Some((plan, Phase::Ready)),
            (Action::Send(_) | Action::CountUse | Action::Act | Action::Crash | Action::Resume(_), _) => return None,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let all = vec![
            Property::always(SIGNED, |_, state: &State| !state.harm.contains(SIGNED)),
            Property::always(WITHIN, |_, state: &State| !state.harm.contains(WITHIN)),
            Property::always(COUNTED, |_, state: &State| !state.harm.contains(COUNTED)),
            Property::always(NOT_REVOKED, |_, state: &State| !state.harm.contains(NOT_REVOKED)),
            Property::always(NOT_OVER, |_, state: &State| !state.harm.contains(NOT_OVER)),
            Property::always(ONCE, |_, state: &State| !state.harm.contains(ONCE)),
            Property::sometimes(RUNS_AGAIN, |_, state: &State| {
                state.crashes == MAX_CRASHES && state.effects.values().filter(|times| **times == 1).count() == 2
            }),
        ];
        all.into_iter()
            .filter(|property| self.promise.is_none_or(|promise| property.name == promise))
            .collect()
    }
}

const SIGNED: &str = "nothing runs under a grant that enough people have not signed";
const WITHIN: &str = "nothing runs that the grant does not cover";
const COUNTED: &str = "nothing runs more often than granted";
const NOT_REVOKED: &str = "nothing is begun once the list has revoked the grant";
const NOT_OVER: &str = "nothing is begun once the grant is over";
const ONCE: &str = "no plan takes effect twice";
const RUNS_AGAIN: &str = "what is granted runs, and again the next day, although the executor crashed";

#[test]
fn every_promise_of_a_grant_holds_with_a_gate_that_lies() {
    let model = Grants {
        without: Without::Nothing,
        promise: None,
    };
    let checker = model.checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn each_safeguard_of_a_grant_is_needed() {
    for (without, promise) in [
        (Without::Quorum, SIGNED),
        (Without::Bounds, WITHIN),
        (Without::Count, COUNTED),
        (Without::OneTransaction, COUNTED),
        (Without::Revocation, NOT_REVOKED),
        (Without::End, NOT_OVER),
        (Without::Ledger, ONCE),
    ] {
        let model = Grants {
            without,
            promise: Some(promise),
        };
        let checker = model.checker().spawn_bfs().join();
        assert!(
            checker.discovery(promise).is_some(),
            "without {without:?}, `{promise}` still holds: the safeguard is not needed, or the model is blind"
        );
    }
}
