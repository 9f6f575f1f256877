//! From "who waits for whom" to trees whose roots wait for nobody. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// What stands at one place of the graph: a session by its pid, a prepared transaction by its place in a list, or one
/// that the server knows of and nothing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    Session(i32),
    Prepared(usize),
    UnknownPrepared,
}

/// Who waits, for how long, and for whom.
#[derive(Debug, Clone, Default)]
pub struct LockGraph {
    waits: BTreeMap<i32, Wait>,
}

#[derive(Debug, Clone)]
struct Wait {
    age_s: i64,
    blocked_by: BTreeSet<Node>,
}

/// A root and everybody who waits for it, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub root: Node,
    /// (pid, distance from the root), nearest first, then the longest wait.
    pub waiters: Vec<(i32, u32)>,
    /// Those of the waiters that no other root holds back: they go on if this root ends.
    pub victims: usize,
    pub longest_wait_s: i64,
    /// The root waits, too: nobody in this tree goes on by himself.
    pub deadlock: bool,
}

impl LockGraph {
    /// Adds one session that waits.
    pub fn add(&mut self, pid: i32, age_s: i64, blocked_by: impl IntoIterator<Item = Node>) {
        let blocked_by = blocked_by
            .into_iter()
            .filter(|node| *node != Node::Session(pid))
            .collect();
        self.waits.insert(pid, Wait { age_s, blocked_by });
    }

    /// Returns the trees, the longest wait first. In a cycle nobody is a root, so the one that waits longest stands for
    /// it: a deadlock that the server has not yet ended.
    pub fn trees(&self) -> Vec<Tree> {
        let mut roots: BTreeSet<Node> = self
            .waits
            .values()
            .flat_map(|wait| wait.blocked_by.iter().copied())
            .collect();
        roots.retain(|node| !matches!(node, Node::Session(pid) if self.waits.contains_key(pid)));
        let waiting_for = self.waiting_for();
        let mut reached: Vec<(Node, BTreeMap<i32, u32>)> = roots
            .into_iter()
            .map(|root| (root, behind(root, &waiting_for)))
            .collect();
        while let Some(pid) = self.longest_outside(&reached) {
            let root = Node::Session(pid);
            reached.push((root, behind(root, &waiting_for)));
        }
        let mut roots_of: BTreeMap<i32, usize> = BTreeMap::new();
        for pid in reached.iter().flat_map(|(_, waiters)| waiters.keys()) {
            *roots_of.entry(*pid).or_default() += 1;
        }
        let mut trees: Vec<Tree> = reached
            .into_iter()
            .map(|(root, waiters)| self.tree(root, waiters, &roots_of))
            .collect();
        trees.sort_by_key(|tree| (std::cmp::Reverse(tree.longest_wait_s), tree.root));
        trees
    }

    pub fn waiters(&self) -> usize {
        self.waits.len()
    }

    fn age(&self, pid: i32) -> i64 {
        self.waits.get(&pid).map_or(0, |wait| wait.age_s)
    }

    fn tree(&self, root: Node, waiters: BTreeMap<i32, u32>, roots_of: &BTreeMap<i32, usize>) -> Tree {
        let victims = waiters.keys().filter(|pid| roots_of.get(pid) == Some(&1)).count();
        let longest_wait_s = waiters.keys().map(|pid| self.age(*pid)).max().unwrap_or(0);
        let mut waiters: Vec<(i32, u32)> = waiters.into_iter().collect();
        waiters.sort_by_key(|(pid, depth)| (*depth, std::cmp::Reverse(self.age(*pid)), *pid));
        Tree {
            root,
            waiters,
            victims,
            longest_wait_s,
            deadlock: matches!(root, Node::Session(pid) if self.waits.contains_key(&pid)),
        }
    }

    /// Returns, for each whom somebody waits for, those who do.
    fn waiting_for(&self) -> HashMap<Node, Vec<i32>> {
        let mut waiting_for: HashMap<Node, Vec<i32>> = HashMap::new();
        for (pid, wait) in &self.waits {
            for node in &wait.blocked_by {
                waiting_for.entry(*node).or_default().push(*pid);
            }
        }
        waiting_for
    }

    fn longest_outside(&self, reached: &[(Node, BTreeMap<i32, u32>)]) -> Option<i32> {
        let inside = |pid: &i32| {
            reached
                .iter()
                .any(|(root, waiters)| *root == Node::Session(*pid) || waiters.contains_key(pid))
        };
        // One whose blockers are already gone waits for nobody any more.
        let waiting = self
            .waits
            .iter()
            .filter(|(pid, wait)| !wait.blocked_by.is_empty() && !inside(pid));
        waiting
            .max_by_key(|(pid, wait)| (wait.age_s, std::cmp::Reverse(**pid)))
            .map(|(pid, _)| *pid)
    }
}

/// Returns everybody who waits for `root`, with the shortest distance.
fn behind(root: Node, waiting_for: &HashMap<Node, Vec<i32>>) -> BTreeMap<i32, u32> {
    let mut found: HashMap<i32, u32> = HashMap::new();
    let mut next = VecDeque::from([(root, 1)]);
    while let Some((node, depth)) = next.pop_front() {
        for pid in waiting_for.get(&node).into_iter().flatten() {
            if Node::Session(*pid) != root && !found.contains_key(pid) {
                found.insert(*pid, depth);
                next.push_back((Node::Session(*pid), depth + 1));
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Node::{Prepared, Session};

    fn graph(waits: &[(i32, i64, &[Node])]) -> Vec<Tree> {
        let mut graph = LockGraph::default();
        waits
            .iter()
            .for_each(|(pid, age, by)| graph.add(*pid, *age, by.iter().copied()));
        graph.trees()
    }

    #[test]
    fn a_chain_hangs_on_the_one_who_waits_for_nobody() {
        let trees = graph(&[
            (2, 9, &[Session(1)]),
            (3, 5, &[Session(2)]),
            (4, 7, &[Session(2), Session(3)]),
        ]);
        assert_eq!(
            trees,
            [Tree {
                root: Session(1),
                waiters: vec![(2, 1), (4, 2), (3, 2)],
                victims: 3,
                longest_wait_s: 9,
                deadlock: false
            }]
        );
    }

    #[test]
    fn who_waits_for_two_roots_is_the_victim_of_neither_alone() {
        let trees = graph(&[(3, 1, &[Session(1), Session(2)]), (4, 8, &[Session(2)])]);
        let seen: Vec<_> = trees
            .iter()
            .map(|tree| (tree.root, tree.waiters.len(), tree.victims))
            .collect();
        assert_eq!(seen, [(Session(2), 2, 1), (Session(1), 1, 0)]);
    }

    #[test]
    fn a_prepared_transaction_is_a_root() {
        let trees = graph(&[(3, 1, &[Prepared(0)]), (4, 1, &[Session(3), Prepared(0)])]);
        assert_eq!(trees.len(), 1);
        assert_eq!(
            trees.first().map(|tree| (tree.root, tree.victims)),
            Some((Prepared(0), 2))
        );
    }

    #[test]
    fn a_deadlock_is_shown_once_under_its_longest_wait() {
        let trees = graph(&[(1, 3, &[Session(2)]), (2, 4, &[Session(1)]), (3, 1, &[Session(1)])]);
        assert_eq!(trees.len(), 1);
        assert_eq!(
            trees.first().map(|tree| (tree.root, tree.waiters.len(), tree.deadlock)),
            Some((Session(2), 2, true))
        );
    }

    #[test]
    fn nobody_waits_no_trees() {
        assert_eq!(graph(&[]), []);
        assert_eq!(graph(&[(1, 1, &[])]), []);
    }
}
