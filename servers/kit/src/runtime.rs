//! The runtime that every binary runs in.

use std::{fs, future::Future, io, thread};

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

/// Does the same on one thread. Work that waits for others and computes little is done sooner so: handing it from thread to
/// thread costs more than a second thread brings. A program that does nothing else is smaller, too: a runtime that cannot
/// have workers leaves their code out.
pub fn main_on_one_thread<W: Future<Output = ExitCode>>(work: impl FnOnce() -> W + Send) -> ExitCode {
    // The main thread's memory is cheaper, but how much of a stack it has is for others to say.
    if fs::read_to_string("/proc/self/limits").is_ok_and(|limits| has_stack(&limits)) {
        return on_this_thread(work());
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        match builder.spawn_scoped(scope, || on_this_thread(work())) {
            Ok(thread) => thread.join().unwrap_or(ExitCode::Failed),
            Err(error) => no_runtime(&error),
        }
    })
}

/// What the deepest expression takes that is parsed and judged, several times over.
const STACK_BYTES: usize = 4 << 20;

/// Whether the soft limit of the stack is large enough, as Linux tells it.
fn has_stack(limits: &str) -> bool {
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max stack size"))
        .and_then(|rest| rest.split_whitespace().next());
    soft.is_some_and(|soft| soft == "unlimited" || soft.parse().is_ok_and(|bytes: usize| bytes >= STACK_BYTES))
}

fn on_this_thread(work: impl Future<Output = ExitCode>) -> ExitCode {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_or_untold_stack_is_not_relied_on() {
        let limits = |soft: &str| {
            format!(
                "Max data size   unlimited  unlimited  bytes\nMax stack size            {soft}              unlimited            bytes\n"
            )
        };
        assert!(has_stack(&limits("8388608")) && has_stack(&limits("unlimited")));
        assert!(!has_stack(&limits("655360")) && !has_stack("Max data size unlimited unlimited bytes\n"));
    }
}
