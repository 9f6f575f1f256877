//! PostgreSQL's own regression suite: every statement is sent through `query`, and nothing may change. This repository
//! does not carry the suite; `tests/fetch-regression-suite` puts it where it is looked for.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cluster::Cluster,
    mcp::Mcp,
    oracle::{Oracle, Signals, changed, difference},
};

const FLAGS: [&str; 5] = [
    "--allow-privileged-role",
    "--statement-timeout-ms",
    "300",
    "--rest-after-failure",
    "0",
];
const DEADLINE: Duration = Duration::from_secs(6);
/// What most of the suite's statements refer to.
const BASE: [&str; 16] = [
    "test_setup",
    "copy",
    "create_operator",
    "create_procedure",
    "create_type",
    "create_schema",
    "create_table",
    "create_index",
    "create_view",
    "create_aggregate",
    "create_function_sql",
    "create_cast",
    "constraints",
    "triggers",
    "inherit",
    "typed_table",
];

/// How much of the suite is run.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// Every so many statements, over the base alone.
    Sample(usize),
    /// Every statement, over all that a full run of the suite leaves behind.
    Whole,
}

impl Extent {
    fn of_the_day() -> Self {
        match env::var_os("POSTGRES_READONLY_WHOLE_CORPUS") {
            Some(_) => Self::Whole,
            None => Self::Sample(40),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_the_regression_suite_changes_nothing() {
    match find() {
        Err(why) => println!("SKIPPED: {why}"),
        // The bench `regress` runs it whole, and as superuser too.
        Ok(suite) => run(&suite, "suite", Extent::of_the_day()).await,
    }
}

/// Returns where the suite is, or why it cannot be run.
pub fn find() -> Result<PathBuf, String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/postgres-regression-suite");
    let folder = env::var_os("POSTGRES_REGRESSION_SUITE").map_or(PathBuf::from(default), PathBuf::from);
    match folder.join("sql/test_setup.sql").exists() {
        true => Ok(folder),
        false => Err(format!(
            "PostgreSQL's regression suite is not in {}; tests/fetch-regression-suite fetches it",
            folder.display()
        )),
    }
}

/// Sends the suite's statements as `role`: `suite`, which owns everything and is no superuser, or `postgres`.
pub async fn run(suite: &Path, role: &str, extent: Extent) {
    let (cluster, files) = base(suite, extent).await;
    let mut oracle = Oracle::watch(&cluster, "postgres").await;
    let nothing = Signals::new();
    let before = oracle.look_closely(&nothing).await;
    let dumped = dump(&cluster);
    let mut mcp = Mcp::start(&cluster.dsn(role), &FLAGS).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let every = match extent {
        Extent::Sample(every) => every,
        Extent::Whole => 1,
    };
    let statements: Vec<(String, String)> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(suite.join(format!("sql/{file}.sql"))).unwrap();
            split(&text).into_iter().map(move |statement| (file.clone(), statement))
        })
        .step_by(every)
        .collect();
    let mut findings = Vec::new();
    let mut known = oracle.look_settled(&before).await;
    for (number, (file, sql)) in statements.iter().enumerate() {
        let began = Instant::now();
        let answer = mcp.call("query", json!({"sql": sql})).await;
        if began.elapsed() > DEADLINE {
            findings.push(format!("{file}: took {:?}: {sql:.200}", began.elapsed()));
        }
        let outcome = match (answer["code"].as_str(), answer["reason"].as_str()) {
            (None, _) if answer.is_null() => "invalid_call".to_owned(),
            (None, _) => "answered".to_owned(),
            (Some(code), None) => code.to_owned(),
            (Some(code), Some(reason)) => format!("{code}/{reason}"),
        };
        *counts.entry(outcome).or_default() += 1;
        if number % 10 == 9 {
            let now = oracle.look_settled(&known).await;
            if !changed(&known, &now).is_empty() {
                let sent: Vec<&str> = statements[number - 9..=number]
                    .iter()
                    .map(|(_, sql)| sql.as_str())
                    .collect();
                findings.push(format!("{file}: {} after one of {sent:#?}", difference(&known, &now)));
                known = now;
            }
        }
    }
    let after = oracle.look_closely(&before).await;
    if !changed(&before, &after).is_empty() {
        findings.push(format!("in the end: {}", difference(&before, &after)));
    }
    let dumped_after = dump(&cluster);
    if let Some((old, new)) = dumped.iter().zip(&dumped_after).find(|(old, new)| old != new) {
        findings.push(format!("the dump differs: `{old}` became `{new}`"));
    }
    assert!(
        dumped.len() > 1000 && dumped.len() == dumped_after.len(),
        "{} lines of a dump",
        dumped.len()
    );
    println!(
        "as {role}: {} statements of {} files: {counts:?}; at most {} KiB",
        statements.len(),
        files.len(),
        mcp.peak_kib()
    );
    findings.iter().for_each(|finding| println!("FINDING {finding:.2000}"));
    assert!(findings.is_empty(), "{} as {role}", findings.len());
}

/// Starts a cluster in which the suite's own set-up was run, by a role that owns it all and is no superuser any more.
async fn base(suite: &Path, extent: Extent) -> (Cluster, Vec<String>) {
    let cluster = Cluster::start(&[
        "checkpoint_timeout = 1d",
        "max_wal_size = 4GB",
        "wal_writer_delay = 10ms",
        "log_min_error_statement = panic",
    ])
    .await;
    let admin = cluster.connect("postgres", "oracle").await;
    admin
        .batch_execute(
            "CREATE EXTENSION pg_walinspect; CREATE EXTENSION pg_stat_statements; CREATE TABLE public.sprung (how text);
             CREATE ROLE suite LOGIN SUPERUSER; ALTER SCHEMA public OWNER TO suite",
        )
        .await
        .unwrap();
    // Where the server's own user can read it.
    let copy = cluster.writable_folder().join("suite");
    let copied = Command::new("cp").arg("-r").arg(suite).arg(&copy).status().unwrap();
    assert!(copied.success());
    let files = scheduled(suite);
    let set_up: Vec<&str> = match extent {
        Extent::Sample(_) => BASE.to_vec(),
        Extent::Whole => files.iter().map(String::as_str).collect(),
    };
    for file in set_up {
        cluster.psql("suite", &copy.join(format!("sql/{file}.sql")), &copy);
    }
    for alone in ["ALTER ROLE suite NOSUPERUSER", "ALTER SYSTEM RESET ALL", "VACUUM"] {
        admin.batch_execute(alone).await.unwrap();
    }
    (cluster, files)
}

/// Returns the files in the order of the suite's schedule.
fn scheduled(suite: &Path) -> Vec<String> {
    let schedule = fs::read_to_string(suite.join("parallel_schedule")).unwrap();
    let lines = schedule.lines().filter_map(|line| line.strip_prefix("test: "));
    lines
        .flat_map(|line| line.split_whitespace().map(str::to_owned))
        .filter(|file| suite.join(format!("sql/{file}.sql")).exists())
        .collect()
}

fn dump(cluster: &Cluster) -> Vec<String> {
    let dump = Command::new("pg_dumpall")
        .arg("-d")
        .arg(cluster.dsn("postgres"))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&dump.stdout);
    // Those lines carry a random key.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.map(str::to_owned).collect()
}

/// Splits a psql script into statements: without psql's own commands and without the data of COPY.
pub fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut in_data = false;
    let mut state = State::Plain;
    for line in text.lines() {
        if in_data {
            in_data = line != "\\.";
            continue;
        }
        let mut rest = line;
        while !rest.is_empty() {
            if state == State::Plain && rest.starts_with('\\') {
                // \gset, \gexec, \g and the like end a statement and the line.
                push(&mut statements, &mut current);
                break;
            }
            let (taken, ended) = state.take(rest, &current);
            current.push_str(&rest[..taken]);
            rest = &rest[taken..];
            if ended {
                in_data |= is_copy_from_stdin(&current);
                push(&mut statements, &mut current);
            }
        }
        current.push('\n');
        if state == State::Line {
            state = State::Plain;
        }
    }
    push(&mut statements, &mut current);
    statements
}

fn push(statements: &mut Vec<String>, current: &mut String) {
    let statement = std::mem::take(current);
    let statement = statement.trim().trim_end_matches(';').trim();
    if !statement.is_empty() && statement.lines().any(|line| !line.trim_start().starts_with("--")) {
        statements.push(statement.to_owned());
    }
}

fn is_copy_from_stdin(statement: &str) -> bool {
    let lower = statement.to_lowercase();
    let words = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    words.contains("copy ") && (words.contains(" from stdin"))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Plain,
    Single { escapes: bool },
    Double,
    Dollar(String),
    Line,
    Block(usize),
}

impl State {
    /// Takes what can be taken of a line at once; returns its length, and whether a statement ended there.
    fn take(&mut self, rest: &str, before: &str) -> (usize, bool) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        match self {
            Self::Plain => match rest.as_bytes() {
                [b';', ..] => {
                    // The body of a function in SQL's own syntax holds semicolons.
                    let lower = before.to_lowercase();
                    let atomic = lower.contains("begin atomic") && !lower.trim_end().ends_with("end");
                    (1, !atomic)
                }
                [b'\'', ..] => {
                    let escapes = before.ends_with(['e', 'E']);
                    *self = Self::Single { escapes };
                    (1, false)
                }
                [b'"', ..] => {
                    *self = Self::Double;
                    (1, false)
                }
                [b'-', b'-', ..] => {
                    *self = Self::Line;
                    (2, false)
                }
                [b'/', b'*', ..] => {
                    *self = Self::Block(1);
                    (2, false)
                }
                [b'$', ..] => match dollar_tag(rest) {
                    Some(tag) => {
                        let length = tag.len();
                        *self = Self::Dollar(tag);
                        (length, false)
                    }
                    None => (1, false),
                },
                _ => (first, false),
            },
            Self::Single { escapes: true } if rest.starts_with('\\') && rest.len() > 1 => {
                (1 + rest[1..].chars().next().map_or(0, char::len_utf8), false)
            }
            Self::Single { .. } => {
                if rest.starts_with('\'') {
                    *self = Self::Plain;
                }
                (first, false)
            }
            Self::Double => {
                if rest.starts_with('"') {
                    *self = Self::Plain;
                }
                (first, false)
            }
            Self::Dollar(tag) => {
                let length = tag.len();
                if rest.starts_with(tag.as_str()) {
                    *self = Self::Plain;
                    return (length, false);
                }
                (first, false)
            }
            Self::Line => (rest.len(), false),
            Self::Block(depth) => {
                if rest.starts_with("*/") {
                    match *depth {
                        1 => *self = Self::Plain,
                        deeper => *self = Self::Block(deeper - 1),
                    }
                    return (2, false);
                }
                if rest.starts_with("/*") {
                    *depth += 1;
                    return (2, false);
                }
                (first, false)
            }
        }
    }
}

fn dollar_tag(rest: &str) -> Option<String> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let name = &tag[1..end - 1];
    (name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| tag.to_owned())
}

#[test]
fn scripts_are_split_where_psql_would() {
    let script = "-- one\nSELECT ';' /* ; /* ; */ */; SELECT $a$;$a$, E'\\';'\n;\\set x\nCOPY t FROM stdin;\n1;2\n\\.\nSELECT 1 \\gset\n\
                  CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;\n\\d t\nSELECT \";\"";
    assert_eq!(
        split(script),
        [
            "-- one\nSELECT ';' /* ; /* ; */ */",
            "SELECT $a$;$a$, E'\\';'",
            "COPY t FROM stdin",
            "SELECT 1",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "SELECT \";\"",
        ]
    );
}
