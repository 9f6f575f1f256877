//! `schema`: the JSON Schema of a runbook.

use kit::ExitCode;

/// Prints it.
pub fn run() -> ExitCode {
    kit::to_stdout(format!("{:#}\n", runbooks::runbook_schema().to_value()))
}
