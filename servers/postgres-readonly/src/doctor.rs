//! `doctor`: connects once and says whether the role is harmless.

use kit::{ExitCode, ToolError};

use crate::db::{Database, Verdict};

/// Prints the verdict; exit code 0 means harmless.
pub async fn run(db: &Database) -> ExitCode {
    match db.examine().await {
        Ok(verdict) => {
            print!("{}", report(&verdict));
            if verdict.is_harmless() {
                ExitCode::Done
            } else {
                ExitCode::Failed
            }
        }
        Err(error) => {
            let refusal = ToolError::from(error);
            println!("{}: {}", refusal.code, refusal.message);
            refusal.hint.iter().for_each(|hint| println!("hint: {hint}"));
            ExitCode::Failed
        }
    }
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
        };
        let text = report(&verdict);
        assert!(
            text.contains("  CREATE on schema public\n      REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"),
            "{text}"
        );
    }
}
