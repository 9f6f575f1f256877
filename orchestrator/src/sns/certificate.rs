//! The certificates that SNS signs with: from its own host, or from a file of the operator's.
//!
//! SNS publishes the certificate alone, without those above it. That it is SNS's own, the TLS connection to the pinned host
//! proves; here it must name SNS, be valid now, and hold an RSA key of at least 2048 bits.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::Refusal;
use super::peer::{Peer, PeerError};
use super::topic::Topic;

/// SNS has a few certificates for each region, and a new one each year.
const MAX_KEPT: usize = 16;
/// Whoever invents names of certificates makes us ask SNS no more often than this.
const MAX_FETCHES: usize = 6;
const FETCHES_WITHIN: Duration = Duration::from_secs(60);
/// rsaEncryption
const RSA: &str = "1.2.840.113549.1.1.1";

#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    #[error("it cannot be read")]
    Unreadable(#[source] x509_cert::der::Error),
    #[error("there is none")]
    Empty,
    #[error("its key is not RSA")]
    NotRsa,
    #[error("it is for {0:?}, not for SNS")]
    NotSns(Vec<String>),
    #[error("it is not valid now")]
    NotNow,
}

/// A key that signs for SNS, within its time.
#[derive(Debug)]
pub(super) struct SigningKey {
    key: UnparsedPublicKey<Vec<u8>>,
    names: Vec<String>,
    not_before_s: i64,
    not_after_s: i64,
}

impl SigningKey {
    fn of(certificate: &Certificate) -> Result<Self, CertificateError> {
        let to_be_signed = &certificate.tbs_certificate;
        let public_key = &to_be_signed.subject_public_key_info;
        if public_key.algorithm.oid.to_string() != RSA {
            return Err(CertificateError::NotRsa);
        }
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let bits = public_key.subject_public_key.raw_bytes().to_vec();
        Ok(Self {
            key: UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bits),
            names: names(certificate)?,
            not_before_s: seconds(to_be_signed.validity.not_before),
            not_after_s: seconds(to_be_signed.validity.not_after),
        })
    }

    fn is_for(&self, topic: &Topic) -> bool {
        self.names.iter().any(|name| topic.names().contains(name))
    }

    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        (self.not_before_s..=self.not_after_s).contains(&now.timestamp())
    }

    pub fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        self.key.verify(text, signature).is_ok()
    }
}

/// The DNS names that it is for.
fn names(certificate: &Certificate) -> Result<Vec<String>, CertificateError> {
    let extensions = certificate.tbs_certificate.extensions.iter().flatten();
    let alternative = extensions.filter(|extension| extension.extn_id == SubjectAltName::OID);
    let mut names = Vec::new();
    for extension in alternative {
        let listed = SubjectAltName::from_der(extension.extn_value.as_bytes()).map_err(CertificateError::Unreadable)?;
        names.extend(listed.0.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            _ => None,
        }));
    }
    Ok(names)
}

/// The keys that are known, by where they were found.
pub(super) struct Certificates {
    /// Those of the file; with them none is fetched.
    given: Option<Vec<Arc<SigningKey>>>,
    kept: Mutex<BTreeMap<String, Arc<SigningKey>>>,
    /// When SNS was asked last. Held while asking: one question at a time.
    fetches: tokio::sync::Mutex<VecDeque<Instant>>,
}

impl Certificates {
    pub fn none_yet() -> Self {
        Self {
            given: None,
            kept: Mutex::default(),
            fetches: tokio::sync::Mutex::default(),
        }
    }

    /// Reads certificates in PEM, each of which must be able to sign for SNS, and one for each topic.
    pub fn of_file(file: &Path, topics: &[Topic]) -> anyhow::Result<Self> {
        let unusable = || format!("could not use the certificates in `{}`", file.display());
        let pem = std::fs::read(file).with_context(unusable)?;
        let keys = read(&pem).with_context(unusable)?;
        for topic in topics {
            anyhow::ensure!(
                keys.iter().any(|key| key.is_for(topic)),
                "no certificate in `{}` can have signed for the topic `{}`",
                file.display(),
                topic.arn()
            );
        }
        Ok(Self {
            given: Some(keys.into_iter().map(Arc::new).collect()),
            ..Self::none_yet()
        })
    }

    /// The keys that may have signed what says to be signed by the certificate at `url`.
    pub async fn keys(&self, topic: &Topic, url: &str, peer: &dyn Peer) -> Result<Vec<Arc<SigningKey>>, Refusal> {
        let keys = match &self.given {
            Some(given) => given.clone(),
            None => vec![self.fetched(url, peer).await?],
        };
        let names = || keys.iter().flat_map(|key| key.names.clone()).collect();
        let ours: Vec<_> = keys.iter().filter(|key| key.is_for(topic)).cloned().collect();
        if ours.is_empty() {
            return Err(CertificateError::NotSns(names()).into());
        }
        Ok(ours)
    }

    async fn fetched(&self, url: &str, peer: &dyn Peer) -> Result<Arc<SigningKey>, Refusal> {
        if let Some(key) = self.kept(url) {
            return Ok(key);
        }
        let mut fetches = self.fetches.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(key) = self.kept(url) {
            return Ok(key);
        }
        let now = Instant::now();
        while fetches
            .front()
            .is_some_and(|at| now.duration_since(*at) >= FETCHES_WITHIN)
        {
            fetches.pop_front();
        }
        if fetches.len() >= MAX_FETCHES {
            return Err(Refusal::NoCertificate(PeerError::TooOften));
        }
        fetches.push_back(now);
        let pem = peer.get(url).await.map_err(Refusal::NoCertificate)?;
        let first = read(&pem)?.into_iter().next().ok_or(CertificateError::Empty)?;
        let key = Arc::new(first);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.pop_first();
        }
        kept.insert(url.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    fn kept(&self, url: &str) -> Option<Arc<SigningKey>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(url).cloned()
    }
}

fn read(pem: &[u8]) -> Result<Vec<SigningKey>, CertificateError> {
    let chain = Certificate::load_pem_chain(pem).map_err(CertificateError::Unreadable)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    chain.iter().map(SigningKey::of).collect()
}
