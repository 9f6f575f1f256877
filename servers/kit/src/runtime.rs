//! The runtime that every binary runs in.

use std::future::Future;

use crate::ExitCode;

/// Runs `work` to its end and returns its exit code, without waiting for threads that are blocked on a standard stream:
/// a server asked to stop must not hang because its client holds stdin open.
pub fn main(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
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
