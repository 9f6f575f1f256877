//! Refuses requests that a page on another site, or a rebound name, could have made.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde_json::json;

/// How large a request body may be.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
const MAX_DISCARDED_BYTES: usize = 4 * MAX_BODY_BYTES;
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// The host names under which this server answers; origins must be one of them too.
#[derive(Debug, Clone)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// Loopback, the address itself if it names one, and what the operator added.
    pub fn new(bound: SocketAddr, allowed: &[String]) -> Self {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        if !bound.ip().is_unspecified() {
            names.push(bound.ip().to_string());
        }
        names.extend(allowed.iter().map(|name| bare(name)));
        Self(names.into())
    }

    pub fn names(&self) -> Vec<String> {
        self.0.to_vec()
    }

    /// Returns the same names as origins, any port.
    pub fn origins(&self) -> Vec<String> {
        let bracketed = |name: &String| {
            if name.contains(':') {
                format!("[{name}]")
            } else {
                name.clone()
            }
        };
        self.0
            .iter()
            .map(bracketed)
            .flat_map(|name| [format!("http://{name}:*"), format!("https://{name}:*")])
            .collect()
    }

    fn contains(&self, host: &str) -> bool {
        let host = bare(host);
        self.0.contains(&host)
    }
}

/// Checks Host, Origin and the declared length of the body on every route, whoever added it.
pub async fn check(State(hosts): State<Hosts>, request: Request<Body>, next: Next) -> Response {
    if !host_is_ours(request.headers(), &hosts) {
        return refuse(
            StatusCode::FORBIDDEN,
            "host_not_allowed",
            "the Host header names no address of this server",
        );
    }
    if !origin_is_ours(request.headers(), &hosts) {
        return refuse(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "requests from this origin are not allowed",
        );
    }
    if declared_len(request.headers()) > MAX_BODY_BYTES as u64 {
        discard(request.into_body()).await;
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the request body is too large",
        );
    }
    next.run(request).await
}

fn host_is_ours(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        return false;
    };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@') && hosts.contains(authority.host()))
}

/// A request without Origin comes from no browser page; `null` and other schemes come from pages we do not serve.
fn origin_is_ours(headers: &HeaderMap, hosts: &Hosts) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| hosts.contains(host))
        })
    })
}

/// Reads a body that is refused, within bounds: a client that is still sending would see a broken pipe, not the answer.
async fn discard(body: Body) {
    let mut left = MAX_DISCARDED_BYTES;
    let mut frames = body.into_data_stream();
    let reading = async {
        while let Some(Ok(frame)) = frames.next().await {
            left = left.saturating_sub(frame.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whatever came of it, the answer is the same.
    let _ = tokio::time::timeout(MAX_DISCARD_TIME, reading).await;
}

fn declared_len(headers: &HeaderMap) -> u64 {
    let value = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    tracing::warn!(code, "request refused");
    (
        status,
        Json(json!({"code": code, "message": message, "retryable": false})),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new("127.0.0.1:8080".parse().unwrap(), &["gate.example.com".to_owned()])
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_names_of_this_server_pass_as_host() {
        for good in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8080",
            "[::1]:9",
            "gate.example.com",
        ] {
            assert!(host_is_ours(&headers(header::HOST, good), &hosts()), "{good}");
        }
        for bad in [
            "evil.com",
            "localhost.evil.com",
            "127.0.0.1@evil.com",
            "evil.com@localhost",
            "",
            "127.0.0.2",
        ] {
            assert!(!host_is_ours(&headers(header::HOST, bad), &hosts()), "{bad}");
        }
        assert!(!host_is_ours(&HeaderMap::new(), &hosts()));
        let mut twice = headers(header::HOST, "localhost");
        twice.append(header::HOST, "evil.com".parse().unwrap());
        assert!(!host_is_ours(&twice, &hosts()));
    }

    #[test]
    fn only_pages_of_this_server_pass_as_origin() {
        assert!(origin_is_ours(&HeaderMap::new(), &hosts()));
        for good in ["http://localhost:3000", "https://gate.example.com", "http://[::1]:8080"] {
            assert!(origin_is_ours(&headers(header::ORIGIN, good), &hosts()), "{good}");
        }
        for bad in [
            "null",
            "http://evil.com",
            "file://localhost",
            "http://localhost.evil.com",
            "localhost",
        ] {
            assert!(!origin_is_ours(&headers(header::ORIGIN, bad), &hosts()), "{bad}");
        }
    }
}
