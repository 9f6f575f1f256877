//! What many sessions wait for at once besides locks, and who is likeliest to be the reason.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Client, Session, Telemetry, name, whole_s};
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
    // Files that came and went between two looks.
    let written = telemetry.rose(|database| database.temp_bytes).unwrap_or(0);
    if directory.bytes.max(written) < thresholds.temp_bytes_now {
        return ruled(CAUSE, &storage.id, level);
    }
    let at_work = telemetry.at_work(thresholds.min_statement_s);
    let mut signals_for = vec![signal(&storage.id, level)];
    if let Some(overview) = telemetry.overview.as_ref().filter(|_| written > 0) {
        let says = format!("{written} bytes of temporary files were written between two looks");
        signals_for.push(signal(&overview.id, says));
    }
    let mut object = None;
    if let Some(at_work) = &at_work {
        let says = format!("{} statements are at work", at_work.value.len());
        signals_for.push(signal(&at_work.id, says));
        // Of several, the one that is seen to wait for such files.
        let writes = |session: &Session| has_event(session, |event| event.starts_with("BufFile"));
        let only = match at_work.value.as_slice() {
            [(at, _)] => Some(*at),
            _ => busiest(telemetry, thresholds, writes)
                .or_else(|| longest_of_one_role(telemetry, &at_work.value, writes)),
        };
        // Short ones that come again and again are gone before anybody could end one; their client stays.
        object = only
            .map(|at| ("session", format!("/sessions/{at}")))
            .or_else(|| client_of(telemetry, |_| true).map(|at| ("client", format!("/connections/groups/{at}"))));
    }
    let evidence = at_work.as_ref().map_or(&storage.id, |at_work| &at_work.id);
    Case {
        cause: CAUSE,
        evidence,
        confidence_pct: confidence(65, &[(object.is_some(), 10), (directory.bytes.max(written) >= thresholds.temp_bytes_many, 10)]),
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
    const CAUSE: RootCause = RootCause::IoSaturation;
    let reads = |session: &Session| match session.wait_event_type.as_deref() {
        Some("IO") => has_event(session, |event| event.starts_with("DataFile")),
        // It waits for another that reads the same page, or for its turn to evict one.
        Some("IPC") => has_event(session, |event| event == "BufferIO"),
        Some("LWLock") => has_event(session, |event| event == "BufferMapping" || event == "buffer_mapping"),
        _ => false,
    };
    let crowd = match Crowd::of(telemetry, thresholds.crowd, thresholds.io_pct, CAUSE, reads) {
        Ok(crowd) => crowd,
        Err(none) => return none,
    };
    let busiest = busiest(telemetry, thresholds, reads);
    let mut signals_for = vec![signal(crowd.evidence, crowd.says("wait for the disk"))];
    if let Some((at, session)) = busiest.and_then(|at| Some((at, telemetry.sessions.as_ref()?.value.get(at)?))) {
        let says = format!(
            "session {} of `{}` (application `{}`, row {at}) waits for it most, alone or with its workers",
            session.pid,
            name(session.usename.as_ref()),
            name(session.application_name.as_ref()),
        );
        signals_for.push(signal(crowd.evidence, says));
    }
    Case {
        cause: CAUSE,
        evidence: crowd.evidence,
        confidence_pct: confidence(60, &[(busiest.is_some(), 10)]),
        explanation:
            "Most statements at work wait for data files. Who of them reads most may be who the others wait behind."
                .to_owned(),
        signals_for,
        signals_against: Vec::new(),
        object: busiest.map(|at| ("session", format!("/sessions/{at}"))),
    }
    .weigh(thresholds)
}

pub(super) fn assess_lock_manager(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::LockManagerContention;
    let waits = |session: &Session| {
        session.wait_event_type.as_deref() == Some("LWLock")
            && has_event(session, |event| {
                matches!(
                    event,
                    "LockManager" | "lock_manager" | "SubtransSLRU" | "SubtransBuffer" | "SubtransControlLock"
                )
            })
    };
    let crowd = match Crowd::of(telemetry, thresholds.crowd, thresholds.lock_manager_pct, CAUSE, waits) {
        Ok(crowd) => crowd,
        Err(none) => return none,
    };
    Case {
        cause: CAUSE,
        evidence: crowd.evidence,
        confidence_pct: confidence(70, &[]),
        explanation:
            "Sessions take more locks at once than the fast path holds, and wait for the shared lock tables. Fewer \
                      sessions at once shed it; the cure is in the statements."
                .to_owned(),
        signals_for: vec![signal(crowd.evidence, crowd.says("wait for the lock tables"))],
        signals_against: Vec::new(),
        object: client_of(telemetry, waits).map(|at| ("client", format!("/connections/groups/{at}"))),
    }
    .weigh(thresholds)
}

/// How many of those at work wait for one thing, over all looks.
struct Crowd<'a> {
    /// The last look: objects stand there.
    evidence: &'a str,
    waiting: usize,
    at_work: usize,
    looks: usize,
}

impl<'a> Crowd<'a> {
    fn of(
        telemetry: &'a Telemetry,
        least: usize,
        least_pct: usize,
        cause: RootCause,
        waits: impl Fn(&Session) -> bool,
    ) -> Result<Self, Assessment> {
        let last = telemetry.sessions.as_ref().ok_or(Assessment::Blind {
            cause,
            tool: "sessions",
        })?;
        let mut crowd = Self {
            evidence: &last.id,
            waiting: 0,
            at_work: 0,
            looks: telemetry.samples.len(),
        };
        for sample in &telemetry.samples {
            for session in sample.value.iter().filter(|session| telemetry.is_at_work(session)) {
                crowd.at_work = crowd.at_work.saturating_add(1);
                crowd.waiting = crowd.waiting.saturating_add(usize::from(waits(session)));
            }
        }
        let is_crowd = crowd.waiting >= least.saturating_mul(crowd.looks)
            && crowd.waiting.saturating_mul(100) >= crowd.at_work.saturating_mul(least_pct);
        if is_crowd {
            Ok(crowd)
        } else {
            Err(ruled(cause, &last.id, crowd.says("wait for it")))
        }
    }

    fn says(&self, what: &str) -> String {
        format!(
            "in {} looks, {} of {} processes at work {what}",
            self.looks, self.waiting, self.at_work
        )
    }
}

/// The statement that is the likeliest reason, still at work: the only long one that waits, or of several the one that was
/// seen to wait far more than the next, alone or with its workers. Its place in the last look.
fn busiest(telemetry: &Telemetry, thresholds: &Thresholds, waits: impl Fn(&Session) -> bool) -> Option<usize> {
    let mut weights: Vec<(i64, usize)> = Vec::new();
    for session in telemetry.samples.iter().flat_map(|sample| &sample.value) {
        if !telemetry.is_at_work(session) || !waits(session) {
            continue;
        }
        let pid = session.leader_pid.unwrap_or(session.pid);
        match weights.iter_mut().find(|(known, _)| *known == pid) {
            Some((_, weight)) => *weight = weight.saturating_add(1),
            None => weights.push((pid, 1)),
        }
    }
    let weight = |pid: i64| {
        weights
            .iter()
            .find(|(known, _)| *known == pid)
            .map_or(0, |(_, weight)| *weight)
    };
    let long = telemetry.at_work(thresholds.slow_statement_s)?;
    let mut suspects: Vec<(usize, usize)> = long
        .value
        .iter()
        .map(|(at, session)| (*at, weight(session.pid)))
        .filter(|(_, weight)| *weight > 0)
        .collect();
    suspects.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    match suspects.as_slice() {
        [(at, _)] => Some(*at),
        [(at, most), (_, next), ..] if most.saturating_mul(2) >= next.saturating_mul(3) => Some(*at),
        _ => None,
    }
}

/// Of several alike, the one that is furthest on, if all that were seen to wait so, or that compute if none was, are one
/// role's: the cure is that role's.
fn longest_of_one_role(
    telemetry: &Telemetry,
    at_work: &[(usize, Session)],
    waits: impl Fn(&Session) -> bool,
) -> Option<usize> {
    let looks = || telemetry.samples.iter().flat_map(|sample| &sample.value);
    let is_of = |look: &Session, session: &Session| look.leader_pid.unwrap_or(look.pid) == session.pid;
    let seen = |session: &Session| looks().any(|look| is_of(look, session) && waits(look));
    // One that sleeps, or waits for its client, does nothing that could spill.
    let computes = |session: &Session| !matches!(session.wait_event_type.as_deref(), Some("Timeout" | "Client"));
    let mut suspects: Vec<&(usize, Session)> = at_work.iter().filter(|(_, session)| seen(session)).collect();
    if suspects.is_empty() {
        suspects.extend(at_work.iter().filter(|(_, session)| computes(session)));
    }
    let (_, first) = suspects.first()?;
    let same_role = suspects.iter().all(|(_, session)| session.usename == first.usename);
    let age = |session: &Session| session.query_age_s.map_or(0, whole_s);
    let longest = suspects.iter().max_by_key(|(_, session)| age(session))?;
    same_role.then_some(longest.0)
}

/// The client whose sessions most of these are, if it is one client's.
fn client_of(telemetry: &Telemetry, waits: impl Fn(&Session) -> bool) -> Option<usize> {
    let groups = &telemetry.connections.as_ref()?.value.groups;
    let sessions = telemetry.samples.iter().flat_map(|sample| &sample.value);
    let waiting: Vec<&Session> = sessions
        .filter(|session| telemetry.is_at_work(session) && waits(session))
        .collect();
    let of = |client: &Client| {
        let same = |session: &&&Session| {
            session.usename == client.usename && session.application_name == client.application_name
        };
        waiting.iter().filter(same).count()
    };
    let (at, client) = groups.iter().enumerate().max_by_key(|(_, client)| of(client))?;
    (of(client).saturating_mul(2) > waiting.len()).then_some(at)
}

fn has_event(session: &Session, is: impl Fn(&str) -> bool) -> bool {
    session.wait_event.as_deref().is_some_and(is)
}

/// Memory is the operating system's to see. What a server can show is a statement at work that may take a large part of it.
pub(super) fn assess_memory(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::MemoryPressure;
    let Some(settings) = &telemetry.settings else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "settings",
        };
    };
    let Some(at_work) = telemetry.at_work(0) else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "sessions",
        };
    };
    let least = settings
        .value
        .shared_buffers_bytes()
        .max(thresholds.generous_work_mem_bytes);
    let may_take = |session: &Session| {
        settings
            .value
            .work_mem_bytes(session.usename.as_deref(), session.datname.as_deref())
    };
    let greedy = || at_work.value.iter().filter(|(_, session)| may_take(session) >= least);
    // Several at once need not be long each: together they take as much.
    let several = greedy().count() >= thresholds.greedy_together;
    let least_s = if several {
        thresholds.min_statement_s
    } else {
        thresholds.slow_statement_s
    };
    let greedy: Vec<&(usize, Session)> = greedy()
        .filter(|(_, session)| session.query_age_s.is_some_and(|age| whole_s(age) >= least_s))
        .collect();
    let age = |session: &Session| session.query_age_s.map_or(0, whole_s);
    let Some((at, longest)) = greedy.iter().max_by_key(|(_, session)| age(session)) else {
        return ruled(
            CAUSE,
            &settings.id,
            "no statement at work may take as much memory as shared_buffers has",
        );
    };
    let same_role = greedy.iter().all(|(_, session)| session.usename == longest.usename);
    let says = format!(
        "{} statements at work may each take {} bytes and more for a sort or a hash (work_mem), the longest for {} s",
        greedy.len(),
        may_take(longest),
        age(longest)
    );
    Case {
        cause: CAUSE,
        evidence: &at_work.id,
        confidence_pct: confidence(52, &[(same_role, 8)]),
        explanation:
            "Statements are at work whose role, database or server lets each sort and hash take as much memory as \
                      shared_buffers and more. A few of them at once take what the machine has."
                .to_owned(),
        signals_for: vec![
            signal(&at_work.id, says),
            signal(
                &settings.id,
                format!("shared_buffers is {} bytes", settings.value.shared_buffers_bytes()),
            ),
        ],
        signals_against: Vec::new(),
        object: same_role.then(|| ("session", format!("/sessions/{at}"))),
    }
    .weigh(thresholds)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde_json::{Value, json};

    use super::*;
    use crate::test_evidence::{healthy, record};
    use crate::thresholds::THRESHOLDS;

    /// Three statements at work, two of them seen to write temporary files; which session the cure is for.
    fn who_spills(second_role: &str, seen_to_write: bool) -> Option<String> {
        let (kind, write, read) = if seen_to_write {
            ("IO", "BufFileWrite", "BufFileRead")
        } else {
            ("IPC", "MessageQueueReceive", "MessageQueueReceive")
        };
        let session = |pid: i64, role: &str, age_s: i64, kind: &str, event: Value| {
            json!({"pid": pid, "usename": role, "application_name": "train", "state": "active", "query_age_s": age_s,
                   "backend_type": "client backend", "wait_event_type": kind, "wait_event": event})
        };
        let connections = json!({"max_connections": 100, "used": 3, "groups": []});
        let sessions = json!([
            session(1, "ml", 4, kind, json!(write)),
            session(2, second_role, 7, kind, json!(read)),
            session(3, "web", 30, "Timeout", json!("PgSleep")),
        ]);
        let mut evidence = healthy();
        evidence.push(record(
            "E20",
            "sessions",
            json!({"connections": connections, "sessions": sessions}),
        ));
        let temp = json!({"temp_directory": {"files": 9, "bytes": 300_000_000}});
        evidence.push(record("E21", "storage", temp));
        let hypothesis = assess_temp_files(&Telemetry::read(&evidence), &THRESHOLDS)
            .likely()
            .unwrap();
        hypothesis.objects.get("session").map(|session| session.pointer.clone())
    }

    #[test]
    fn of_spilling_statements_of_one_role_the_longest_is_named_and_of_several_roles_none() {
        for seen_to_write in [true, false] {
            assert_eq!(who_spills("ml", seen_to_write).as_deref(), Some("/sessions/1"));
            assert_eq!(who_spills("etl", seen_to_write), None);
        }
    }

    #[test]
    fn several_greedy_statements_at_once_need_not_be_long_each() {
        let named = |ages: &[i64]| {
            let session = |(at, age_s): (usize, &i64)| {
                json!({"pid": at, "usename": "quant", "datname": "orders", "state": "active", "query_age_s": age_s,
                       "backend_type": "client backend"})
            };
            let sessions: Vec<Value> = ages.iter().enumerate().map(session).collect();
            let connections = json!({"max_connections": 100, "used": 3, "groups": []});
            let overrides = json!([{"database": "orders", "role": "quant", "name": "work_mem", "value": "6GB"}]);
            let mut evidence = healthy();
            evidence.push(record(
                "E20",
                "sessions",
                json!({"connections": connections, "sessions": sessions}),
            ));
            evidence.push(record("E21", "settings", json!({ "overrides": overrides })));
            matches!(
                assess_memory(&Telemetry::read(&evidence), &THRESHOLDS),
                Assessment::Likely(_)
            )
        };
        assert_eq!(
            (named(&[1, 0, 0]), named(&[2]), named(&[1, 1]), named(&[0, 0, 0])),
            (true, true, false, false)
        );
    }
}
