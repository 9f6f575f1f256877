//! What a preflight found. It is an answer, and no permission.

use std::fmt;

use runbooks::{Digest, Timestamp};
use serde::Serialize;

use crate::outcome::Exit;

/// Every finding of one preflight; bounded, and it says so when something was left out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) plan_digest: Digest,
    pub(crate) executor: String,
    pub(crate) at: Timestamp,
    pub(crate) findings: Vec<Finding>,
    /// For the exit code alone; the gate's policy has its own say.
    #[serde(skip)]
    pub(super) denied: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Stable; where the run would have stopped with a code, the same one.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// The plan could not be run now.
    Blocks,
    /// It may work; people should know.
    Warns,
}

impl Report {
    pub(crate) fn could_run(&self) -> bool {
        !self.findings.iter().any(|finding| finding.severity == Severity::Blocks)
    }

    /// Returns the exit code of `executor preflight`.
    pub(crate) fn exit(&self) -> Exit {
        if self.could_run() {
            Exit::Done
        } else if self.denied {
            Exit::DeniedByPolicy
        } else {
            Exit::Failed
        }
    }

    /// Keeps what blocks before what warns, and says how many were left out.
    pub(super) fn bounded(mut self) -> Self {
        let mut once = Vec::new();
        for finding in self.findings {
            if !once.contains(&finding) {
                once.push(finding);
            }
        }
        once.sort_by_key(|finding| finding.severity == Severity::Warns);
        if once.len() > MAX_FINDINGS {
            let more = once.len() - (MAX_FINDINGS - 1);
            once.truncate(MAX_FINDINGS - 1);
            once.push(Finding::warns(
                "findings_left_out",
                format!("{more} more findings were left out"),
            ));
        }
        self.findings = once;
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.could_run() { "could" } else { "could not" };
        writeln!(
            f,
            "executor `{}` {verdict} run {} as of {}",
            self.executor, self.plan_digest, self.at
        )?;
        for finding in &self.findings {
            let severity = match finding.severity {
                Severity::Blocks => "blocks",
                Severity::Warns => "warns",
            };
            // What others wrote, as an application's name, must not move the cursor.
            writeln!(f, "{severity}  {}  {:?}", finding.code, finding.message)?;
        }
        Ok(())
    }
}

impl Finding {
    pub(super) fn blocks(code: &str, message: String) -> Self {
        Self::new(code, message, Severity::Blocks)
    }

    pub(super) fn warns(code: &str, message: String) -> Self {
        Self::new(code, message, Severity::Warns)
    }

    fn new(code: &str, message: String, severity: Severity) -> Self {
        let message = if message.chars().count() > MAX_MESSAGE_CHARS {
            message.chars().take(MAX_MESSAGE_CHARS - 1).chain(['…']).collect()
        } else {
            message
        };
        Self {
            code: code.to_owned(),
            message,
            severity,
        }
    }
}

/// The gate takes no more, and no longer ones.
const MAX_FINDINGS: usize = 32;
const MAX_MESSAGE_CHARS: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_and_says_so() {
        let mut findings: Vec<_> = (0..40)
            .map(|i| Finding::warns("lock_wait", format!("{i}{}", "ä".repeat(700))))
            .collect();
        findings.push(Finding::blocks("precondition_changed", "x".to_owned()));
        findings.push(Finding::blocks("precondition_changed", "x".to_owned()));
        let report = Report {
            plan_digest: Digest::of(b"plan"),
            executor: "executor-1".to_owned(),
            at: Timestamp::from_unix(0),
            findings,
            denied: false,
        }
        .bounded();
        assert!(!report.could_run());
        assert_eq!(report.findings.len(), MAX_FINDINGS);
        assert_eq!(
            report.findings.first().map(|found| found.code.as_str()),
            Some("precondition_changed")
        );
        assert_eq!(
            report.findings.last().map(|found| found.message.as_str()),
            Some("10 more findings were left out")
        );
        assert!(
            report
                .findings
                .iter()
                .all(|found| found.message.chars().count() <= MAX_MESSAGE_CHARS)
        );
    }
}
