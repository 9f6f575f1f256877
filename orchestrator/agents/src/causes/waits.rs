//! What many sessions wait for at once besides locks, and who is likeliest to be the reason.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Client, Session, Telemetry};
use crate::thresholds::Thresholds;

pub(super) fn assess_temp_files(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::TempFileSpill;
    let Some(storage) = &telemetry.storage else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "storage",
        };
    };
    let Some(directory) = &storage.value.temp_directory else {
        return ruled(CAUSE, &storage.id, "this role may not see temporary files: not judged");
    };
    let level = format!("{} temporary files take {} bytes now", directory.files, directory.bytes);
    if directory.bytes < thresholds.temp_bytes_now {
        return ruled(CAUSE, &storage.id, level);
    }
    let at_work = telemetry.at_work(thresholds.min_statement_s);
    let mut signals_for = vec![signal(&storage.id, level)];
    let mut object = None;
    if let Some(at_work) = &at_work {
        let says = format!("{} statements are at work", at_work.value.len());
        signals_for.push(signal(&at_work.id, says));
        // Which of several writes the files, no view says.
        if let [(at, _)] = at_work.value.as_slice() {
            object = Some(("session", format!("/sessions/{at}")));
        }
    }
    let evidence = at_work.as_ref().map_or(&storage.id, |at_work| &at_work.id);
    Case {
        cause: CAUSE,
        evidence,
        confidence_pct: confidence(65, &[(object.is_some(), 10), (directory.bytes >= thresholds.temp_bytes_many, 10)]),
        explanation: "A statement sorts or hashes more than its work_mem and writes the rest to temporary files. They go with the \
                      statement; if they fill the disk before, everything stops."
            .to_owned(),
        signals_for,
        signals_against: Vec::new(),
        object,
    }
    .weigh(thresholds)
}

pub(super) fn assess_io(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let reads = |session: &Session| {
        session.wait_event_type.as_deref() == Some("IO")
            && session
                .wait_event
                .as_deref()
                .is_some_and(|event| event.starts_with("DataFile"))
    };
    crowd(
        telemetry,
        thresholds,
        RootCause::IoSaturation,
        reads,
        "wait for the disk",
        "Most statements at work wait for data files. Who of them keeps the disk busy, one look at them does not say.",
    )
}

pub(super) fn assess_lock_manager(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let waits = |session: &Session| {
        session.wait_event_type.as_deref() == Some("LWLock")
            && matches!(
                session.wait_event.as_deref(),
                Some("LockManager" | "lock_manager" | "SubtransSLRU" | "SubtransBuffer" | "SubtransControlLock")
            )
    };
    crowd(
        telemetry,
        thresholds,
        RootCause::LockManagerContention,
        waits,
        "wait for the lock tables",
        "Sessions take more locks at once than the fast path holds, and wait for the shared lock tables. Fewer sessions at \
         once shed it; the cure is in the statements.",
    )
}

fn crowd(
    telemetry: &Telemetry,
    thresholds: &Thresholds,
    cause: RootCause,
    waits: impl Fn(&Session) -> bool,
    does: &str,
    explanation: &str,
) -> Assessment {
    let Some(at_work) = telemetry.at_work(0) else {
        return Assessment::Blind {
            cause,
            tool: "sessions",
        };
    };
    let waiting: Vec<&Session> = at_work
        .value
        .iter()
        .map(|(_, session)| session)
        .filter(|session| waits(session))
        .collect();
    let says = format!("{} of {} statements at work {does}", waiting.len(), at_work.value.len());
    if waiting.len() < thresholds.crowd || waiting.len().saturating_mul(2) < at_work.value.len() {
        return ruled(cause, &at_work.id, says);
    }
    Case {
        cause,
        evidence: &at_work.id,
        confidence_pct: confidence(60, &[]),
        explanation: explanation.to_owned(),
        signals_for: vec![signal(&at_work.id, says)],
        signals_against: Vec::new(),
        object: client_of(telemetry, &waiting).map(|at| ("client", format!("/connections/groups/{at}"))),
    }
    .weigh(thresholds)
}

/// The client whose sessions most of these are, if it is one client's.
fn client_of(telemetry: &Telemetry, waiting: &[&Session]) -> Option<usize> {
    let groups = &telemetry.connections.as_ref()?.value.groups;
    let of = |client: &Client| {
        let same = |session: &&&Session| {
            session.usename == client.usename && session.application_name == client.application_name
        };
        waiting.iter().filter(same).count()
    };
    let (at, client) = groups.iter().enumerate().max_by_key(|(_, client)| of(client))?;
    (of(client).saturating_mul(2) > waiting.len()).then_some(at)
}

/// Memory is the operating system's to see. What a server can show is a promise that it could not keep.
pub(super) fn assess_memory(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::MemoryPressure;
    let Some(settings) = &telemetry.settings else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "settings",
        };
    };
    let mut findings = settings.value.findings.iter();
    let promised = findings.find(|finding| finding.code == "work_mem_high" && finding.severity != "info");
    let at_work = telemetry.at_work(thresholds.min_statement_s);
    let (Some(promised), Some(at_work)) = (promised, at_work) else {
        return ruled(CAUSE, &settings.id, "work_mem is not out of proportion");
    };
    // Several statements at work are a load; which of them takes the memory, no view says.
    let object = match at_work.value.as_slice() {
        [(at, _)] => Some(("session", format!("/sessions/{at}"))),
        _ => None,
    };
    Case {
        cause: CAUSE,
        evidence: &at_work.id,
        confidence_pct: confidence(40, &[(object.is_some(), 15)]),
        explanation: format!("{}. A statement is at work that may take it all.", promised.what),
        signals_for: vec![
            signal(&settings.id, promised.what.clone()),
            signal(&at_work.id, format!("{} statements are at work", at_work.value.len())),
        ],
        signals_against: Vec::new(),
        object,
    }
    .weigh(thresholds)
}
