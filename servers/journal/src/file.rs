//! The SQLite file: opened for writing by one, for reading by anyone.

use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt, path::Path};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{JournalError, key::NoteKey};

/// Opens (or makes) the file for its one writer; every commit reaches the disk before it returns.
pub(crate) fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    // Made by us where there is none: SQLite would let everyone read it, and gives the mode on to the files beside it.
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => return Err(JournalError::io(path, source)),
        Ok(_) | Err(_) => {}
    }
    let sql = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    sql.pragma_update(None, "journal_mode", "WAL")?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "trusted_schema", false)?;
    sql.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(sql)
}

/// Opens the file to look at it, also while its writer is at work.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    sql.pragma_update(None, "trusted_schema", false)?;
    match sql.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        Ok(()) => Ok(sql),
        // A copy on a read-only medium cannot have the shared-memory file that WAL wants. Without a WAL beside it the file
        // is complete by itself.
        Err(_) if !beside(path, "-wal").exists() => {
            let uri = format!("file:{}?immutable=1", uri_path(path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        Err(error) => Err(error),
    }
}

/// Makes the tables where there are none, and checks that the file belongs to this origin and key.
pub(crate) fn prepare(sql: &mut Connection, origin: &str, key: &NoteKey, key_file: &Path) -> Result<(), JournalError> {
    let tx = sql.transaction()?;
    tx.execute_batch(include_str!("schema.sql"))?;
    let known = meta(&tx, "origin")?;
    match known {
        None => {
            tx.execute("INSERT INTO journal_meta VALUES ('origin', ?1)", [origin])?;
            tx.execute("INSERT INTO journal_meta VALUES ('vkey', ?1)", [&key.vkey])?;
            let note = crate::checkpoint::sign(key, origin, 0, tlog_tiles::EMPTY_HASH)?;
            put_head(&tx, 0, &note)?;
        }
        Some(known) if known != origin => {
            return Err(JournalError::Origin {
                origin: origin.to_owned(),
                reason: format!("the file belongs to `{known}`"),
            });
        }
        Some(_) => {
            if meta(&tx, "vkey")?.as_deref() != Some(key.vkey.as_str()) {
                return Err(JournalError::Key {
                    path: key_file.to_owned(),
                    reason: "it is not the key that signed this journal".to_owned(),
                });
            }
        }
    }
    tx.commit()?;
    Ok(())
}

pub(crate) fn meta(sql: &Connection, key: &str) -> Result<Option<String>, rusqlite::Error> {
    sql.query_row("SELECT value FROM journal_meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
}

pub(crate) fn put_head(sql: &Connection, size: u64, note: &str) -> Result<(), JournalError> {
    let size = i64::try_from(size).map_err(JournalError::tree)?;
    sql.prepare_cached("INSERT OR REPLACE INTO journal_head (id, size, note) VALUES (1, ?1, ?2)")?
        .execute((size, note))?;
    Ok(())
}

/// Returns the signed head as stored; not yet verified.
pub(crate) fn head(sql: &Connection) -> Result<Option<String>, rusqlite::Error> {
    sql.query_row("SELECT note FROM journal_head WHERE id = 1", [], |row| row.get(0))
        .optional()
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn uri_path(path: &Path) -> String {
    path.to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}
