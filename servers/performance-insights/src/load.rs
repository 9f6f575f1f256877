//! Turns series of load into an answer: how much against how many CPUs, and waiting for what. Pure.

use aws_telemetry::{Scrubber, to_rfc3339};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{LOAD, Series, VCPUS};

/// How the load stands against the CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No load was recorded in this time.
    NoData,
    /// Less than one session active on average.
    Idle,
    /// Active sessions for less than half of the CPUs.
    Light,
    /// Up to as many active sessions as CPUs.
    Busy,
    /// More active sessions than CPUs: sessions stand in a queue, for a CPU or for something else.
    Saturated,
    /// There is load, but nobody knows on how many CPUs.
    UnknownCapacity,
}

/// What the larger part of the load is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoundBy {
    Cpu,
    Waits,
    Nothing,
}

/// One wait event and its part in the load.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Wait {
    /// `CPU`, or type and event, as in `Lock:transactionid`.
    pub wait: String,
    /// Average active sessions.
    pub aas: f64,
    pub share_pct: f64,
}

/// Where the number of CPUs comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VcpuSource {
    Measured,
    Configured,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Load {
    pub verdict: Verdict,
    pub bound_by: BoundBy,
    /// The answer in one sentence.
    pub summary: String,
    /// Average active sessions over the whole time.
    pub aas: f64,
    pub peak_aas: f64,
    /// End of the period with the peak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<f64>,
    pub vcpus_from: VcpuSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aas_per_vcpu: Option<f64>,
    /// Largest first.
    pub waits: Vec<Wait>,
    /// Periods with a value.
    pub points: usize,
}

impl Load {
    pub fn of(series: &[Series], configured_vcpus: Option<u32>, scrubber: &mut Scrubber) -> Self {
        let whole = series
            .iter()
            .find(|series| series.metric == LOAD && series.dimensions.is_empty());
        let points = whole.map(|series| series.points.as_slice()).unwrap_or_default();
        let aas = mean(points.iter().map(|(_, value)| *value), points.len());
        let peak = points.iter().copied().max_by(|(_, a), (_, b)| a.total_cmp(b));
        // A wait that is not in a period has no point there, so every wait is averaged over all periods.
        let mut waits: Vec<Wait> = series
            .iter()
            .filter(|series| series.metric == LOAD && !series.dimensions.is_empty())
            .map(|series| {
                let part = mean(series.points.iter().map(|(_, value)| *value), points.len());
                Wait {
                    wait: wait_name(series, scrubber),
                    aas: two_digits(part),
                    share_pct: percent(part, aas),
                }
            })
            .filter(|wait| wait.aas > 0.0)
            .collect();
        waits.sort_by(|a, b| b.aas.total_cmp(&a.aas).then_with(|| a.wait.cmp(&b.wait)));
        let measured = series
            .iter()
            .find(|series| series.metric == VCPUS && !series.points.is_empty());
        let measured = measured.map(|series| mean(series.points.iter().map(|(_, value)| *value), series.points.len()));
        let measured = measured.filter(|vcpus| *vcpus > 0.0);
        let vcpus = measured.or(configured_vcpus.map(f64::from));
        let verdict = verdict(points.is_empty(), aas, vcpus);
        let bound_by = bound_by(verdict, &waits);
        Self {
            verdict,
            bound_by,
            summary: sentence(verdict, aas, vcpus, &waits),
            aas: two_digits(aas),
            peak_aas: two_digits(peak.map_or(0.0, |(_, value)| value)),
            peak_at: peak.map(|(at, _)| to_rfc3339(at)),
            vcpus,
            vcpus_from: match (measured, configured_vcpus) {
                (Some(_), _) => VcpuSource::Measured,
                (None, Some(_)) => VcpuSource::Configured,
                (None, None) => VcpuSource::Unknown,
            },
            aas_per_vcpu: vcpus.map(|vcpus| two_digits(aas / vcpus)),
            waits,
            points: points.len(),
        }
    }
}

fn verdict(empty: bool, aas: f64, vcpus: Option<f64>) -> Verdict {
    match vcpus {
        _ if empty => Verdict::NoData,
        _ if aas < 1.0 => Verdict::Idle,
        None => Verdict::UnknownCapacity,
        Some(vcpus) if aas > vcpus => Verdict::Saturated,
        Some(vcpus) if aas >= vcpus / 2.0 => Verdict::Busy,
        Some(_) => Verdict::Light,
    }
}

fn bound_by(verdict: Verdict, waits: &[Wait]) -> BoundBy {
    let cpu: f64 = waits
        .iter()
        .filter(|wait| wait.wait == "CPU")
        .map(|wait| wait.share_pct)
        .sum();
    match verdict {
        Verdict::NoData | Verdict::Idle => BoundBy::Nothing,
        _ if waits.is_empty() => BoundBy::Nothing,
        _ if cpu >= 50.0 => BoundBy::Cpu,
        _ => BoundBy::Waits,
    }
}

fn sentence(verdict: Verdict, aas: f64, vcpus: Option<f64>, waits: &[Wait]) -> String {
    let load = match vcpus {
        Some(vcpus) => format!("{aas:.1} sessions active on average on {vcpus:.0} vCPU"),
        None => format!("{aas:.1} sessions active on average"),
    };
    let mostly = match waits.first() {
        Some(Wait { wait, share_pct, .. }) if wait == "CPU" => format!(", mostly on CPU ({share_pct:.0} %)"),
        Some(Wait { wait, share_pct, .. }) => format!(", mostly waiting for {wait} ({share_pct:.0} %)"),
        None => String::new(),
    };
    match verdict {
        Verdict::NoData => "no load was recorded in this time".to_owned(),
        Verdict::Idle => format!("idle: {load}"),
        Verdict::Light => format!("light: {load}{mostly}"),
        Verdict::Busy => format!("busy: {load}{mostly}"),
        Verdict::Saturated => format!("saturated: {load}{mostly}"),
        Verdict::UnknownCapacity => format!("{load}, number of CPUs unknown{mostly}"),
    }
}

/// Engines differ in whether the name repeats the type.
pub fn wait_name(series: &Series, scrubber: &mut Scrubber) -> String {
    let part = |name: &str| series.dimensions.get(name).map(String::as_str).unwrap_or_default();
    join_wait(part("db.wait_event.type"), part("db.wait_event.name"), scrubber)
}

pub fn join_wait(kind: &str, name: &str, scrubber: &mut Scrubber) -> String {
    let joined = match (kind, name) {
        ("CPU", _) | (_, "CPU") => "CPU".to_owned(),
        ("", name) => name.to_owned(),
        (kind, name) if name.starts_with(&format!("{kind}:")) => name.to_owned(),
        (kind, name) => format!("{kind}:{name}"),
    };
    scrubber.line(&joined, 100)
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are at most hundreds of points")]
    let count = count as f64;
    if count == 0.0 { 0.0 } else { values.sum::<f64>() / count }
}

pub fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 1_000.0).round() / 10.0
    } else {
        0.0
    }
}

pub fn two_digits(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        reason = "a failed set-up is a failed test"
    )]
    use chrono::DateTime;

    use super::*;

    fn series(metric: &str, wait: Option<(&str, &str)>, values: &[f64]) -> Series {
        let dimensions = wait.into_iter().flat_map(|(kind, name)| {
            [
                ("db.wait_event.type".to_owned(), kind.to_owned()),
                ("db.wait_event.name".to_owned(), name.to_owned()),
            ]
        });
        let points = values
            .iter()
            .zip(1..)
            .map(|(value, minute)| (DateTime::from_timestamp(minute * 60, 0).unwrap(), *value));
        Series {
            metric: metric.to_owned(),
            dimensions: dimensions.collect(),
            points: points.collect(),
        }
    }

    fn load(series: &[Series], configured: Option<u32>) -> Load {
        Load::of(series, configured, &mut Scrubber::default())
    }

    #[test]
    fn a_lock_queue_is_saturated_by_waits() {
        let load = load(
            &[
                series(LOAD, None, &[8.0, 12.0]),
                series(LOAD, Some(("Lock", "transactionid")), &[7.0, 11.0]),
                series(LOAD, Some(("CPU", "CPU")), &[1.0, 1.0]),
                series(VCPUS, None, &[4.0, 4.0]),
            ],
            Some(2),
        );
        assert_eq!(
            (load.verdict, load.bound_by, load.vcpus_from),
            (Verdict::Saturated, BoundBy::Waits, VcpuSource::Measured)
        );
        assert_eq!((load.aas, load.peak_aas, load.aas_per_vcpu), (10.0, 12.0, Some(2.5)));
        assert_eq!(load.peak_at.as_deref(), Some("1970-01-01T00:02:00.000Z"));
        assert_eq!(
            load.waits[0],
            Wait {
                wait: "Lock:transactionid".to_owned(),
                aas: 9.0,
                share_pct: 90.0
            }
        );
        assert_eq!(
            load.summary,
            "saturated: 10.0 sessions active on average on 4 vCPU, mostly waiting for Lock:transactionid (90 %)"
        );
    }

    #[test]
    fn a_wait_seen_in_one_period_of_two_counts_half() {
        let load = load(
            &[
                series(LOAD, None, &[2.0, 4.0]),
                series(LOAD, Some(("IO", "DataFileRead")), &[3.0]),
            ],
            None,
        );
        assert_eq!(load.waits[0].aas, 1.5);
        assert_eq!(load.waits[0].share_pct, 50.0);
    }

    #[test]
    fn verdicts_follow_the_cpus() {
        let verdict = |aas: f64, vcpus| load(&[series(LOAD, None, &[aas])], vcpus).verdict;
        assert_eq!(load(&[], Some(4)).verdict, Verdict::NoData);
        assert_eq!(verdict(0.9, Some(4)), Verdict::Idle);
        assert_eq!(verdict(1.9, Some(4)), Verdict::Light);
        assert_eq!(verdict(2.0, Some(4)), Verdict::Busy);
        assert_eq!(verdict(4.0, Some(4)), Verdict::Busy);
        assert_eq!(verdict(4.1, Some(4)), Verdict::Saturated);
        assert_eq!(verdict(4.1, None), Verdict::UnknownCapacity);
    }

    #[test]
    fn a_wait_is_named_once() {
        let mut scrubber = Scrubber::default();
        assert_eq!(join_wait("IO", "IO:XactSync", &mut scrubber), "IO:XactSync");
        assert_eq!(join_wait("Lock", "tuple", &mut scrubber), "Lock:tuple");
        assert_eq!(join_wait("CPU", "CPU", &mut scrubber), "CPU");
        assert_eq!(join_wait("", "x\u{202E}", &mut scrubber), "x");
    }
}
