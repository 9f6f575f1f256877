//! Hands on the file: every way to change history is noticed, and the first event it touches is named.

use crate::support::{Shelf, fill};
use journal::{Journal, VerifyError, verify_file};
use rusqlite::Connection;
use tlog_tiles::{Hash, HashReader, record_hash, stored_hashes};

/// What verification says after somebody changed the file: the code and the first bad event.
fn after(change: impl FnOnce(&Connection)) -> (&'static str, Option<u64>) {
    let shelf = Shelf::filled(20);
    verify_file(&shelf.config.path, None, &[]).unwrap();
    let sql = shelf.sql();
    change(&sql);
    drop(sql);
    let error = verify_file(&shelf.config.path, None, &[]).unwrap_err();
    // A broken log is not opened for appending.
    assert_eq!(shelf.open_code(), "journal_broken");
    (error.code(), error.first_bad_seq())
}

fn execute(sql: &Connection, statement: &str) {
    assert!(sql.execute(statement, []).unwrap() > 0, "{statement}");
}

#[test]
fn an_edited_event_is_named() {
    let found = after(|sql| {
        execute(
            sql,
            "UPDATE journal_events SET leaf = replace(leaf, '\"rows\":1', '\"rows\":9') WHERE seq = 7",
        )
    });
    assert_eq!(found, ("event_changed", Some(7)));
}

#[test]
fn an_event_filed_under_another_subject_is_named() {
    let found = after(|sql| execute(sql, "UPDATE journal_events SET subject = 'plan-x' WHERE seq = 11"));
    assert_eq!(found, ("event_changed", Some(11)));
}

#[test]
fn a_deleted_event_is_named() {
    let found = after(|sql| execute(sql, "DELETE FROM journal_events WHERE seq = 3"));
    assert_eq!(found, ("event_missing", Some(3)));
}

#[test]
fn a_deleted_event_whose_followers_moved_up_is_named() {
    let found = after(|sql| {
        execute(sql, "DELETE FROM journal_events WHERE seq = 3");
        for seq in 4..20 {
            execute(
                sql,
                &format!("UPDATE journal_events SET seq = {} WHERE seq = {seq}", seq - 1),
            );
        }
    });
    assert_eq!(found, ("event_changed", Some(3)));
}

#[test]
fn reordered_events_are_named() {
    let found = after(|sql| {
        for (from, to) in [(5, 100), (6, 5), (100, 6)] {
            execute(sql, &format!("UPDATE journal_events SET seq = {to} WHERE seq = {from}"));
        }
    });
    assert_eq!(found, ("event_changed", Some(5)));
}

#[test]
fn a_cut_off_end_is_named() {
    let found = after(|sql| execute(sql, "DELETE FROM journal_events WHERE seq >= 17"));
    assert_eq!(found, ("event_missing", Some(17)));
    let found = after(|sql| execute(sql, "DELETE FROM journal_events"));
    assert_eq!(found, ("event_missing", Some(0)));
}

#[test]
fn an_event_added_without_the_key_is_named() {
    let found = after(|sql| append_forged(sql, 20));
    assert_eq!(found, ("event_unsigned", Some(20)));
}

#[test]
fn a_whole_log_computed_anew_without_the_key_does_not_give_the_signed_root() {
    let found = after(|sql| {
        execute(
            sql,
            "UPDATE journal_events SET leaf = replace(leaf, '\"rows\":1', '\"rows\":9') WHERE seq = 7",
        );
        recompute(sql);
    });
    assert_eq!(found, ("root_mismatch", None));
}

#[test]
fn changed_surplus_and_missing_hashes_are_noticed() {
    let found = after(|sql| execute(sql, "UPDATE journal_hashes SET hash = randomblob(32) WHERE idx = 0"));
    assert_eq!(found, ("event_changed", Some(0)));
    let found = after(|sql| execute(sql, "DELETE FROM journal_hashes WHERE idx = 0"));
    assert_eq!(found, ("event_changed", Some(0)));
    let found = after(|sql| execute(sql, "INSERT INTO journal_hashes VALUES (1000, randomblob(32))"));
    assert_eq!(found, ("surplus_hashes", None));
}

#[test]
fn a_missing_or_edited_head_is_noticed() {
    let found = after(|sql| execute(sql, "DELETE FROM journal_head"));
    // Without a head the file is as good as another one.
    assert_eq!(found, ("head_missing", None));
    let found = after(|sql| execute(sql, "UPDATE journal_head SET note = replace(note, '20', '19')"));
    assert_eq!(found, ("bad_signature", None));
}

#[test]
fn another_verifier_key_is_not_taken_for_the_pinned_one() {
    let shelf = Shelf::filled(5);
    let other = Shelf::filled(5);
    let vkey = other.open().vkey().to_owned();
    let error = verify_file(&shelf.config.path, Some(&vkey), &[]).unwrap_err();
    assert_eq!(error.code(), "bad_signature");
    let own = shelf.open().vkey().to_owned();
    assert!(verify_file(&shelf.config.path, Some(&own), &[]).unwrap().pinned);
}

#[test]
fn an_older_state_of_the_file_is_noticed_by_a_newer_checkpoint() {
    let shelf = Shelf::filled(10);
    let kept = shelf.dir.path().join("kept.db");
    std::fs::copy(&shelf.config.path, &kept).unwrap();
    let journal = shelf.open();
    fill(&journal, 10, 15);
    let newer = journal.checkpoint().unwrap();
    drop(journal);
    std::fs::copy(&kept, &shelf.config.path).unwrap();

    verify_file(&shelf.config.path, None, &[]).unwrap();
    let error = verify_file(&shelf.config.path, None, &[newer]).unwrap_err();
    assert_eq!(error, VerifyError::Truncated { size: 10, seen: 15 });
    assert_eq!(error.first_bad_seq(), Some(10));
}

#[test]
fn history_rewritten_by_the_key_holder_is_noticed_by_checkpoints_which_say_where() {
    let shelf = Shelf::new();
    let mut checkpoints = Vec::new();
    let journal = shelf.open();
    for size in [4, 9, 16] {
        let from = journal.read(None).unwrap().len() as u64;
        fill(&journal, from, size);
        checkpoints.push(journal.checkpoint().unwrap());
    }
    drop(journal);
    verify_file(&shelf.config.path, None, &checkpoints).unwrap();

    // He has the key: he makes the same log again, but for event 6.
    let sql = shelf.sql();
    execute(
        &sql,
        "UPDATE journal_events SET leaf = replace(leaf, '\"rows\":1', '\"rows\":9') WHERE seq = 6",
    );
    recompute(&sql);
    resign(&sql, &shelf);
    drop(sql);

    verify_file(&shelf.config.path, None, &[]).unwrap();
    let error = verify_file(&shelf.config.path, None, &checkpoints).unwrap_err();
    assert_eq!(error, VerifyError::Rewritten { from: 4, seen: 9 });
}

#[test]
fn a_journal_behind_its_published_checkpoints_is_not_opened() {
    let (shelf, published) = Shelf::new().published();
    let journal = shelf.open();
    fill(&journal, 0, 5);
    drop(journal);
    let kept = shelf.dir.path().join("kept.db");
    std::fs::copy(&shelf.config.path, &kept).unwrap();
    let journal = shelf.open();
    fill(&journal, 5, 8);
    drop(journal);
    assert!(published.join("8.checkpoint").exists());

    std::fs::copy(&kept, &shelf.config.path).unwrap();
    match Journal::open(&shelf.config).map(|_| ()).unwrap_err() {
        journal::JournalError::Broken(error) => assert_eq!(error, VerifyError::Truncated { size: 5, seen: 8 }),
        other => unreachable!("{other}"),
    }
}

fn append_forged(sql: &Connection, seq: u64) {
    let leaf =
        format!(r#"{{"at":"2026-11-23T10:00:00.000Z","data":{{}},"kind":"approved","seq":{seq},"subject":"plan-1"}}"#);
    sql.execute(
        "INSERT INTO journal_events VALUES (?1, 'plan-1', 'approved', ?2)",
        (seq.cast_signed(), &leaf),
    )
    .unwrap();
    recompute(sql);
}

/// Computes all stored hashes again from the events, as an attacker would.
fn recompute(sql: &Connection) {
    sql.execute("DELETE FROM journal_hashes", []).unwrap();
    let mut statement = sql
        .prepare("SELECT seq, leaf FROM journal_events ORDER BY seq")
        .unwrap();
    let leaves: Vec<(i64, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut tree = Tree::default();
    for (seq, leaf) in leaves {
        let new = stored_hashes(seq.cast_unsigned(), leaf.as_bytes(), &tree).unwrap();
        assert_eq!(new.first().copied(), Some(record_hash(leaf.as_bytes())));
        tree.0.extend(new);
    }
    for (index, hash) in tree.0.iter().enumerate() {
        sql.execute("INSERT INTO journal_hashes VALUES (?1, ?2)", (index as i64, hash.0))
            .unwrap();
    }
}

fn resign(sql: &Connection, shelf: &Shelf) {
    let hashes: Vec<[u8; 32]> = sql
        .prepare("SELECT hash FROM journal_hashes ORDER BY idx")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let tree = Tree(hashes.into_iter().map(Hash).collect());
    let size: i64 = sql
        .query_row("SELECT count(*) FROM journal_events", [], |row| row.get(0))
        .unwrap();
    let root = tlog_tiles::tree_hash(size.cast_unsigned(), &tree).unwrap();
    let text = tlog_tiles::Checkpoint::new(&shelf.config.origin, size.cast_unsigned(), root, "").unwrap();
    let key = std::fs::read_to_string(&shelf.config.key_file).unwrap();
    let signer = signed_note::StandardSigner::new(key.trim()).unwrap();
    let mut note = signed_note::Note::new(&text.to_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    sql.execute("UPDATE journal_head SET note = ?1", [note]).unwrap();
}

#[derive(Default)]
struct Tree(Vec<Hash>);

impl HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        indexes
            .iter()
            .map(|index| {
                self.0
                    .get(*index as usize)
                    .copied()
                    .ok_or(tlog_tiles::Error::IndexesNotInTree)
            })
            .collect()
    }
}
