//! The password of RDS IAM authentication: a presigned URL, made here without asking anybody (AWS Signature Version 4).

use std::{env, time::SystemTime};

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use kit::Secret;
use sha2::{Digest, Sha256};

use crate::wire::{ConnectError, Endpoint, Host};

const SERVICE: &str = "rds-db";
const EXPIRES_S: u32 = 900;

/// A login by IAM in one region. The keys are read from the environment each time, for they change while the server runs.
#[derive(Debug, Clone)]
pub struct IamLogin {
    pub region: String,
}

struct Keys {
    id: String,
    secret: Secret<String>,
    session_token: Option<String>,
}

impl IamLogin {
    /// Returns a token for `user`, good for 15 minutes.
    pub fn token(&self, endpoint: &Endpoint, user: &str) -> Result<Secret<String>, ConnectError> {
        let Host::Name(host) = &endpoint.host else {
            return Err(ConnectError::NoCredentials("IAM wants a host name, not a socket"));
        };
        let keys = Keys::from_environment()?;
        let at = DateTime::<Utc>::from(SystemTime::now());
        let token = presigned(&format!("{host}:{}", endpoint.port), user, &self.region, &keys, at)
            .ok_or(ConnectError::NoCredentials("the token could not be signed"))?;
        Ok(Secret::new(token))
    }
}

impl Keys {
    fn from_environment() -> Result<Self, ConnectError> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Ok(Self {
                id,
                secret: Secret::new(secret),
                session_token: set("AWS_SESSION_TOKEN"),
            }),
            _ => Err(ConnectError::NoCredentials(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            )),
        }
    }
}

/// `address` is the host with its port. Only a key of an impossible length has no signature.
fn presigned(address: &str, user: &str, region: &str, keys: &Keys, at: DateTime<Utc>) -> Option<String> {
    let time = at.format("%Y%m%dT%H%M%SZ").to_string();
    let day = at.format("%Y%m%d").to_string();
    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let mut query = format!(
        "Action=connect&DBUser={}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={time}\
         &X-Amz-Expires={EXPIRES_S}&X-Amz-SignedHeaders=host",
        escaped(user),
        escaped(&format!("{}/{scope}", keys.id)),
    );
    if let Some(token) = &keys.session_token {
        query += &format!("&X-Amz-Security-Token={}", escaped(token));
    }
    // The canonical form wants the parameters sorted by name; on the URL any order will do.
    let mut sorted: Vec<&str> = query.split('&').collect();
    sorted.sort_unstable();
    let request = format!(
        "GET\n/\n{}\nhost:{address}\n\nhost\n{}",
        sorted.join("&"),
        hex(&Sha256::digest(b""))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(request.as_bytes()))
    );
    let first = format!("AWS4{}", keys.secret.expose());
    let steps = [&day, region, SERVICE, "aws4_request", &to_sign];
    let signature = steps
        .iter()
        .try_fold(first.into_bytes(), |key, step| signed(&key, step.as_bytes()))?;
    Some(format!("{address}/?{query}&X-Amz-Signature={}", hex(&signature)))
}

fn signed(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac.finalize().into_bytes().to_vec())
}

/// RFC 3986: everything but the unreserved characters.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out + char::from(byte).encode_utf8(&mut [0])
        }
        byte => out + &format!("%{byte:02X}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |out, byte| out + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn token(session_token: Option<&str>, address: &str, user: &str, region: &str) -> String {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: session_token.map(str::to_owned),
        };
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        presigned(address, user, region, &keys, at).unwrap()
    }

    /// Both tokens were made with boto3's `generate_db_auth_token`, its clock held at the same second.
    #[test]
    fn the_token_is_the_one_that_the_vendors_library_makes() {
        assert_eq!(
            token(
                None,
                "db.abc.eu-central-1.rds.amazonaws.com:5432",
                "countersign_readonly",
                "eu-central-1"
            ),
            "db.abc.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=countersign_readonly\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-central-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=2856695bdae26b53eca0a049a07e3eaa343b58cae5e2c5d9b83461a0d0a34632"
        );
        assert_eq!(
            token(
                Some("FwoGZ+XIvY/Xd=="),
                "db.abc.us-east-1.rds.amazonaws.com:5433",
                "an a+b",
                "us-east-1"
            ),
            "db.abc.us-east-1.rds.amazonaws.com:5433/?Action=connect&DBUser=an%20a%2Bb\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=FwoGZ%2BXIvY%2FXd%3D%3D\
             &X-Amz-Signature=41d12391a30ba4f3bc54f90ede01835d6a841fc98c359339746622657ea951b9"
        );
    }
}
