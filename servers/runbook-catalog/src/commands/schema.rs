//! `schema`: the JSON Schema of a runbook, or of a hand-over.

use kit::ExitCode;

/// Prints it.
pub fn run(hand_over: bool) -> ExitCode {
    let schema = match hand_over {
        true => runbooks::hand_over_schema(),
        false => runbooks::runbook_schema(),
    };
    kit::to_stdout(format!("{:#}\n", schema.to_value()))
}
