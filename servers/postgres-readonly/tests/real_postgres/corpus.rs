//! The statements of corpus/*.sql: one line each, in categories, with a few words that are filled in.

use std::fmt::Write;

pub const TRAPS: &str = include_str!("corpus/traps.sql");
/// Code tied to built-in types, which few statements can meet.
pub const TIES: &str = include_str!("corpus/ties.sql");
const HOSTILE: &str = include_str!("corpus/hostile.sql");
const LEGITIMATE: &str = include_str!("corpus/legitimate.sql");

/// What only a credential, a server file or a protected object could have told: a password, the same in hexadecimal, a
/// line of /etc/passwd, a stored password.
pub const SECRETS: [&str; 4] = ["swordfish", "73776f726466697368", "root:x:0", "SCRAM-SHA-256$"];

#[derive(Debug, Clone)]
pub struct Statement {
    pub category: &'static str,
    /// The line as it stands in the file, which names the statement.
    pub line: &'static str,
    /// Whether it can be sent where nothing guards.
    pub unguarded: bool,
}

/// What is filled in.
#[derive(Debug, Clone)]
pub struct Places {
    pub pid: i32,
    pub sleeper: i32,
    pub port: u16,
    pub folder: String,
}

pub fn hostile() -> Vec<Statement> {
    read(HOSTILE)
}

pub fn legitimate() -> Vec<Statement> {
    read(LEGITIMATE)
}

fn read(file: &'static str) -> Vec<Statement> {
    let mut category = "";
    let mut statements = Vec::new();
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("--# ") {
            category = name;
        } else if !line.is_empty() && !category.is_empty() {
            statements.push(Statement {
                category,
                line: line.strip_prefix('!').unwrap_or(line),
                unguarded: !line.starts_with('!'),
            });
        }
    }
    statements
}

impl Places {
    /// Returns the statement that a line of a corpus stands for.
    pub fn fill(&self, line: &str) -> String {
        let mut text = line
            .replace("@PID@", &self.pid.to_string())
            .replace("@SLEEPER@", &self.sleeper.to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@DIR@", &self.folder)
            .replace("@NL@", "\n")
            .replace("@TAB@", "\t")
            .replace("@NUL@", "\0");
        while let Some((before, count, repeated, after)) = repeat_in(&text) {
            let mut longer = String::with_capacity(before.len() + count * repeated.len() + after.len());
            write!(longer, "{before}{}{after}", repeated.repeat(count)).unwrap();
            text = longer;
        }
        while let Some((before, rest)) = text.split_once("@U+") {
            let (code, after) = rest.split_once('@').unwrap();
            let character = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
            text = format!("{before}{character}{after}");
        }
        text
    }
}

fn repeat_in(text: &str) -> Option<(&str, usize, &str, &str)> {
    let (before, rest) = text.split_once("@REPEAT ")?;
    let (count, rest) = rest.split_once('|')?;
    let (repeated, after) = rest.split_once('@')?;
    Some((before, count.parse().unwrap(), repeated, after))
}
