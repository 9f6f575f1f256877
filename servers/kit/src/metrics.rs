//! What is counted: calls by tool and outcome, and how long they took, as Prometheus text.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

pub struct Metrics {
    server: &'static str,
    calls: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    durations: Mutex<BTreeMap<&'static str, Histogram>>,
    more: OnceLock<Box<dyn Fn() -> String + Send + Sync>>,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    sum_s: f64,
    count: u64,
}

impl Metrics {
    pub fn new(server: &'static str) -> Self {
        Self {
            server,
            calls: Mutex::default(),
            durations: Mutex::default(),
            more: OnceLock::new(),
        }
    }

    /// What is written after our own, once.
    pub fn add(&self, more: Box<dyn Fn() -> String + Send + Sync>) {
        let _ = self.more.set(more);
    }

    /// Counts one call. Tool and outcome are names from the code, never a caller's text, so the series stay few.
    pub fn record(&self, tool: &'static str, outcome: &'static str, elapsed: Duration) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((tool, outcome)).or_default() += 1;
        drop(calls);
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        durations.entry(tool).or_default().observe(elapsed.as_secs_f64());
    }

    pub fn render(&self) -> String {
        let server = self.server;
        let mut out = String::from(
            "# HELP countersign_tool_calls_total Calls by tool and outcome; an outcome is ok or an error code.\n\
             # TYPE countersign_tool_calls_total counter\n",
        );
        for ((tool, outcome), count) in self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line(
                &mut out,
                &format!("calls_total{{server=\"{server}\",tool=\"{tool}\",outcome=\"{outcome}\"}} {count}"),
            );
        }
        out.push_str(
            "# HELP countersign_tool_duration_seconds How long calls took.\n\
             # TYPE countersign_tool_duration_seconds histogram\n",
        );
        for (tool, histogram) in self.durations.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = format!("server=\"{server}\",tool=\"{tool}\"");
            for (bound, count) in BUCKETS.iter().zip(histogram.buckets) {
                line(
                    &mut out,
                    &format!("duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"),
                );
            }
            line(
                &mut out,
                &format!("duration_seconds_bucket{{{labels},le=\"+Inf\"}} {}", histogram.count),
            );
            line(
                &mut out,
                &format!("duration_seconds_sum{{{labels}}} {}", histogram.sum_s),
            );
            line(
                &mut out,
                &format!("duration_seconds_count{{{labels}}} {}", histogram.count),
            );
        }
        if let Some(more) = self.more.get() {
            out.push_str(&more());
        }
        out
    }
}

impl Histogram {
    /// Buckets are cumulative, as Prometheus wants them.
    fn observe(&mut self, seconds: f64) {
        for (bound, count) in BUCKETS.iter().zip(&mut self.buckets) {
            if seconds <= *bound {
                *count += 1;
            }
        }
        self.sum_s += seconds;
        self.count += 1;
    }
}

fn line(out: &mut String, rest: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "countersign_tool_{rest}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_outcome_and_timed_cumulatively() {
        let metrics = Metrics::new("demo");
        metrics.record("sessions", "ok", Duration::from_millis(20));
        metrics.record("sessions", "busy", Duration::from_secs(60));
        let text = metrics.render();
        assert!(text.contains("countersign_tool_calls_total{server=\"demo\",tool=\"sessions\",outcome=\"ok\"} 1\n"));
        assert!(text.contains("countersign_tool_calls_total{server=\"demo\",tool=\"sessions\",outcome=\"busy\"} 1\n"));
        assert!(text.contains("tool=\"sessions\",le=\"0.01\"} 0\n"));
        assert!(text.contains("tool=\"sessions\",le=\"0.025\"} 1\n"));
        assert!(text.contains("tool=\"sessions\",le=\"30\"} 1\n"));
        assert!(text.contains("tool=\"sessions\",le=\"+Inf\"} 2\n"));
    }
}
