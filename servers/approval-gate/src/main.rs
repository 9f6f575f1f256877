//! approval-gate: admits plans, asks people, hands out signed orders. It holds no execution credential.

mod admit;
mod advice;
mod approver_list;
mod asking;
mod channels;
mod cli;
mod config;
mod deciding;
mod enrolling;
mod execution;
mod freezing;
mod gate;
mod grant;
mod grant_sheet;
mod granting;
mod handing_out;
mod http;
mod opening;
mod ordering;
mod page;
mod preflight;
mod refusal;
mod request;
mod resources;
mod reviews;
mod sealed;
mod sessions;
mod sheet;
mod store;
mod text;
mod tools;
mod view;
mod windows;

use clap::Parser;

fn main() -> kit::ExitCode {
    kit::main(cli::run(cli::Cli::parse()))
}
