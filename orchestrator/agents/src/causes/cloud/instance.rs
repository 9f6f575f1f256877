//! What the machine under the database shows: CloudWatch's metrics, RDS's events, the load before and now.

use incident::{RootCause, Signal};

use crate::causes::{Assessment, Case, confidence, signal};
use crate::cloud::{Cloud, Measured};
use crate::telemetry::Seen;
use crate::thresholds::Thresholds;

const GIB: f64 = 1_073_741_824.0;

pub(super) fn storage(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::StorageNearlyFull;
    let free = cloud.metric("AWS/RDS FreeStorageSpace");
    let used = cloud.metric("os.fileSys.usedPercent");
    let event = cloud.event("low storage");
    let full = cloud.errors.as_ref().and_then(|errors| {
        let kinds = errors.value.errors.iter();
        let full = kinds.filter(|kind| kind.message.contains("No space left on device"));
        let count: u64 = full.map(|kind| kind.count).sum();
        (count > 0).then(|| {
            signal(
                &errors.id,
                format!("{count} errors say that there is no space left on the device"),
            )
        })
    });
    let mut signals_for = Vec::new();
    let mut signals_against = Vec::new();
    let (mut is_low, mut ends_soon, mut is_used) = (false, false, false);
    if let Some(free) = &free {
        let left = free
            .value
            .minutes_left()
            .filter(|left| *left < thresholds.storage_ends_within_min);
        is_low = free.value.last_quarter <= thresholds.storage_low_bytes;
        ends_soon = left.is_some();
        let mut says = format!("{:.1} GiB of storage are free", free.value.last_quarter / GIB);
        if let Some(left) = left {
            says.push_str(&format!(", and at this pace none in {left:.0} minutes"));
        }
        let says = signal(&free.id, says);
        if is_low || ends_soon {
            &mut signals_for
        } else {
            &mut signals_against
        }
        .push(says);
    }
    if let Some(used) = &used {
        is_used = used.value.last_quarter >= thresholds.storage_used_pct;
        let says = signal(
            &used.id,
            format!("{:.0} % of the file system is in use", used.value.last_quarter),
        );
        if is_used {
            &mut signals_for
        } else {
            &mut signals_against
        }
        .push(says);
    }
    if let Some((_, event)) = &event {
        signals_for.push(signal(
            &event.id,
            format!("RDS reported low storage at {}", event.value.at),
        ));
    }
    let is_full = full.is_some();
    signals_for.extend(full);
    let Some(evidence) = first(&signals_for, &signals_against) else {
        return blind(CAUSE, "instance_metrics");
    };
    let metric = |seen: &Seen<&Measured>| (seen.id == evidence).then(|| place(cloud, seen.value)).flatten();
    Case {
        cause: CAUSE,
        confidence_pct: confidence(
            30,
            &[(is_low, 30), (ends_soon, 25), (is_used, 30), (event.is_some(), 30), (is_full, 40)],
        ),
        explanation: "The storage of the instance runs out. When it is full, RDS stops the database; storage can be enlarged while \
                      it runs, and not made smaller again. What filled it is the next question."
            .to_owned(),
        object: free.as_ref().or(used.as_ref()).and_then(metric),
        evidence: &evidence,
        signals_for,
        signals_against,
    }
    .weigh(thresholds)
}

pub(super) fn failover(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::UnplannedFailover;
    let Some(events) = &cloud.events else {
        return blind(CAUSE, "instance_events");
    };
    let (failover, restart) = (cloud.event("failover"), cloud.event("availability"));
    let planned = cloud.event("maintenance");
    let said = failover.as_ref().or(restart.as_ref());
    let says = match (said, failover.is_some()) {
        (Some((_, event)), true) => format!("RDS failed over at {}", event.value.at),
        (Some((_, event)), false) => format!("RDS restarted or stopped the instance at {}", event.value.at),
        (None, _) => "RDS reported neither a failover nor a restart within the hour".to_owned(),
    };
    let against = planned
        .as_ref()
        .map(|(_, event)| signal(&event.id, format!("RDS reported maintenance at {}", event.value.at)));
    Case {
        cause: CAUSE,
        evidence: &events.id,
        confidence_pct: confidence(
            20,
            &[(said.is_some(), 40), (failover.is_some(), 15), (planned.is_some(), -25)],
        ),
        explanation:
            "The server failed over or restarted within the hour. Clients lost their sessions; some hold on to the old \
                      address, and caches are cold."
                .to_owned(),
        signals_for: vec![signal(&events.id, says)],
        signals_against: against.into_iter().collect(),
        object: said.map(|(at, _)| ("event", format!("/events/{at}"))),
    }
    .weigh(thresholds)
}

pub(super) fn memory(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::MemoryPressure;
    let killed = cloud
        .metric("os.memory.outOfMemoryKillCount")
        .filter(|seen| seen.value.maximum > 0.0);
    let freeable = cloud.metric("AWS/RDS FreeableMemory");
    let swap = cloud.metric("AWS/RDS SwapUsage");
    let mut signals_for = Vec::new();
    let mut signals_against = Vec::new();
    if killed.is_some() {
        signals_for.extend(
            killed
                .as_ref()
                .map(|seen| signal(&seen.id, "processes were killed for want of memory")),
        );
    }
    let mut is_low = false;
    if let Some(seen) = &freeable {
        is_low = seen.value.last_quarter <= thresholds.memory_low_bytes;
        let says = signal(
            &seen.id,
            format!("{:.1} GiB of memory could still be had", seen.value.last_quarter / GIB),
        );
        if is_low { &mut signals_for } else { &mut signals_against }.push(says);
    }
    let mut swaps = false;
    if let Some(seen) = &swap {
        let grown = seen.value.last_quarter - seen.value.first_quarter;
        swaps = grown >= thresholds.swap_grown_bytes;
        if swaps {
            signals_for.push(signal(&seen.id, format!("swap in use grew by {:.1} GiB", grown / GIB)));
        }
    }
    let Some(evidence) = first(&signals_for, &signals_against) else {
        return blind(CAUSE, "instance_metrics");
    };
    Case {
        cause: CAUSE,
        evidence: &evidence,
        confidence_pct: confidence(20, &[(killed.is_some(), 45), (is_low, 25), (swaps, 20)]),
        explanation:
            "The instance runs out of memory: it swaps, or the operating system ends processes, and with one of them \
                      PostgreSQL ends all sessions."
                .to_owned(),
        signals_for,
        signals_against,
        object: freeable.as_ref().and_then(|seen| place(cloud, seen.value)),
    }
    .weigh(thresholds)
}

pub(super) fn io(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::IoSaturation;
    let mut signals_for = Vec::new();
    let mut signals_against = Vec::new();
    let mut slower = None;
    for (name, word) in [("AWS/RDS ReadLatency", "read"), ("AWS/RDS WriteLatency", "write")] {
        let Some(seen) = cloud.metric(name) else { continue };
        let (before, now) = (seen.value.first_quarter, seen.value.last_quarter);
        let is_slow = now >= thresholds.io_latency_s && now >= before * thresholds.io_latency_factor;
        let says = signal(
            &seen.id,
            format!(
                "a {word} takes {:.1} ms, half an hour ago {:.1} ms",
                now * 1e3,
                before * 1e3
            ),
        );
        if is_slow {
            slower = slower.or_else(|| place(cloud, seen.value));
            signals_for.push(says);
        } else {
            signals_against.push(says);
        }
    }
    let risen = cloud.compared.as_ref().and_then(|compared| {
        let wait = compared.value.risen(|wait| wait.starts_with("IO:"))?;
        let is_main = wait.share_of_change_pct >= thresholds.main_wait_pct;
        is_main.then(|| signal(&compared.id, risen_by(&wait.wait, wait.delta_aas)))
    });
    let waits = risen.is_some();
    signals_for.extend(risen);
    let Some(evidence) = first(&signals_for, &signals_against) else {
        return blind(CAUSE, "instance_metrics");
    };
    Case {
        cause: CAUSE,
        evidence: &evidence,
        confidence_pct: confidence(20, &[(slower.is_some(), 20), (waits, 20)]),
        explanation: "The disk became slower while more sessions came to wait for it: it has reached what it can do. Who reads or \
                      writes most has to be found among the statements."
            .to_owned(),
        object: slower,
        signals_for,
        signals_against,
    }
    .weigh(thresholds)
}

pub(super) fn capacity(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::CapacityCeiling;
    let mut signals_for = Vec::new();
    let mut signals_against = Vec::new();
    let mut used_up = None;
    for (name, what, unit) in [
        ("AWS/RDS CPUCreditBalance", "CPU credits", ""),
        ("AWS/RDS BurstBalance", "I/O credits", " %"),
    ] {
        let Some(seen) = cloud.metric(name) else { continue };
        let says = signal(
            &seen.id,
            format!("{:.0}{unit} of {what} are left", seen.value.last_quarter),
        );
        if seen.value.last_quarter <= thresholds.credits_low {
            used_up = used_up.or_else(|| place(cloud, seen.value));
            signals_for.push(says);
        } else {
            signals_against.push(says);
        }
    }
    let cpu = cloud
        .metric("AWS/RDS CPUUtilization")
        .or_else(|| cloud.metric("os.cpuUtilization.total"));
    let is_busy = cpu
        .as_ref()
        .is_some_and(|seen| seen.value.last_quarter >= thresholds.cpu_busy_pct);
    if let Some(seen) = &cpu {
        let says = signal(&seen.id, format!("the CPU is {:.0} % in use", seen.value.last_quarter));
        if is_busy {
            &mut signals_for
        } else {
            &mut signals_against
        }
        .push(says);
    }
    let overload = cloud.compared.as_ref().and_then(|compared| {
        let (load, vcpus) = (compared.value.incident_aas, compared.value.vcpus?);
        let on_cpu = compared.value.risen(|wait| wait == "CPU")?;
        let is_main = on_cpu.share_of_change_pct >= thresholds.main_wait_pct && load > vcpus;
        is_main.then(|| {
            signal(
                &compared.id,
                format!("{load:.1} sessions are active on {vcpus:.0} vCPU, and more of them on the CPU than before"),
            )
        })
    });
    let is_over = overload.is_some();
    signals_for.extend(overload);
    let Some(evidence) = first(&signals_for, &signals_against) else {
        return blind(CAUSE, "instance_metrics");
    };
    Case {
        cause: CAUSE,
        evidence: &evidence,
        confidence_pct: confidence(15, &[(used_up.is_some(), 45), (is_busy, 20), (is_busy && is_over, 25)]),
        explanation: "The instance gives no more: its credits are used up, or more sessions want a CPU than there are CPUs. Less load \
                      or a larger class helps; no statement alone is at fault."
            .to_owned(),
        object: used_up,
        signals_for,
        signals_against,
    }
    .weigh(thresholds)
}

pub(super) fn risen_by(wait: &str, by: f64) -> String {
    format!("{by:.1} more active sessions than an hour ago wait for {wait}")
}

/// Where a metric stands in its evidence.
fn place(cloud: &Cloud, measured: &Measured) -> Option<(&'static str, String)> {
    let all = &cloud.metrics.as_ref()?.value.metrics;
    let at = all.iter().position(|one| one.metric == measured.metric)?;
    Some(("metric", format!("/metrics/{at}")))
}

/// The evidence that a case stands on first; `None`: on none.
fn first(signals_for: &[Signal], signals_against: &[Signal]) -> Option<String> {
    let mut all = signals_for.iter().chain(signals_against);
    all.next().map(|signal| signal.evidence.clone())
}

fn blind(cause: RootCause, tool: &'static str) -> Assessment {
    Assessment::Blind { cause, tool }
}
