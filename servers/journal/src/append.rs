//! The one way into the log: event, hashes, head and the caller's rows in one durable transaction, then out with the head.

use std::{
    cell::RefCell,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{SecondsFormat, Utc};
use rusqlite::{Connection, TransactionBehavior};
use tlog_tiles::{record_hash, stored_hash_index, stored_hashes_for_record_hash, tree_hash};

use crate::{
    Entry, Event, JournalError, Publish, checkpoint,
    error::JournalError::Broken,
    file,
    key::NoteKey,
    lock::Lock,
    publish::Occasion,
    tree::FileTree,
    verify::{self, VerifyError},
};

/// Where a journal lives and who it is.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    pub path: PathBuf,
    /// The log's name in checkpoints: `countersign.example.com/executor-1`. No spaces, no pluses.
    pub origin: String,
    /// The note key; made with mode 0600 where there is none.
    pub key_file: PathBuf,
    pub publish: Option<Publish>,
}

/// An open journal. There is one per file: a second opener gets `journal_in_use`.
pub struct Journal {
    // INVARIANT: taken before `sql` and held until the checkpoint is out, so checkpoints leave in order and no call
    // returns with state that only an unpublished checkpoint covers.
    published: Mutex<u64>,
    sql: Mutex<Connection>,
    origin: String,
    key: NoteKey,
    publish: Option<Publish>,
    _lock: Lock,
}

impl Journal {
    /// Opens the journal or makes it. The whole log is verified first; a broken one is not opened for appending, nor one
    /// that is behind the newest checkpoint in its publishing directory. A checkpoint that a crash kept from being
    /// published goes out now.
    pub fn open(config: &JournalConfig) -> Result<Self, JournalError> {
        let lock = Lock::take(&config.path)?;
        let key = NoteKey::load_or_create(&config.key_file, &config.origin)?;
        let mut sql = file::open_for_writing(&config.path)?;
        file::prepare(&mut sql, &config.origin, &key, &config.key_file)?;
        let published = match config.publish.as_ref().map(Publish::newest) {
            None => None,
            Some(Ok(newest)) => newest,
            Some(Err((path, source))) => return Err(JournalError::io(&path, source)),
        };
        let verified = verify::verify_sql(&sql, Some(&key.vkey), published.as_slice()).map_err(Broken)?;
        let journal = Self {
            published: Mutex::new(0),
            sql: Mutex::new(sql),
            origin: config.origin.clone(),
            key,
            publish: config.publish.clone(),
            _lock: lock,
        };
        if verified.size > 0 {
            journal.catch_up(&mut lock_of(&journal.published), verified.size)?;
        }
        Ok(journal)
    }

    /// Appends one event and returns its sequence number, counted from 0.
    pub fn append(&self, event: Event) -> Result<u64, JournalError> {
        self.transact(|tx| tx.append(event))
    }

    /// Runs `f` in one durable transaction: its events and its rows are all in the log, or none. Returns after the
    /// checkpoint that covers them is published; with `journal_unpublished` the rows are durable, but the caller must not
    /// act on them. Do not call the journal from within `f`: it waits for itself.
    pub fn transact<T, E: From<JournalError>>(&self, f: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut published = lock_of(&self.published);
        let (result, appended, size) = {
            let mut sql = lock_of(&self.sql);
            let tx = Tx::begin(&mut sql).map_err(E::from)?;
            let result = f(&tx)?;
            let (appended, size) = tx.commit(&self.key, &self.origin).map_err(E::from)?;
            (result, appended, size)
        };
        match appended.last() {
            Some(last) => {
                let kinds: Vec<&str> = appended.iter().map(|entry| entry.kind.as_str()).collect();
                let occasion = Occasion {
                    kind: &last.kind,
                    kinds: &kinds.join(","),
                    subject: &last.subject,
                };
                self.send_out(&mut published, size, &occasion)?;
            }
            None => self.catch_up(&mut published, size)?,
        }
        Ok(result)
    }

    /// Creates the caller's own state tables; `sql` must be repeatable (`CREATE TABLE IF NOT EXISTS …`).
    pub fn migrate(&self, sql: &str) -> Result<(), JournalError> {
        let mut connection = lock_of(&self.sql);
        let tx = connection.transaction()?;
        tx.execute_batch(sql)?;
        tx.commit()?;
        Ok(())
    }

    /// Runs `f` on the state rows without waiting for a checkpoint that is just being published: for showing, never as
    /// the ground to act on. Writing is refused by SQLite here.
    pub fn view<T, E: From<JournalError>>(&self, f: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let sql = lock_of(&self.sql);
        let guard = QueryOnly::set(&sql).map_err(E::from)?;
        f(guard.0)
    }

    /// Returns the entries, oldest first; with a subject, only those of it.
    pub fn read(&self, subject: Option<&str>) -> Result<Vec<Entry>, JournalError> {
        let sql = lock_of(&self.sql);
        let mut statement = sql.prepare_cached(match subject {
            None => "SELECT leaf FROM journal_events ORDER BY seq",
            Some(_) => "SELECT leaf FROM journal_events WHERE subject = ?1 ORDER BY seq",
        })?;
        let mut rows = statement.query(rusqlite::params_from_iter(subject))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let leaf: String = row.get(0)?;
            // Its form was verified when the journal was opened, or it was appended since.
            entries.push(serde_json::from_str(&leaf).map_err(JournalError::tree)?);
        }
        Ok(entries)
    }

    /// Returns the signed tree head: a C2SP checkpoint in a signed note.
    pub fn checkpoint(&self) -> Result<String, JournalError> {
        file::head(&lock_of(&self.sql))?.ok_or(Broken(VerifyError::NoHead))
    }

    /// Returns the public verifier key, `origin+id+base64`: what `journal verify --vkey` wants.
    pub fn vkey(&self) -> &str {
        &self.key.vkey
    }

    // After a crash or a failed attempt, the head in the file may cover more than what was published.
    fn catch_up(&self, published: &mut u64, size: u64) -> Result<(), JournalError> {
        if *published >= size {
            return Ok(());
        }
        let occasion = Occasion {
            kind: "journal_catch_up",
            kinds: "journal_catch_up",
            subject: "",
        };
        self.send_out(published, size, &occasion)
    }

    fn send_out(&self, published: &mut u64, size: u64, occasion: &Occasion<'_>) -> Result<(), JournalError> {
        if let Some(publish) = &self.publish {
            let checkpoint = self.checkpoint()?;
            publish
                .publish(size, &checkpoint, occasion)
                .map_err(|reason| JournalError::Unpublished { size, reason })?;
        }
        *published = size;
        Ok(())
    }
}

/// An open transaction on the journal's file.
pub struct Tx<'a> {
    sql: rusqlite::Transaction<'a>,
    appended: RefCell<Vec<Appended>>,
}

struct Appended {
    kind: String,
    subject: String,
}

impl<'a> Tx<'a> {
    /// Appends an event and returns its sequence number.
    pub fn append(&self, event: Event) -> Result<u64, JournalError> {
        let seq = self.size()?;
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let entry = Entry::new(seq, at, event)?;
        let leaf = entry.leaf()?;
        let hashes = stored_hashes_for_record_hash(seq, record_hash(leaf.as_bytes()), &FileTree(&self.sql))
            .map_err(JournalError::tree)?;
        let first = stored_hash_index(0, seq);
        let mut insert = self
            .sql
            .prepare_cached("INSERT INTO journal_hashes (idx, hash) VALUES (?1, ?2)")?;
        for (index, hash) in (first..).zip(hashes) {
            insert.execute((signed(index)?, hash.0))?;
        }
        self.sql
            .prepare_cached("INSERT INTO journal_events (seq, subject, kind, leaf) VALUES (?1, ?2, ?3, ?4)")?
            .execute((signed(seq)?, &entry.subject, &entry.kind, &leaf))?;
        self.appended.borrow_mut().push(Appended {
            kind: entry.kind,
            subject: entry.subject,
        });
        Ok(seq)
    }

    /// The same transaction, for the caller's state rows.
    pub fn sql(&self) -> &Connection {
        &self.sql
    }

    fn begin(sql: &'a mut Connection) -> Result<Self, JournalError> {
        Ok(Self {
            sql: sql.transaction_with_behavior(TransactionBehavior::Immediate)?,
            appended: RefCell::default(),
        })
    }

    fn size(&self) -> Result<u64, JournalError> {
        let size: i64 = self
            .sql
            .prepare_cached("SELECT coalesce(max(seq) + 1, 0) FROM journal_events")?
            .query_row([], |row| row.get(0))?;
        u64::try_from(size).map_err(JournalError::tree)
    }

    fn commit(self, key: &NoteKey, origin: &str) -> Result<(Vec<Appended>, u64), JournalError> {
        let size = self.size()?;
        let appended = self.appended.into_inner();
        if !appended.is_empty() {
            let root = tree_hash(size, &FileTree(&self.sql)).map_err(JournalError::tree)?;
            let note = checkpoint::sign(key, origin, size, root)?;
            file::put_head(&self.sql, size, &note)?;
        }
        self.sql.commit()?;
        Ok((appended, size))
    }
}

struct QueryOnly<'a>(&'a Connection);

impl<'a> QueryOnly<'a> {
    fn set(sql: &'a Connection) -> Result<Self, JournalError> {
        sql.pragma_update(None, "query_only", true)?;
        Ok(Self(sql))
    }
}

impl Drop for QueryOnly<'_> {
    fn drop(&mut self) {
        // Should this fail, later writes fail too: nothing is written by mistake.
        let _ = self.0.pragma_update(None, "query_only", false);
    }
}

// A panic in a caller's closure rolls its transaction back, so what the lock guards is whole.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed(n: u64) -> Result<i64, JournalError> {
    i64::try_from(n).map_err(JournalError::tree)
}
