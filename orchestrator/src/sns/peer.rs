//! The way to SNS itself: over TLS, to addresses that were made or pinned here, and no further than the first answer.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use thiserror::Error;

const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// SNS itself gives us 15 s.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Error)]
pub(crate) enum PeerError {
    #[error("SNS could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("SNS answered {0}")]
    Refused(reqwest::StatusCode),
    #[error("the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    #[error("SNS was asked for too many certificates within a minute")]
    TooOften,
}

#[async_trait]
pub(crate) trait Peer: Send + Sync {
    /// What is at this address.
    async fn get(&self, url: &str) -> Result<Vec<u8>, PeerError>;
}

pub(super) struct Https {
    client: reqwest::Client,
}

impl Https {
    /// A proxy of the environment's is used: what it carries is encrypted to SNS all the same.
    pub fn new() -> anyhow::Result<Self> {
        Self::of(reqwest::Client::builder())
    }

    pub fn of(builder: reqwest::ClientBuilder) -> anyhow::Result<Self> {
        let builder = builder.https_only(true).redirect(reqwest::redirect::Policy::none());
        let client = builder.timeout(WITHIN).build().context("no HTTPS client")?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Peer for Https {
    async fn get(&self, url: &str) -> Result<Vec<u8>, PeerError> {
        // The address holds the token of a subscription; an error must not.
        let unreachable = |error: reqwest::Error| PeerError::Unreachable(error.without_url());
        let answer = self.client.get(url).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(PeerError::Refused(answer.status()));
        }
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            body.extend_from_slice(&part.map_err(unreachable)?);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(PeerError::TooLong);
            }
        }
        Ok(body)
    }
}
