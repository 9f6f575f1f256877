//! The tools with a fixed query, over a log that PostgreSQL 15 wrote with the settings of RDS (tests/aws/postgres-15.txt,
//! made by tests/aws/record-postgres-log).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{GROUP, StandIn, code, event, line, now_ms, orders, support::assert_allowed, with};

const LOG: &str = include_str!("../../../../tests/aws/postgres-15.txt");

/// The log as events: one for each line with a beginning of its own, as RDS sends it; or one for each message with its
/// DETAIL, CONTEXT and STATEMENT.
fn recorded(whole_messages: bool) -> Vec<Value> {
    let mut events: Vec<(i64, String)> = Vec::new();
    for line in LOG.lines() {
        let companion = ["DETAIL", "HINT", "CONTEXT", "STATEMENT"]
            .iter()
            .any(|kind| line.contains(&format!("]:{kind}:  ")));
        let begins = line.starts_with("2026-");
        if begins && !(whole_messages && companion) {
            let second = |at: usize| line[at..at + 2].parse::<i64>().unwrap();
            events.push((second(11) * 3600 + second(14) * 60 + second(17), line.to_owned()));
        } else {
            let (_, last) = events.last_mut().unwrap();
            last.push('\n');
            last.push_str(line);
        }
    }
    let end = events.last().unwrap().0;
    // A cluster has a stream for each instance.
    let shown = |(at, text): (i64, String)| json!({"group": GROUP, "stream": "orders-1", "at_ms": now_ms() - (end - at + 60) * 1000, "text": text});
    events.into_iter().map(shown).collect()
}

fn with_log(events: &[Value]) -> StandIn {
    let standin = StandIn::start("logs_standin.py");
    standin.script(json!({"groups": [GROUP], "events": events}));
    standin
}

/// None of these stands in an answer; they are in the recorded log, inside statements, rows and messages.
fn assert_no_values(answer: &Value) {
    let text = answer.to_string();
    for value in [
        "mail.example.com",
        "AKIA",
        "secret",
        "hunter",
        "'held'",
        "'wanted'",
        "17 ",
    ] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}

#[test]
fn slow_statements_are_folded_by_shape_and_shown_without_values() {
    let mut events = recorded(false);
    events.push(event(
        30,
        &line(
            "app@orders",
            9,
            "LOG:  duration: 700.000 ms  execute S_1: select * from t where pin = $1 and id = 4711",
        ),
    ));
    events.push(event(29, &line("app@orders", 9, "DETAIL:  parameters: $1 = 'secret'")));
    events.push(event(28, &line("app@orders", 9, "LOG:  duration: 650.5 ms  plan:\n\tQuery Text: select * from u where a = 'secret'\n\tSeq Scan on u  (cost=0.00..1.01 rows=1 width=4)\n\t  Filter: (a = 'secret'::text)")));
    // Somebody's text is no line of its own.
    events.push(event(
        27,
        &line(
            "app@orders",
            9,
            "LOG:  statement: select ']:LOG:  duration: 99999.0 ms  statement: fake'",
        ),
    ));
    let standin = with_log(&events);
    let mut client = with(&standin);
    let slow = client
        .call("slow_queries", json!({"log_group": GROUP, "min_duration_ms": 0}))
        .unwrap();
    let of = |part: &str| {
        let statements = slow["statements"].as_array().unwrap();
        let found = statements
            .iter()
            .find(|found| found["statement"].as_str().unwrap().starts_with(part));
        found.unwrap_or_else(|| panic!("{part} in {slow:#}")).clone()
    };
    let sleeps = of("select pg_sleep(?) from orders where email = ?");
    assert_eq!(
        (&sleeps["executions"], &sleeps["sessions"]),
        (&json!(2), &json!(["app@orders"]))
    );
    let longest = LOG.lines().find(|line| line.contains("c2@mail")).unwrap();
    let longest: f64 = longest
        .split("duration: ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(sleeps["max_ms"], json!(longest));
    assert_eq!(of("select * from t where pin = $1 and id = ?")["max_ms"], 700.0);
    assert_eq!(
        of("select * from u where a = ?")["statement"],
        "select * from u where a = ?"
    );
    // Most time first: ten sleeps of one second each.
    assert_eq!(slow["statements"][0]["executions"], 10);
    assert!(!slow.to_string().contains("99999"));
    assert_no_values(&slow);
    assert_eq!(slow["redactions"]["aws_key"], 1);

    let slower = client
        .call("slow_queries", json!({"log_group": GROUP, "min_duration_ms": 1100}))
        .unwrap();
    assert_eq!(slower["executions"], 2, "{slower:#}");
    // The query was one of a fixed text, with the number in it.
    let (_, request) = standin
        .requests()
        .into_iter()
        .rfind(|(operation, _)| operation == "StartQuery")
        .unwrap();
    assert!(
        request["queryString"]
            .as_str()
            .unwrap()
            .contains("\n| filter ms >= 1100\n")
    );
    assert_allowed("logs", &standin);
}

#[test]
fn lock_waits_and_deadlocks_come_with_holders_statements_and_context_however_events_are_cut() {
    for whole in [false, true] {
        let standin = with_log(&recorded(whole));
        let found = with(&standin).call("lock_waits_and_deadlocks", orders()).unwrap();
        let holder = |name: &str| -> u32 {
            let wait = LOG.lines().find(|line| line.contains(name)).unwrap();
            wait.split('[')
                .next_back()
                .unwrap()
                .split(']')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let waits = found["lock_waits"].as_array().unwrap();
        let wanted = waits
            .iter()
            .find(|wait| {
                wait["target"] == "transaction #" && wait["statement"] == "update orders set state = ? where id = ?"
            })
            .unwrap_or_else(|| panic!("{found:#}"));
        assert_eq!(
            (&wanted["mode"], &wanted["session"], &wanted["acquired"]),
            (&json!("ShareLock"), &json!("app@orders"), &json!(1))
        );
        assert!(
            wanted["holder_pids"]
                .as_array()
                .unwrap()
                .contains(&json!(holder("state = 'held'"))),
            "{wanted:#}"
        );
        assert_eq!(wanted["context"], "while updating tuple (0,7) in relation \"orders\"");
        assert!(wanted["longest_ms"].as_f64().unwrap() > 400.0);

        let deadlock = &found["deadlocks"][0];
        assert_eq!(
            (
                &found["deadlocks_total"],
                deadlock["processes"].as_array().unwrap().len()
            ),
            (&json!(1), 2)
        );
        let (one, two) = (&deadlock["processes"][0], &deadlock["processes"][1]);
        assert_eq!(
            (&one["blocked_by_pid"], &two["blocked_by_pid"]),
            (&two["pid"], &one["pid"])
        );
        for process in [one, two] {
            assert!(
                process["waits_for"]
                    .as_str()
                    .unwrap()
                    .starts_with("ShareLock on transaction ")
            );
            assert!(
                process["statement"]
                    .as_str()
                    .unwrap()
                    .ends_with("update orders set state = ? where id = ?; commit")
            );
        }
        let context = deadlock["context"].as_str().unwrap();
        assert!(
            LOG.contains(&format!("[{}]:CONTEXT:  {context}", one["pid"])),
            "{context}"
        );

        let gave_up = &found["given_up"][0];
        assert_eq!(gave_up["message"], "canceling statement due to lock timeout");
        assert_eq!(
            gave_up["statement"],
            "set lock_timeout = ?; update orders set state = ? where id = ?"
        );
        assert_no_values(&found);
    }
}

#[test]
fn autovacuum_is_told_by_table_with_what_it_could_not_remove() {
    let mut events = recorded(false);
    let long = format!(
        "automatic aggressive vacuum to prevent wraparound of table \"orders.public.big\": index scans: 1\n{}\n\ttuples: 5 removed, 6 remain, 77777 are dead but not yet removable\n\tsystem usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 61.25 s",
        "\tindex \"i\": pages: 1 in total\n".repeat(60)
    );
    events.push(event(20, &format!("2026-11-25 19:30:00 UTC::@:[77]:LOG:  {long}")));
    events.push(event(
        19,
        "2026-11-25 19:30:01 UTC::@:[77]:LOG:  skipping vacuum of \"big\" --- lock not available",
    ));
    events.push(event(
        18,
        "2026-11-25 19:30:02 UTC::@:[78]:WARNING:  database \"orders\" must be vacuumed within 9000000 transactions",
    ));
    let standin = with_log(&events);
    let mut client = with(&standin);
    let found = client.call("autovacuum_activity", orders()).unwrap();
    let tables: Vec<&str> = found["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["table"].as_str().unwrap())
        .collect();
    assert_eq!(tables, ["orders.public.big", "orders.public.orders", "big"]);
    let (big, orders_table) = (&found["tables"][0], &found["tables"][1]);
    // The numbers stand beyond what Logs Insights shows of a line.
    assert_eq!(
        (
            &big["rows_dead_but_not_removable"],
            &big["longest_s"],
            &big["to_prevent_wraparound"]
        ),
        (&json!(77777), &json!(61.25), &json!(1))
    );
    let vacuums = LOG
        .lines()
        .filter(|line| line.contains("automatic vacuum of table \"orders.public.orders\": "))
        .count();
    assert_eq!(
        (&orders_table["vacuums"], &orders_table["cancelled"]),
        (&json!(vacuums), &json!(1))
    );
    assert_eq!(orders_table["rows_dead_but_not_removable"], 2000);
    assert_eq!(
        (&found["tables"][2]["skipped"], &found["wraparound_warnings"]),
        (&json!(1), &json!(1))
    );

    // One event in full, by the name that was just shown.
    let record = client.call("log_record", json!({"record": big["record"]})).unwrap();
    let lines = record["lines"].as_array().unwrap();
    assert_eq!(
        (&record["log_group"], &record["stream"], lines.len()),
        (&json!(GROUP), &json!("orders-1"), 63)
    );
    assert!(lines.last().unwrap().as_str().unwrap().ends_with("elapsed: 61.25 s"));
}

#[test]
fn failed_connections_are_counted_by_reason_client_and_session() {
    let mut events = recorded(false);
    events.push(event(20, "2026-11-25 19:30:00 UTC:10.0.3.9(5001):iam_app@orders:[9]:FATAL:  PAM authentication failed for user \"iam_app\""));
    events.push(event(
        19,
        "2026-11-25 19:30:00 UTC:2001:db8::7(5001):app@orders:[9]:FATAL:  sorry, too many clients already",
    ));
    events.push(event(
        18,
        "2026-11-25 19:30:00 UTC:10.0.3.9(5002):[unknown]@[unknown]:[9]:LOG:  invalid length of startup packet",
    ));
    let standin = with_log(&events);
    let found = with(&standin).call("connection_failures", orders()).unwrap();
    let counted: BTreeSet<(String, String, String, u64)> = found["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| {
            let text = |name: &str| failure[name].as_str().unwrap().to_owned();
            (
                text("reason"),
                text("client"),
                text("session"),
                failure["count"].as_u64().unwrap(),
            )
        })
        .collect();
    let of = |message: &str| LOG.lines().filter(|line| line.contains(message)).count() as u64;
    for (reason, client, session, count) in [
        ("wrong_password", "127.0.0.1", "app@orders", 3),
        ("no_pg_hba_entry", "127.0.0.1", "stranger@orders", 1),
        ("no_such_role", "[local]", "ghost@orders", 1),
        ("no_such_database", "[local]", "postgres@nowhere", 1),
        (
            "only_reserved_slots_left",
            "[local]",
            "app@orders",
            of("remaining connection slots"),
        ),
        ("session_ended", "[local]", "app@orders", 1),
        ("iam_authentication", "10.0.3.9", "iam_app@orders", 1),
        ("too_many_clients", "2001:db8::7", "app@orders", 1),
        ("bad_packet", "10.0.3.9", "[unknown]@[unknown]", 1),
    ] {
        let expected = (reason.to_owned(), client.to_owned(), session.to_owned(), count);
        assert!(counted.contains(&expected), "{expected:?} in {counted:#?}");
    }
    assert_eq!(counted.len(), 9);
    assert_eq!(
        found["failures_total"].as_u64().unwrap(),
        counted.iter().map(|(_, _, _, count)| count).sum::<u64>()
    );
}

#[test]
fn patterns_show_what_kinds_of_lines_there_are() {
    let standin = with_log(&recorded(false));
    let mut client = with(&standin);
    let all = client
        .call(
            "log_patterns",
            json!({"log_group": GROUP, "lines": "all", "max_patterns": 3}),
        )
        .unwrap();
    assert_eq!(
        (all["patterns"].as_array().unwrap().len(), &all["truncated"]),
        (3, &json!(true))
    );
    let errors = client
        .call(
            "log_patterns",
            json!({"log_group": GROUP, "lines": "errors", "max_patterns": 100}),
        )
        .unwrap();
    let fatal = errors["patterns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["count"].as_u64().unwrap())
        .sum::<u64>();
    let expected = LOG
        .lines()
        .filter(|line| line.contains("]:ERROR:  ") || line.contains("]:FATAL:  "))
        .count() as u64;
    assert_eq!(fatal, expected);
    assert!(
        errors["patterns"]
            .as_array()
            .unwrap()
            .iter()
            .all(|found| found["severity"] != "LOG")
    );
    assert_no_values(&errors);
}

#[test]
fn only_a_record_that_was_shown_can_be_asked_for() {
    let standin = with_log(&recorded(false));
    let mut client = with(&standin);
    for record in ["r1", "CmEKJgoiMTIz", "../r1", "r9999999999999999999"] {
        assert_eq!(
            code(client.call("log_record", json!({"record": record}))),
            "unknown_record",
            "{record}"
        );
    }
    assert_eq!(standin.requests(), []);
    let slow = client.call("slow_queries", orders()).unwrap();
    let record = slow["statements"][0]["record"].clone();
    let shown = client.call("log_record", json!({"record": record})).unwrap();
    assert!(shown["lines"][0].as_str().unwrap().contains("select pg_sleep(?)"));
    assert!(
        standin
            .requests()
            .iter()
            .all(|(_, request)| request.get("unmask").is_none())
    );
    // A pointer that leads elsewhere shows nothing.
    for (log, expected) in [
        ("123456789012:/aws/lambda/payroll", "outside_allow_list"),
        ("", "unexpected_answer"),
    ] {
        standin.script(json!({"record": {"@log": log}}));
        let refusal = client.call("log_record", json!({"record": record})).unwrap_err();
        assert_eq!(refusal.code(), expected);
        assert!(!refusal.0.to_string().contains("pg_sleep"), "{refusal:?}");
    }
    // Another process has not shown it.
    assert_eq!(
        code(with(&standin).call("log_record", json!({"record": record}))),
        "unknown_record"
    );
}

#[test]
fn a_window_in_the_past_ends_where_it_is_told_to() {
    let standin = with_log(&[
        event(7_200, &line("app@orders", 1, "ERROR:  an old one")),
        event(10, &line("app@orders", 1, "ERROR:  a new one")),
    ]);
    let mut client = with(&standin);
    let until = (now_ms() - 7_100_000) / 1000;
    let until = chrono::DateTime::from_timestamp(until, 0).unwrap().to_rfc3339();
    for (tool, part) in [
        ("postgres_error_summary", "/errors/0/message"),
        ("recent_log_lines", "/log_lines/0/text"),
    ] {
        let found = client
            .call(tool, json!({"log_group": GROUP, "minutes": 10, "until": until}))
            .unwrap();
        assert!(
            found.pointer(part).unwrap().as_str().unwrap().ends_with("an old one"),
            "{found:#}"
        );
        assert_eq!(found.pointer(&part.replace('0', "1")), None);
    }
}
