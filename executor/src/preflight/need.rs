//! What a statement of a plan needs: read off its words. The catalog renders few kinds of statements, each in one spelling;
//! whatever else comes is `Unknown`, and said to be.

use std::collections::BTreeMap;

use runbooks::{ParameterSpec, ParameterType};

use super::locks::{self, Lock};

/// What a statement needs to be allowed, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// `countersign.cancel_backend`, `countersign.terminate_backend`: of this session, or of this role's sessions.
    Signal { pid: Option<i32>, role: Option<String> },
    /// `ALTER ROLE … CONNECTION LIMIT`, or `… SET` and `RESET` of a setting.
    AlterRole { role: String, setting: Option<String> },
    /// Work on a table, or on an index and with it on its table.
    Relation {
        name: Name,
        right: Right,
        lock: &'static Lock,
    },
    /// `pg_drop_replication_slot`
    DropSlot,
    /// Nothing is known of it here.
    Unknown,
}

/// A relation's name, each part as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: String,
    pub(super) relation: String,
}

/// Who may do it to a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// The owner, the database's owner, or who has MAINTAIN.
    Vacuum,
    /// The owner, or who has MAINTAIN.
    Reindex,
    /// The owner, or the schema's owner.
    Drop,
}

impl Need {
    pub(super) fn of(statement: &str) -> Self {
        let words = words(statement);
        read(&words).unwrap_or(Self::Unknown)
    }
}

/// What a statement leaves behind in the catalogs, by the name that it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    /// A role's CONNECTION LIMIT.
    Limit { role: String },
    /// A setting of a role, in all databases.
    Setting { role: String, setting: String },
    /// An index, which is gone.
    Index { schema: String, index: String },
    /// A slot, which is gone.
    Slot { slot: String },
    /// Sessions that were ended.
    Sessions,
}

impl Trace {
    /// `None`: it leaves nothing, or it is not known here what, and then whatever it leaves is beyond the plan.
    pub(crate) fn of(statement: &str) -> Option<Self> {
        let words = words(statement);
        match read(&words)? {
            Need::AlterRole { role, setting: None } => Some(Self::Limit { role }),
            Need::AlterRole {
                role,
                setting: Some(setting),
            } => Some(Self::Setting { role, setting }),
            Need::Relation {
                name,
                right: Right::Drop,
                ..
            } => Some(Self::Index {
                schema: name.schema,
                index: name.relation,
            }),
            Need::DropSlot => match pinned(&words, "slot_name")? {
                Word::Text(slot) => Some(Self::Slot { slot: slot.clone() }),
                Word::Plain(_) | Word::Quoted(_) | Word::Number(_) | Word::Sign(_) => None,
            },
            Need::Signal { .. } => words
                .iter()
                .any(|word| word.is("terminate_backend"))
                .then_some(Self::Sessions),
            Need::Relation { .. } | Need::Unknown => None,
        }
    }
}

/// Puts an example in each place of a runbook's statement, of the kind that its parameter has.
pub(super) fn statement_with_examples(template: &str, parameters: &BTreeMap<String, ParameterSpec>) -> String {
    let mut statement = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (place, behind) = after.split_once('}').unwrap_or((after, ""));
        statement.push_str(before);
        let (name, literal) = match place.split_once(':') {
            Some((name, _)) => (name, true),
            None => (place, false),
        };
        statement.push_str(match parameters.get(name).map(|spec| spec.kind) {
            Some(kind) if !literal && is_identifier(kind) => "example",
            Some(kind) if !literal && is_number(kind) => "1",
            Some(_) | None => "'example'",
        });
        rest = behind;
    }
    statement.push_str(rest);
    statement
}

fn is_identifier(kind: ParameterType) -> bool {
    matches!(
        kind,
        ParameterType::Role
            | ParameterType::Database
            | ParameterType::Schema
            | ParameterType::Relation
            | ParameterType::Index
    )
}

fn is_number(kind: ParameterType) -> bool {
    matches!(
        kind,
        ParameterType::BackendPid
            | ParameterType::DurationS
            | ParameterType::Count
            | ParameterType::ConnectionLimit
            | ParameterType::SizeBytes
            | ParameterType::SizeKb
            | ParameterType::Percent
    )
}

fn read(words: &[Word]) -> Option<Need> {
    let (first, rest) = words.split_first()?;
    match first.keyword()?.as_str() {
        "alter" => alter_role(rest),
        "vacuum" => vacuum(rest),
        "analyze" => on_relation(skip_options(rest).1, Right::Vacuum, &locks::VACUUM),
        "reindex" => reindex(rest),
        "drop" => drop_index(rest),
        "select" => call(rest),
        _ => None,
    }
}

fn alter_role(words: &[Word]) -> Option<Need> {
    let [role_word, role, rest @ ..] = words else {
        return None;
    };
    if !role_word.is("role") {
        return None;
    }
    let rest = skip(rest, "with").1;
    let setting = match rest {
        [a, b, ..] if a.is("connection") && b.is("limit") => None,
        [a, setting, ..] if a.is("set") || a.is("reset") => Some(setting.name()?.to_owned()),
        _ => return None,
    };
    Some(Need::AlterRole {
        role: role.name()?.to_owned(),
        setting,
    })
}

fn vacuum(words: &[Word]) -> Option<Need> {
    let (options, rest) = skip_options(words);
    let full = options.iter().any(|word| word.is("full"));
    let lock = if full { &locks::VACUUM_FULL } else { &locks::VACUUM };
    on_relation(rest, Right::Vacuum, lock)
}

fn reindex(words: &[Word]) -> Option<Need> {
    let (options, rest) = skip_options(words);
    let (kind, rest) = rest.split_first()?;
    if !(kind.is("index") || kind.is("table")) {
        return None;
    }
    let (concurrently, rest) = skip(rest, "concurrently");
    let lock = if concurrently || options.iter().any(|word| word.is("concurrently")) {
        &locks::CONCURRENTLY
    } else {
        &locks::REINDEX
    };
    on_relation(rest, Right::Reindex, lock)
}

fn drop_index(words: &[Word]) -> Option<Need> {
    let (kind, rest) = words.split_first()?;
    if !kind.is("index") {
        return None;
    }
    let (concurrently, rest) = skip(rest, "concurrently");
    let lock = if concurrently {
        &locks::CONCURRENTLY
    } else {
        &locks::DROP_INDEX
    };
    on_relation(skip(skip(rest, "if").1, "exists").1, Right::Drop, lock)
}

fn on_relation(words: &[Word], right: Right, lock: &'static Lock) -> Option<Need> {
    // The session's search_path is `pg_catalog`: a name without a schema is none of ours.
    let [schema, Word::Sign('.'), relation, rest @ ..] = words else {
        return None;
    };
    // Behind the columns, if any are named, a second relation would go unseen.
    if skip_options(rest).1.contains(&Word::Sign(',')) {
        return None;
    }
    let name = Name {
        schema: schema.name()?.to_owned(),
        relation: relation.name()?.to_owned(),
    };
    Some(Need::Relation { name, right, lock })
}

fn call(words: &[Word]) -> Option<Need> {
    let [schema, Word::Sign('.'), function, Word::Sign('('), rest @ ..] = words else {
        return None;
    };
    match (schema.name()?, function.name()?) {
        ("pg_catalog", "pg_drop_replication_slot") => Some(Need::DropSlot),
        ("countersign", "terminate_backend" | "cancel_backend") => {
            let pid = pinned(rest, "pid").and_then(|value| match value {
                Word::Number(number) => number.parse().ok(),
                Word::Plain(_) | Word::Quoted(_) | Word::Text(_) | Word::Sign(_) => None,
            });
            let role = pinned(rest, "usename").and_then(|value| match value {
                Word::Text(text) => Some(text.clone()),
                Word::Plain(_) | Word::Quoted(_) | Word::Number(_) | Word::Sign(_) => None,
            });
            // With neither it is unknown whom it reaches.
            (pid.is_some() || role.is_some()).then_some(Need::Signal { pid, role })
        }
        _ => None,
    }
}

/// What stands behind `column =`.
fn pinned<'a>(words: &'a [Word], column: &str) -> Option<&'a Word> {
    words.windows(3).find_map(|three| match three {
        [name, Word::Sign('='), value] if name.is(column) => Some(value),
        _ => None,
    })
}

fn skip<'a>(words: &'a [Word], keyword: &str) -> (bool, &'a [Word]) {
    match words.split_first() {
        Some((first, rest)) if first.is(keyword) => (true, rest),
        _ => (false, words),
    }
}

/// Options in parentheses, and what follows them.
fn skip_options(words: &[Word]) -> (&[Word], &[Word]) {
    if words.first() != Some(&Word::Sign('(')) {
        return (&[], words);
    }
    match words.iter().position(|word| *word == Word::Sign(')')) {
        Some(end) => {
            let (options, rest) = words.split_at(end);
            (options, rest.get(1..).unwrap_or_default())
        }
        None => (&[], words),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Not quoted, in lower case: a keyword or a name.
    Plain(String),
    /// A name in double quotes.
    Quoted(String),
    Text(String),
    Number(String),
    Sign(char),
}

impl Word {
    fn keyword(&self) -> Option<&String> {
        match self {
            Self::Plain(word) => Some(word),
            Self::Quoted(_) | Self::Text(_) | Self::Number(_) | Self::Sign(_) => None,
        }
    }

    fn is(&self, keyword: &str) -> bool {
        self.keyword().is_some_and(|word| word == keyword)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Plain(name) | Self::Quoted(name) => Some(name),
            Self::Text(_) | Self::Number(_) | Self::Sign(_) => None,
        }
    }
}

fn words(statement: &str) -> Vec<Word> {
    let mut rest = statement.chars().peekable();
    let mut words = Vec::new();
    while let Some(first) = rest.next() {
        match first {
            blank if blank.is_whitespace() => {}
            '"' => words.push(Word::Quoted(until(&mut rest, '"'))),
            '\'' => words.push(Word::Text(until(&mut rest, '\''))),
            digit if digit.is_ascii_digit() => words.push(Word::Number(run(digit, &mut rest))),
            letter if letter.is_alphanumeric() || letter == '_' => {
                words.push(Word::Plain(run(letter, &mut rest).to_lowercase()));
            }
            sign => words.push(Word::Sign(sign)),
        }
    }
    words
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn run(first: char, rest: &mut Rest<'_>) -> String {
    let mut word = first.to_string();
    while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || matches!(next, '_' | '$')) {
        word.push(next);
    }
    word
}

/// Up to the closing mark; doubled, the mark is one of the text.
fn until(rest: &mut Rest<'_>, mark: char) -> String {
    let mut text = String::new();
    while let Some(next) = rest.next() {
        if next != mark || rest.next_if_eq(&mark).is_some() {
            text.push(next);
        } else {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::path::Path;

    use runbooks::Catalog;

    use super::*;

    fn relation(statement: &str) -> (String, Right, &'static Lock) {
        let relation = match Need::of(statement) {
            Need::Relation { name, right, lock } => Some((format!("{}|{}", name.schema, name.relation), right, lock)),
            Need::Signal { .. } | Need::AlterRole { .. } | Need::DropSlot | Need::Unknown => None,
        };
        relation.unwrap()
    }

    #[test]
    fn names_are_read_as_the_catalog_has_them() {
        let (name, ..) = relation("VACUUM (FREEZE, INDEX_CLEANUP off) \"Odd \"\"x\".Items");
        assert_eq!(name, "Odd \"x|items");
        let need = Need::of("ALTER ROLE \"connection limit\" SET work_mem = 64");
        let role = "connection limit".to_owned();
        let setting = Some("work_mem".to_owned());
        assert_eq!(need, Need::AlterRole { role, setting });
    }

    #[test]
    fn a_lock_goes_with_how_it_is_done() {
        assert_eq!(relation("ANALYZE s.t").2, &locks::VACUUM);
        assert_eq!(relation("ANALYZE s.t (x, y)").2, &locks::VACUUM);
        assert_eq!(relation("VACUUM (FULL) s.t").2, &locks::VACUUM_FULL);
        assert_eq!(
            relation("DROP INDEX CONCURRENTLY IF EXISTS s.i").2,
            &locks::CONCURRENTLY
        );
        assert_eq!(relation("DROP INDEX s.i").2, &locks::DROP_INDEX);
        assert_eq!(relation("REINDEX INDEX CONCURRENTLY s.i").2, &locks::CONCURRENTLY);
        assert_eq!(relation("REINDEX (VERBOSE) TABLE s.t").2, &locks::REINDEX);
    }

    #[test]
    fn a_value_that_looks_like_a_guard_is_only_text() {
        let need = Need::of(
            "SELECT countersign.cancel_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a \
             WHERE a.application_name = 'a.pid = 1' AND a.usename = 'o''hara' AND a.pid = 42",
        );
        let role = Some("o'hara".to_owned());
        assert_eq!(need, Need::Signal { pid: Some(42), role });
    }

    #[test]
    fn what_is_not_known_is_said_to_be() {
        for statement in [
            "",
            "ALTER SYSTEM SET work_mem = 1",
            "VACUUM",
            "VACUUM items",
            "VACUUM s.a, s.b",
            "ANALYZE s.a (x), s.b (y)",
            "SELECT terminate_backend(1, '2026-11-23')",
            "SELECT countersign.cancel_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a",
            "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE a.pid = 1",
            "ALTER ROLE a RENAME TO b",
        ] {
            assert_eq!(Need::of(statement), Need::Unknown, "{statement}");
        }
    }

    /// The fixtures hold what the catalog renders, in its spelling.
    #[test]
    fn every_statement_of_the_shipped_catalog_is_known() {
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks/catalog");
        let mut seen = 0;
        for runbook in Catalog::shipped().unwrap().iter() {
            let rendered = catalog.join(&runbook.document().id).join("fixtures/typical.sql");
            let mut effect = false;
            for line in std::fs::read_to_string(rendered).unwrap().lines() {
                if line.starts_with("-- step ") || line.starts_with("--   undo ") {
                    effect = true;
                } else if effect && !line.starts_with("--") && !line.is_empty() {
                    effect = false;
                    seen += 1;
                    assert_ne!(Need::of(line), Need::Unknown, "{line}");
                }
            }
        }
        assert!(seen >= 20, "{seen} statements");
    }
}
