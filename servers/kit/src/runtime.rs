//! The runtime that every binary runs in.

use std::{future::Future, io};

use tokio::runtime::{Builder, LocalOptions};

use crate::ExitCode;

/// Runs `work` to its end and returns its exit code, without waiting for threads that are blocked on a standard stream:
/// a server asked to stop must not hang because its client holds stdin open.
pub fn main(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_runtime(&error),
    };
    let code = runtime.block_on(work);
    runtime.shutdown_background();
    code
}

/// Does the same on the thread that calls it. Work that waits for others and computes little is done sooner so: handing it
/// from thread to thread costs more than a second thread brings. A program that does nothing else is smaller, too: a runtime
/// that cannot have workers leaves their code out.
pub fn main_on_one_thread(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
    {
        Ok(runtime) => runtime,
        Err(error) => return no_runtime(&error),
    };
    let code = runtime.block_on(work);
    runtime.shutdown_background();
    code
}

fn no_runtime(error: &io::Error) -> ExitCode {
    eprintln!("could not start the runtime: {error}");
    ExitCode::Failed
}
