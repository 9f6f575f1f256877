//! One journal, one writer: an exclusive lock that dies with its process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::JournalError;

/// The exclusive right to write the journal at a path; given back when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    // A file of its own, not the database: SQLite's POSIX locks on the database would be lost if this process closed any
    // other descriptor of it.
    pub(crate) fn take(journal: &Path) -> Result<Self, JournalError> {
        let path = lock_path(journal)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| JournalError::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse {
                path: journal.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(JournalError::io(&path, source)),
        }
    }
}

impl Drop for Lock {
    // Closing alone would not do: a child that another thread is just starting holds a copy of the descriptor until its
    // exec, and the lock would outlive this for that moment.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

// Resolved first, so that a symbolic link to the same file meets the same lock.
fn lock_path(journal: &Path) -> Result<PathBuf, JournalError> {
    let resolved = match journal.canonicalize() {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = match journal.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let parent = parent
                .canonicalize()
                .map_err(|source| JournalError::io(parent, source))?;
            parent.join(journal.file_name().unwrap_or_default())
        }
        Err(source) => return Err(JournalError::io(journal, source)),
    };
    let mut path = resolved.into_os_string();
    path.push(".lock");
    Ok(PathBuf::from(path))
}
