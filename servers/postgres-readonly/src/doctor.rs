//! `doctor`: connects once to each target and says whether its role is harmless.

use std::collections::BTreeMap;

use kit::{ExitCode, ToolError};

use crate::db::{Database, DbError, Verdict};

/// Prints the verdicts; exit code 0 means that all roles are harmless.
pub async fn run(databases: &BTreeMap<String, Database>) -> ExitCode {
    let mut code = ExitCode::Done;
    for (name, db) in databases {
        if databases.len() > 1 {
            println!("target `{name}`:");
        }
        let examined = db.examine().await;
        if !examined.as_ref().is_ok_and(|verdict| verdict.is_harmless()) {
            code = ExitCode::Failed;
        }
        match examined {
            Ok(verdict) => print!("{}", report(&verdict)),
            Err(error) => print!("{}", failure(error)),
        }
    }
    code
}

fn failure(error: DbError) -> String {
    let refusal = ToolError::from(error);
    let hint = refusal.hint.map(|hint| format!("hint: {hint}\n"));
    format!("{}: {}\n{}", refusal.code, refusal.message, hint.unwrap_or_default())
}

fn report(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    if verdict.is_harmless() {
        lines.push(format!(
            "role `{}` is harmless: it can read and do nothing else",
            verdict.role
        ));
    } else {
        lines.push(format!(
            "role `{}` can do more than read ({} rights):",
            verdict.role, verdict.findings_total
        ));
        for finding in &verdict.findings {
            lines.push(format!("  {}", kit::text::clean(&finding.privilege, 300)));
            lines.push(format!("      {}", kit::text::clean(&finding.mend, 600)));
        }
        lines.push("or make a role of its own: postgres-readonly setup-sql".to_owned());
    }
    if !verdict.sees_all_sessions {
        lines.push(
            "warning: without pg_monitor the state and statements of other roles' sessions are hidden".to_owned(),
        );
    }
    lines.extend(verdict.advice().into_iter().map(|advice| format!("warning: {advice}")));
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Finding;

    #[test]
    fn every_finding_comes_with_its_remedy() {
        let finding = Finding {
            privilege: "CREATE on schema public".into(),
            mend: "REVOKE CREATE ON SCHEMA public FROM PUBLIC;".into(),
        };
        let verdict = Verdict {
            role: "ana".into(),
            findings: vec![finding],
            findings_total: 1,
            sees_all_sessions: true,
            ..Verdict::default()
        };
        let text = report(&verdict);
        assert!(
            text.contains("  CREATE on schema public\n      REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"),
            "{text}"
        );
    }
}
