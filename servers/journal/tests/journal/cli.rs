//! The binary, on a live journal, on a copy, and on exports: what it proves, and its exit codes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{Shelf, event, fill};
use serde_json::Value;

fn journal(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_journal"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn verdict(file: &Path, more: &[&str]) -> (i32, Value) {
    let output = journal(&[&["verify", "--json", text(file)], more].concat());
    (code(&output), serde_json::from_slice(&output.stdout).unwrap())
}

/// Exports to a file and returns it.
fn exported(shelf: &Shelf, more: &[&str]) -> PathBuf {
    let out = shelf.dir.path().join("export.jsonl");
    let output = journal(&[&["export", text(&shelf.config.path), "--out", text(&out)], more].concat());
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    out
}

fn rewritten(file: &Path, change: impl Fn(Vec<String>) -> Vec<String>) -> PathBuf {
    let lines = fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
    let changed = file.with_extension("changed");
    fs::write(&changed, change(lines).join("\n") + "\n").unwrap();
    changed
}

#[test]
fn a_live_journal_verifies_while_its_writer_holds_it() {
    let shelf = Shelf::new();
    let open = shelf.open();
    fill(&open, 0, 5);
    let (code, verdict) = verdict(&shelf.config.path, &["--vkey", open.vkey()]);
    assert_eq!(code, 0);
    assert_eq!(verdict["size"], 5);
    assert_eq!(verdict["pinned"], true);
    open.append(event(5)).unwrap();
}

#[test]
fn a_copy_alone_on_a_read_only_medium_verifies() {
    let shelf = Shelf::filled(5);
    let lone = tempfile::tempdir().unwrap();
    let copy = lone.path().join("copy.db");
    fs::copy(&shelf.config.path, &copy).unwrap();
    assert_eq!(verdict(&copy, &[]).0, 0);
}

#[test]
fn a_changed_journal_exits_7_and_names_the_event() {
    let shelf = Shelf::filled(5);
    let sql = shelf.sql();
    sql.execute(
        "UPDATE journal_events SET leaf = replace(leaf, '\"rows\":1', '\"rows\":2') WHERE seq = 3",
        [],
    )
    .unwrap();
    drop(sql);
    let (code_, found) = verdict(&shelf.config.path, &[]);
    assert_eq!(
        (code_, &found["code"], &found["first_bad_seq"]),
        (7, &"event_changed".into(), &3.into())
    );
    let output = journal(&["verify", text(&shelf.config.path)]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("event 3"));
    assert_eq!(code(&journal(&["export", text(&shelf.config.path)])), 7);
}

#[test]
fn usage_and_missing_files_have_codes_of_their_own() {
    assert_eq!(code(&journal(&["verify"])), 2);
    assert_eq!(code(&journal(&["verify", "/no/such/file"])), 1);
    let shelf = Shelf::filled(1);
    assert_eq!(
        code(&journal(&[
            "verify",
            text(&shelf.config.path),
            "--checkpoint",
            "/no/such/file"
        ])),
        1
    );
    let other = shelf.dir.path().join("other.txt");
    fs::write(&other, "hello\n").unwrap();
    assert_eq!(verdict(&other, &[]).0, 7);
    fs::write(&other, "").unwrap();
    assert_eq!(verdict(&other, &[]).0, 7);
}

#[test]
fn old_checkpoints_are_compared_also_a_whole_directory_of_them() {
    let (shelf, dir) = Shelf::new().published();
    let open = shelf.open();
    fill(&open, 0, 6);
    drop(open);
    let (code, found) = verdict(&shelf.config.path, &["--checkpoint", text(&dir)]);
    assert_eq!((code, &found["checkpoints"]), (0, &6.into()));

    let foreign = Shelf::new().published();
    let open = foreign.0.open();
    fill(&open, 0, 3);
    let note = foreign.1.join("3.checkpoint");
    let (code, found) = verdict(&shelf.config.path, &["--checkpoint", text(&note)]);
    assert_eq!((code, &found["code"]), (7, &"bad_signature".into()));
}

#[test]
fn an_export_verifies_by_itself_and_against_old_checkpoints() {
    let (shelf, dir) = Shelf::new().published();
    let open = shelf.open();
    fill(&open, 0, 11);
    let vkey = open.vkey().to_owned();
    drop(open);
    let export = exported(&shelf, &[]);
    fs::remove_file(&shelf.config.path).unwrap();
    let (code, found) = verdict(&export, &["--vkey", &vkey, "--checkpoint", text(&dir)]);
    assert_eq!(code, 0);
    assert_eq!(
        (&found["checked"], &found["size"], &found["checkpoints"]),
        (&11.into(), &11.into(), &11.into())
    );
}

#[test]
fn an_export_of_one_subject_proves_its_events_and_says_what_it_does_not() {
    let (shelf, dir) = Shelf::new().published();
    let open = shelf.open();
    fill(&open, 0, 11);
    drop(open);
    let old = dir.join("7.checkpoint");
    let export = exported(&shelf, &["--subject", "plan-2", "--checkpoint", text(&old)]);
    let (code, found) = verdict(&export, &["--checkpoint", text(&old)]);
    assert_eq!((code, &found["checked"], &found["size"]), (0, &3.into(), &11.into()));
    let output = journal(&["verify", text(&export)]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("not proven: that no event of the subject was left out"),
        "{said}"
    );

    // A checkpoint for which the export carries no proof, and one that it cannot be a prefix of.
    let (code, found) = verdict(&export, &["--checkpoint", text(&dir.join("5.checkpoint"))]);
    assert_eq!((code, &found["code"]), (7, &"incomparable".into()));
    assert_eq!(
        verdict(&export, &["--checkpoint", text(&dir.join("11.checkpoint"))]).0,
        0
    );
}

#[test]
fn a_changed_export_exits_7_and_names_what() {
    let shelf = Shelf::filled(9);
    let export = exported(&shelf, &[]);
    type Change = fn(Vec<String>) -> Vec<String>;
    let cases: [(&str, Change, &str, Value); 9] = [
        (
            "edited",
            |mut lines| {
                lines[4] = lines[4].replace("\"rows\":1", "\"rows\":2");
                lines
            },
            "event_changed",
            3.into(),
        ),
        (
            "left out",
            |mut lines| {
                lines.remove(4);
                lines
            },
            "event_missing",
            3.into(),
        ),
        (
            "swapped",
            |mut lines| {
                lines.swap(4, 5);
                lines
            },
            "event_missing",
            3.into(),
        ),
        (
            "doubled",
            |mut lines| {
                lines.insert(4, lines[3].clone());
                lines
            },
            "event_changed",
            2.into(),
        ),
        (
            "cut",
            |mut lines| {
                lines.truncate(7);
                lines
            },
            "event_missing",
            6.into(),
        ),
        (
            "added",
            |mut lines| {
                lines.push(lines[9].replace("\"seq\":8", "\"seq\":9"));
                lines
            },
            "event_unsigned",
            9.into(),
        ),
        (
            "another subject's name",
            |mut lines| {
                lines[4] = lines[4].replace("plan-0", "plan-9");
                lines
            },
            "event_changed",
            3.into(),
        ),
        (
            "a second value for one key",
            |mut lines| {
                lines[4] = lines[4].replace("\"kind\":", "\"kind\":\"other\",\"kind\":");
                lines
            },
            "event_changed",
            3.into(),
        ),
        (
            "head",
            |mut lines| {
                lines[0] = lines[0].replace("\\n9\\n", "\\n8\\n");
                lines
            },
            "bad_signature",
            Value::Null,
        ),
    ];
    for (name, change, expected, seq) in cases {
        let (code, found) = verdict(&rewritten(&export, change), &[]);
        assert_eq!(
            (code, &found["code"], &found["first_bad_seq"]),
            (7, &expected.into(), &seq),
            "{name}"
        );
    }
    let cut = export.with_extension("cut");
    let whole = fs::read_to_string(&export).unwrap();
    fs::write(&cut, whole.trim_end()).unwrap();
    assert_eq!(verdict(&cut, &[]).1["code"], "unreadable");
}
