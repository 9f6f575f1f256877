//! Why a statement is not run, and what may be run instead.

use kit::ToolError;
use serde_json::json;

use crate::db::DbError;

/// What the guard found. The code says what kind of thing; the message names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Text(sql_facts::ParseError),
    #[error("it lists some {0} items, more than 8000")]
    Items(usize),
    #[error("`{0}` is not a read")]
    Kind(String),
    #[error("`{0}` stands inside the statement")]
    Nested(String),
    #[error("it locks rows (FOR UPDATE, FOR SHARE)")]
    RowLock,
    #[error("it writes `{0}`")]
    Writes(String),
    #[error("EXPLAIN with option `{0}`")]
    ExplainOption(String),
    #[error("the syntax node `{0}` is not among those that are known to be harmless")]
    Node(String),
    #[error("{0}")]
    Opaque(String),
    #[error("function `{name}`: {why}")]
    Function { name: String, why: String },
    #[error("type `{name}`: {why}")]
    Type { name: String, why: String },
    #[error("relation `{name}`: {why}")]
    Relation { name: String, why: String },
    #[error("{0}")]
    Tied(String),
    #[error("too many views, policies and names hang on it to judge them all")]
    TooMuch,
}

/// Why a statement was not admitted: it was judged, or it could not be.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error("{refusal}{}", .through.as_ref().map(|view| format!(" (through `{view}`)")).unwrap_or_default())]
    Refused { refusal: Refusal, through: Option<String> },
    #[error(transparent)]
    Unknown(Box<DbError>),
}

impl From<DbError> for NotAdmitted {
    fn from(error: DbError) -> Self {
        Self::Unknown(Box::new(error))
    }
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Text(error) => error.code(),
            Self::Items(_) => "statement_too_complex",
            Self::Kind(_) => "kind",
            Self::Nested(_) => "nested_statement",
            Self::RowLock => "row_lock",
            Self::Writes(_) => "writes",
            Self::ExplainOption(_) => "explain_option",
            Self::Node(_) => "syntax",
            Self::Opaque(_) => "opaque",
            Self::Function { .. } => "function",
            Self::Type { .. } => "type",
            Self::Relation { .. } => "relation",
            Self::Tied(_) => "tied_code",
            Self::TooMuch => "too_much",
        }
    }

    fn allowed(&self) -> &'static str {
        match self {
            Self::Text(_) => "exactly one statement that PostgreSQL's grammar accepts, at most 64 KiB",
            Self::Items(_)
            | Self::Kind(_)
            | Self::Nested(_)
            | Self::Writes(_)
            | Self::RowLock
            | Self::Node(_)
            | Self::Opaque(_)
            | Self::TooMuch => {
                "one SELECT, VALUES, TABLE, SHOW, or EXPLAIN, with nothing inside but further SELECTs; \
                 EXPLAIN without ANALYZE may stand before INSERT, UPDATE, DELETE and MERGE"
            }
            Self::ExplainOption(_) => {
                "EXPLAIN with ANALYZE (of a SELECT), VERBOSE, COSTS, BUFFERS, SETTINGS, SUMMARY, TIMING, WAL, SERIALIZE, GENERIC_PLAN, MEMORY, FORMAT"
            }
            Self::Function { .. } => {
                "built-in and extension functions that observe or compute, and functions in SQL whose bodies do nothing else; \
                 the operator may vouch for one with --known-function"
            }
            Self::Type { .. } => {
                "built-in types, extension types, enums, and types whose checks and casts compute only"
            }
            Self::Tied(_) => "the same statement once a superuser has dropped what is named",
            Self::Relation { .. } => {
                "tables, sequences, materialized views, catalogs, and views over what is itself allowed"
            }
        }
    }
}

impl From<NotAdmitted> for ToolError {
    fn from(not: NotAdmitted) -> Self {
        match not {
            NotAdmitted::Unknown(error) => (*error).into(),
            NotAdmitted::Refused { ref refusal, .. } => {
                // Names in the message are the caller's, or the database's, own text.
                let message = kit::text::clean(&not.to_string(), 400);
                Self::new("statement_refused", message)
                    .hint(format!("allowed: {}", refusal.allowed()))
                    .data(json!({"reason": refusal.code()}))
            }
        }
    }
}
