//! Executes exactly what was signed, once, or back again. The only crate that ever holds a write credential.
//!
//! [`run_order`] is the whole path, in `run.rs`: an order's bytes become an approved plan by the executor's own files
//! alone, and only an approved plan becomes a [`Credential`]. Every effect is journalled before it happens; after a crash
//! the same machines are folded from the journal, and the target is asked before anything is run again.

mod admission;
mod before;
mod cli;
mod clock;
mod config;
mod config_reader;
mod credentials;
#[cfg(feature = "danger")]
pub mod danger;
mod drive;
mod execution;
mod executor;
mod gate;
mod halt;
mod identity;
mod ledger;
mod marker;
mod outcome;
mod permission;
mod preflight;
mod prove;
mod record;
mod recover;
mod remote;
mod reports;
mod run;
mod serve;
mod setup_sql;
mod sql_step;
mod step;
mod surroundings;
mod target;
mod tls;
mod undo;
mod verification;

pub use cli::{Cli, main};
pub use clock::{Clock, SystemClock};
pub use config::{Config, ConfigError, CredentialSource, GateConfig, Password, TargetConfig};
pub use credentials::{Credential, CredentialError};
pub use execution::{Event, Execution, IllegalStep, Phase, WholeEvent};
pub use executor::{Executor, OpenError};
pub use gate::GateError;
pub use halt::Fault;
pub use outcome::{Ended, Exit, Outcome};
pub use recover::recover;
pub use remote::{AwsConfig, GithubConfig, Push, RepositoryConfig};
pub use run::run_order;
pub use serve::{serve, with_reports};
pub use setup_sql::{DEFAULT_ROLE, setup_sql};
pub use step::{Cause, Effect, IllegalEvent, Step, StepEvent};
pub use surroundings::Noted;

/// Returns an error and everything behind it in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // A transparent error says the same as its source.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
