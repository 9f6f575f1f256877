//! What the demo tells: lines with the time since it began, and the moments that are measured.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::terminal::{print_line, tell_line};

#[derive(Clone, Copy, PartialEq)]
enum Telling {
    ToStdout,
    /// Under `--json`, stdout belongs to the one document.
    ToStderr,
    Nothing,
}

pub(super) struct Story {
    began: Instant,
    telling: Telling,
    moments: Vec<(&'static str, Instant)>,
}

impl Story {
    pub fn new(to_stderr: bool) -> Self {
        Self::telling(if to_stderr {
            Telling::ToStderr
        } else {
            Telling::ToStdout
        })
    }

    pub fn quiet() -> Self {
        Self::telling(Telling::Nothing)
    }

    fn telling(telling: Telling) -> Self {
        Self {
            began: Instant::now(),
            telling,
            moments: Vec::new(),
        }
    }

    pub fn say(&self, text: &str) {
        self.line(&format!("{:>8.3} s  {text}", self.began.elapsed().as_secs_f64()));
    }

    /// A block of text, as it is.
    pub fn show(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("            {line}"));
        }
    }

    pub fn mark(&mut self, moment: &'static str) {
        self.mark_at(moment, Instant::now());
    }

    pub fn mark_at(&mut self, moment: &'static str, at: Instant) {
        if !self.moments.iter().any(|(known, _)| *known == moment) {
            self.moments.push((moment, at));
        }
    }

    /// The time between two moments, if both have come.
    pub fn between(&self, from: &str, to: &str) -> Option<Duration> {
        let at = |name: &str| self.moments.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
        Some(at(to)?.saturating_duration_since(at(from)?))
    }

    /// All moments, in milliseconds since the demo began.
    pub fn moments_ms(&self) -> Value {
        let ms = |at: &Instant| Value::from(whole_ms(at.saturating_duration_since(self.began)));
        Value::Object(
            self.moments
                .iter()
                .map(|(name, at)| ((*name).to_owned(), ms(at)))
                .collect::<Map<_, _>>(),
        )
    }

    /// The last lines of each log, for whoever has to find out why it failed.
    pub fn tail_logs(&self, folder: &Path) {
        let Ok(logs) = std::fs::read_dir(folder.join("logs")) else {
            return;
        };
        for log in logs.flatten() {
            let text = std::fs::read_to_string(log.path()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
            if !last.is_empty() {
                self.line(&format!("--- {}", log.file_name().to_string_lossy()));
                for line in last {
                    self.line(&kit::text::clean(line, 400));
                }
            }
        }
    }

    fn line(&self, text: &str) {
        match self.telling {
            Telling::ToStderr => tell_line(text),
            Telling::ToStdout => {
                // The story is told to nobody then; what was started must still be ended.
                let _ = print_line(text);
            }
            Telling::Nothing => {}
        }
    }
}

pub(super) fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
