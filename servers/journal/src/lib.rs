//! The tamper-evident log: an RFC 6962 Merkle tree over canonical JSON events, kept in one SQLite file.
//!
//! An event, its tree hashes, the signed tree head and the caller's own state rows commit in one durable transaction
//! (WAL, `synchronous=FULL`). With [`Publish`] set, a call that appended returns only after the new checkpoint has left
//! this file: no effect before its intent is in a published checkpoint.
//!
//! What the signed head proves: whoever edits the file without the key is caught. Whoever holds the key as well can
//! rewrite the whole log; that is caught only by a checkpoint kept where the key's holder cannot reach it, which is
//! what publishing is for.

mod append;
mod canonical;
mod checkpoint;
mod error;
mod event;
mod export;
mod file;
mod key;
mod lock;
mod publish;
mod tree;
mod verify;
mod verify_export;

pub use append::{Journal, JournalConfig, Tx};
pub use error::JournalError;
pub use event::{Entry, Event};
pub use export::{ExportError, export};
pub use publish::Publish;
pub use verify::{Verified, VerifyError, verify_file};
pub use verify_export::verify_export;
