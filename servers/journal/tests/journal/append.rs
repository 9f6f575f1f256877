//! One durable transaction for event, tree and state; nothing returns before its checkpoint is out.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use crate::support::{Shelf, event, fill};
use journal::{Event, Journal, JournalError, Publish, verify_file};
use serde_json::json;

fn sh(shelf: &mut Shelf, script: &str) {
    shelf.config.publish = Some(Publish::Command(["sh", "-c", script].map(str::to_owned).to_vec()));
}

fn size(journal: &Journal) -> usize {
    journal.read(None).unwrap().len()
}

#[test]
fn events_come_back_in_order_and_by_subject() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    fill(&journal, 0, 7);
    let all = journal.read(None).unwrap();
    assert_eq!(
        all.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (0..7).collect::<Vec<_>>()
    );
    let some = journal.read(Some("plan-1")).unwrap();
    assert_eq!(some.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 4]);
    let first = all.first().unwrap();
    assert_eq!((first.kind.as_str(), first.subject.as_str()), ("step_done", "plan-0"));
    assert_eq!(first.data, json!({"n": 0, "rows": 1}));
    assert_eq!(first.at.len(), "2026-11-23T10:00:00.000Z".len());
    assert!(journal.read(Some("nobody")).unwrap().is_empty());
}

#[test]
fn a_reopened_journal_goes_on_where_it_was() {
    let shelf = Shelf::filled(5);
    let journal = shelf.open();
    fill(&journal, 5, 9);
    drop(journal);
    assert_eq!(verify_file(&shelf.config.path, None, &[]).unwrap().size, 9);
}

#[test]
fn a_second_opener_is_told_that_it_is_in_use() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    assert_eq!(shelf.open_code(), "journal_in_use");
    let mut by_link = shelf.config.clone();
    by_link.path = shelf.dir.path().join("link.db");
    std::os::unix::fs::symlink(&shelf.config.path, &by_link.path).unwrap();
    assert_eq!(Journal::open(&by_link).err().unwrap().code(), "journal_in_use");
    drop(journal);
    assert_eq!(shelf.open_code(), "ok");
}

#[test]
fn state_rows_and_events_commit_together_or_not_at_all() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    journal
        .migrate("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
        .unwrap();
    journal
        .migrate("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
        .unwrap();
    let seqs = journal
        .transact::<_, JournalError>(|tx| {
            tx.sql().execute("INSERT INTO orders VALUES ('a')", [])?;
            Ok([tx.append(event(0))?, tx.append(event(1))?])
        })
        .unwrap();
    assert_eq!(seqs, [0, 1]);

    let refused = journal.transact::<(), JournalError>(|tx| {
        tx.sql().execute("INSERT INTO orders VALUES ('b')", [])?;
        tx.append(event(2))?;
        Err(JournalError::Event {
            reason: "second thoughts".to_owned(),
        })
    });
    assert_eq!(refused.unwrap_err().code(), "journal_event");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        journal.transact::<(), JournalError>(|tx| {
            tx.append(event(2))?;
            unreachable!("a caller's defect")
        })
    }));
    assert!(panicked.is_err());

    let orders: i64 = journal
        .view::<_, JournalError>(|sql| Ok(sql.query_row("SELECT count(*) FROM orders", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!((orders, size(&journal)), (1, 2));
    assert_eq!(journal.append(event(2)).unwrap(), 2);
    drop(journal);
    assert_eq!(verify_file(&shelf.config.path, None, &[]).unwrap().size, 3);
}

#[test]
fn a_view_cannot_write_and_writing_works_after_it() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    let written = journal.view::<_, JournalError>(|sql| Ok(sql.execute("CREATE TABLE t (a)", [])?));
    assert_eq!(written.unwrap_err().code(), "journal_database");
    journal.append(event(0)).unwrap();
}

#[test]
fn code_that_shares_the_file_cannot_change_events_by_mistake() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    journal.append(event(0)).unwrap();
    for statement in [
        "DELETE FROM journal_events",
        "UPDATE journal_events SET kind = 'x'",
        "DELETE FROM journal_hashes",
    ] {
        let refused = journal.transact::<_, JournalError>(|tx| Ok(tx.sql().execute(statement, [])?));
        assert_eq!(refused.unwrap_err().code(), "journal_database", "{statement}");
    }
}

#[test]
fn an_event_that_canonical_json_would_change_is_refused_and_nothing_is_written() {
    let shelf = Shelf::new();
    let journal = shelf.open();
    let odd = Event {
        data: json!({"system_identifier": 7_300_000_000_000_000_001_u64}),
        ..event(0)
    };
    let error = journal.append(odd).unwrap_err();
    assert_eq!(error.code(), "journal_number");
    assert!(error.to_string().contains("`/data/system_identifier`"), "{error}");
    assert_eq!(size(&journal), 0);
}

#[test]
fn another_origin_or_key_does_not_get_the_file() {
    let shelf = Shelf::filled(2);
    let mut other = shelf.config.clone();
    other.origin = "countersign.test/executor-2".to_owned();
    assert_eq!(Journal::open(&other).err().unwrap().code(), "journal_key");
    other.key_file = shelf.dir.path().join("other.key");
    assert_eq!(Journal::open(&other).err().unwrap().code(), "journal_origin");
    other.origin = shelf.config.origin.clone();
    other.key_file = shelf.dir.path().join("third.key");
    assert_eq!(Journal::open(&other).err().unwrap().code(), "journal_key");
    other.origin = "with space".to_owned();
    assert_eq!(Journal::open(&other).err().unwrap().code(), "journal_origin");
}

#[test]
fn log_and_key_are_private_and_the_key_must_stay_so() {
    let shelf = Shelf::filled(0);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&shelf.config.key_file), 0o600);
    assert_eq!(mode(&shelf.config.path), 0o600);
    fs::set_permissions(&shelf.config.key_file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shelf.open_code(), "journal_key");
}

#[test]
fn each_append_leaves_a_checkpoint_in_the_directory() {
    let (shelf, dir) = Shelf::new().published();
    let journal = shelf.open();
    fill(&journal, 0, 3);
    for size in 1..=3 {
        assert!(dir.join(format!("{size}.checkpoint")).exists());
    }
    let newest = fs::read_to_string(dir.join("3.checkpoint")).unwrap();
    assert_eq!(newest, journal.checkpoint().unwrap());
    assert!(newest.starts_with("countersign.test/executor-1\n3\n"), "{newest}");
}

#[test]
fn an_append_whose_checkpoint_cannot_leave_fails_and_so_does_all_that_follows() {
    let mut shelf = Shelf::new();
    let flag = shelf.dir.path().join("broken");
    sh(&mut shelf, &format!("test ! -e {}", flag.display()));
    let journal = shelf.open();
    journal.append(event(0)).unwrap();
    fs::write(&flag, "").unwrap();
    let error = journal.append(event(1)).unwrap_err();
    assert_eq!(error.code(), "journal_unpublished");
    // The row is durable, yet nobody gets to act on it: not even a transaction that only reads.
    assert_eq!(size(&journal), 2);
    let looked = journal.transact::<_, JournalError>(|_| Ok(()));
    assert_eq!(looked.unwrap_err().code(), "journal_unpublished");
    drop(journal);
    assert_eq!(shelf.open_code(), "journal_unpublished");

    fs::remove_file(&flag).unwrap();
    let journal = shelf.open();
    journal.append(event(2)).unwrap();
    assert_eq!(size(&journal), 3);
}

#[test]
fn the_command_is_told_what_happened_and_what_was_missed() {
    let mut shelf = Shelf::new();
    let log = shelf.dir.path().join("log");
    sh(
        &mut shelf,
        &format!(
            "echo $COUNTERSIGN_EVENT_SEQ $COUNTERSIGN_EVENT_KIND $COUNTERSIGN_EVENT_SUBJECT $COUNTERSIGN_EVENT_KINDS >> {}",
            log.display()
        ),
    );
    let journal = shelf.open();
    journal.append(event(0)).unwrap();
    journal
        .transact::<_, JournalError>(|tx| {
            tx.append(Event {
                kind: "step_started".to_owned(),
                ..event(1)
            })?;
            tx.append(event(2))
        })
        .unwrap();
    drop(journal);
    drop(shelf.open());
    let told = fs::read_to_string(log).unwrap();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "0 step_done plan-0 step_done",
            "2 step_done plan-2 step_started,step_done",
            "2 journal_catch_up journal_catch_up",
        ]
    );
}

#[test]
fn threads_append_side_by_side() {
    let (shelf, dir) = Shelf::new().published();
    let journal = Arc::new(shelf.open());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let journal = Arc::clone(&journal);
            thread::spawn(move || {
                for n in 0..10 {
                    journal.append(event(n)).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(size(&journal), 40);
    drop(journal);
    let checkpoints: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|item| fs::read_to_string(item.unwrap().path()).unwrap())
        .collect();
    assert_eq!(checkpoints.len(), 40);
    assert_eq!(
        verify_file(&shelf.config.path, None, &checkpoints).unwrap().checkpoints,
        40
    );
}

const CRASH_DIR: &str = "JOURNAL_TEST_CRASH_DIR";

/// Not a test by itself: the process that the next one kills.
#[test]
fn crashing_child() {
    let Some(dir) = std::env::var_os(CRASH_DIR) else { return };
    let mut shelf = Shelf::new();
    shelf.config.path = std::path::Path::new(&dir).join("journal.db");
    shelf.config.key_file = std::path::Path::new(&dir).join("journal.key");
    sh(&mut shelf, "test $COUNTERSIGN_EVENT_SEQ != 3 || kill -9 $PPID");
    fill(&shelf.open(), 0, 10);
}

#[test]
fn a_kill_while_publishing_loses_nothing_and_the_checkpoint_goes_out_on_reopening() {
    let (mut shelf, dir) = Shelf::new().published();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "append::crashing_child"])
        .env(CRASH_DIR, shelf.dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9));

    // An auditor reads the file as the kill left it.
    assert_eq!(verify_file(&shelf.config.path, None, &[]).unwrap().size, 4);
    let journal = shelf.open();
    assert_eq!(size(&journal), 4);
    assert!(dir.join("4.checkpoint").exists());
    journal.append(event(4)).unwrap();
    drop(journal);
    shelf.config.publish = None;
    assert_eq!(shelf.open_code(), "ok");
}
