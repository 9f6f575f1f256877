//! What the shipped policy says to plans of the shipped catalog, as they are and with one thing wrong.

use crate::support::{context, now, plan, plan_for, runbooks, target};
use ::runbooks::{Digest, PlanDocument, Risk, Target};
use policies::{ChangeCalendar, Decision, Obligations, Policy, PolicyContext, Preapproval};
use serde_json::{Value, json};

const BLOCKER: &str = "idle-in-transaction-blocker";
const SATURATION: &str = "connection-saturation";

#[test]
fn every_shipped_runbook_makes_a_permitted_plan() {
    let policy = Policy::shipped().unwrap();
    for runbook in runbooks() {
        let plan = plan(&policy, &runbook);
        let digest = plan.digest();
        let approvers = if plan.document().risk == Risk::High { 2 } else { 1 };
        let obligations = Obligations {
            approvers,
            methods: vec!["passkey".into(), "ssh".into()],
            approve_within_s: 900,
            execute_within_s: 1_800,
            groups: Vec::new(),
            preapproval: match plan.document().risk {
                Risk::Low => Preapproval::Grant,
                Risk::Medium | Risk::High => Preapproval::Never,
            },
        };
        let permitted = policy.evaluate(plan, &context()).unwrap();
        assert_eq!(permitted.obligations(), &obligations, "{runbook}");
        assert_eq!(permitted.decision().policy_digest, policy.digest());
        assert_eq!(permitted.into_plan().digest(), digest);
    }
}

#[test]
fn production_needs_two_people() {
    let policy = Policy::shipped().unwrap();
    let production = Target {
        environment: "production".into(),
        ..target()
    };
    let plan = plan_for(&policy, "ddl-lock-queue", production.clone());
    let permitted = policy
        .evaluate(
            plan,
            &PolicyContext {
                target: production,
                ..context()
            },
        )
        .unwrap();
    assert_eq!(permitted.obligations().approvers, 2);
}

#[test]
fn the_same_plan_at_the_same_moment_gets_the_same_decision() {
    let policy = Policy::shipped().unwrap();
    let decide = || policy.judge(&plan(&policy, SATURATION), &context());
    assert_eq!(decide(), decide());
    let later = PolicyContext {
        now: now().plus_s(61),
        ..context()
    };
    assert_ne!(
        policy.judge(&plan(&policy, SATURATION), &later).input_digest,
        decide().input_digest
    );
}

/// A plan's own facts are what the parser says of its text: the rules are asked the same, byte for byte.
#[test]
fn what_a_plan_knows_of_its_statements_is_what_they_say() {
    let policy = Policy::shipped().unwrap();
    for runbook in crate::support::FIXTURES {
        let plan = plan(&policy, runbook);
        assert_eq!(
            policy.judge(&plan, &context()),
            policy.judge_document(plan.document(), &context()),
            "{runbook}"
        );
    }
}

#[test]
fn what_the_caller_knows_counts_and_not_what_the_plan_says() {
    let policy = Policy::shipped().unwrap();
    let elsewhere = |change: fn(&mut Target)| {
        let mut other = target();
        change(&mut other);
        PolicyContext {
            target: other,
            ..context()
        }
    };
    for (code, context) in [
        ("outside_target", elsewhere(|target| target.name = "payments".into())),
        (
            "outside_target",
            elsewhere(|target| target.environment = "staging".into()),
        ),
        (
            "outside_target",
            elsewhere(|target| target.system_identifier = "7302".into()),
        ),
        (
            "outside_target",
            elsewhere(|target| target.database = "postgres".into()),
        ),
        (
            "wrong_requester",
            PolicyContext {
                requester: "somebody".into(),
                ..context()
            },
        ),
        (
            "outside_window",
            PolicyContext {
                now: now().plus_s(-1),
                ..context()
            },
        ),
        (
            "outside_window",
            PolicyContext {
                now: now().plus_s(2_700),
                ..context()
            },
        ),
        (
            "frozen",
            PolicyContext {
                freeze: true,
                ..context()
            },
        ),
        (
            "too_many_executions",
            PolicyContext {
                executions_last_day: 24,
                ..context()
            },
        ),
    ] {
        let refused = policy.evaluate(plan(&policy, BLOCKER), &context).unwrap_err();
        assert_eq!(codes(refused.decision()), [code]);
        assert_eq!(refused.code(), "policy_denied");
    }
}

#[test]
fn outside_a_change_window_and_in_a_freeze_the_policy_says_until_when() {
    let window = |from: &str, until: &str| {
        format!("[[window]]\ndays = [\"mon\"]\nfrom = \"{from}\"\nuntil = \"{until}\"\ntime_zone = \"UTC\"\n")
    };
    let freeze = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261123T000000Z\r\nDTEND:20261124T000000Z\r\n\
                  END:VEVENT\r\nEND:VCALENDAR\r\n";
    let judge = |windows: &str, freezes: Option<&str>| {
        let policy = Policy::shipped().unwrap();
        let plan = plan(&policy, BLOCKER);
        let calendar = ChangeCalendar::parse(windows, freezes).unwrap();
        policy.with_calendar(calendar).judge(&plan, &context())
    };
    // It is Monday, 23 November 2026, 10:11 UTC.
    assert!(judge(&window("10:00", "11:00"), None).allow);
    let closed = judge(&window("11:00", "12:00"), None);
    assert_eq!(codes(&closed), ["outside_change_window"]);
    let allowed = closed.denials[0].allowed.as_deref().unwrap();
    assert!(allowed.contains("2026-11-23T11:00:00Z"), "{allowed}");
    let frozen = judge("", Some(freeze));
    assert_eq!(codes(&frozen), ["frozen"]);
    assert_eq!(frozen.denials[0].span.as_deref(), Some("2026-11-24T00:00:00Z"));
}

#[test]
fn a_plan_made_under_another_policy_is_refused() {
    let policy = Policy::shipped().unwrap();
    let mut document = plan(&policy, BLOCKER).document().clone();
    document.policy_digest = Digest::of(b"another policy");
    assert_eq!(codes(&policy.judge_document(&document, &context())), ["wrong_policy"]);
}

/// Statements in disguise and in the open, each put in place of the step's own, of a check, and of the way back.
#[test]
fn a_forbidden_statement_is_refused_by_name_wherever_it_stands() {
    const PLACES: [&str; 6] = [
        "/steps/0/action/statement",
        "/steps/0/rollback/action/statement",
        "/steps/0/assert/0/query",
        "/prechecks/0/query",
        "/blast_radius/0/query",
        "/verification/query",
    ];
    let policy = Policy::shipped().unwrap();
    let whole: Value = serde_json::from_slice(plan(&policy, SATURATION).bytes()).unwrap();
    for (code, sql) in [
        ("forbidden_statement", "DROP TABLE orders"),
        ("forbidden_statement", "DROP INDEX CONCURRENTLY ix"),
        ("forbidden_statement", "TRUNCATE orders"),
        ("forbidden_statement", "DELETE FROM orders WHERE id = 1"),
        ("forbidden_statement", "UPDATE orders SET a = 1 WHERE id = 1"),
        ("forbidden_statement", "INSERT INTO orders VALUES (1)"),
        ("forbidden_statement", "GRANT admin TO app"),
        ("forbidden_statement", "CREATE TABLE t (a int)"),
        ("forbidden_statement", "ALTER SYSTEM SET max_connections TO 1"),
        ("forbidden_statement", "VACUUM (FULL) orders"),
        ("forbidden_statement", "SET role TO postgres"),
        (
            "forbidden_statement",
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
        ),
        ("forbidden_statement", "EXPLAIN (ANALYZE) DELETE FROM orders"),
        ("forbidden_statement", "PREPARE p AS DELETE FROM orders"),
        ("forbidden_statement", "SELECT * INTO copy FROM pg_catalog.pg_roles"),
        ("forbidden_statement", "SELECT 1 FROM pg_catalog.pg_roles FOR UPDATE"),
        ("opaque_statement", "DO $$ BEGIN DELETE FROM orders; END $$"),
        ("opaque_statement", "EXECUTE p"),
        ("opaque_statement", "CALL cleanup()"),
        ("opaque_statement", "COPY orders TO PROGRAM 'sh'"),
        (
            "opaque_statement",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$DELETE FROM orders$$",
        ),
        (
            "opaque_statement",
            "SELECT query_to_xml('DELETE FROM orders', true, false, '')",
        ),
        ("opaque_statement", "SELECT 1 OPERATOR(evil.=) 1"),
        ("forbidden_function", "SELECT pg_catalog.pg_reload_conf()"),
        (
            "forbidden_function",
            "SELECT pg_catalog.set_config('role', 'postgres', false)",
        ),
        ("forbidden_function", "SELECT nextval('s')"),
        ("forbidden_function", "SELECT pg_catalog.pg_sleep(600)"),
        ("forbidden_relation", "SELECT * FROM orders"),
        ("forbidden_relation", "SELECT * FROM public.pg_stat_activity"),
        ("forbidden_type", "SELECT '1'::evil.trap"),
        ("not_canonical", "select 1"),
        ("not_canonical", "SELECT 1 -- harmless"),
        ("unreadable_statement", "SELECT 1; DROP TABLE orders"),
        ("unreadable_statement", "DROP"),
    ] {
        for place in PLACES {
            let decision = policy.judge_document(&edited_document(&whole, place, json!(sql)), &context());
            assert!(!decision.allow, "{place}: {sql}");
            let found = codes(&decision);
            let stands_in_way_back = place.contains("rollback") && code == "forbidden_relation";
            assert!(found.contains(&code) || stands_in_way_back, "{place}: {sql}: {found:?}");
        }
    }
}

#[test]
fn harmless_text_that_looks_forbidden_is_allowed() {
    let policy = Policy::shipped().unwrap();
    for sql in [
        "SELECT 'DROP TABLE orders' = 'x' AS \"delete from orders\"",
        "SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.query = 'TRUNCATE orders; DROP DATABASE shop'",
        "SELECT E'\\\\''; DELETE FROM orders; --' IS NOT NULL",
    ] {
        let document = edited(&policy, BLOCKER, "/prechecks/0/query", json!(sql));
        let decision = policy.judge_document(&document, &context());
        assert!(decision.allow, "{sql}: {:?}", decision.denials);
    }
}

#[test]
fn a_signal_whose_guard_was_loosened_is_refused() {
    let policy = Policy::shipped().unwrap();
    let terminate = "SELECT countersign.terminate_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a";
    let pinned = "a.pid = 4242 AND a.backend_start = '2026-11-23 10:11:12.123456+00'";
    for sql in [
        terminate.to_owned(),
        format!("{terminate} WHERE a.pid = 4242"),
        format!("{terminate} WHERE a.backend_start = '2026-11-23 10:11:12.123456+00'"),
        format!("{terminate} WHERE ({pinned}) OR true"),
        format!(
            "{terminate} CROSS JOIN pg_catalog.pg_stat_activity b WHERE b.pid = 1 AND b.backend_start = '2026-11-23'"
        ),
        format!("{terminate} WHERE a.pid > 0 AND a.backend_start IS NOT NULL"),
        "SELECT countersign.terminate_backend(4711, '2026-11-23')".to_owned(),
        format!("{} WHERE {pinned}", terminate.replace("a.pid,", "4711,")),
        format!(
            "{} WHERE {pinned}",
            terminate.replace("a.backend_start)", "a.xact_start)")
        ),
        format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE {pinned} AND countersign.terminate_backend(a.pid, a.backend_start)"
        ),
        format!(
            "{terminate} WHERE {pinned} UNION SELECT countersign.terminate_backend(b.pid, b.backend_start) FROM pg_catalog.pg_stat_activity b"
        ),
    ] {
        let document = edited(&policy, BLOCKER, "/steps/0/action/statement", json!(sql));
        let decision = policy.judge_document(&document, &context());
        assert_eq!(codes(&decision), ["unguarded_signal"], "{sql}");
    }
    for other in [
        "terminate_backend(a.pid, a.backend_start)",
        "public.terminate_backend(a.pid, a.backend_start)",
        "pg_catalog.pg_terminate_backend(a.pid)",
        "pg_catalog.pg_cancel_backend(a.pid)",
        "pg_terminate_backend(a.pid)",
    ] {
        let sql = format!("SELECT {other} FROM pg_catalog.pg_stat_activity a WHERE {pinned}");
        let document = edited(&policy, BLOCKER, "/steps/0/action/statement", json!(sql));
        let decision = policy.judge_document(&document, &context());
        assert!(codes(&decision).contains(&"forbidden_function"), "{other}");
    }
    let document = edited(
        &policy,
        BLOCKER,
        "/steps/0/action/statement",
        json!(format!("{terminate} WHERE {pinned}")),
    );
    assert!(
        policy.judge_document(&document, &context()).allow,
        "the guard itself is enough"
    );
}

#[test]
fn a_role_that_the_evidence_does_not_name_is_refused() {
    let policy = Policy::shipped().unwrap();
    for (code, sql) in [
        ("outside_scope", "ALTER ROLE postgres WITH CONNECTION LIMIT 5"),
        ("outside_scope", "ALTER ROLE leaky WITH CONNECTION LIMIT 5"),
        ("outside_scope", "ALTER ROLE CURRENT_USER WITH CONNECTION LIMIT 5"),
        ("outside_scope", "ALTER ROLE ALL SET lock_timeout TO 5000"),
        ("forbidden_option", "ALTER ROLE app WITH SUPERUSER"),
        ("forbidden_option", "ALTER ROLE app WITH CONNECTION LIMIT 5 CREATEROLE"),
        ("forbidden_setting", "ALTER ROLE app SET search_path TO evil"),
        ("forbidden_setting", "ALTER ROLE app RESET ALL"),
    ] {
        let document = edited(&policy, SATURATION, "/steps/0/action/statement", json!(sql));
        assert_eq!(codes(&policy.judge_document(&document, &context())), [code], "{sql}");
    }
    let document = edited(
        &policy,
        SATURATION,
        "/steps/0/action/statement",
        json!("ALTER ROLE app SET lock_timeout TO \"5s\""),
    );
    let decision = policy.judge_document(&document, &context());
    assert!(decision.allow, "{:?}", decision.denials);
}

#[test]
fn a_denial_says_where_what_and_what_would_be_allowed() {
    let policy = Policy::shipped().unwrap();
    let document = edited(&policy, BLOCKER, "/steps/0/action/lock_timeout_ms", json!(60_000));
    let decision = policy.judge_document(&document, &context());
    let [denial] = decision.denials.as_slice() else {
        panic!("{:?}", decision.denials)
    };
    assert_eq!(denial.code, "lock_timeout");
    assert_eq!(denial.step.as_deref(), Some("end_blocker"));
    assert_eq!(denial.span.as_deref(), Some("lock_timeout_ms 60000"));
    assert_eq!(denial.allowed.as_deref(), Some("1 to 5000"));
}

/// The document of a shipped plan with one value replaced: no plan any more, but a document that can be judged.
fn edited(policy: &Policy, runbook: &str, pointer: &str, value: Value) -> PlanDocument {
    edited_document(
        &serde_json::from_slice(plan(policy, runbook).bytes()).unwrap(),
        pointer,
        value,
    )
}

fn edited_document(document: &Value, pointer: &str, value: Value) -> PlanDocument {
    let mut document = document.clone();
    *document.pointer_mut(pointer).unwrap() = value;
    serde_json::from_value(document).unwrap()
}

fn codes(decision: &Decision) -> Vec<&str> {
    let mut codes: Vec<&str> = decision.denials.iter().map(|denial| denial.code.as_str()).collect();
    codes.dedup();
    codes
}
