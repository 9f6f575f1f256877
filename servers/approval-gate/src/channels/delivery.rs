//! One POST to a vendor, and what its failure means. Errors name no address: some addresses are secrets.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header, redirect};

/// Why a vendor did not take something.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// It may take it later; after so many seconds, if it said so.
    #[error("not now: {why}")]
    Later {
        /// In a few words.
        why: String,
        /// What the vendor asked for.
        wait_s: Option<u64>,
    },
    /// It never will.
    #[error("never: {0}")]
    Never(String),
}

impl Undelivered {
    /// A failure that may pass.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            wait_s: None,
        }
    }
}

/// A client that follows no redirects: a token must not travel on.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> anyhow::Result<Client> {
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(redirect::Policy::none());
    Ok(client.build()?)
}

/// Sends it and returns the answer's body.
///
/// # Errors
/// When the vendor could not be reached or did not say yes.
pub async fn post(request: RequestBuilder) -> Result<String, Undelivered> {
    let failed = |error: reqwest::Error| Undelivered::later(error.without_url().to_string());
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let asked = response.headers().get(header::RETRY_AFTER);
        let seconds = asked
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        return Err(Undelivered::Later {
            why: "too many requests".to_owned(),
            wait_s: Some(seconds.unwrap_or(DEFAULT_WAIT_S).clamp(1, MAX_WAIT_S)),
        });
    }
    if status.is_success() {
        response.text().await.map_err(failed)
    } else if status.is_server_error() {
        Err(Undelivered::later(status.to_string()))
    } else {
        Err(Undelivered::Never(status.to_string()))
    }
}

const DEFAULT_WAIT_S: u64 = 30;
const MAX_WAIT_S: u64 = 3_600;
