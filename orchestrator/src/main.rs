//! The orchestrator's process.

fn main() -> kit::ExitCode {
    kit::main(orchestrator::cli::run())
}
