//! The commands, one file each.

mod assemble;
mod doctor;
mod eval;
mod incidents;
mod postmortem;
mod record;
mod run;
mod serve;

use incident::{HandOverReason, Outcome};
use kit::ExitCode;

#[cfg(test)]
pub(crate) use assemble::assemble;
pub(crate) use doctor::doctor;
pub use eval::EvalArgs;
pub(crate) use eval::eval;
pub(crate) use incidents::{list, show};
pub(crate) use postmortem::postmortem;
pub use record::RecordArgs;
pub(crate) use record::record;
pub(crate) use run::run;
pub(crate) use serve::{Service, serve};

/// What a script learns from how an incident ended.
pub(crate) fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Resolved | Outcome::Subsided | Outcome::HandedOver(HandOverReason::NoDatabaseAction) => ExitCode::Done,
        Outcome::Refused => ExitCode::Denied,
        Outcome::Rejected | Outcome::Expired => ExitCode::NotApproved,
        Outcome::RolledBack | Outcome::HandedOver(HandOverReason::NotRecovered | HandOverReason::ExecutionStopped) => {
            ExitCode::RolledBack
        }
        Outcome::RollbackFailed => ExitCode::RollbackFailed,
        Outcome::HandedOver(
            HandOverReason::Unexplained
            | HandOverReason::NoEvidence
            | HandOverReason::NoRunbook
            | HandOverReason::Withdrawn
            | HandOverReason::WrongTarget
            | HandOverReason::GateRefused
            | HandOverReason::GateUnreachable
            | HandOverReason::ExecutionUnknown
            | HandOverReason::Internal,
        ) => ExitCode::Failed,
    }
}
