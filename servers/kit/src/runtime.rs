//! The runtime that every binary runs in.

use std::future::Future;

use tokio::runtime::Builder;

use crate::ExitCode;

/// Runs `work` to its end and returns its exit code, without waiting for threads that are blocked on a standard stream:
/// a server asked to stop must not hang because its client holds stdin open.
pub fn main(work: impl Future<Output = ExitCode>) -> ExitCode {
    run(&mut Builder::new_multi_thread(), work)
}

/// Does the same with one worker thread. Work that waits for others and computes little is done sooner so: handing it from
/// thread to thread costs more than a second thread brings.
pub fn main_on_one_thread(work: impl Future<Output = ExitCode>) -> ExitCode {
    run(Builder::new_multi_thread().worker_threads(1), work)
}

fn run(builder: &mut Builder, work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("could not start the runtime: {error}");
            return ExitCode::Failed;
        }
    };
    let code = runtime.block_on(work);
    runtime.shutdown_background();
    code
}
