//! `executor doctor`: whether the role can do what the catalog's runbooks need, and nothing else. It looks, and no more.

use std::collections::BTreeSet;
use std::fmt;

use runbooks::{Catalog, Digest};
use serde::Serialize;

use super::facts::{Me, Setting, get};
use super::look::Look;
use super::need::{Need, statement_with_examples};
use super::{Desk, not_asked};
use crate::config::TargetConfig;
use crate::credentials::LookingCredential;
use crate::outcome::Exit;
use crate::setup_sql::{signal_body, signals_sql};
use crate::target::TargetError;

/// What was found at one target.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    pub(crate) target: String,
    /// The executor's role there; empty if nothing could be asked.
    pub(crate) role: String,
    pub(crate) findings: Vec<Ill>,
    /// How many there are; more than these are left out.
    pub(crate) total: usize,
}

/// One thing that is not as it should be, and the statement that mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ill {
    /// Stable: `missing_privilege`, `excess_privilege`, `function_changed`, `acts_as_owner`, `owner_out_of_reach`, or why
    /// nothing could be asked.
    pub(crate) code: String,
    pub(crate) message: String,
    /// An administrator reads it, and runs it there.
    pub(crate) mend: Option<String>,
    /// Whether the role must not be used so.
    pub(crate) fails: bool,
}

/// What the steps of the runbooks in question need.
#[derive(Debug, Default)]
struct Needs {
    kinds: BTreeSet<&'static str>,
    settings: BTreeSet<String>,
    /// Statements of which it is not known.
    unknown: BTreeSet<String>,
}

impl Desk {
    /// Examines the targets, or the one of that name; `only` names the runbooks that are used there, or none for all.
    ///
    /// # Errors
    /// With what the configuration or the catalog does not have.
    pub(crate) async fn examine(&self, target: Option<&str>, only: &[String]) -> Result<Vec<Diagnosis>, String> {
        let needs = Needs::of(&self.catalog, only)?;
        let targets: Vec<_> = match target {
            None => self.config.targets.iter().collect(),
            Some(name) => vec![
                self.config
                    .target(name)
                    .ok_or_else(|| format!("the configuration has no target `{name}`"))?,
            ],
        };
        let mut all = Vec::new();
        for target in targets {
            all.push(examine(target, &needs).await);
        }
        Ok(all)
    }
}

async fn examine(target: &TargetConfig, needs: &Needs) -> Diagnosis {
    let mut found = Diagnosis {
        target: target.target.name.clone(),
        role: String::new(),
        findings: Vec::new(),
        total: 0,
    };
    match LookingCredential::to_examine(target).await {
        Ok(credential) => {
            if let Err(error) = look_at(target, &credential, needs, &mut found).await {
                let finding = not_asked(&error);
                found.findings.push(Ill::fails(&finding.code, finding.message, None));
            }
        }
        Err(error) => found
            .findings
            .push(Ill::fails(error.code(), crate::chain(&error), None)),
    }
    found.total = found.total.max(found.findings.len());
    found
}

async fn look_at(
    target: &TargetConfig,
    credential: &LookingCredential,
    needs: &Needs,
    found: &mut Diagnosis,
) -> Result<(), TargetError> {
    let nothing = Digest::of(b"doctor");
    let look = Look::connect(credential, &target.target, &nothing).await?;
    found.role = look
        .rows(CURRENT_ROLE, &[])
        .await?
        .first()
        .map(|row| get(row, 0))
        .transpose()?
        .unwrap_or_default();
    let role = found.role.clone();
    let marked = match look.identity(&nothing).await {
        Ok(Ok(())) => true,
        Ok(Err(cause)) => {
            let elsewhere = cause.code == "wrong_system";
            found.findings.push(Ill::fails(&cause.code, cause.message, None));
            if elsewhere {
                // Another database's rights would mean nothing.
                return Ok(());
            }
            false
        }
        Err(error @ TargetError::Sql { .. }) => {
            let mend = format!(
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO {role}; GRANT USAGE ON SCHEMA countersign TO {role}; \
                 GRANT SELECT, INSERT ON countersign.executed_steps TO {role};"
            );
            found
                .findings
                .push(Ill::fails("missing_privilege", error.to_string(), Some(mend)));
            false
        }
        Err(error) => return Err(error),
    };
    excess(&look, needs, found).await?;
    if marked {
        let me = Me::ask(&look).await?;
        lacking(&look, &me, needs, found).await?;
    }
    for statement in &needs.unknown {
        let message =
            format!("what this statement of the catalog needs is not known here, and was not checked: {statement}");
        found.findings.push(Ill::warns("privilege_unknown", message, None));
    }
    Ok(())
}

async fn excess(look: &Look<'_>, needs: &Needs, found: &mut Diagnosis) -> Result<(), TargetError> {
    let rows = look.rows(EXCESS, &[]).await?;
    let mut shown = 0;
    for row in &rows {
        let need: Option<String> = get(row, 0)?;
        let (what, mend): (String, String) = (get(row, 1)?, get(row, 2)?);
        if need.as_deref().is_some_and(|need| needs.kinds.contains(need)) {
            if what.ends_with("which owns tables") {
                let message = format!("{what}: the role may do all that the owner may, reading and deleting included");
                found.findings.push(Ill::warns("acts_as_owner", message, None));
            }
            continue;
        }
        shown += 1;
        if shown <= MAX_EXCESS {
            found.findings.push(Ill::fails("excess_privilege", what, Some(mend)));
        }
    }
    let all: i32 = rows.first().map(|row| get(row, 3)).transpose()?.unwrap_or_default();
    let cut = usize::try_from(all).unwrap_or_default().saturating_sub(rows.len());
    found.total = found.findings.len() + cut + shown.saturating_sub(MAX_EXCESS);
    // From PostgreSQL 15.
    let version: i32 = match look.rows(VERSION, &[]).await?.first() {
        Some(row) => get(row, 0)?,
        None => 0,
    };
    if version < 150_000 {
        return Ok(());
    }
    for row in look.rows(PARAMETERS, &[]).await? {
        let (parameter, privilege, grantee): (String, String, String) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
        if privilege == "SET" && needs.settings.contains(&parameter) {
            continue;
        }
        let mend = format!("REVOKE {privilege} ON PARAMETER {parameter} FROM {grantee};");
        found.findings.push(Ill::fails(
            "excess_privilege",
            format!("{privilege} on parameter {parameter}"),
            Some(mend),
        ));
    }
    Ok(())
}

async fn lacking(look: &Look<'_>, me: &Me, needs: &Needs, found: &mut Diagnosis) -> Result<(), TargetError> {
    // A superuser lacks nothing, and was told off for it.
    if me.superuser {
        return Ok(());
    }
    let role = found.role.clone();
    let mut lacks = |held: bool, what: &str, mend: String| {
        if !held {
            found
                .findings
                .push(Ill::fails("missing_privilege", what.to_owned(), Some(mend)));
        }
    };
    lacks(
        me.marks,
        "SELECT and INSERT on countersign.executed_steps: every step writes its marker",
        format!("GRANT SELECT, INSERT ON countersign.executed_steps TO {role};"),
    );
    if needs.kinds.contains(SIGNAL) {
        let what = "pg_read_all_stats: without it every guard matches nothing";
        lacks(me.sees_sessions, what, format!("GRANT pg_read_all_stats TO {role};"));
    }
    if needs.kinds.contains(ALTER_ROLE) {
        let what =
            "CREATEROLE: to change the limits and settings of roles (from PostgreSQL 16 with ADMIN OPTION on each)";
        lacks(me.createrole, what, format!("ALTER ROLE {role} CREATEROLE;"));
    }
    if needs.kinds.contains(DROP_SLOT) {
        let what = "REPLICATION: to drop a replication slot (on RDS: rds_replication)";
        lacks(me.replication, what, format!("ALTER ROLE {role} REPLICATION;"));
    }
    for setting in &needs.settings {
        match Setting::ask(look, setting, me).await? {
            Setting::Free | Setting::Granted | Setting::Unasked => {}
            Setting::ForSuperusers => lacks(
                false,
                &format!("SET on the parameter {setting}"),
                format!("GRANT SET ON PARAMETER {setting} TO {role};"),
            ),
            Setting::Missing => lacks(
                false,
                &format!("the parameter {setting}, which this server does not have"),
                String::new(),
            ),
        }
    }
    if needs.kinds.contains(SIGNAL) {
        signals(look, found).await?;
    }
    if needs.kinds.contains(RELATION) {
        owners(look, found).await?;
    }
    Ok(())
}

/// The functions that signal are there, as `setup-sql` makes them, and the role may call them.
async fn signals(look: &Look<'_>, found: &mut Diagnosis) -> Result<(), TargetError> {
    let rows = look.rows(FUNCTIONS, &[]).await?;
    for function in ["terminate_backend", "cancel_backend"] {
        let signature = format!("countersign.{function}(integer, timestamp with time zone)");
        let mut here = None;
        for row in &rows {
            if get::<String>(row, 0)? == function {
                here = Some(row);
            }
        }
        let Some(row) = here else {
            let message = format!("{signature} is not there: steps signal sessions through it alone");
            found.changed(message);
            continue;
        };
        if signal_body(function) != Some(get::<String>(row, 1)?.as_str()) {
            found.changed(format!("the body of {signature} is not the one that setup-sql prints"));
        }
        if !get::<bool>(row, 2)? {
            found.changed(format!("{signature} is not made as setup-sql makes it"));
        }
        if !get::<bool>(row, 3)? {
            let owner: String = get(row, 4)?;
            found.changed(format!(
                "{signature} is owned by {owner}, which may log in or be a superuser, or may itself not signal"
            ));
        }
        if !get::<bool>(row, 5)? {
            let mend = format!("GRANT EXECUTE ON FUNCTION {signature} TO {};", found.role);
            let message = format!("EXECUTE on {signature}: to signal sessions of other roles");
            found
                .findings
                .push(Ill::fails("missing_privilege", message, Some(mend)));
        }
    }
    Ok(())
}

/// Vacuum, analyze and drop work on the tables of those owners that the role is a member of: some may be left out on purpose.
async fn owners(look: &Look<'_>, found: &mut Diagnosis) -> Result<(), TargetError> {
    let rows = look.rows(OWNERS, &[]).await?;
    let mut any = rows.is_empty();
    let mut beyond = Vec::new();
    for row in &rows {
        let (owner, reached, superuser): (String, bool, bool) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        let tables: i64 = get(row, 3)?;
        any |= reached;
        if !reached {
            // Nobody should become a superuser for a vacuum.
            let mend = (!superuser).then(|| format!("GRANT {owner} TO {};", found.role));
            let message = format!("{tables} tables of {owner} cannot be vacuumed, analyzed or mended by this role");
            beyond.push(Ill::warns("owner_out_of_reach", message, mend));
        }
    }
    for mut ill in beyond {
        if !any {
            ill.code = "missing_privilege".to_owned();
            ill.fails = ill.mend.is_some();
        }
        found.findings.push(ill);
    }
    Ok(())
}

impl Needs {
    fn of(catalog: &Catalog, only: &[String]) -> Result<Self, String> {
        if let Some(unknown) = only.iter().find(|id| catalog.get(id).is_none()) {
            return Err(format!("the catalog has no runbook `{unknown}`"));
        }
        let mut needs = Self::default();
        for runbook in catalog.iter() {
            let document = runbook.document();
            if !only.is_empty() && !only.contains(&document.id) {
                continue;
            }
            for step in &document.steps {
                let undo = step.rollback.undo().map(|undo| &undo.action);
                for action in std::iter::once(&step.action).chain(undo) {
                    if let Some(action) = action.sql() {
                        needs.add(&statement_with_examples(&action.statement, &document.parameters));
                    }
                }
            }
        }
        Ok(needs)
    }

    fn add(&mut self, statement: &str) {
        let kind = match Need::of(statement) {
            Need::Signal { .. } => SIGNAL,
            Need::AlterRole { setting, .. } => {
                self.settings.extend(setting);
                ALTER_ROLE
            }
            Need::Relation { .. } => RELATION,
            Need::DropSlot => DROP_SLOT,
            Need::Unknown => {
                self.unknown.insert(statement.chars().take(200).collect());
                return;
            }
        };
        self.kinds.insert(kind);
    }
}

impl Ill {
    fn fails(code: &str, message: String, mend: Option<String>) -> Self {
        let code = code.to_owned();
        Self {
            code,
            message,
            mend,
            fails: true,
        }
    }

    fn warns(code: &str, message: String, mend: Option<String>) -> Self {
        Self {
            fails: false,
            ..Self::fails(code, message, mend)
        }
    }
}

impl Diagnosis {
    /// What is not as `setup-sql` makes it, its part about signals makes so again.
    fn changed(&mut self, message: String) {
        let mend = signals_sql(&self.role);
        self.findings.push(Ill::fails("function_changed", message, Some(mend)));
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.findings.iter().any(|ill| ill.fails) {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.exit() {
            Exit::Done => "can do what the catalog needs, and nothing else",
            _ => "is not as it should be",
        };
        writeln!(f, "target `{}`: role {} {verdict}", self.target, self.role)?;
        for ill in &self.findings {
            let severity = if ill.fails { "fails" } else { "warns" };
            // What others named must not move the cursor.
            writeln!(f, "{severity}  {}  {}", ill.code, ill.message.escape_debug())?;
            if let Some(mend) = &ill.mend {
                for line in mend.lines() {
                    writeln!(f, "       {}", line.escape_debug())?;
                }
            }
        }
        if self.total > self.findings.len() {
            writeln!(f, "and {} more", self.total - self.findings.len())?;
        }
        Ok(())
    }
}

const SIGNAL: &str = "signal";
const ALTER_ROLE: &str = "alter_role";
const RELATION: &str = "relation";
const DROP_SLOT: &str = "drop_slot";
const MAX_EXCESS: usize = 50;
const CURRENT_ROLE: &str = "SELECT pg_catalog.quote_ident(CURRENT_USER)";
const VERSION: &str = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
const EXCESS: &str = include_str!("../queries/doctor_excess.sql");
const PARAMETERS: &str = include_str!("../queries/doctor_parameters.sql");
const FUNCTIONS: &str = include_str!("../queries/doctor_functions.sql");
const OWNERS: &str = include_str!("../queries/doctor_owners.sql");

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn the_shipped_catalog_needs_what_setup_sql_speaks_of() {
        let needs = Needs::of(&Catalog::shipped().unwrap(), &[]).unwrap();
        assert!(needs.unknown.is_empty(), "{:?}", needs.unknown);
        assert_eq!(
            needs.kinds.iter().copied().collect::<Vec<_>>(),
            [ALTER_ROLE, DROP_SLOT, RELATION, SIGNAL]
        );
        assert_eq!(
            needs.settings.iter().collect::<Vec<_>>(),
            ["temp_file_limit", "work_mem"]
        );
    }

    #[test]
    fn a_runbook_that_is_not_there_is_not_passed_over() {
        let catalog = Catalog::shipped().unwrap();
        assert!(Needs::of(&catalog, &["idle-in-transaction".to_owned()]).is_err());
        let one = Needs::of(&catalog, &["idle-in-transaction-blocker".to_owned()]).unwrap();
        assert_eq!(one.kinds.iter().copied().collect::<Vec<_>>(), [SIGNAL]);
    }
}
