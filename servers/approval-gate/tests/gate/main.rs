//! The built gate, over HTTP and on the command line, with real ssh-keygen keys.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

mod advice;
mod browser;
mod channels;
mod command_line;
mod grants;
mod path;
mod preflight;
mod refusals;
mod state;
mod webdriver;
mod world;
