//! The question to the person in front of the terminal.

use std::io::{BufRead, Write};

use anyhow::{Context, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
}

/// Asks on stderr and waits for a line on stdin. A closed stdin is a no.
pub(super) async fn ask(question: &str) -> Result<Answer> {
    write!(std::io::stderr(), "{question} [y/N] ")?;
    std::io::stderr().flush()?;
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: it may be left behind in the middle of a read when the demo is interrupted.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map(|_| line);
        let _ = tell.send(read);
    });
    let line = told.await.context("stdin broke")?.context("stdin broke")?;
    Ok(if matches!(line.trim(), "y" | "Y" | "yes") {
        Answer::Yes
    } else {
        Answer::No
    })
}
