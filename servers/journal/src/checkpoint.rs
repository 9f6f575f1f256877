//! Signed tree heads: C2SP tlog-checkpoints in C2SP signed notes.

use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use crate::{JournalError, key::NoteKey};

/// A tree head whose signature was checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Signs the tree head; the same head gives the same bytes (Ed25519 is deterministic).
pub(crate) fn sign(key: &NoteKey, origin: &str, size: u64, root: Hash) -> Result<String, JournalError> {
    let checkpoint = Checkpoint::new(origin, size, root, "").map_err(JournalError::tree)?;
    let mut note = Note::new(&checkpoint.to_bytes(), &[]).map_err(JournalError::tree)?;
    note.add_sigs(&[&key.signer]).map_err(JournalError::tree)?;
    String::from_utf8(note.to_bytes()).map_err(JournalError::tree)
}

/// Checks a signed note against the verifier key and reads the head in it. Signatures by other keys (witnesses) are
/// allowed beside ours and prove nothing here.
pub(crate) fn open(note: &str, vkey: &str) -> Result<Head, String> {
    let verifier = StandardVerifier::new(vkey).map_err(|error| format!("verifier key: {error}"))?;
    let origin = verifier.name().to_owned();
    let note = Note::from_bytes(note.as_bytes()).map_err(|error| error.to_string())?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|error| error.to_string())?;
    if checkpoint.origin() != origin {
        return Err(format!(
            "it is of `{}`, but signed by the key of `{origin}`",
            checkpoint.origin()
        ));
    }
    Ok(Head {
        origin,
        size: checkpoint.size(),
        root: *checkpoint.hash(),
    })
}
