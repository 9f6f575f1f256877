//! The approval and execution protocol as a model, searched to the end: its promises hold under every order of events,
//! and each safeguard is needed, for without it a promise is broken.
//!
//! The world is hostile: messages are duplicated, delayed, and replayed; the executor crashes between any two steps and
//! its statement lives on; the gate is honest, or lies about everything that it can sign.
#![expect(clippy::indexing_slicing, reason = "a step is always one of those there are")]

mod grant_model;

use std::collections::BTreeSet;

use stateright::{Checker, Model, Property};

/// Two people approve, of three who sign; one of them asked for the plan.
const PEOPLE: [Person; 3] = [Person::Requester, Person::Alice, Person::Bob];
const NEEDED: usize = 2;
const STEPS: usize = 2;
/// Moments: signatures count until `APPROVE_BY`, steps start before `EXPIRES`, a standing is fresh for `FRESH`.
const APPROVE_BY: u8 = 1;
const EXPIRES: u8 = 3;
const LAST_MOMENT: u8 = 4;
const FRESH: u8 = 1;
const MAX_CRASHES: u8 = 2;

/// What is taken away to see whether it was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The executor believes the gate that the plan is approved.
    Signatures,
    /// One signature is enough.
    Quorum,
    /// The one who asks may approve.
    SeparationOfDuties,
    /// A signature counts for any plan.
    PlanBinding,
    /// A signature counts whenever it was made.
    ApprovalWindow,
    /// The effect and its marker are two transactions: run, then record.
    Marker,
    /// The statement is sent before its intent is in the journal.
    IntentFirst,
    /// Expiry is checked when the order arrives, and not before each step.
    ExpiryBeforeEachStep,
    /// The standing is asked for when the order arrives, and not before each step.
    StandingBeforeEachStep,
    /// A standing of any age will do.
    FreshStanding,
    /// A denial counts for nothing once enough people have approved.
    DenialEnds,
    /// The rollback undoes every step, whether it was done or not.
    UndoOnlyWhatWasDone,
    /// After a restart nobody remembers that the plan is being rolled back.
    RollbackRemembered,
    /// After a restart the old session is left alone.
    Fence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Honest,
    /// Sends any order, to any plan, at any time, and says that all is well.
    Lying,
}

#[derive(Debug, Clone)]
struct Protocol {
    gate: Gate,
    without: Without,
    /// The only promise to look at; without one, all of them.
    promise: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Person {
    Requester,
    Alice,
    Bob,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Signature {
    by: Person,
    in_time: bool,
}

/// An order as it travels. `tampered`: its plan is not the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Order {
    tampered: bool,
    signatures: BTreeSet<Signature>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Direction {
    Do,
    Undo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Effect {
    direction: Direction,
    step: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Entry {
    Intent(Effect),
    Done(Effect),
    RollbackStarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stop {
    Denied,
    Revoked,
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Standing {
    fine: bool,
    as_of: u8,
}

/// A statement on its way; it commits or is lost, whether or not the one who sent it still lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Session {
    effect: Effect,
    /// The truth about the order it was sent for, which nobody in the model can look up.
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Ready,
    IntentJournalled,
    Sent,
    Committed,
}

/// What the executor has in memory; a crash leaves nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Run {
    order: Order,
    standing: Standing,
    next: Effect,
    phase: Phase,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct State {
    now: u8,
    signatures: BTreeSet<Signature>,
    stop: Option<(Stop, u8)>,
    /// Everything that was ever sent; it may arrive again at any time, in any order.
    orders: BTreeSet<Order>,
    run: Option<Run>,
    crashes: u8,
    journal: BTreeSet<Entry>,
    /// The statement of the executor that lives, and those of its former lives.
    session: Option<Session>,
    orphans: BTreeSet<Session>,
    markers: BTreeSet<Effect>,
    done: [u8; STEPS],
    undone: [u8; STEPS],
    harm: BTreeSet<Harm>,
}

/// What must never be; noted by the world at the moment when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Harm {
    Unsigned,
    Twice,
    WithoutIntent,
    Expired,
    AfterStop,
    UndoneUndone,
    AfterRollback,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Tick,
    Sign(Person),
    Halt(Stop),
    SendOrder,
    Take(Order),
    AskStanding,
    JournalIntent,
    SendStatement,
    Commit,
    CommitOrphan(Session),
    LoseOrphan(Session),
    Record,
    Skip,
    RollBack,
    Crash,
}

impl Protocol {
    fn has(&self, safeguard: Without) -> bool {
        self.without != safeguard
    }

    /// What the executor makes of an order's signatures.
    fn accepts(&self, order: &Order) -> bool {
        if !self.has(Without::Signatures) {
            return true;
        }
        let counts = |signature: &&Signature| {
            (signature.by != Person::Requester || !self.has(Without::SeparationOfDuties))
                && (signature.in_time || !self.has(Without::ApprovalWindow))
        };
        let people: BTreeSet<Person> = order
            .signatures
            .iter()
            .filter(counts)
            .map(|signature| signature.by)
            .collect();
        let needed = if self.has(Without::Quorum) { NEEDED } else { 1 };
        (!order.tampered || !self.has(Without::PlanBinding)) && people.len() >= needed
    }

    /// The orders that may arrive now: whatever an honest gate ever sent, or whatever a lying one can put together.
    fn arriving(&self, state: &State) -> Vec<Order> {
        let forged = |tampered| Order {
            tampered,
            signatures: state.signatures.clone(),
        };
        match self.gate {
            Gate::Honest => state.orders.iter().cloned().collect(),
            Gate::Lying => [false, true].map(forged).to_vec(),
        }
    }

    /// What an honest gate says now; the other one always says that all is well.
    fn standing(&self, state: &State) -> Standing {
        let stopped = match state.stop {
            Some((Stop::Denied, _)) => self.has(Without::DenialEnds),
            Some((Stop::Revoked | Stop::Frozen, _)) => true,
            None => false,
        };
        Standing {
            fine: self.gate == Gate::Lying || !stopped,
            as_of: state.now,
        }
    }

    fn may_start(&self, state: &State, run: &Run) -> bool {
        if run.next.direction == Direction::Undo {
            return true;
        }
        let in_time = state.now < EXPIRES || !self.has(Without::ExpiryBeforeEachStep);
        let fresh = run.standing.as_of + FRESH >= state.now || !self.has(Without::FreshStanding);
        let stands = run.standing.fine && fresh;
        in_time && (stands || !self.has(Without::StandingBeforeEachStep))
    }

    fn is_done(&self, state: &State, effect: Effect) -> bool {
        if self.has(Without::Marker) {
            state.markers.contains(&effect)
        } else {
            state.journal.contains(&Entry::Done(effect))
        }
    }

    /// Whether the executor passes over this step: done already, or nothing to undo.
    fn passes_over(&self, state: &State, effect: Effect) -> bool {
        let its_do = Effect {
            direction: Direction::Do,
            ..effect
        };
        let nothing_to_undo = effect.direction == Direction::Undo
            && self.has(Without::UndoOnlyWhatWasDone)
            && !self.is_done(state, its_do);
        self.is_done(state, effect) || nothing_to_undo
    }

    fn take(&self, state: &mut State, order: Order) {
        let standing = self.standing(state);
        let rolling_back = state.journal.contains(&Entry::RollbackStarted) && self.has(Without::RollbackRemembered);
        let next = match rolling_back {
            true => Effect {
                direction: Direction::Undo,
                step: STEPS - 1,
            },
            false => Effect {
                direction: Direction::Do,
                step: 0,
            },
        };
        let fine = self.accepts(&order) && (rolling_back || (standing.fine && state.now < EXPIRES));
        if fine {
            if self.has(Without::Fence) {
                state.orphans.clear();
            }
            state.run = Some(Run {
                order,
                standing,
                next,
                phase: Phase::Ready,
            });
        }
    }

    fn send_statement(&self, state: &mut State, run: Run) {
        let effect = run.next;
        if effect.direction == Direction::Do {
            if state.now >= EXPIRES {
                state.harm.insert(Harm::Expired);
            }
            if state.stop.is_some_and(|(_, at)| state.now > at + FRESH) {
                state.harm.insert(Harm::AfterStop);
            }
        }
        state.session = Some(Session {
            effect,
            order: run.order.clone(),
        });
        state.run = Some(Run {
            phase: Phase::Sent,
            ..run
        });
    }

    /// The target commits: with the marker row in the same transaction, whose key lets one of two through.
    fn commit(&self, state: &mut State, session: &Session) {
        let Session { effect, order } = session;
        if self.has(Without::Marker) && !state.markers.insert(*effect) {
            return;
        }
        let done = state.done[effect.step];
        let counter = match effect.direction {
            Direction::Do => &mut state.done[effect.step],
            Direction::Undo => &mut state.undone[effect.step],
        };
        *counter = (*counter + 1).min(2);
        let twice = *counter > 1;
        let in_time = |signature: &&Signature| signature.in_time && signature.by != Person::Requester;
        let people: BTreeSet<Person> = order
            .signatures
            .iter()
            .filter(in_time)
            .map(|signature| signature.by)
            .collect();
        let rolled_back = state.journal.contains(&Entry::RollbackStarted);
        let harms = [
            (order.tampered || people.len() < NEEDED, Harm::Unsigned),
            (twice, Harm::Twice),
            (!state.journal.contains(&Entry::Intent(*effect)), Harm::WithoutIntent),
            (effect.direction == Direction::Undo && done == 0, Harm::UndoneUndone),
            (effect.direction == Direction::Do && rolled_back, Harm::AfterRollback),
        ];
        state.harm.extend(
            harms
                .into_iter()
                .filter(|(happened, _)| *happened)
                .map(|(_, harm)| harm),
        );
    }

    fn next_step(run: Run) -> Option<Run> {
        let Effect { direction, step } = run.next;
        let step = match direction {
            Direction::Do => step.checked_add(1).filter(|step| *step < STEPS),
            Direction::Undo => step.checked_sub(1),
        };
        step.map(|step| Run {
            next: Effect { direction, step },
            phase: Phase::Ready,
            ..run
        })
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < LAST_MOMENT {
            actions.push(Action::Tick);
        }
        let signed = |person| state.signatures.iter().any(|signature| signature.by == person);
        // With an honest gate the requester's signature and late ones go nowhere; leaving them out keeps the search small.
        let signs = |person: &Person| match self.gate {
            Gate::Honest => *person != Person::Requester && state.now <= APPROVE_BY,
            Gate::Lying => true,
        };
        actions.extend(
            PEOPLE
                .into_iter()
                .filter(|person| !signed(*person) && signs(person))
                .map(Action::Sign),
        );
        if state.stop.is_none() && self.gate == Gate::Honest {
            actions.extend([Stop::Denied, Stop::Revoked, Stop::Frozen].map(Action::Halt));
        }
        if self.gate == Gate::Honest {
            actions.push(Action::SendOrder);
        }
        for orphan in &state.orphans {
            actions.extend([Action::CommitOrphan(orphan.clone()), Action::LoseOrphan(orphan.clone())]);
        }
        let Some(run) = &state.run else {
            actions.extend(self.arriving(state).into_iter().map(Action::Take));
            return;
        };
        if state.crashes < MAX_CRASHES {
            actions.push(Action::Crash);
        }
        match run.phase {
            Phase::Ready if self.passes_over(state, run.next) => actions.push(Action::Skip),
            Phase::Ready => {
                actions.extend([Action::AskStanding, Action::JournalIntent]);
                if !self.has(Without::IntentFirst) && self.may_start(state, run) {
                    actions.push(Action::SendStatement);
                }
            }
            Phase::IntentJournalled => {
                actions.push(Action::AskStanding);
                if self.may_start(state, run) {
                    actions.push(Action::SendStatement);
                }
            }
            Phase::Sent => actions.push(Action::Commit),
            Phase::Committed => actions.push(Action::Record),
        }
        if run.phase == Phase::Ready && run.next.direction == Direction::Do && run.next.step > 0 {
            actions.push(Action::RollBack);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match (action, before.run.clone()) {
            (Action::Tick, _) => state.now += 1,
            (Action::Sign(by), _) => drop(state.signatures.insert(Signature {
                by,
                in_time: state.now <= APPROVE_BY,
            })),
            (Action::Halt(stop), _) => state.stop = Some((stop, state.now)),
            (Action::SendOrder, _) => {
                let order = Order {
                    tampered: false,
                    signatures: state.signatures.clone(),
                };
                let sends = self.accepts(&order) && self.standing(&state).fine && state.now < EXPIRES;
                if !sends || !state.orders.insert(order) {
                    return None;
                }
            }
            (Action::Take(order), None) => self.take(&mut state, order),
            (Action::AskStanding, Some(run)) => {
                state.run = Some(Run {
                    standing: self.standing(&state),
                    ..run
                })
            }
            (Action::JournalIntent, Some(run)) => {
                state.journal.insert(Entry::Intent(run.next));
                state.run = Some(Run {
                    phase: Phase::IntentJournalled,
                    ..run
                });
            }
            (Action::SendStatement, Some(run)) => self.send_statement(&mut state, run),
            (Action::Commit, Some(run)) => {
                let session = state.session.take()?;
                self.commit(&mut state, &session);
                state.run = Some(Run {
                    phase: Phase::Committed,
                    ..run
                });
            }
            (Action::CommitOrphan(session), _) => {
                state.orphans.remove(&session);
                self.commit(&mut state, &session);
            }
            (Action::LoseOrphan(session), _) => drop(state.orphans.remove(&session)),
            (Action::Record, Some(run)) => {
                state.journal.insert(Entry::Done(run.next));
                state.run = Self::next_step(run);
            }
            (Action::Skip, Some(run)) => state.run = Self::next_step(run),
            (Action::RollBack, Some(run)) => {
                state.journal.insert(Entry::RollbackStarted);
                let next = Effect {
                    direction: Direction::Undo,
                    step: STEPS - 1,
                };
                state.run = Some(Run { next, ..run });
            }
            (Action::Crash, Some(_)) => {
                state.crashes += 1;
                state.run = None;
                state.orphans.extend(state.session.take());
            }
            (
                Action::Take(_)
                | Action::AskStanding
                | Action::JournalIntent
                | Action::SendStatement
                | Action::Commit
                | Action::Record
                | Action::Skip
                | Action::RollBack
                | Action::Crash,
                _,
            ) => return None,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let all = vec![
            Property::always(ONLY_SIGNED, |_, state: &State| !state.harm.contains(&Harm::Unsigned)),
            Property::always(AT_MOST_ONCE, |_, state: &State| !state.harm.contains(&Harm::Twice)),
            Property::always(INTENT_FIRST, |_, state: &State| {
                !state.harm.contains(&Harm::WithoutIntent)
            }),
            Property::always(IN_TIME, |_, state: &State| !state.harm.contains(&Harm::Expired)),
            Property::always(NOT_AFTER_STOP, |_, state: &State| {
                !state.harm.contains(&Harm::AfterStop)
            }),
            Property::always(UNDO_AFTER_DO, |_, state: &State| {
                !state.harm.contains(&Harm::UndoneUndone)
            }),
            Property::always(NOT_AFTER_ROLLBACK, |_, state: &State| {
                !state.harm.contains(&Harm::AfterRollback)
            }),
            Property::sometimes(EXECUTES, |_, state: &State| {
                state.run.is_none() && state.done == [1; STEPS]
            }),
            Property::sometimes(EXECUTES_AFTER_CRASHES, |_, state: &State| {
                state.crashes == MAX_CRASHES && state.done == [1; STEPS]
            }),
            Property::sometimes(ROLLS_BACK, |_, state: &State| {
                state.done == [1, 0] && state.undone == [1, 0]
            }),
        ];
        all.into_iter()
            .filter(|property| self.promise.is_none_or(|promise| property.name == promise))
            .collect()
    }
}

const ONLY_SIGNED: &str = "nothing runs that enough other people did not sign, in time, as it is";
const AT_MOST_ONCE: &str = "no step takes effect twice";
const INTENT_FIRST: &str = "every effect has a journalled intent before it";
const IN_TIME: &str = "no step starts after expiry";
const NOT_AFTER_STOP: &str = "no step starts after denial, revocation, or freeze is a moment old";
const UNDO_AFTER_DO: &str = "only what was done is undone";
const NOT_AFTER_ROLLBACK: &str = "no step takes effect once a rollback has begun";
const EXECUTES: &str = "a plan can be executed";
const EXECUTES_AFTER_CRASHES: &str = "a plan can be executed although the executor crashed";
const ROLLS_BACK: &str = "a plan can be rolled back";

#[test]
fn every_promise_holds_with_an_honest_gate() {
    let checker = Protocol {
        gate: Gate::Honest,
        without: Without::Nothing,
        promise: None,
    }
    .checker()
    .spawn_bfs()
    .join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn every_promise_holds_with_a_gate_that_lies() {
    let checker = Protocol {
        gate: Gate::Lying,
        without: Without::Nothing,
        promise: None,
    }
    .checker()
    .spawn_bfs()
    .join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Without the safeguard the promise is broken, and the search shows how.
fn breaks(gate: Gate, without: Without, promise: &'static str) {
    let checker = Protocol {
        gate,
        without,
        promise: Some(promise),
    }
    .checker()
    .spawn_bfs()
    .join();
    let way = checker.discovery(promise);
    assert!(
        way.is_some(),
        "without {without:?}, `{promise}` still holds: the safeguard is not needed, or the model is blind"
    );
}

#[test]
fn an_executor_that_believes_the_gate_runs_what_nobody_signed() {
    breaks(Gate::Lying, Without::Signatures, ONLY_SIGNED);
}

#[test]
fn without_the_quorum_one_person_is_enough() {
    breaks(Gate::Lying, Without::Quorum, ONLY_SIGNED);
}

#[test]
fn without_separation_of_duties_the_requester_approves() {
    breaks(Gate::Lying, Without::SeparationOfDuties, ONLY_SIGNED);
}

#[test]
fn without_the_binding_to_the_plan_another_plan_runs() {
    breaks(Gate::Lying, Without::PlanBinding, ONLY_SIGNED);
}

#[test]
fn without_the_approval_window_a_late_signature_counts() {
    breaks(Gate::Lying, Without::ApprovalWindow, ONLY_SIGNED);
}

#[test]
fn without_the_marker_in_the_transaction_a_crash_doubles_the_effect() {
    breaks(Gate::Honest, Without::Marker, AT_MOST_ONCE);
}

#[test]
fn without_the_intent_first_an_effect_may_be_in_no_journal() {
    breaks(Gate::Honest, Without::IntentFirst, INTENT_FIRST);
}

#[test]
fn without_expiry_before_each_step_a_step_starts_too_late() {
    breaks(Gate::Honest, Without::ExpiryBeforeEachStep, IN_TIME);
}

#[test]
fn without_the_standing_before_each_step_a_revoked_plan_goes_on() {
    breaks(Gate::Honest, Without::StandingBeforeEachStep, NOT_AFTER_STOP);
}

#[test]
fn without_freshness_an_old_standing_hides_the_freeze() {
    breaks(Gate::Honest, Without::FreshStanding, NOT_AFTER_STOP);
}

#[test]
fn without_the_denial_that_ends_it_a_denied_plan_runs() {
    breaks(Gate::Honest, Without::DenialEnds, NOT_AFTER_STOP);
}

#[test]
fn without_looking_at_what_was_done_a_rollback_undoes_what_never_was() {
    breaks(Gate::Honest, Without::UndoOnlyWhatWasDone, UNDO_AFTER_DO);
}

#[test]
fn without_memory_of_the_rollback_the_plan_goes_on_after_it() {
    breaks(Gate::Honest, Without::RollbackRemembered, NOT_AFTER_ROLLBACK);
}

#[test]
fn without_the_fence_an_old_session_acts_after_the_rollback() {
    breaks(Gate::Honest, Without::Fence, NOT_AFTER_ROLLBACK);
}
