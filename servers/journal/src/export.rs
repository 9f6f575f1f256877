//! Export: JSON lines that an auditor verifies offline, with nothing but this text and a pinned key.
//!
//! The first line is the header (signed checkpoint, verifier key, subject, consistency proofs for older checkpoints);
//! each further line is one event with its RFC 6962 inclusion proof. Every line is canonical JSON. An export of all
//! events also proves that none is missing; an export of one subject cannot prove that, and `verify` says so.

use std::{io::Write, path::Path};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tlog_tiles::{Hash, prove_record, prove_tree};

use crate::{
    Entry,
    canonical::canonical,
    checkpoint::Head,
    file,
    tree::FileTree,
    verify::{self, VerifyError, open_head, unreadable},
};

pub(crate) const SCHEMA: &str = "countersign.journal-export.v1";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) schema: String,
    pub(crate) vkey: String,
    pub(crate) checkpoint: String,
    /// The one subject that was asked for; absent when all events are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) consistency: Vec<Consistency>,
}

/// That the tree of `size` leaves is a prefix of this one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consistency {
    pub(crate) size: u64,
    pub(crate) proof: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) entry: Entry,
    pub(crate) proof: Vec<String>,
}

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A journal that does not verify is not exported.
    #[error("the journal does not verify")]
    Broken(#[from] VerifyError),
    #[error("could not write the export")]
    Write(#[from] std::io::Error),
}

/// Writes the events (of one subject, or all) with their proofs, and returns how many. The journal is verified first;
/// `checkpoints` are older ones, for which consistency proofs are added.
pub fn export(
    path: &Path,
    subject: Option<&str>,
    checkpoints: &[String],
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let mut sql = file::open_for_reading(path).map_err(unreadable)?;
    // One snapshot: the writer may go on meanwhile.
    let tx = sql.transaction().map_err(unreadable)?;
    let verified = verify::verify_sql(&tx, None, checkpoints)?;
    let header = Header {
        schema: SCHEMA.to_owned(),
        checkpoint: file::head(&tx).map_err(unreadable)?.ok_or(VerifyError::NoHead)?,
        subject: subject.map(str::to_owned),
        consistency: checkpoints
            .iter()
            .map(|note| consistency(&tx, verified.size, &open_head(note, &verified.vkey)?))
            .collect::<Result<_, _>>()?,
        vkey: verified.vkey,
    };
    write_line(out, &header)?;
    write_entries(&tx, subject, verified.size, out)
}

fn write_entries(sql: &Connection, subject: Option<&str>, size: u64, out: &mut impl Write) -> Result<u64, ExportError> {
    let mut statement = sql
        .prepare("SELECT leaf FROM journal_events WHERE ?1 IS NULL OR subject = ?1 ORDER BY seq")
        .map_err(unreadable)?;
    let mut rows = statement.query([subject]).map_err(unreadable)?;
    let mut written = 0;
    while let Some(row) = rows.next().map_err(unreadable)? {
        let leaf: String = row.get(0).map_err(unreadable)?;
        let entry = Entry::from_leaf(&leaf).map_err(|reason| VerifyError::Unreadable { reason })?;
        let proof = prove_record(size, entry.seq, &FileTree(sql)).map_err(tree_error)?;
        write_line(
            out,
            &Line {
                entry,
                proof: texts(&proof),
            },
        )?;
        written += 1;
    }
    Ok(written)
}

fn consistency(sql: &Connection, size: u64, old: &Head) -> Result<Consistency, VerifyError> {
    let proof = if old.size == 0 {
        Vec::new()
    } else {
        texts(&prove_tree(size, old.size, &FileTree(sql)).map_err(tree_error)?)
    };
    Ok(Consistency { size: old.size, proof })
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), ExportError> {
    let text = line_text(line).map_err(|reason| VerifyError::Unreadable { reason })?;
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

pub(crate) fn line_text(line: &impl Serialize) -> Result<String, String> {
    let value: Value = serde_json::to_value(line).map_err(|error| error.to_string())?;
    canonical(&value).map_err(|error| error.to_string())
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

fn tree_error(error: tlog_tiles::Error) -> VerifyError {
    VerifyError::Unreadable {
        reason: error.to_string(),
    }
}
