//! What keeps the server from connecting, each told in one sentence with a stable code and a hint.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use serde_json::json;

use crate::mcp::{self, Mcp};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

fn error(code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0").as_bytes())
}

/// A server that answers every start-up message with the same bytes; returns the connection string to it.
fn that_says(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut startup = [0; 1024];
            let _ = stream.read(&mut startup);
            let _ = stream.write_all(&answer);
        }
    });
    format!("postgres://reader:hunter2@127.0.0.1:{port}/postgres")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_not_to_connect_is_one_sentence_with_a_code_and_a_hint() {
    let old = [
        message(b'R', &[0, 0, 0, 0]),
        message(b'S', b"server_version\x0012.22\0"),
        message(b'K', &[0; 8]),
        message(b'Z', b"I"),
    ];
    let dead = "postgres://reader:hunter2@127.0.0.1:1/postgres".to_owned();
    for (dsn, code) in [
        (that_says(old.concat()), "unsupported_version"),
        (
            that_says(error("57P03", "the database system is starting up")),
            "database_unreachable",
        ),
        (
            that_says(error("53300", "sorry, too many clients already")),
            "too_many_connections",
        ),
        (
            that_says(error("28P01", "password authentication failed")),
            "authentication_failed",
        ),
        (
            that_says(error("28000", "role \"reader\" does not exist")),
            "authentication_failed",
        ),
        (
            that_says(error("3D000", "database \"postgres\" does not exist")),
            "unknown_database",
        ),
        (that_says(message(b'R', &[0, 0, 0, 7])), "authentication_failed"),
        (dead.clone(), "database_unreachable"),
        (
            format!("{dead}?sslmode=require").replace(":1/", ":2/"),
            "database_unreachable",
        ),
        (that_says(b"N".to_vec()) + "?sslmode=verify-full", "tls_failed"),
        (
            "postgres://reader:hunter2@no-such-host.invalid/postgres?connect_timeout=4".to_owned(),
            "unknown_host",
        ),
    ] {
        let mut server = Mcp::start(&dsn, &[]).await;
        let refusal = server.refused("overview", json!({})).await;
        assert_eq!(refusal["code"], code, "{refusal:#}");
        let sentence = refusal["message"].as_str().unwrap();
        assert!(!sentence.contains('\n') && !sentence.is_empty(), "{sentence}");
        assert!(
            refusal["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{refusal:#}"
        );
        let (_, log) = server.end().await;
        let (exit, report) = mcp::stdout(&["doctor"], &[("DATABASE_URL", &dsn)]);
        assert_eq!(exit, 1, "{report}");
        assert_eq!(report.lines().next(), Some(format!("{code}: {sentence}").as_str()));
        assert!(log.contains(code), "{log}");
        for said in [&log, &report, &refusal.to_string()] {
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
