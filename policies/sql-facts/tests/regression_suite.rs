//! Every statement of PostgreSQL's own regression suite: read without a panic, or refused by name.
//!
//! The suite is not part of this repository. It is looked for in `target/postgres-regression-suite` and in what
//! POSTGRES_REGRESSION_SUITE names; without it nothing is tested, and that is said.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use sql_facts::Statement;

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/postgres-regression-suite");

/// What a statement may be refused for; whoever is refused so is opaque to every policy.
const REFUSALS: [&str; 9] = [
    "no_canonical_form",
    "no_statement",
    "nul_byte",
    "several_statements",
    "statement_too_complex",
    "statement_too_long",
    "syntax_error",
    "unfaithful_canonical_form",
    "unreadable_statement",
];

#[test]
fn every_statement_of_the_regression_suite_is_read_or_refused() {
    let folder = env::var_os("POSTGRES_REGRESSION_SUITE").map_or(PathBuf::from(DEFAULT), PathBuf::from);
    let Ok(entries) = fs::read_dir(folder.join("sql")) else {
        println!("SKIPPED: PostgreSQL's regression suite is not in {}", folder.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let queue = Mutex::new(files.iter());
    let counts: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let read_files = || {
        loop {
            let Some(file) = queue.lock().unwrap().next() else {
                return;
            };
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            for sql in split(&text) {
                let outcome = outcome(&sql);
                *counts.lock().unwrap().entry(outcome).or_default() += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(read_files)).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    let counts = counts.into_inner().unwrap();
    let (refused, read): (Vec<_>, Vec<_>) = counts.iter().partition(|(outcome, _)| outcome.starts_with("refused"));
    let sum = |part: &[(&String, &u32)]| part.iter().map(|(_, count)| **count).sum::<u32>();
    let (of_read, of_refused) = (sum(&read), sum(&refused));
    println!(
        "{} files, {of_read} statements of {} kinds read, {of_refused} refused: {refused:?}",
        files.len(),
        read.len()
    );
    assert!(files.len() >= 200, "{} files", files.len());
    assert!(read.len() >= 100, "{} kinds of statement", read.len());
    // psql's own variables and the suite's deliberate errors; more would mean that whole statements are lost.
    assert!(of_refused * 20 < of_read, "{of_refused} of {of_read} are refused");
}

/// Returns the kind of a statement, or its refusal.
fn outcome(sql: &str) -> String {
    match Statement::parse(sql) {
        Ok(statement) => {
            assert!(!statement.facts().kind.is_empty(), "{sql}");
            statement.facts().kind.clone()
        }
        Err(refusal) => {
            assert!(REFUSALS.contains(&refusal.code()), "{sql}: {refusal}");
            format!("refused as {}", refusal.code())
        }
    }
}

/// Returns the statements of a script for psql, without its own commands and the data of COPY.
fn split(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut data = false;
    for line in script.lines() {
        if data {
            data = line != "\\.";
            continue;
        }
        if line.starts_with('\\') {
            continue;
        }
        statement.push_str(line);
        statement.push('\n');
        if !line.contains(';') {
            continue;
        }
        // Inside a string, a comment or a body the scanner finds no end yet, and the next lines are waited for.
        let whole = pg_query::split_with_scanner(&statement)
            .ok()
            .filter(|parts| statement.trim_end().ends_with(';') && parts.iter().all(|part| !part.trim().is_empty()));
        if let Some(parts) = whole {
            data = parts.last().is_some_and(|last| copies_in(last));
            statements.extend(parts.into_iter().map(str::to_owned));
            statement.clear();
        }
    }
    statements.extend((!statement.trim().is_empty()).then_some(statement));
    statements
}

fn copies_in(statement: &str) -> bool {
    let words = statement.to_ascii_lowercase();
    words.trim_start().starts_with("copy") && words.contains("from stdin")
}
