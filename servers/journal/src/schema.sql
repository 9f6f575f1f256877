CREATE TABLE IF NOT EXISTS journal_meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- `leaf` is the truth; subject and kind only help to find it, and verification compares them with it.
CREATE TABLE IF NOT EXISTS journal_events (
    seq     INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    kind    TEXT NOT NULL,
    leaf    TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS journal_events_by_subject ON journal_events (subject, seq);

-- RFC 6962 node hashes in the dense order of `tlog_tiles::stored_hash_index`.
CREATE TABLE IF NOT EXISTS journal_hashes (
    idx  INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE IF NOT EXISTS journal_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- These stop slips of code that shares the file, not an attacker: he drops them, and the tree tells.
CREATE TRIGGER IF NOT EXISTS journal_events_no_update BEFORE UPDATE ON journal_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS journal_events_no_delete BEFORE DELETE ON journal_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS journal_hashes_no_update BEFORE UPDATE ON journal_hashes
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS journal_hashes_no_delete BEFORE DELETE ON journal_hashes
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
