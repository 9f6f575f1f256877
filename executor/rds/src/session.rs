//! Credentials of one call: the executor's role, narrowed by a session policy, for fifteen minutes.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_query::{Endpoint, SignedCall, Xml, send};
use chrono::{DateTime, Utc};
use rds_call::{Form, Place};
use sha2::{Digest, Sha256};

use crate::base::Base;
use crate::error::RdsError;
use crate::policy::SessionPolicy;

/// A session of the executor's role. Nobody can copy, print, write or build one:
///
/// ```compile_fail,E0599
/// fn twice(session: rds::Session) -> (rds::Session, rds::Session) { (session.clone(), session) }
/// ```
/// ```compile_fail,E0277
/// fn print(session: &rds::Session) -> String { format!("{session:?}") }
/// ```
/// ```compile_fail,E0277
/// fn leak(session: &rds::Session) -> String { serde_json::to_string(session).unwrap() }
/// ```
/// ```compile_fail,E0451
/// fn forge(expires_at: chrono::DateTime<chrono::Utc>) -> rds::Session { rds::Session { credentials: todo!(), expires_at } }
/// ```
#[must_use]
pub struct Session {
    credentials: Credentials,
    expires_at: DateTime<Utc>,
}

/// Which role, in whose name, and for what.
#[derive(Debug, Clone)]
pub struct AssumedRole<'a> {
    pub role: &'a RoleArn,
    pub session_name: &'a SessionName,
    pub source_identity: &'a SourceIdentity,
    pub policy: &'a SessionPolicy,
}

/// The role that changes are made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn(String);

/// The plan's digest, as CloudTrail will show it beside each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName(String);

/// Who approved, as CloudTrail will show it beside each call. The role's trust policy must allow `sts:SetSourceIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity(String);

impl Session {
    /// Assumes the role. `endpoint` is that of STS.
    ///
    /// # Errors
    /// When STS refuses, or cannot be asked.
    pub async fn assume(base: &Base, endpoint: &Endpoint, role: &AssumedRole<'_>) -> Result<Self, RdsError> {
        let mut form = Form::of(OPERATION, "2011-06-15");
        form.field("RoleArn", &role.role.0);
        form.field("RoleSessionName", &role.session_name.0);
        form.field("SourceIdentity", &role.source_identity.0);
        form.field("DurationSeconds", DURATION_S);
        form.field("Policy", role.policy.as_str());
        let call = SignedCall::query("sts", OPERATION, form.finish());
        let mut pauses = PAUSES.into_iter();
        // A session that nobody heard of does nothing, so asking again is safe.
        let answer = loop {
            match send(endpoint, base.credentials(), &call, DEADLINE).await {
                Ok(answer) => break answer,
                Err(error) => {
                    let error = RdsError::of(OPERATION, error);
                    match pauses.next() {
                        Some(pause) if error.is_passing() => tokio::time::sleep(pause).await,
                        _ => return Err(error),
                    }
                }
            }
        };
        Self::read(&answer).ok_or(RdsError::Unreadable { operation: OPERATION })
    }

    fn read(answer: &str) -> Option<Self> {
        let xml = Xml::parse(answer)?;
        let found = xml.root().descendant("Credentials")?;
        let credentials = Credentials::builder()
            .access_key_id(found.text_of("AccessKeyId")?)
            .secret_access_key(found.text_of("SecretAccessKey")?)
            .session_token(found.text_of("SessionToken")?)
            .provider_name("countersign")
            .build();
        let expires_at = DateTime::parse_from_rfc3339(found.text_of("Expiration")?)
            .ok()?
            .to_utc();
        Some(Self {
            credentials,
            expires_at,
        })
    }

    /// Returns when AWS stops taking these credentials.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    #[cfg(test)]
    pub(crate) fn of(credentials: Credentials) -> Self {
        Self {
            credentials,
            expires_at: DateTime::UNIX_EPOCH,
        }
    }
}

impl RoleArn {
    /// Returns `None` for what is no role of that account: what a session may do is said in ARNs of the account.
    pub fn parse(text: &str, place: &Place) -> Option<Self> {
        let beginning = format!("arn:{}:iam::{}:role/", place.partition(), place.account());
        let name = text.strip_prefix(&beginning)?;
        let fits = !name.is_empty()
            && name.len() <= 512
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }
}

impl SessionName {
    /// Returns `None` for what is no SHA-256 in 64 lower-case hexadecimal digits: just as many as a name may have.
    pub fn of_digest(hex: &str) -> Option<Self> {
        let fits = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        fits.then(|| Self(hex.to_owned()))
    }
}

impl SourceIdentity {
    /// Maps a name to the alphabet and the length that STS allows, two names never to the same: other characters become
    /// `=` and their bytes in hexadecimal, and a name that would be too long ends in a digest of itself.
    pub fn of(approver: &str) -> Self {
        let mut mapped = String::new();
        for byte in approver.bytes() {
            if byte.is_ascii_alphanumeric() || b"_+,.@-".contains(&byte) {
                mapped.push(char::from(byte));
            } else {
                mapped.push_str(&format!("={byte:02X}"));
            }
        }
        if mapped.len() > MAX_LENGTH {
            let digest = Sha256::digest(approver.as_bytes());
            let digest: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
            mapped.truncate(MAX_LENGTH - digest.len() - 2);
            mapped.push_str("==");
            mapped.push_str(&digest);
        }
        // A trailing `=` stands for no byte, so it makes no other name.
        while mapped.len() < 2 {
            mapped.push('=');
        }
        Self(mapped)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const OPERATION: &str = "AssumeRole";
/// The least that STS gives.
const DURATION_S: &str = "900";
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn an_approver_is_recognised_and_never_taken_for_another() {
        let mapped = |name: &str| SourceIdentity::of(name).0;
        assert_eq!(mapped("ana.lopez@example.com"), "ana.lopez@example.com");
        assert_eq!(mapped("ana lopez"), "ana=20lopez");
        assert_eq!(mapped("a=b"), "a=3Db");
        assert_eq!(mapped("aws:root"), "aws=3Aroot");
        assert_eq!((mapped("a"), mapped("")), ("a=".to_owned(), "==".to_owned()));
        assert_eq!(mapped("ü"), "=C3=BC");
        let (one, other) = (mapped(&"a".repeat(65)), mapped(&"a".repeat(66)));
        assert_ne!(one, other);
        for name in [one, other, mapped(&"ü".repeat(40)), mapped(&"ä".repeat(1000))] {
            assert_eq!(name.len(), 64, "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_session_is_named_by_a_digest_alone() {
        assert!(SessionName::of_digest(&"0f".repeat(32)).is_some());
        for name in ["", "plan-1", &"0F".repeat(32), &"0f".repeat(33)] {
            assert!(SessionName::of_digest(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_role_of_another_account_is_none() {
        let place = Place::new("aws", "eu-central-1", "123456789012").unwrap();
        assert!(RoleArn::parse("arn:aws:iam::123456789012:role/ops/countersign", &place).is_some());
        for text in [
            "arn:aws:iam::210987654321:role/countersign",
            "arn:aws:iam::123456789012:user/countersign",
            "arn:aws-cn:iam::123456789012:role/countersign",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/*",
        ] {
            assert!(RoleArn::parse(text, &place).is_none(), "{text}");
        }
    }

    #[test]
    fn half_an_answer_is_no_session() {
        let whole = "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey><SessionToken>C</SessionToken><Expiration>2026-11-22T06:41:00Z</Expiration></Credentials></R>";
        assert!(Session::read(whole).is_some());
        for part in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            assert!(Session::read(&whole.replace(part, "X")).is_none(), "{part}");
        }
    }
}
