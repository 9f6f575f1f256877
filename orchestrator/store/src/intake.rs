//! Takes alerts in: durable before it returns, idempotent by episode, and full rather than forgetful.

use incident::{Alert, AlertStatus, Event, IncidentId};
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
}

impl Store {
    /// Takes one alert for one target. At most `max_open` incidents are open at a time.
    pub fn receive(&self, target: &str, alert: &Alert, max_open: u64) -> Result<Received, StoreError> {
        self.journal.transact(|tx| {
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
        })
    }
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
