//! Verification of the file: every leaf and the tree again from the events alone, then against what was signed.

use std::path::Path;

use rusqlite::Connection;
use tlog_tiles::{record_hash, stored_hash_count};

use crate::{
    Entry,
    checkpoint::{self, Head},
    file,
    tree::{FileTree, RebuiltTree},
};

/// What was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub origin: String,
    /// The verifier key that the signatures were checked with.
    pub vkey: String,
    /// Whether the caller named that key. If not, it came from the file itself, and proves only that the file agrees
    /// with itself.
    pub pinned: bool,
    /// Events in the signed tree.
    pub size: u64,
    /// Events that were read and checked; less than `size` only for the export of one subject.
    pub checked: u64,
    /// The root hash, base64.
    pub root: String,
    /// How many older checkpoints were compared.
    pub checkpoints: usize,
}

/// What does not hold, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("not a readable journal: {reason}")]
    Unreadable { reason: String },
    #[error("event {seq} is missing")]
    Missing { seq: u64 },
    /// Edited, reordered, or not what the tree committed to.
    #[error("event {seq} is not the one that was appended: {reason}")]
    Leaf { seq: u64, reason: String },
    #[error("event {seq} was added without the journal's key: the signed head ends before it")]
    Beyond { seq: u64 },
    #[error("the stored tree has hashes that no event explains")]
    SurplusHashes,
    #[error("the signed head is missing")]
    NoHead,
    #[error("signature: {reason}")]
    Signature { reason: String },
    #[error("the events do not give the signed root: events and stored hashes were changed together")]
    Root { size: u64 },
    /// The log once held more than it does now.
    #[error("the log has {size} events, but a checkpoint saw {seen}: event {size} and later are missing")]
    Truncated { size: u64, seen: u64 },
    /// The log was made anew, by someone with its key.
    #[error(
        "history was rewritten: a checkpoint of size {seen} saw other events; the first changed one is among {from}..{seen}"
    )]
    Rewritten { from: u64, seen: u64 },
    #[error("it cannot be compared with the checkpoint of size {seen}: {reason}")]
    Incomparable { seen: u64, reason: String },
}

impl VerifyError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Missing { .. } => "event_missing",
            Self::Leaf { .. } => "event_changed",
            Self::Beyond { .. } => "event_unsigned",
            Self::SurplusHashes => "surplus_hashes",
            Self::NoHead => "head_missing",
            Self::Signature { .. } => "bad_signature",
            Self::Root { .. } => "root_mismatch",
            Self::Truncated { .. } => "truncated",
            Self::Rewritten { .. } => "rewritten",
            Self::Incomparable { .. } => "incomparable",
        }
    }

    /// Returns the first event that is wrong, where that can be told.
    pub fn first_bad_seq(&self) -> Option<u64> {
        match self {
            Self::Missing { seq } | Self::Leaf { seq, .. } | Self::Beyond { seq } => Some(*seq),
            Self::Truncated { size, .. } => Some(*size),
            Self::Unreadable { .. }
            | Self::SurplusHashes
            | Self::NoHead
            | Self::Signature { .. }
            | Self::Root { .. }
            | Self::Rewritten { .. }
            | Self::Incomparable { .. } => None,
        }
    }
}

/// Verifies a journal's file, also while its writer is at work. `vkey` pins the key; `checkpoints` are older ones that an
/// auditor kept.
pub fn verify_file(path: &Path, vkey: Option<&str>, checkpoints: &[String]) -> Result<Verified, VerifyError> {
    let mut sql = file::open_for_reading(path).map_err(unreadable)?;
    // One snapshot for all queries.
    let tx = sql.transaction().map_err(unreadable)?;
    verify_sql(&tx, vkey, checkpoints)
}

pub(crate) fn verify_sql(
    sql: &Connection,
    vkey: Option<&str>,
    checkpoints: &[String],
) -> Result<Verified, VerifyError> {
    let stored_vkey = file::meta(sql, "vkey")
        .map_err(unreadable)?
        .ok_or_else(|| VerifyError::Unreadable {
            reason: "it names no verifier key".to_owned(),
        })?;
    let pinned = vkey.is_some();
    let vkey = vkey.unwrap_or(&stored_vkey);
    let tree = rebuild(sql)?;
    let head = open_head(&file::head(sql).map_err(unreadable)?.ok_or(VerifyError::NoHead)?, vkey)?;
    check_head(&tree, &head)?;
    check_no_surplus(sql, &tree)?;
    check_history(&tree, vkey, checkpoints)?;
    Ok(Verified {
        origin: head.origin,
        vkey: vkey.to_owned(),
        pinned,
        size: head.size,
        checked: tree.size(),
        root: head.root.to_string(),
        checkpoints: checkpoints.len(),
    })
}

// The stored hashes are compared on the way, because they tell at which event the file parts from what was appended;
// the root alone only says that it did.
fn rebuild(sql: &Connection) -> Result<RebuiltTree, VerifyError> {
    let stored = FileTree(sql);
    let mut tree = RebuiltTree::default();
    let mut statement = sql
        .prepare("SELECT seq, subject, kind, leaf FROM journal_events ORDER BY seq")
        .map_err(unreadable)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    while let Some(row) = rows.next().map_err(unreadable)? {
        let seq = tree.size();
        let found: i64 = row.get(0).map_err(unreadable)?;
        if u64::try_from(found) != Ok(seq) {
            return Err(VerifyError::Missing { seq });
        }
        let bad = |reason: String| VerifyError::Leaf { seq, reason };
        let [subject, kind, leaf]: [String; 3] = [text(row, 1), text(row, 2), text(row, 3)];
        let entry = Entry::from_leaf(&leaf).map_err(bad)?;
        if entry.seq != seq {
            return Err(bad(format!("it says that it is event {}", entry.seq)));
        }
        if entry.subject != subject || entry.kind != kind {
            return Err(bad("its subject or kind is filed wrongly".to_owned()));
        }
        let (first, hashes) = tree
            .push(record_hash(leaf.as_bytes()))
            .map_err(|error| bad(error.to_string()))?;
        for (index, hash) in (first..).zip(hashes) {
            let there = stored.hash_at(index).map_err(|error| bad(error.to_string()))?;
            if there != Some(hash) {
                return Err(bad("the stored tree has another hash".to_owned()));
            }
        }
    }
    Ok(tree)
}

// A value of another type reads as empty text, which no leaf is.
fn text(row: &rusqlite::Row<'_>, column: usize) -> String {
    row.get(column).unwrap_or_default()
}

pub(crate) fn open_head(note: &str, vkey: &str) -> Result<Head, VerifyError> {
    checkpoint::open(note, vkey).map_err(|reason| VerifyError::Signature { reason })
}

fn check_head(tree: &RebuiltTree, head: &Head) -> Result<(), VerifyError> {
    let size = tree.size();
    if size > head.size {
        return Err(VerifyError::Beyond { seq: head.size });
    }
    if size < head.size {
        return Err(VerifyError::Missing { seq: size });
    }
    check_root(tree, head)
}

pub(crate) fn check_root(tree: &RebuiltTree, head: &Head) -> Result<(), VerifyError> {
    match tree.root_at(head.size) {
        Ok(root) if root == head.root => Ok(()),
        Ok(_) | Err(_) => Err(VerifyError::Root { size: head.size }),
    }
}

/// Compares the tree with older checkpoints, smallest first, so that the first that differs narrows where.
pub(crate) fn check_history(tree: &RebuiltTree, vkey: &str, checkpoints: &[String]) -> Result<(), VerifyError> {
    let mut heads = checkpoints
        .iter()
        .map(|note| open_head(note, vkey))
        .collect::<Result<Vec<_>, _>>()?;
    heads.sort_by_key(|head| head.size);
    let mut from = 0;
    for head in heads {
        if head.size > tree.size() {
            return Err(VerifyError::Truncated {
                size: tree.size(),
                seen: head.size,
            });
        }
        check_root(tree, &head).map_err(|_| VerifyError::Rewritten { from, seen: head.size })?;
        from = head.size;
    }
    Ok(())
}

fn check_no_surplus(sql: &Connection, tree: &RebuiltTree) -> Result<(), VerifyError> {
    let stored: i64 = sql
        .query_row("SELECT count(*) FROM journal_hashes", [], |row| row.get(0))
        .map_err(unreadable)?;
    if u64::try_from(stored) == Ok(stored_hash_count(tree.size())) {
        Ok(())
    } else {
        Err(VerifyError::SurplusHashes)
    }
}

pub(crate) fn unreadable(error: rusqlite::Error) -> VerifyError {
    VerifyError::Unreadable {
        reason: error.to_string(),
    }
}
