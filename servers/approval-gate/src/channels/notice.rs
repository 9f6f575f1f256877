//! What was told of one request in one channel, and the one pure function that says what is to be told next.

use runbooks::Timestamp;
use serde::{Deserialize, Serialize};

use crate::execution::{Execution, Progress};
use crate::request::{Request, Status};

/// Kept as a mark, so that a restart neither tells twice nor forgets to correct what was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// What the messages say now, as [`face`] names it.
    pub face: String,
    /// The messages.
    pub posts: Vec<Post>,
    /// The last reminder, in minutes before the end.
    pub reminded_min: Option<u32>,
    /// Whether it was escalated.
    pub escalated: bool,
}

/// A message in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Where.
    pub channel: String,
    /// Which, as Slack names it: by its time.
    pub ts: String,
}

/// When people are told again.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Minutes before the time to approve ends.
    pub remind_min: Vec<u32>,
    /// The same, for those above them.
    pub escalate_min: Option<u32>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Tell that a request waits.
    Open,
    /// Correct what was told.
    Show,
    /// Say that it still waits.
    Remind(u32),
    /// Say so to others.
    Escalate,
    /// Nothing will change any more.
    Forget,
    /// Nothing before this moment.
    Wait(Option<Timestamp>),
}

/// What a message about this request says; it is corrected when this changes.
pub fn face(request: &Request, execution: Option<&Execution>) -> String {
    let signed = request.approvals.len();
    let progress = execution.map_or("", |execution| execution.progress.name());
    let outcome = execution
        .and_then(|execution| execution.progress.outcome())
        .unwrap_or_default();
    format!("{} {signed} {progress} {outcome}", request.status.name())
        .trim_end()
        .to_owned()
}

impl Notice {
    /// Whether the messages still say that people are waited for.
    pub fn says_pending(&self) -> bool {
        self.face.starts_with("pending")
    }

    /// What is to be done next about this request; `None`: nothing was told of it yet.
    pub fn next(
        notice: Option<&Self>,
        request: &Request,
        execution: Option<&Execution>,
        times: &Times,
        now: Timestamp,
    ) -> Step {
        let is_pending = request.status == Status::Pending;
        let Some(notice) = notice else {
            // Nobody was asked about what a grant covers: all the more they are told.
            let is_news = request.granted.is_some() && settled(request, execution).is_none_or(|at| at > now);
            return if is_pending || is_news {
                Step::Open
            } else {
                Step::Wait(None)
            };
        };
        if notice.face != face(request, execution) {
            return Step::Show;
        }
        if is_pending {
            return notice.next_pending(request, times, now);
        }
        match settled(request, execution) {
            Some(at) if at <= now => Step::Forget,
            at => Step::Wait(at),
        }
    }

    fn next_pending(&self, request: &Request, times: &Times, now: Timestamp) -> Step {
        let terms = &request.terms;
        let moment = |minutes: u32| terms.approve_by.plus_s(-60 * i64::from(minutes));
        // What was opened with less time left than that is not reminded of at once.
        let is_left =
            |minutes: &u32| moment(*minutes) > terms.opened_at && self.reminded_min.is_none_or(|last| *minutes < last);
        let passed = times
            .remind_min
            .iter()
            .filter(|minutes| is_left(minutes) && moment(**minutes) <= now);
        if let Some(minutes) = passed.min() {
            return Step::Remind(*minutes);
        }
        let escalate = times.escalate_min.filter(|_| !self.escalated).map(moment);
        if escalate.is_some_and(|at| at <= now) {
            return Step::Escalate;
        }
        let reminders = times.remind_min.iter().filter(|minutes| is_left(minutes));
        Step::Wait(
            reminders
                .map(|minutes| moment(*minutes))
                .chain(escalate)
                .chain([terms.approve_by])
                .min(),
        )
    }
}

/// From when on nothing can change any more; `None` while it is not known.
fn settled(request: &Request, execution: Option<&Execution>) -> Option<Timestamp> {
    match (&request.status, execution.map(|execution| &execution.progress)) {
        (Status::Pending, _) => None,
        (Status::Rejected(by), _) => Some(by.at),
        (Status::Expired { at }, _) => Some(*at),
        (Status::Approved, _) | (_, Some(Progress::Queued)) => Some(request.terms.execute_by),
        // An executor may recover late and say so.
        (_, Some(Progress::Done { .. } | Progress::Claimed { .. })) => {
            Some(request.terms.execute_by.plus_s(LATE_REPORTS_S))
        }
        (_, Some(Progress::Lapsed | Progress::Withdrawn) | None) => Some(request.terms.opened_at),
    }
}

const LATE_REPORTS_S: i64 = 3_600;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::request::{RequestEvent, tests::terms};

    fn pending() -> Request {
        Request::apply(None, RequestEvent::Opened(Box::new(terms(1)))).unwrap()
    }

    fn times() -> Times {
        Times {
            remind_min: vec![10, 5],
            escalate_min: Some(3),
        }
    }

    fn told(request: &Request) -> Notice {
        Notice {
            face: face(request, None),
            ..Notice::default()
        }
    }

    #[test]
    fn a_request_is_told_once_reminded_of_and_escalated() {
        let request = pending();
        let end = request.terms.approve_by;
        let next = |notice: &Notice, before_s: i64| {
            Notice::next(Some(notice), &request, None, &times(), end.plus_s(-before_s))
        };
        assert_eq!(
            Notice::next(None, &request, None, &times(), end.plus_s(-800)),
            Step::Open
        );
        let mut notice = told(&request);
        assert_eq!(next(&notice, 800), Step::Wait(Some(end.plus_s(-600))));
        assert_eq!(next(&notice, 600), Step::Remind(10));
        // After a longer silence one reminder is enough.
        assert_eq!(next(&notice, 299), Step::Remind(5));
        notice.reminded_min = Some(5);
        assert_eq!(next(&notice, 299), Step::Wait(Some(end.plus_s(-180))));
        assert_eq!(next(&notice, 180), Step::Escalate);
        notice.escalated = true;
        assert_eq!(next(&notice, 179), Step::Wait(Some(end)));
    }

    #[test]
    fn what_ended_is_corrected_and_then_forgotten() {
        let request = pending();
        let notice = told(&request);
        let end = request.terms.approve_by;
        let over = Request::apply(Some(request), RequestEvent::Expired(end)).unwrap();
        assert_eq!(Notice::next(Some(&notice), &over, None, &times(), end), Step::Show);
        assert_eq!(
            Notice::next(Some(&told(&over)), &over, None, &times(), end),
            Step::Forget
        );
        assert_eq!(Notice::next(None, &over, None, &times(), end), Step::Wait(None));
    }
}
