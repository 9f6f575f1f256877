//! The proof that a role is harmless, taken on every new connection before anything else is read over it.

use serde::{Deserialize, Serialize};

/// What the connected role may do beyond reading. Harmless means: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub role: String,
    /// At most as many as queries/role.sql returns; `findings_total` counts all.
    pub findings: Vec<Finding>,
    pub findings_total: usize,
    /// Other roles' sessions show their state and statement (pg_read_all_stats, part of pg_monitor).
    pub sees_all_sessions: bool,
    /// The schemas that the role's own search_path finds and may use, in its order; pg_catalog comes before them unless it
    /// is among them.
    pub search_path: Vec<String>,
    /// The way to the server leads through a pooler in transaction mode.
    pub pooled: bool,
    /// The role may cap the temporary files of its own statements, and they are capped.
    pub caps_temp_files: bool,
    /// Nothing caps the temporary files of this role's statements.
    pub temp_files_are_unlimited: bool,
}

/// One right that a reader does not need, and the statement that takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub privilege: String,
    pub mend: String,
}

/// One row of queries/role.sql. The role's own facts stand in each; a role without findings has one row without one.
#[derive(Debug, Deserialize)]
pub struct Row {
    current_role: String,
    sees_all_sessions: bool,
    privilege: Option<String>,
    mend: Option<String>,
    findings_total: usize,
}

impl Verdict {
    pub const SQL: &'static str = include_str!("../queries/role.sql");

    /// Returns the verdict that the rows prove; no rows prove nothing.
    pub fn of(rows: Vec<Row>) -> Option<Self> {
        let first = rows.first()?;
        let (role, findings_total) = (first.current_role.clone(), first.findings_total);
        let sees_all_sessions = first.sees_all_sessions;
        let findings: Vec<Finding> = rows
            .into_iter()
            .filter_map(|row| {
                Some(Finding {
                    privilege: row.privilege?,
                    mend: row.mend.unwrap_or_default(),
                })
            })
            .collect();
        // A count without rows, or the other way round, is not a proof of anything.
        (findings.is_empty() == (findings_total == 0)).then_some(Self {
            role,
            findings,
            findings_total,
            sees_all_sessions,
            ..Self::default()
        })
    }

    pub fn is_harmless(&self) -> bool {
        self.findings_total == 0
    }

    /// Returns what the operator should know, with the statement that mends it.
    pub fn advice(&self) -> Vec<String> {
        let name = format!("\"{}\"", self.role.replace('"', "\"\""));
        let unlimited = self.temp_files_are_unlimited.then(|| {
            format!(
                "nothing caps the temporary files of this role's statements: as a superuser, ALTER ROLE {name} SET temp_file_limit = '1GB';"
            )
        });
        let pooled = self.pooled.then(|| {
            "connections go through a pooler: every setting is made inside each transaction, and nothing is reset after it"
                .to_owned()
        });
        unlimited.into_iter().chain(pooled).collect()
    }

    /// Returns what every result over this role must say.
    pub fn warning(&self) -> Option<String> {
        let privileged = (!self.is_harmless()).then(|| {
            format!(
                "role `{}` can do more than read; only this server's own guards stand between a call and a write",
                self.role
            )
        });
        let blind = (!self.sees_all_sessions).then(|| {
            format!(
                "role `{}` is no member of pg_monitor: the state and statements of other roles' sessions are hidden",
                self.role
            )
        });
        let all: Vec<String> = privileged.into_iter().chain(blind).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
