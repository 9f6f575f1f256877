//! Writes a command's result to stdout.

use std::io::{ErrorKind, Write};

use crate::ExitCode;

/// Writes `bytes` to stdout as they are. A reader that left early (`| head`) is no failure.
pub fn to_stdout(bytes: impl AsRef<[u8]>) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::Done,
        Err(error) => {
            eprintln!("error: could not write to stdout: {error}");
            ExitCode::Failed
        }
    }
}
