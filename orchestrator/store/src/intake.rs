//! Takes alerts in: durable before it returns, idempotent by episode, and full rather than forgetful.

use chrono::SecondsFormat;
use incident::{AlarmChange, AlarmState, Alert, AlertStatus, Event, IncidentId, Source};
use journal::Tx;
use serde::Serialize;

use crate::error::StoreError;
use crate::rows;
use crate::store::{Store, journal_event, now, open_incident};

/// What became of one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    pub news: News,
    /// Absent when the alert concerns no incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A new incident.
    Opened,
    /// Another alert of an incident that is being worked on.
    Joined,
    /// An alert of an incident ended, says its source.
    Resolved,
    /// Told before.
    Duplicate,
    /// The end of something that was never told.
    NeverSeen,
    /// Told after a later change of the same alarm.
    Outdated,
    /// The source no longer knows: nothing began, and nothing ended.
    Unknown,
}

impl Store {
    /// Takes one alert for one target. At most `max_open` incidents are open at a time.
    pub fn receive(&self, target: &str, alert: &Alert, max_open: u64) -> Result<Received, StoreError> {
        self.journal.transact(|tx| take(tx, target, alert, max_open))
    }

    /// Takes one change of an alarm whose source tells changes and not episodes. They count in the order in which they
    /// happened; a delivery that was late, or is played again, changes nothing.
    pub fn receive_change(&self, target: &str, change: &AlarmChange, max_open: u64) -> Result<Received, StoreError> {
        self.journal.transact(|tx| {
            let (sql, source) = (tx.sql(), Source::Cloudwatch);
            let changed_at = change.changed_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
            let last = rows::last_change(sql, source, &change.arn)?;
            if last.is_some_and(|last| last >= changed_at) {
                let known = change
                    .alert()
                    .map(|alert| rows::incident_of_episode(sql, &alert.episode));
                let incident = known.transpose()?.flatten();
                let news = if incident.is_some() {
                    News::Duplicate
                } else {
                    News::Outdated
                };
                return Ok(Received { news, incident });
            }
            rows::put_change(sql, source, &change.arn, &changed_at)?;
            match (change.state, change.alert()) {
                (_, Some(alert)) => take(tx, target, &alert, max_open),
                (AlarmState::Ok, None) => end(tx, change),
                (AlarmState::Alarm | AlarmState::InsufficientData, None) => Ok(Received {
                    news: News::Unknown,
                    incident: None,
                }),
            }
        })
    }
}

fn take(tx: &Tx<'_>, target: &str, alert: &Alert, max_open: u64) -> Result<Received, StoreError> {
    let sql = tx.sql();
    if let Some(id) = rows::incident_of_episode(sql, &alert.episode)? {
        let incident = rows::fold(sql, &id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone()))?;
        let known = incident
            .alerts
            .iter()
            .find(|record| record.alert.episode == alert.episode);
        let (news, event) = match (known.is_some_and(|record| record.alert.is_firing()), alert.status) {
            (true, AlertStatus::Resolved { ends_at }) => (
                News::Resolved,
                Event::AlertResolved {
                    episode: alert.episode.clone(),
                    ends_at,
                },
            ),
            (false, AlertStatus::Firing) if incident.state.outcome().is_none() => {
                (News::Joined, Event::AlertJoined { alert: alert.clone() })
            }
            _ => {
                return Ok(Received {
                    news: News::Duplicate,
                    incident: Some(id),
                });
            }
        };
        tx.append(journal_event(&id, &event)?)?;
        rows::put_index(sql, &incident.apply(event)?, &now())?;
        return Ok(Received {
            news,
            incident: Some(id),
        });
    }

    if !alert.is_firing() {
        return Ok(Received {
            news: News::NeverSeen,
            incident: None,
        });
    }
    let family = alert.family();
    if let Some(id) = rows::taking(sql, target, family.as_str())? {
        let incident = rows::fold(sql, &id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone()))?;
        let event = Event::AlertJoined { alert: alert.clone() };
        tx.append(journal_event(&id, &event)?)?;
        rows::put_index(sql, &incident.apply(event)?, &now())?;
        rows::put_episode(sql, &alert.episode, &id)?;
        return Ok(Received {
            news: News::Joined,
            incident: Some(id),
        });
    }

    let open = rows::count_open(sql)?;
    if open >= max_open {
        return Err(StoreError::Full { open });
    }
    let id = IncidentId::opened_by(target, alert);
    open_incident(
        tx,
        &id,
        &Event::Opened {
            target: target.to_owned(),
            family,
            alert: alert.clone(),
        },
    )?;
    rows::put_episode(sql, &alert.episode, &id)?;
    Ok(Received {
        news: News::Opened,
        incident: Some(id),
    })
}

/// Ends every episode of the alarm that began before; which one it was, its source does not say.
fn end(tx: &Tx<'_>, change: &AlarmChange) -> Result<Received, StoreError> {
    let sql = tx.sql();
    let mut received = Received {
        news: News::NeverSeen,
        incident: None,
    };
    for id in rows::incidents_of_alarm(sql, Source::Cloudwatch, &change.arn)? {
        let mut incident = rows::fold(sql, &id)?.ok_or_else(|| StoreError::UnknownIncident(id.clone()))?;
        let firing = incident.alerts.iter().filter(|record| record.alert.is_firing());
        let episodes = firing.map(|record| record.alert.episode.clone());
        let ended = episodes.filter(|episode| {
            let is_of_it = episode.source == Source::Cloudwatch && episode.fingerprint == change.arn;
            is_of_it && episode.starts_at < change.changed_at
        });
        for episode in ended.collect::<Vec<_>>() {
            let event = Event::AlertResolved {
                episode,
                ends_at: change.changed_at,
            };
            tx.append(journal_event(&id, &event)?)?;
            incident = incident.apply(event)?;
            rows::put_index(sql, &incident, &now())?;
            received = Received {
                news: News::Resolved,
                incident: Some(id.clone()),
            };
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::collections::BTreeMap;

    use incident::{Digest, Episode, Evidence, HandOverReason, Source, State, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::{StoreConfig, Viewer};

    fn config(dir: &std::path::Path) -> StoreConfig {
        StoreConfig {
            dir: dir.to_owned(),
            origin: "countersign.test/orchestrator-1".to_owned(),
            publish: None,
        }
    }

    fn alert(fingerprint: &str, name: &str) -> Alert {
        Alert {
            episode: Episode {
                source: Source::Alertmanager,
                fingerprint: fingerprint.to_owned(),
                starts_at: "2026-11-22T10:11:16.94533208Z".parse().unwrap(),
            },
            status: AlertStatus::Firing,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            generator_url: None,
        }
    }

    fn ended(mut alert: Alert) -> Alert {
        alert.status = AlertStatus::Resolved {
            ends_at: "2026-11-22T10:20:00Z".parse().unwrap(),
        };
        alert
    }

    #[test]
    fn the_same_delivery_twice_is_one_incident() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        let first = store.receive("orders", &alert("aa", "LockWaits"), 9).unwrap();
        assert_eq!(first.news, News::Opened);
        let again = store.receive("orders", &alert("aa", "LockWaits"), 9).unwrap();
        assert_eq!(
            again,
            Received {
                news: News::Duplicate,
                incident: first.incident
            }
        );
        assert_eq!(store.open_incidents().unwrap().len(), 1);
    }

    #[test]
    fn alerts_of_one_family_and_target_are_one_incident() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        store.receive("orders", &alert("aa", "LockWaits"), 9).unwrap();
        assert_eq!(
            store.receive("orders", &alert("bb", "LockWaits"), 9).unwrap().news,
            News::Joined
        );
        assert_eq!(
            store.receive("billing", &alert("cc", "LockWaits"), 9).unwrap().news,
            News::Opened
        );
        assert_eq!(
            store.receive("orders", &alert("dd", "DiskFull"), 9).unwrap().news,
            News::Opened
        );
    }

    #[test]
    fn a_full_house_refuses_new_incidents_and_still_takes_news_of_old_ones() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        store.receive("orders", &alert("aa", "LockWaits"), 1).unwrap();
        let refused = store.receive("orders", &alert("bb", "DiskFull"), 1).unwrap_err();
        assert_eq!(refused.code(), "too_many_incidents");
        assert_eq!(
            store
                .receive("orders", &ended(alert("aa", "LockWaits")), 1)
                .unwrap()
                .news,
            News::Resolved
        );
        assert_eq!(
            store
                .receive("orders", &ended(alert("aa", "LockWaits")), 1)
                .unwrap()
                .news,
            News::Duplicate
        );
    }

    #[test]
    fn the_end_of_something_never_told_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        let received = store.receive("orders", &ended(alert("aa", "LockWaits")), 9).unwrap();
        assert_eq!(
            received,
            Received {
                news: News::NeverSeen,
                incident: None
            }
        );
    }

    #[test]
    fn an_alert_that_goes_on_after_the_end_does_not_start_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        let id = store
            .receive("orders", &alert("aa", "LockWaits"), 9)
            .unwrap()
            .incident
            .unwrap();
        let reason = HandOverReason::Unexplained;
        store
            .record(
                &id,
                Event::HandedOver {
                    reason,
                    message: "odd".to_owned(),
                    look_at: vec![],
                },
            )
            .unwrap();
        store
            .record(
                &id,
                Event::Closed {
                    post_mortem: Digest::of(b""),
                    file: "x.md".to_owned(),
                },
            )
            .unwrap();
        assert_eq!(
            store.receive("orders", &alert("aa", "LockWaits"), 9).unwrap().news,
            News::Duplicate
        );
        assert!(store.open_incidents().unwrap().is_empty());
    }

    fn change(state: AlarmState, at: &str) -> AlarmChange {
        AlarmChange {
            arn: "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:storage".to_owned(),
            name: "storage".to_owned(),
            state,
            changed_at: format!("2026-11-22T10:{at}Z").parse().unwrap(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// What became of each change, told in this order to a new store; and whether anything still fires at the end.
    fn told(changes: &[(AlarmState, &str)]) -> (Vec<News>, Vec<bool>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        let receive =
            |(state, at): &(AlarmState, &str)| store.receive_change("orders", &change(*state, at), 9).unwrap().news;
        let news = changes.iter().map(receive).collect();
        let open = store.open_incidents().unwrap();
        (
            news,
            open.iter().map(|id| store.incident(id).unwrap().is_firing()).collect(),
        )
    }

    #[test]
    fn an_alarm_that_is_ok_again_ends_its_episode() {
        let news = told(&[(AlarmState::Alarm, "10:00"), (AlarmState::Ok, "20:00")]);
        assert_eq!(news, (vec![News::Opened, News::Resolved], vec![false]));
    }

    #[test]
    fn an_alarm_without_data_has_not_recovered() {
        let news = told(&[(AlarmState::Alarm, "10:00"), (AlarmState::InsufficientData, "20:00")]);
        assert_eq!(news, (vec![News::Opened, News::Unknown], vec![true]));
        assert_eq!(
            told(&[(AlarmState::InsufficientData, "20:00")]),
            (vec![News::Unknown], vec![])
        );
        // What began before and after nobody looked is over together.
        let around = [
            (AlarmState::Alarm, "10:00"),
            (AlarmState::InsufficientData, "20:00"),
            (AlarmState::Alarm, "30:00"),
            (AlarmState::Ok, "40:00"),
        ];
        let news = vec![News::Opened, News::Unknown, News::Joined, News::Resolved];
        assert_eq!(told(&around), (news, vec![false]));
    }

    #[test]
    fn a_change_that_is_told_again_or_too_late_changes_nothing() {
        let again = told(&[(AlarmState::Alarm, "10:00"), (AlarmState::Alarm, "10:00")]);
        assert_eq!(again, (vec![News::Opened, News::Duplicate], vec![true]));
        let played_again = [
            (AlarmState::Alarm, "10:00"),
            (AlarmState::Ok, "20:00"),
            (AlarmState::Alarm, "10:00"),
        ];
        let news = vec![News::Opened, News::Resolved, News::Duplicate];
        assert_eq!(told(&played_again), (news, vec![false]));
        let overtaken = told(&[(AlarmState::Ok, "20:00"), (AlarmState::Alarm, "10:00")]);
        assert_eq!(overtaken, (vec![News::NeverSeen, News::Outdated], vec![]));
    }

    #[test]
    fn a_change_that_a_full_house_refused_is_news_when_it_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        store.receive("orders", &alert("aa", "LockWaits"), 9).unwrap();
        let began = change(AlarmState::Alarm, "10:00");
        let refused = store.receive_change("orders", &began, 1).unwrap_err();
        assert_eq!(refused.code(), "too_many_incidents");
        assert_eq!(store.receive_change("orders", &began, 9).unwrap().news, News::Opened);
    }

    #[test]
    fn what_was_recorded_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::record(
            "E1",
            "postgres-readonly",
            "sessions",
            json!({}),
            Timestamp::from_unix(9),
            json!({"n": 1}),
        )
        .unwrap();
        let (id, lived) = {
            let store = Store::open(&config(dir.path())).unwrap();
            let id = store
                .receive("orders", &alert("aa", "LockWaits"), 9)
                .unwrap()
                .incident
                .unwrap();
            store.record(&id, Event::DiagnosisStarted).unwrap();
            let taken = Event::EvidenceTaken {
                evidence: vec![incident::EvidenceNote::of(&evidence, 4)],
                missing: vec![],
            };
            (
                id.clone(),
                store.record_with(&id, taken, std::slice::from_ref(&evidence)).unwrap(),
            )
        };
        let store = Store::open(&config(dir.path())).unwrap();
        assert_eq!(store.incident(&id).unwrap(), lived);
        assert_eq!(store.evidence(&lived).unwrap(), [evidence]);
        assert_eq!(lived.state, State::Diagnosing);
        // Another process may look at it meanwhile, and sees the same.
        let viewer = Viewer::open(dir.path()).unwrap();
        assert_eq!(viewer.incident(&id).unwrap(), lived);
        assert_eq!(viewer.list().unwrap().len(), 1);
    }

    #[test]
    fn an_illegal_event_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&config(dir.path())).unwrap();
        let id = store
            .receive("orders", &alert("aa", "LockWaits"), 9)
            .unwrap()
            .incident
            .unwrap();
        let refused = store.record(&id, Event::Debated { opinions: vec![] }).unwrap_err();
        assert_eq!(refused.code(), "illegal_event");
        assert_eq!(store.timeline(&id).unwrap().len(), 1);
    }
}
