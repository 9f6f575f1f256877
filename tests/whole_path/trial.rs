//! A runbook is tried as its author tries it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::suite::binary;

const RUNBOOK: &str = "stale-statistics";

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks/catalog")
}

fn trial(folder: &Path) -> (Option<i32>, String) {
    let out = Command::new(binary("orchestrator"))
        .arg("trial")
        .arg(folder)
        .args([RUNBOOK, "--yes"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code(), said)
}

/// A catalog of one's own: the shipped runbook, its trial changed.
fn own(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let entry = folder.path().join(RUNBOOK);
    std::fs::create_dir_all(entry.join("trial")).unwrap();
    let from = shipped().join(RUNBOOK);
    for name in ["runbook.json", "README.md"] {
        std::fs::copy(from.join(name), entry.join(name)).unwrap();
    }
    for file in std::fs::read_dir(from.join("trial")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), entry.join("trial").join(file.file_name())).unwrap();
    }
    change(&entry.join("trial"));
    folder
}

#[test]
fn a_runbook_repairs_the_fault_that_its_author_describes() {
    let (code, said) = trial(&shipped());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.ends_with("recovered\n") && !said.contains("NOT recovered"),
        "{said}"
    );
}

#[test]
fn what_does_not_repair_is_not_called_recovered() {
    // The plan does what it says, and the database still says no.
    let folder = own(|trial| std::fs::write(trial.join("recovered.sql"), "SELECT false").unwrap());
    let (code, said) = trial(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("the executor reports `done`") && said.contains("NOT recovered"),
        "{said}"
    );
}

#[test]
fn a_fault_that_does_not_show_is_no_trial() {
    let folder = own(|trial| std::fs::write(trial.join("recovered.sql"), "SELECT true").unwrap());
    let (code, said) = trial(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the fault does not show"), "{said}");
}
