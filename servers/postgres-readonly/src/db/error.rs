//! Everything that can go wrong between a call and the database, each with a stable code and one clear sentence.

use kit::ToolError;
use serde_json::json;

use super::Verdict;
use crate::wire::{ConnectError, ServerError, WireError};

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("no connection to {at} as role `{user}`")]
    Connect {
        at: String,
        user: String,
        database: String,
        #[source]
        source: ConnectError,
    },
    #[error("the server runs PostgreSQL {version}; 13 or newer is needed")]
    OldVersion { version: String },
    #[error("the exchange with the database ended early")]
    Wire(#[from] WireError),
    #[error("all connections to the database are in use by other calls")]
    Busy,
    /// A pooler may hand the session to somebody else before what was left in it is undone.
    #[error(
        "this leaves something in the server session until the call is over, and behind a pooler that session is shared"
    )]
    SharedSession,
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the database refused the statement: {0}")]
    Statement(ServerError),
    /// The role's rights could not be read, so it counts as one that can write.
    #[error("the rights of the role could not be proven: {0}")]
    Unproven(String),
    #[error("role `{}` can write", .0.role)]
    CanWrite(Box<Verdict>),
    #[error("a row of the catalog does not have the expected shape")]
    Shape(#[from] serde_json::Error),
}

impl DbError {
    /// Returns whether a fresh connection may do better.
    pub fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Wire(WireError::Lost(_) | WireError::Closed(_)))
    }

    /// Returns whether the server has no place for one more connection.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Connect { source: ConnectError::Refused(error), .. } if error.sqlstate == "53300")
    }
}

impl From<DbError> for ToolError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Connect {
                at,
                user,
                database,
                source,
            } => connect_error(&at, &user, &database, &source),
            DbError::OldVersion { .. } => Self::new("unsupported_version", error.to_string())
                .hint("PostgreSQL 12 and older get no fixes any more: upgrade the server"),
            DbError::Wire(WireError::Silent) => Self::new(
                "database_unreachable",
                "the database stopped answering; the connection was given up",
            )
            .retryable(),
            DbError::Wire(WireError::Protocol(_)) => Self::new(
                "protocol_error",
                format!("{}; the connection was given up", chain(&error)),
            )
            .retryable(),
            DbError::Wire(_) => Self::new("database_unreachable", chain(&error)).retryable(),
            DbError::Busy => Self::new("busy", error.to_string())
                .retryable()
                .hint("try again when another call has ended"),
            DbError::SharedSession => Self::new("shared_session", error.to_string())
                .hint("connect to the server itself; without $1 and hypothetical indexes plans are shown here too"),
            DbError::Cancelled => Self::new("cancelled", "the call was cancelled, and its statement with it"),
            DbError::Statement(source) => statement_error(&source),
            DbError::Unproven(_) => Self::new("role_unproven", error.to_string()).retryable(),
            DbError::CanWrite(verdict) => role_error(&verdict),
            DbError::Shape(_) => Self::new("internal", error.to_string()),
        }
    }
}

fn connect_error(at: &str, user: &str, database: &str, source: &ConnectError) -> ToolError {
    let failed = |code, message: String| ToolError::new(code, message);
    let login = |why: &str| {
        failed(
            "authentication_failed",
            format!("{at} does not let role `{user}` in: {why}"),
        )
    };
    match source {
        ConnectError::UnknownHost(error) => {
            failed("unknown_host", format!("the name in {at} cannot be resolved: {error}"))
                .retryable()
                .hint("check the host in the connection string, and the name service of this machine")
        }
        ConnectError::Unreachable(error) => {
            failed("database_unreachable", format!("the database at {at} does not answer: {error}"))
                .retryable()
                .hint("check host and port in the connection string, and whether the server runs and listens there")
        }
        ConnectError::Broken(error) => {
            failed("database_unreachable", format!("the database at {at} broke the connection off: {}", chain(error)))
                .retryable()
                .hint("the server's log says why; with none, look at what stands between: a pooler, a proxy, a firewall")
        }
        ConnectError::TlsRefused => failed("tls_failed", format!("{at} does not offer TLS"))
            .hint("TLS is verified off loopback; sslmode=disable is honoured on loopback only"),
        ConnectError::Tls(error) => failed("tls_failed", format!("no verified TLS connection to {at}: {error}"))
            .hint("name the CA file in the connection string: sslrootcert=/path/ca.pem"),
        ConnectError::NoPassword => login("it asks for a password and none is configured")
            .hint("put it into the connection string, a password_file, or the file PGPASSFILE names"),
        ConnectError::NoCredentials(why) => failed("authentication_failed", format!("no password for role `{user}` at {at}: {why}"))
            .hint("the target's `iam` or `token_command` makes the password each time a connection is opened"),
        ConnectError::PasswordInTheClear => login("it asks for the password in the clear, without TLS")
            .hint("add sslmode=verify-full to the connection string, or let pg_hba.conf ask for scram-sha-256"),
        ConnectError::UnknownMethod => login("it asks for an authentication method that is not supported (known: SCRAM-SHA-256, MD5, password over TLS)")
            .hint("let pg_hba.conf ask this role for scram-sha-256"),
        ConnectError::ServerNotProven => login("the server could not prove that it knows the password")
            .hint("check that this is the server that is meant, and not something that poses as it"),
        ConnectError::Refused(error) => match error.sqlstate.as_str() {
            "28P01" => login("the password is wrong").hint("check the connection string, PGPASSWORD or .pgpass; an IAM token is good for 15 minutes"),
            "28000" => login(&said(error))
                .hint("`postgres-readonly setup-sql` makes a role; pg_hba.conf must let it in from this host to this database"),
            "3D000" => failed("unknown_database", format!("{at} has no database `{database}`")).hint("name an existing database at the end of the connection string: postgres://user@host/database"),
            "42501" => failed("authentication_failed", format!("role `{user}` may not connect to database `{database}`"))
                .hint("the database's owner lets it in with GRANT CONNECT ON DATABASE"),
            "53300" => failed("too_many_connections", format!("{at} has no connection left for role `{user}`: {}", said(error)))
                .retryable()
                .hint("a running server keeps the connection that it has; from PostgreSQL 16 GRANT pg_use_reserved_connections keeps a place free"),
            "57P03" => failed("database_unreachable", format!("the database at {at} takes no connections now: {}", said(error)))
                .retryable()
                .hint("it is starting, stopping or recovering: try again in some seconds"),
            _ => failed("connection_refused", format!("{at} refused the connection: {error}")).hint("the server's log says more"),
        },
    }
}

fn statement_error(error: &ServerError) -> ToolError {
    let (code, hint): (_, Option<&str>) = match error.sqlstate.as_str() {
        "57014" => (
            "statement_timeout",
            Some("narrow the statement: it ran longer than this server lets any statement run"),
        ),
        "55P03" => (
            "lock_timeout",
            Some("a lock is held on something that it reads: see `blocking_tree`"),
        ),
        "42501" => ("permission_denied", Some("this server's role may not read that")),
        "25006" => ("read_only_violation", Some("nothing can be written here")),
        "42P01" => (
            "sql_error",
            Some("no schema of the role's search_path has it: write schema.table, or look with the tool `schema`"),
        ),
        "42883" | "42704" => (
            "sql_error",
            Some(
                "operators and functions of a schema with code that cannot be judged need the schema: schema.f(x), a OPERATOR(schema.@) b",
            ),
        ),
        "53200" | "53100" | "54000" | "54001" => ("out_of_resources", Some("ask for less")),
        _ => ("sql_error", None),
    };
    let mut refusal = ToolError::new(code, said(error)).data(json!({"sqlstate": error.sqlstate}));
    refusal.retryable = matches!(code, "statement_timeout" | "lock_timeout");
    refusal.hint = hint
        .map(str::to_owned)
        .or_else(|| error.hint.as_deref().map(|hint| kit::text::clean(hint, 400)));
    refusal
}

fn role_error(verdict: &Verdict) -> ToolError {
    let mut shown: Vec<&str> = verdict
        .findings
        .iter()
        .take(5)
        .map(|finding| finding.privilege.as_str())
        .collect();
    let more = format!("{} more", verdict.findings_total.saturating_sub(shown.len()));
    if verdict.findings_total > shown.len() {
        shown.push(&more);
    }
    let mend: Vec<&str> = verdict.findings.iter().map(|finding| finding.mend.as_str()).collect();
    let privileges: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.privilege.as_str())
        .collect();
    ToolError::new("role_can_write", format!("role `{}` can do more than read: {}", verdict.role, shown.join("; ")))
        .hint("run the statements in `mend`, or make a role with `postgres-readonly setup-sql`; --allow-privileged-role accepts this role and keeps every other guard")
        .data(json!({"privileges": privileges, "mend": mend, "findings_total": verdict.findings_total}))
}

fn said(error: &ServerError) -> String {
    kit::text::clean(&error.message, 600)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
