//! A gate of a few lines: it hands out one order, signs standings, and keeps what it is told.

use std::sync::{Arc, Mutex};

use approval::{GateKey, Standing, StandingState};
use runbooks::Digest;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::now;

#[derive(Default)]
pub struct Book {
    pub orders: Vec<String>,
    pub reports: Vec<(String, Value)>,
    pub standings: usize,
    /// From which standing on it says frozen.
    pub frozen_from: Option<usize>,
    /// Reports are answered with 503.
    pub deaf: bool,
    pub bearers: Vec<String>,
    /// Plans to be looked at, and what was found.
    pub preflights: Vec<String>,
    pub found: Vec<Value>,
}

pub struct FakeGate {
    pub url: String,
    pub book: Arc<Mutex<Book>>,
}

impl FakeGate {
    pub async fn start(key: GateKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book::default()));
        let (key, shared) = (Arc::new(key), book.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, key.clone(), shared.clone()));
            }
        });
        Self { url, book }
    }

    pub fn kinds(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        book.reports.iter().map(|(kind, _)| kind.clone()).collect()
    }
}

async fn answer(stream: TcpStream, key: Arc<GateKey>, book: Arc<Mutex<Book>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.unwrap_or(0) > 2 {}
    // Whoever went away in the middle has asked nothing.
    if !head.ends_with("\r\n\r\n") {
        return;
    }
    let field = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| {
            line.to_lowercase()
                .strip_prefix(name)
                .map(|value| value.trim().to_owned())
        })
    };
    let length: usize = field("content-length:").map_or(0, |length| length.parse().unwrap());
    let bearer = field("authorization:").unwrap_or_default();
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let request = head.lines().next().unwrap_or_default().to_owned();
    let (status, text) = {
        let mut book = book.lock().unwrap();
        book.bearers.push(bearer);
        reply(&request, &body, &key, &mut book)
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.get_mut().write_all(response.as_bytes()).await;
}

fn reply(request: &str, body: &[u8], key: &GateKey, book: &mut Book) -> (&'static str, String) {
    if request.starts_with("POST /v1/executor/claim ") {
        return match book.orders.pop() {
            Some(order) => ("200 OK", order),
            None => ("204 No Content", String::new()),
        };
    }
    if request.starts_with("POST /v1/executor/preflight/claim ") {
        return match book.preflights.pop() {
            Some(plan) => ("200 OK", plan),
            None => ("204 No Content", String::new()),
        };
    }
    if request.starts_with("POST /v1/executor/preflight ") {
        book.found.push(serde_json::from_slice(body).unwrap());
        return ("200 OK", "{}".to_owned());
    }
    if let Some(rest) = request.strip_prefix("GET /v1/executor/standing/") {
        book.standings += 1;
        let digest: Digest = rest.split(' ').next().unwrap().parse().unwrap();
        let frozen = book.frozen_from.is_some_and(|from| book.standings >= from);
        let standing = Standing {
            schema: Standing::SCHEMA.to_owned(),
            gate: "gate-1".to_owned(),
            plan_digest: digest,
            state: if frozen {
                StandingState::Frozen
            } else {
                StandingState::Valid
            },
            as_of: now(),
        };
        return ("200 OK", standing.sign(key).unwrap());
    }
    if request.starts_with("POST /v1/executor/reports ") {
        if book.deaf {
            return ("503 Service Unavailable", String::new());
        }
        let report: Value = serde_json::from_slice(body).unwrap();
        let report = (report["kind"].as_str().unwrap().to_owned(), report["data"].clone());
        // Told at least once; as at the real gate, the same report again (its `seq` says so) changes nothing.
        if !book.reports.contains(&report) {
            book.reports.push(report);
        }
        return ("200 OK", "{}".to_owned());
    }
    ("404 Not Found", String::new())
}
