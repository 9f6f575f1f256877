//! A caller's own query, proven from its text to read nothing but allowed log groups. What is sent is rendered from what
//! was parsed, so nothing reaches AWS that was not judged. Each part is allowed because it is known; nothing is searched
//! for what is forbidden.

mod functions;
mod insights_ql;
mod lex;
mod piped;
mod ppl;
mod sql;

use kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scope::{AllowedGroup, Scope};

/// As many rows as a query may ask for.
pub const MAX_ROWS: u32 = 500;
/// As long as AWS takes.
const MAX_CHARS: usize = 10_000;

/// The three languages that StartQuery takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    LogsInsights,
    Sql,
    Ppl,
}

/// A query that reads these groups and no others, as far as its text says. Made only by [`FreeQuery::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeQuery {
    language: Language,
    groups: Vec<AllowedGroup>,
    text: String,
    selecting: String,
    reads: u32,
    max_rows: u32,
}

impl FreeQuery {
    /// Parses `text`, which may read `names` and nothing else; returns at most `max_rows` rows when it runs.
    ///
    /// Errors are `outside_allow_list` and `query_refused`, each with what is wrong and where.
    pub fn parse(
        language: Language,
        text: &str,
        names: &[String],
        max_rows: u32,
        scope: &Scope,
    ) -> Result<Self, ToolError> {
        let groups = scope.allow_each(names)?;
        if text.chars().count() > MAX_CHARS {
            return Err(refuse(format!("the query is longer than {MAX_CHARS} characters")));
        }
        let max_rows = max_rows.min(MAX_ROWS);
        let parsed = match language {
            Language::LogsInsights => insights_ql::parse(text, max_rows)?,
            Language::Sql => sql::parse(text, &groups, max_rows)?,
            Language::Ppl => ppl::parse(text, &groups, max_rows)?,
        };
        Ok(Self {
            language,
            groups,
            text: parsed.text,
            selecting: parsed.selecting,
            reads: parsed.reads,
            max_rows: parsed.max_rows,
        })
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn groups(&self) -> &[AllowedGroup] {
        &self.groups
    }

    /// What is sent to AWS.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part, in Logs Insights QL, that decides how much is scanned.
    pub fn selecting(&self) -> &str {
        &self.selecting
    }

    /// How many times the groups may be read: a join reads more than once.
    pub fn reads(&self) -> u32 {
        self.reads
    }

    /// How many rows it asks for.
    pub fn max_rows(&self) -> u32 {
        self.max_rows
    }
}

/// What a language's parser has proven.
struct Parsed {
    text: String,
    selecting: String,
    reads: u32,
    max_rows: u32,
}

fn refuse(reason: impl Into<String>) -> ToolError {
    ToolError::new("query_refused", reason)
        .hint("only what is known to stay within the allowed log groups and the budget is run")
}

fn refuse_at(at: usize, reason: impl std::fmt::Display) -> ToolError {
    refuse(format!("at character {at}: {reason}"))
}

/// A row count as a caller may write it.
fn row_count(digits: &str, at: usize) -> Result<u32, ToolError> {
    match digits.parse::<u32>() {
        Ok(rows) if (1..=MAX_ROWS).contains(&rows) => Ok(rows),
        _ => Err(refuse_at(
            at,
            format!("`{digits}` rows; from 1 to {MAX_ROWS} are allowed"),
        )),
    }
}

/// A source that a text names must be one that the argument names.
fn check_source(name: &str, at: usize, groups: &[AllowedGroup]) -> Result<(), ToolError> {
    if groups.iter().any(|group| group.name() == name) {
        return Ok(());
    }
    let named: Vec<String> = groups.iter().map(|group| format!("`{}`", group.name())).collect();
    Err(ToolError::new(
        "outside_allow_list",
        format!(
            "at character {at}: the query reads `{}`, which is not one of `log_groups`",
            kit::text::clean(name, 100)
        ),
    )
    .hint(format!(
        "`log_groups` names {}; write the names exactly so",
        named.join(", ")
    )))
}
