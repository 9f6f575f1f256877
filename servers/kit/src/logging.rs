//! Logs on stderr, as JSON lines or as text. Nothing here, and nothing below us, may log an argument or a result.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer,
    filter::{Targets, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::LogFormat;

/// Starts logging for the process `name` (`runbook-catalog`); `RUST_LOG` chooses what is written by level, or as
/// `target=level,…` (`kit=debug,info`), `info` by default. Later calls do nothing, so a server may call it before it opens its database.
///
/// Whatever `RUST_LOG` says, foreign crates are held at `info` and rmcp at `warn`: at `debug` rmcp writes whole requests
/// and results and at `info` notifications and session ids, tokio-postgres writes bind parameters, the AWS SDK bodies.
pub fn init(name: &str, format: LogFormat) {
    // rmcp opens spans for every request, which cost time even when nothing of them is written.
    let chosen = chosen().with_target("rmcp", Level::WARN);
    let own = name.replace('-', "_");
    let capped = filter_fn(move |metadata| may_be_written(metadata, &own));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Stderr).with_ansi(false);
    let lines = match format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => lines.boxed(),
    };
    // A second initialisation is harmless: the first one stays.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(capped))
        .with(chosen)
        .try_init();
}

/// Never waits: a client may leave its server's log unread, and then a pipe takes 64 KiB and no more.
struct Stderr;

/// So much a pipe takes at once that says it is ready (PIPE_BUF on Linux; POSIX promises 512).
const PIECE_BYTES: usize = 4096;
/// Lines, or ends of long ones, that nobody took.
static DROPPED: AtomicU64 = AtomicU64::new(0);

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        if !is_ready(&stderr) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return Ok(bytes.len());
        }
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            writeln!(
                stderr,
                "{{\"level\":\"WARN\",\"message\":\"{dropped} log lines were dropped: nobody read them\"}}"
            )?;
        }
        stderr.write(bytes.get(..PIECE_BYTES).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_ready(stderr: &io::Stderr) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Where it cannot be asked, writing tells.
    poll(&mut [PollFd::new(stderr, PollFlags::OUT)], Some(&at_once)).map_or(true, |ready| ready > 0)
}

fn chosen() -> Targets {
    let asked = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let asked: Option<Targets> = asked.and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| Targets::new().with_default(Level::INFO))
}

fn may_be_written(metadata: &Metadata<'_>, own: &str) -> bool {
    // tracing orders levels by verbosity: TRACE is the greatest.
    *metadata.level() <= most_verbose(metadata.target(), own)
}

fn most_verbose(target: &str, own: &str) -> Level {
    let within = |name: &str| target == name || target.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"));
    if within("rmcp") {
        Level::WARN
    } else if within("kit") || within(own) {
        Level::TRACE
    } else {
        Level::INFO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_code_may_be_verbose() {
        assert_eq!(most_verbose("kit::handler", "demo"), Level::TRACE);
        assert_eq!(most_verbose("demo", "demo"), Level::TRACE);
        assert_eq!(most_verbose("demolition", "demo"), Level::INFO);
        assert_eq!(most_verbose("rmcp::service", "demo"), Level::WARN);
        assert_eq!(most_verbose("tokio_postgres::query", "demo"), Level::INFO);
    }
}
