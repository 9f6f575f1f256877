//! Reads and writes the rows: the fold of an incident's journal entries, the index rows, the evidence bodies.

use incident::{Episode, Event, Evidence, Incident, IncidentId, Source};
use journal::Entry;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use crate::error::StoreError;

/// One line of the list of incidents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub id: IncidentId,
    pub target: String,
    pub family: String,
    pub state: String,
    pub opened_at: String,
    pub changed_at: String,
}

/// The journal entries of one incident, oldest first.
pub(crate) fn timeline(sql: &Connection, id: &IncidentId) -> Result<Vec<Entry>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT leaf FROM journal_events WHERE subject = ?1 ORDER BY seq")?;
    let leaves = statement.query_map([id.as_str()], |row| row.get::<_, String>(0))?;
    leaves.map(|leaf| Ok(serde_json::from_str(&leaf?)?)).collect()
}

/// Replays the journal. There is no other way to an incident: it cannot differ from what was journalled.
pub(crate) fn fold(sql: &Connection, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
    let mut folded: Option<Incident> = None;
    for entry in timeline(sql, id)? {
        let odd = |reason: String| StoreError::Unreplayable {
            incident: id.clone(),
            seq: entry.seq,
            reason,
        };
        let event = Event::parse(&entry.kind, entry.data.clone()).map_err(|e| odd(e.to_string()))?;
        folded = Some(match folded {
            None => {
                Incident::open(id.clone(), &event).ok_or_else(|| odd(format!("`{}` opens no incident", entry.kind)))?
            }
            Some(incident) => incident.apply(event).map_err(|e| odd(e.to_string()))?,
        });
    }
    Ok(folded)
}

/// Keeps the index row in step with the incident; in the same transaction as its event.
pub(crate) fn put_index(sql: &Connection, incident: &Incident, now: &str) -> Result<(), StoreError> {
    let takes = incident.state.outcome().is_none();
    let open = !incident.state.is_closed();
    sql.prepare_cached(
        "INSERT INTO incidents (id, target, family, state, takes, open, opened_at, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (id) DO UPDATE SET state = ?4, takes = ?5, open = ?6, changed_at = ?7",
    )?
    .execute((
        incident.id.as_str(),
        &incident.target,
        incident.family.as_str(),
        state_word(incident),
        takes,
        open,
        now,
    ))?;
    Ok(())
}

/// A closed incident shows how it ended: that is what its reader wants to know.
fn state_word(incident: &Incident) -> String {
    match incident.state.outcome() {
        Some(outcome) if incident.state.is_closed() => format!("closed ({outcome})"),
        Some(outcome) => outcome.to_string(),
        None => incident.state.as_str().to_owned(),
    }
}

pub(crate) fn incident_of_episode(sql: &Connection, episode: &Episode) -> Result<Option<IncidentId>, StoreError> {
    let mut statement =
        sql.prepare_cached("SELECT incident FROM episodes WHERE source = ?1 AND fingerprint = ?2 AND starts_at = ?3")?;
    let found = statement
        .query_row(episode_key(episode), |row| row.get::<_, String>(0))
        .optional()?;
    Ok(found.map(|id| IncidentId::named(&id)))
}

pub(crate) fn put_episode(sql: &Connection, episode: &Episode, id: &IncidentId) -> Result<(), StoreError> {
    let (source, fingerprint, starts_at) = episode_key(episode);
    sql.prepare_cached("INSERT INTO episodes (source, fingerprint, starts_at, incident) VALUES (?1, ?2, ?3, ?4)")?
        .execute((source, fingerprint, starts_at, id.as_str()))?;
    Ok(())
}

/// The newest incidents of one alarm. Each of its ends ends all before, so that no older one has anything left to end.
pub(crate) fn incidents_of_alarm(
    sql: &Connection,
    source: Source,
    fingerprint: &str,
) -> Result<Vec<IncidentId>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT incident FROM episodes WHERE source = ?1 AND fingerprint = ?2
         GROUP BY incident ORDER BY max(starts_at) DESC LIMIT 16",
    )?;
    let ids = statement.query_map([source.to_string().as_str(), fingerprint], |row| {
        row.get::<_, String>(0)
    })?;
    ids.map(|id| Ok(IncidentId::named(&id?))).collect()
}

/// When an alarm last changed, as far as was told; the time as SQL orders it.
pub(crate) fn last_change(sql: &Connection, source: Source, fingerprint: &str) -> Result<Option<String>, StoreError> {
    let mut statement =
        sql.prepare_cached("SELECT changed_at FROM alarm_changes WHERE source = ?1 AND fingerprint = ?2")?;
    let found = statement.query_row([source.to_string().as_str(), fingerprint], |row| row.get(0));
    Ok(found.optional()?)
}

pub(crate) fn put_change(
    sql: &Connection,
    source: Source,
    fingerprint: &str,
    changed_at: &str,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO alarm_changes (source, fingerprint, changed_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (source, fingerprint) DO UPDATE SET changed_at = ?3",
    )?
    .execute([source.to_string().as_str(), fingerprint, changed_at])?;
    Ok(())
}

fn episode_key(episode: &Episode) -> (String, String, String) {
    (
        episode.source.to_string(),
        episode.fingerprint.clone(),
        episode.starts_at.to_rfc3339(),
    )
}

/// The incident of this target and family that still takes alerts.
pub(crate) fn taking(sql: &Connection, target: &str, family: &str) -> Result<Option<IncidentId>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT id FROM incidents WHERE takes AND target = ?1 AND family = ?2 ORDER BY opened_at DESC LIMIT 1",
    )?;
    let found = statement
        .query_row([target, family], |row| row.get::<_, String>(0))
        .optional()?;
    Ok(found.map(|id| IncidentId::named(&id)))
}

pub(crate) fn open_ids(sql: &Connection) -> Result<Vec<IncidentId>, StoreError> {
    let mut statement = sql.prepare_cached("SELECT id FROM incidents WHERE open ORDER BY opened_at, id")?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
    ids.map(|id| Ok(IncidentId::named(&id?))).collect()
}

pub(crate) fn count_open(sql: &Connection) -> Result<u64, StoreError> {
    let open: i64 = sql
        .prepare_cached("SELECT count(*) FROM incidents WHERE open")?
        .query_row([], |row| row.get(0))?;
    Ok(open.unsigned_abs())
}

/// Newest first.
pub(crate) fn summaries(sql: &Connection) -> Result<Vec<Summary>, StoreError> {
    let mut statement = sql.prepare_cached(
        "SELECT id, target, family, state, opened_at, changed_at FROM incidents ORDER BY opened_at DESC, id",
    )?;
    let rows = statement.query_map([], summary)?;
    rows.map(|row| Ok(row?)).collect()
}

fn summary(row: &Row<'_>) -> Result<Summary, rusqlite::Error> {
    Ok(Summary {
        id: IncidentId::named(&row.get::<_, String>(0)?),
        target: row.get(1)?,
        family: row.get(2)?,
        state: row.get(3)?,
        opened_at: row.get(4)?,
        changed_at: row.get(5)?,
    })
}

pub(crate) fn put_evidence(sql: &Connection, id: &IncidentId, evidence: &[Evidence]) -> Result<(), StoreError> {
    let mut insert = sql.prepare_cached("INSERT INTO evidence (incident, id, body) VALUES (?1, ?2, ?3)")?;
    for piece in evidence {
        insert.execute((id.as_str(), &piece.id, serde_json::to_string(piece)?))?;
    }
    Ok(())
}

/// The evidence of an incident in the order it was taken; each body must still be what the journal has the digest of.
pub(crate) fn evidence(sql: &Connection, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
    let mut select = sql.prepare_cached("SELECT body FROM evidence WHERE incident = ?1 AND id = ?2")?;
    let mut found = Vec::with_capacity(incident.evidence.len());
    for note in &incident.evidence {
        let changed = || StoreError::EvidenceChanged {
            incident: incident.id.clone(),
            id: note.id.clone(),
        };
        let body: Option<String> = select
            .query_row([incident.id.as_str(), &note.id], |row| row.get(0))
            .optional()?;
        let piece: Evidence = serde_json::from_str(&body.ok_or_else(changed)?)?;
        if piece.digest != note.digest || !piece.is_intact() {
            return Err(changed());
        }
        found.push(piece);
    }
    Ok(found)
}
