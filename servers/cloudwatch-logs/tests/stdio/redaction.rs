//! A page of log lines that hold what must not get out, asked for in every way that there is.

use serde_json::{Value, json};

use super::{GROUP, StandIn, configured, event, line};

/// Each text with what must not be seen of it.
const PAGE: [(&str, &[&str]); 24] = [
    (
        "LOG:  statement: SELECT set_config('k', 'AKIAIOSFODNN7EXAMPLE', false)",
        &["AKIAIOSFODNN7EXAMPLE"],
    ),
    (
        "LOG:  application_name is AKIAIOSFODNN7EXAMPLF",
        &["AKIAIOSFODNN7EXAMPLF"],
    ),
    (
        "WARNING:  temporary key ASIAIOSFODNN7EXAMPLE with aws_secret_access_key = wJalrXUtnFEMI/K7MDENG",
        &["ASIAIOSF", "wJalrX"],
    ),
    (
        "ERROR:  token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl is expired",
        &["eyJhbG", "c2lnbm"],
    ),
    (
        "ERROR:  Authorization: Bearer abcdefghijklmnopqrst",
        &["abcdefghijklmnopqrst"],
    ),
    (
        "LOG:  statement: ALTER ROLE app WITH LOGIN PASSWORD 'correct horse'",
        &["correct horse"],
    ),
    (
        "LOG:  statement: CREATE USER x ENCRYPTED PASSWORD E'battery\\'staple'",
        &["battery", "staple"],
    ),
    (
        "LOG:  statement: alter role app password $pw$tr0ub4dor$pw$",
        &["tr0ub4dor"],
    ),
    (
        "LOG:  statement: alter user app password 'cut off her",
        &["cut off her"],
    ),
    (
        "ERROR:  connection to postgres://app:s3cr3tpw@db.internal:5432/orders failed",
        &["s3cr3tpw"],
    ),
    (
        "ERROR:  could not connect: host=db user=app password=opensesame dbname=orders",
        &["opensesame"],
    ),
    (
        "ERROR:  could not notify jane@mail.example.com with PGPASSWORD=hunter2",
        &["hunter2", "jane@"],
    ),
    (
        "DETAIL:  Key (email)=(jane.doe@mail.example.com) already exists.",
        &["jane.doe"],
    ),
    (
        "DETAIL:  Failing row contains (4711, Jane Doe, 1980-02-29, null).",
        &["4711", "Jane Doe", "1980"],
    ),
    (
        "DETAIL:  parameters: $1 = 'Mustermann', $2 = '12345678'",
        &["Mustermann", "12345678"],
    ),
    (
        "ERROR:  invalid input syntax for type uuid: \"card 4111111111111111\"",
        &["4111111111111111"],
    ),
    (
        "ERROR:  value \"98765432109876\" is out of range for type integer",
        &["98765432109876"],
    ),
    (
        "STATEMENT:  insert into people values ('Erika', 'DE89370400440532013000', 31337)",
        &["Erika", "DE893704", "31337"],
    ),
    (
        "LOG:  duration: 5.0 ms  execute S_1: select * from t where ssn = '078-05-1120' -- for Erika",
        &["078-05-1120", "Erika"],
    ),
    (
        "LOG:  duration: 5.0 ms  plan:\n\tQuery Text: select 1 where pin = '2580'\n\tResult  (cost=0.00..0.01 rows=1 width=4)\n\t  Filter: (pin = '2580'::text)",
        &["2580"],
    ),
    (
        "LOG:  AUDIT: SESSION,1,1,READ,SELECT,,,\"select * from t where name = 'Otto'\",<none>",
        &["Otto"],
    ),
    (
        "CONTEXT:  COPY people, line 3, column name: \"Heinrich\"",
        &["Heinrich"],
    ),
    (
        "CONTEXT:  SQL statement \"update people set name = 'Sieglinde' where id = 8086\"",
        &["Sieglinde", "8086"],
    ),
    (
        "LOG:  -----BEGIN RSA PRIVATE KEY----- MIIEpAIBAAKCAQEA -----END RSA PRIVATE KEY-----",
        &["MIIEpAIB"],
    ),
];

fn page() -> Vec<Value> {
    let lines = PAGE.iter().zip(0..);
    lines
        .map(|((text, _), at)| event(200 - at, &line("app@orders", 40 + u32::try_from(at).unwrap(), text)))
        .collect()
}

fn assert_clean(tool: &str, answer: &Value) {
    let text = answer.to_string();
    for hidden in PAGE.iter().flat_map(|(_, hidden)| *hidden) {
        assert!(!text.contains(hidden), "{tool}: {hidden} in {answer:#}");
    }
}

#[test]
fn nothing_of_a_page_of_secrets_gets_out_and_all_of_it_is_counted() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(json!({"groups": [GROUP], "events": page()}));
    let (_folder, mut client) = configured(&standin, "[logs]\nfree_queries = true");
    let all = client
        .call("recent_log_lines", json!({"log_group": GROUP, "max_lines": 500}))
        .unwrap();
    assert_eq!(
        (&all["lines_read"], &all["lines_omitted"]),
        (&json!(PAGE.len()), &json!(0))
    );
    assert_clean("recent_log_lines", &all);
    assert_eq!(
        all["redactions"],
        json!({
            "aws_key": 3, "card_number": 1, "connection_uri": 1, "email": 1, "iban": 1, "jwt": 1, "key_value": 1, "literal": 24, "parameter": 2, "password": 6,
            "private_key": 1, "token": 2,
        })
    );
    // What is left still says what happened.
    let text = all["log_lines"].to_string();
    for kept in [
        "ALTER ROLE app WITH LOGIN PASSWORD ?",
        "insert into people values (?)",
        "Failing row contains ?",
        "invalid input syntax for type uuid",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }

    let by_topic = [
        ("postgres_error_summary", json!({"log_group": GROUP})),
        ("slow_queries", json!({"log_group": GROUP, "min_duration_ms": 0})),
        ("lock_waits_and_deadlocks", json!({"log_group": GROUP})),
        (
            "log_patterns",
            json!({"log_group": GROUP, "lines": "all", "max_patterns": 100}),
        ),
        (
            "logs_insights_query",
            json!({"query": "fields @timestamp, @message", "log_groups": [GROUP]}),
        ),
    ];
    let mut records = Vec::new();
    for (tool, arguments) in by_topic {
        let answer = client.call(tool, arguments).unwrap();
        assert_clean(tool, &answer);
        if let Some(rows) = answer["rows"].as_array() {
            assert_eq!(rows.len(), PAGE.len());
            records.extend(rows.iter().map(|row| row["record"].clone()));
        }
    }
    assert_eq!(records.len(), PAGE.len());
    for record in records {
        let answer = client.call("log_record", json!({"record": record})).unwrap();
        assert_clean("log_record", &answer);
        assert!(!answer["redactions"].as_object().unwrap().is_empty(), "{answer:#}");
    }
}

#[test]
fn half_of_a_secret_at_the_cut_of_a_long_line_is_not_shown() {
    let standin = StandIn::start("logs_standin.py");
    let beginning = line("app@orders", 7, "LOG:  statement: select '");
    // Rows hold the first thousand characters: twelve of the key.
    let filling = "a".repeat(1_000 - 12 - beginning.len() - 3);
    let text = format!("{beginning}{filling}', AKIAIOSFODNN7EXAMPLE");
    standin.script(json!({"groups": [GROUP], "events": [event(10, &text)]}));
    let (_folder, mut client) = configured(&standin, "[logs]\nfree_queries = true");
    let arguments = json!({"query": "fields @message", "log_groups": [GROUP]});
    let answer = client.call("logs_insights_query", arguments).unwrap();
    let shown = answer["rows"][0]["@message"].as_str().unwrap();
    assert!(shown.ends_with("select ?,"), "{shown}");
}
