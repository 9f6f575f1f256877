//! Sequences agents against the servers: alert in, recovered incident and post-mortem out.
//!
//! No database driver, no cloud SDK and no key is in here: what is seen comes through MCP, what is done goes through the gate.

mod advisers;
pub mod cli;
mod commands;
mod config;
mod demo;
mod eval;
mod gate;
mod intake;
mod pipeline;
mod post_mortem;
mod progress;
mod sns;
#[cfg(test)]
#[path = "../../tests/aws/sns.rs"]
#[expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod sns_signer;
mod stage;
#[cfg(test)]
mod stand_ins;
mod terminal;
mod toolbelt;
mod verify;
mod workers;

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
