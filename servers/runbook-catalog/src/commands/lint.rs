//! `lint`: every fault of every runbook in a folder, each with its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use kit::ExitCode;
use runbooks::{Catalog, HAND_OVER_FILE, HandOver, RUNBOOK_FILE, Runbook};

/// Checks a catalog folder, or the shipped catalog.
pub fn run(dir: Option<&Path>) -> ExitCode {
    let faults = match dir {
        Some(dir) => match lint_folder(dir) {
            Ok(faults) => faults,
            Err(error) => {
                eprintln!("error: could not read `{}`: {error}", dir.display());
                return ExitCode::Usage;
            }
        },
        None => Catalog::shipped()
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect(),
    };
    let lines: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    let written = kit::to_stdout(lines);
    eprintln!("faults: {}", faults.len());
    if faults.is_empty() { written } else { ExitCode::Failed }
}

fn lint_folder(dir: &Path) -> io::Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    if folders.is_empty() {
        return Ok(vec![format!(
            "{}: no runbook here: expected <id>/runbook.json or <id>/hand-over.json",
            dir.display()
        )]);
    }
    Ok(folders.iter().flat_map(|folder| lint_entry(folder)).collect())
}

fn lint_entry(folder: &Path) -> Vec<String> {
    let hand_over = folder.join(HAND_OVER_FILE);
    let runbook = folder.join(RUNBOOK_FILE);
    let file = match (hand_over.is_file(), runbook.is_file()) {
        (true, true) => {
            return vec![format!(
                "{}: stands beside {RUNBOOK_FILE}: an entry runs, or it is handed over",
                hand_over.display()
            )];
        }
        (true, false) => hand_over,
        _ => runbook,
    };
    let mut faults = match fs::read_to_string(&file) {
        Ok(text) => lint_text(&file, folder, &text),
        Err(error) => vec![format!("{}: {error}", file.display())],
    };
    let readme: PathBuf = folder.join("README.md");
    if !readme.is_file() {
        faults.push(format!(
            "{}: missing: say what happened, what this does and what it does not do",
            readme.display()
        ));
    }
    faults
}

fn lint_text(file: &Path, folder: &Path, text: &str) -> Vec<String> {
    let id = match file.ends_with(HAND_OVER_FILE) {
        true => HandOver::parse(text).map(|entry| entry.document().id.clone()),
        false => Runbook::parse(text).map(|entry| entry.document().id.clone()),
    };
    match id {
        Err(findings) => findings
            .iter()
            .map(|finding| format!("{}: {finding}", file.display()))
            .collect(),
        Ok(id) => {
            let misplaced = folder.file_name().is_none_or(|name| name != id.as_str());
            let fault = || {
                format!(
                    "{}: at `/id`: `{id}` lies in another folder than `{id}/`",
                    file.display()
                )
            };
            misplaced.then(fault).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks/catalog")
    }

    #[test]
    fn the_shipped_folder_has_no_faults() {
        assert_eq!(lint_folder(&shipped()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_fault_of_a_runbook_is_named_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("other-name");
        fs::create_dir(&folder).unwrap();
        let good = fs::read_to_string(shipped().join("ddl-lock-queue/runbook.json")).unwrap();
        fs::write(folder.join("runbook.json"), &good).unwrap();
        let faults = lint_folder(dir.path()).unwrap().join("\n");
        assert!(
            faults.contains("at `/id`: `ddl-lock-queue` lies in another folder"),
            "{faults}"
        );
        assert!(faults.contains("README.md: missing"), "{faults}");

        fs::write(
            folder.join("runbook.json"),
            good.replace("\"version\": 1", "\"version\": 0"),
        )
        .unwrap();
        let faults = lint_folder(dir.path()).unwrap().join("\n");
        assert!(faults.contains("runbook.json: at `/version`"), "{faults}");
    }
}
