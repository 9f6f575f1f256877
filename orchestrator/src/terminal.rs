//! Writes to the terminal or pipe that we were started on. A reader that has gone away is no reason to fall over.

use std::io::{ErrorKind, Write};

/// Writes text to stdout.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    unless_gone(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// Writes one line to stdout.
pub(crate) fn print_line(text: &str) -> std::io::Result<()> {
    print(&format!("{text}\n"))
}

/// Writes one line to stderr.
pub(crate) fn tell_line(text: &str) {
    // There is nowhere left to complain to.
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

fn unless_gone(written: std::io::Result<()>) -> std::io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
