//! Verification of an export: from its text alone, offline.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use tlog_tiles::{Hash, check_record, check_tree, record_hash};

use crate::{
    checkpoint::Head,
    export::{Header, Line, SCHEMA, line_text},
    tree::RebuiltTree,
    verify::{Verified, VerifyError, check_history, check_root, open_head},
};

/// Verifies an exported log. An export of all events is also checked for completeness; of one subject, each event is
/// proven to be in the signed tree, but events left out cannot be seen ([`Verified::checked`] is then below
/// [`Verified::size`]).
pub fn verify_export(path: &Path, vkey: Option<&str>, checkpoints: &[String]) -> Result<Verified, VerifyError> {
    let file = File::open(path).map_err(|error| VerifyError::Unreadable {
        reason: error.to_string(),
    })?;
    verify_lines(BufReader::new(file), vkey, checkpoints)
}

pub(crate) fn verify_lines(
    mut text: impl BufRead,
    vkey: Option<&str>,
    checkpoints: &[String],
) -> Result<Verified, VerifyError> {
    let unreadable = |reason: String| VerifyError::Unreadable { reason };
    let first = next_line(&mut text)?.ok_or_else(|| unreadable("it is empty".to_owned()))?;
    let header: Header = parse(&first).map_err(|reason| unreadable(format!("header: {reason}")))?;
    if header.schema != SCHEMA {
        return Err(unreadable(format!("its schema is `{}`, not `{SCHEMA}`", header.schema)));
    }
    let pinned = vkey.is_some();
    let vkey = vkey.unwrap_or(&header.vkey);
    let head = open_head(&header.checkpoint, vkey)?;

    let mut tree = RebuiltTree::default();
    let mut checked = 0;
    let mut next = 0;
    while let Some(line) = next_line(&mut text)? {
        let line: Line = parse(&line).map_err(|reason| VerifyError::Leaf { seq: next, reason })?;
        let leaf = check_line(&line, &header, &head, next)?;
        if header.subject.is_none() {
            tree.push(leaf).map_err(|error| unreadable(error.to_string()))?;
        }
        next = line.entry.seq + 1;
        checked += 1;
    }
    if header.subject.is_none() {
        if tree.size() < head.size {
            return Err(VerifyError::Missing { seq: tree.size() });
        }
        check_root(&tree, &head)?;
        check_history(&tree, vkey, checkpoints)?;
    } else {
        for note in checkpoints {
            check_proof(&header, &head, &open_head(note, vkey)?)?;
        }
    }
    Ok(Verified {
        origin: head.origin,
        vkey: vkey.to_owned(),
        pinned,
        size: head.size,
        checked,
        root: head.root.to_string(),
        checkpoints: checkpoints.len(),
    })
}

/// Checks one event against the signed root and returns its leaf hash. `next` is the least seq that may come now.
fn check_line(line: &Line, header: &Header, head: &Head, next: u64) -> Result<Hash, VerifyError> {
    let seq = line.entry.seq;
    let bad = |reason: &str| VerifyError::Leaf {
        seq,
        reason: reason.to_owned(),
    };
    match &header.subject {
        None if seq > next => return Err(VerifyError::Missing { seq: next }),
        Some(subject) if *subject != line.entry.subject => return Err(bad("it has another subject")),
        _ if seq < next => return Err(bad("it is out of order")),
        _ => {}
    }
    if seq >= head.size {
        return Err(VerifyError::Beyond { seq: head.size });
    }
    let leaf = line.entry.leaf().map_err(|error| bad(&error.to_string()))?;
    let hash = record_hash(leaf.as_bytes());
    let proof = hashes(&line.proof).ok_or_else(|| bad("its proof is malformed"))?;
    check_record(&proof, head.size, head.root, seq, hash).map_err(|_| bad("it is not in the signed tree"))?;
    Ok(hash)
}

fn check_proof(header: &Header, head: &Head, old: &Head) -> Result<(), VerifyError> {
    if old.size == 0 {
        return Ok(());
    }
    if old.size > head.size {
        return Err(VerifyError::Truncated {
            size: head.size,
            seen: old.size,
        });
    }
    let proof = if old.size == head.size {
        Some(Vec::new())
    } else {
        header
            .consistency
            .iter()
            .find(|known| known.size == old.size)
            .and_then(|known| hashes(&known.proof))
    };
    let proof = proof.ok_or_else(|| VerifyError::Incomparable {
        seen: old.size,
        reason: "an export of one subject needs its consistency proof; export with --checkpoint".to_owned(),
    })?;
    check_tree(&proof, head.size, head.root, old.size, old.root).map_err(|_| VerifyError::Rewritten {
        from: 0,
        seen: old.size,
    })
}

// Bytes that are not their own canonical form could read differently elsewhere (a duplicate key, say).
fn parse<T: DeserializeOwned + Serialize>(line: &str) -> Result<T, String> {
    let value: T = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line_text(&value)? == line {
        Ok(value)
    } else {
        Err("its bytes are not canonical JSON".to_owned())
    }
}

fn next_line(text: &mut impl BufRead) -> Result<Option<String>, VerifyError> {
    let mut line = String::new();
    let read = text
        .by_ref()
        .take(MAX_LINE_BYTES)
        .read_line(&mut line)
        .map_err(|error| VerifyError::Unreadable {
            reason: error.to_string(),
        })?;
    if read == 0 {
        return Ok(None);
    }
    match line.strip_suffix('\n') {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(VerifyError::Unreadable {
            reason: "its last line is cut off, or too long".to_owned(),
        }),
    }
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| Hash::parse_hash(text).ok()).collect()
}

const MAX_LINE_BYTES: u64 = 4 << 20;
