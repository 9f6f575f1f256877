//! Tests policies: runs the `test_` rules beside them, says which lines no test reached, and which rules could be
//! deleted without any test noticing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use regorus::Engine;
use serde_json::Value;

use crate::bundle::{Bundle, PolicyError};
use crate::engine::engine;
use crate::lint;

/// For one test, which may ask the policy hundreds of times.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// What the tests of one folder said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that hold, as `data.package.test_name`.
    pub passed: Vec<String>,
    /// Tests that do not, each with what was found instead.
    pub failed: Vec<(String, String)>,
    /// Lines of rules that no test reached, by file.
    pub uncovered: BTreeMap<String, Vec<u32>>,
}

/// The rules and tests of one folder, and the inputs under `fixtures/` that the tests see as `data.fixtures`.
#[derive(Debug, Clone)]
pub struct Suite {
    bundle: Bundle,
    fixtures: Value,
}

/// What is deleted to see whether a test notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Whole rules.
    Rules,
    /// The conditions in the bodies of rules, each alone.
    Conditions,
}

/// A part of a rule file that could be deleted without any test noticing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Survivor {
    pub file: String,
    pub line: u64,
    /// What was deleted.
    pub text: String,
    start: usize,
}

/// Where a test went in the rules as they are.
struct Reach {
    test: String,
    took: Duration,
    lines: BTreeMap<String, BTreeSet<u32>>,
}

impl Reach {
    fn reaches(&self, deletion: &Survivor) -> bool {
        let last = deletion.text.matches('\n').count();
        let lines = deletion.line..=deletion.line.saturating_add(u64::try_from(last).unwrap_or(u64::MAX));
        self.lines
            .get(&deletion.file)
            .is_some_and(|reached| reached.iter().any(|line| lines.contains(&u64::from(*line))))
    }
}

impl Suite {
    /// Reads a folder.
    pub fn load(dir: &Path) -> Result<Self, PolicyError> {
        let bundle = Bundle::load(dir)?;
        let mut fixtures = serde_json::Map::new();
        let folder = dir.join("fixtures");
        let unreadable = |source| PolicyError::Unreadable {
            path: folder.clone(),
            source,
        };
        if folder.is_dir() {
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                let text = fs::read_to_string(&path).map_err(unreadable)?;
                let input = serde_json::from_str(&text).map_err(|source| unreadable(source.into()))?;
                fixtures.insert(
                    path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                    input,
                );
            }
        }
        Ok(Self {
            bundle,
            fixtures: Value::Object(fixtures),
        })
    }

    /// Returns the inputs of the folder by name.
    pub fn fixtures(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fixtures.as_object().into_iter().flatten()
    }

    /// Runs every test.
    pub fn run(&self) -> Result<Report, PolicyError> {
        let mut engine = self.engine(&self.bundle.rules)?;
        engine.set_enable_coverage(true);
        let mut report = Report::default();
        for test in self.tests(&engine)? {
            match outcome(&mut engine, &test) {
                Ok(()) => report.passed.push(test),
                Err(found) => report.failed.push((test, found)),
            }
        }
        let coverage = engine.get_coverage_report().map_err(unprepared)?;
        for file in coverage
            .files
            .into_iter()
            .filter(|file| self.bundle.rules.contains_key(&file.path))
        {
            if !file.not_covered.is_empty() {
                report
                    .uncovered
                    .insert(file.path, file.not_covered.into_iter().collect());
            }
        }
        Ok(report)
    }

    fn engine(&self, rules: &BTreeMap<String, String>) -> Result<Engine, PolicyError> {
        let mut files = rules.clone();
        files.extend(self.bundle.tests.clone());
        let mut engine = engine(&files, TIME_LIMIT)?;
        let data = serde_json::json!({ "fixtures": self.fixtures }).to_string();
        engine.add_data_json(&data).map_err(unprepared)?;
        engine.set_input(regorus::Value::new_object());
        Ok(engine)
    }

    /// Deletes each part once and returns the deletions that no test noticed. One that the policy no longer loads with
    /// was noticed.
    pub fn survivors(&self, parts: Parts) -> Result<Vec<Survivor>, PolicyError> {
        let tests = self.reaches()?;
        let deletions = self.deletions(&self.engine(&self.bundle.rules)?, parts)?;
        let others = self.without_each()?;
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut tests: Vec<&Reach> = tests.iter().collect();
                    while let Some(deletion) = deletions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !self.is_noticed(deletion, &others, &mut tests) {
                            found
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .push(deletion.clone());
                        }
                    }
                });
            }
        });
        let mut survivors = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        survivors.sort();
        Ok(survivors)
    }

    /// Returns the tests with the lines that each reaches, the fastest first.
    fn reaches(&self) -> Result<Vec<Reach>, PolicyError> {
        let mut engine = self.engine(&self.bundle.rules)?;
        engine.set_enable_coverage(true);
        let mut reaches = Vec::new();
        for test in self.tests(&engine)? {
            engine.clear_coverage_data();
            let started = Instant::now();
            // What the test says does not matter here, only where it went.
            let _said = outcome(&mut engine, &test);
            let took = started.elapsed();
            let files = engine.get_coverage_report().map_err(unprepared)?.files;
            let lines = files.into_iter().map(|file| (file.path, file.covered)).collect();
            reaches.push(Reach { test, took, lines });
        }
        reaches.sort_by_key(|reach| reach.took);
        Ok(reaches)
    }

    /// For each file of rules, all that stands in the others: of what is not changed, nothing is read again.
    fn without_each(&self) -> Result<BTreeMap<String, Engine>, PolicyError> {
        let files = self.bundle.rules.keys();
        files
            .map(|file| {
                let mut others = self.bundle.rules.clone();
                others.remove(file);
                Ok((file.clone(), self.engine(&others)?))
            })
            .collect()
    }

    /// The tests that reach the place are asked first: as a rule one of them notices. That one is moved to the front, since
    /// it is likely to notice the next deletion too.
    fn is_noticed(&self, deletion: &Survivor, others: &BTreeMap<String, Engine>, tests: &mut [&Reach]) -> bool {
        let (Some(mut rego), Some(mut engine)) = (
            self.bundle.rules.get(&deletion.file).cloned(),
            others.get(&deletion.file).cloned(),
        ) else {
            return false;
        };
        let Some(end) = deletion.start.checked_add(deletion.text.len()) else {
            return false;
        };
        // What is deleted becomes a comment's worth of blanks, so that lines keep their numbers.
        rego.replace_range(deletion.start..end, &blank(&deletion.text));
        if engine.add_policy(deletion.file.clone(), rego).is_err() {
            return true;
        }
        let (near, far): (Vec<_>, Vec<_>) = tests.iter().enumerate().partition(|(_, test)| test.reaches(deletion));
        let mut asked = near.into_iter().chain(far);
        let noticed_by = asked.find(|(_, reach)| outcome(&mut engine, &reach.test).is_err());
        match noticed_by.map(|(at, _)| at) {
            Some(at) => {
                if let Some(upto) = tests.get_mut(..=at) {
                    upto.rotate_right(1);
                }
                true
            }
            None => false,
        }
    }

    fn deletions(&self, engine: &Engine, parts: Parts) -> Result<Vec<Survivor>, PolicyError> {
        let mut deletions = Vec::new();
        for module in modules(engine)? {
            let file = module
                .pointer("/source/file")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if let Some(rego) = self.bundle.rules.get(file) {
                let rules = module
                    .pointer("/ast/rules")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                for rule in rules {
                    let nodes = match parts {
                        Parts::Rules => rule.as_object().into_iter().flat_map(|rule| rule.values()).collect(),
                        Parts::Conditions => conditions(rule),
                    };
                    deletions.extend(nodes.into_iter().filter_map(|node| deletion(file, rego, node)));
                }
            }
        }
        Ok(deletions)
    }

    fn tests(&self, engine: &Engine) -> Result<BTreeSet<String>, PolicyError> {
        let mut tests = BTreeSet::new();
        for module in modules(engine)? {
            let file = module
                .pointer("/source/file")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let package = module
                .pointer("/ast/package/refr")
                .and_then(lint::path)
                .unwrap_or_default()
                .join(".");
            if self.bundle.tests.contains_key(file) {
                let names = lint::rule_names(module.pointer("/ast/rules").unwrap_or(&Value::Null));
                let names = names.into_iter().filter(|name| name.starts_with("test_"));
                tests.extend(names.map(|name| format!("data.{package}.{name}")));
            }
        }
        Ok(tests)
    }
}

fn modules(engine: &Engine) -> Result<Vec<Value>, PolicyError> {
    serde_json::from_str(&engine.get_ast_as_json().map_err(unprepared)?).map_err(unprepared)
}

/// Returns the conditions in a rule, at any depth.
fn conditions(node: &Value) -> Vec<&Value> {
    match node {
        Value::Array(items) => items.iter().flat_map(conditions).collect(),
        Value::Object(fields) => {
            let own = fields.get("stmts").and_then(Value::as_array).into_iter().flatten();
            own.chain(fields.values().flat_map(conditions)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn deletion(file: &str, rego: &str, node: &Value) -> Option<Survivor> {
    let span = node.get("span")?;
    let at = |key: &str| {
        span.get(key)
            .and_then(Value::as_u64)
            .and_then(|at| usize::try_from(at).ok())
    };
    let text = rego.get(at("start")?..at("end")?)?.to_owned();
    Some(Survivor {
        file: file.to_owned(),
        line: span.get("line")?.as_u64()?,
        text,
        start: at("start")?,
    })
}

fn blank(text: &str) -> String {
    text.chars()
        .map(|letter| if letter == '\n' { '\n' } else { ' ' })
        .collect()
}

fn outcome(engine: &mut Engine, test: &str) -> Result<(), String> {
    match engine.eval_rule(test.to_owned()) {
        Ok(regorus::Value::Bool(true)) => Ok(()),
        Ok(other) => Err(other.to_string()),
        Err(source) => Err(source.to_string()),
    }
}

fn unprepared(source: impl std::fmt::Display) -> PolicyError {
    PolicyError::Unprepared {
        message: source.to_string(),
    }
}
