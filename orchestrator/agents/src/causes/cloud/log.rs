//! What PostgreSQL's own log shows, as CloudWatch keeps it.

use incident::RootCause;

use crate::causes::{Assessment, Case, confidence, signal};
use crate::cloud::Cloud;
use crate::thresholds::Thresholds;

/// The client was told no for who it is.
pub(crate) const REFUSED: [&str; 5] = [
    "wrong_password",
    "iam_authentication",
    "no_pg_hba_entry",
    "no_such_role",
    "not_permitted",
];

pub(super) fn deadlocks(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::DeadlockStorm;
    let Some(locks) = &cloud.locks else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "lock_waits_and_deadlocks",
        };
    };
    let total = locks.value.deadlocks_total;
    Case {
        cause: CAUSE,
        evidence: &locks.id,
        confidence_pct: confidence(
            20,
            &[
                (total >= thresholds.logged_deadlocks, 45),
                (total >= thresholds.logged_deadlocks.saturating_mul(5), 10),
            ],
        ),
        explanation: "Transactions take locks in opposite orders, and PostgreSQL ends one of each pair. The log shows with which \
                      statements; their order is the application's to mend."
            .to_owned(),
        signals_for: vec![signal(&locks.id, format!("the log has {total} deadlocks within half an hour"))],
        signals_against: Vec::new(),
        object: (!locks.value.deadlocks.is_empty()).then(|| ("deadlock", "/deadlocks/0".to_owned())),
    }
    .weigh(thresholds)
}

pub(super) fn logins(cloud: &Cloud, thresholds: &Thresholds) -> Assessment {
    const CAUSE: RootCause = RootCause::AuthenticationFailure;
    let Some(failures) = &cloud.failures else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "connection_failures",
        };
    };
    let count = failures.value.count(&REFUSED);
    let listed = failures.value.failures.iter();
    let first = listed
        .enumerate()
        .find(|(_, failure)| REFUSED.contains(&failure.reason.as_str()));
    Case {
        cause: CAUSE,
        evidence: &failures.id,
        confidence_pct: confidence(
            15,
            &[
                (count >= thresholds.failed_logins, 50),
                (count >= thresholds.failed_logins.saturating_mul(5), 10),
            ],
        ),
        explanation: "Clients are refused for their credentials, or because no rule lets them in. A password or a certificate has \
                      changed on one side only, or somebody is trying."
            .to_owned(),
        signals_for: vec![signal(
            &failures.id,
            format!("the log has {count} refused logins within half an hour"),
        )],
        signals_against: Vec::new(),
        object: first.map(|(at, _)| ("failure", format!("/failures/{at}"))),
    }
    .weigh(thresholds)
}
