//! The IAM token: a signed address that PostgreSQL on RDS takes as a password for fifteen minutes.

use std::time::{Duration, SystemTime};

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use rds_call::Form;

use crate::error::RdsError;
use crate::secret::Secret;
use crate::session::Session;

/// Who logs in, and where. Host and port must be those of the connection itself: they are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseLogin<'a> {
    pub host: &'a str,
    pub port: u16,
    pub user: &'a str,
    pub region: &'a str,
}

/// Makes a token for one login with the session's credentials, which [`crate::SessionPolicy::for_login`] narrows to it.
/// Nothing is sent.
///
/// # Errors
/// When the host is no host name.
pub fn iam_token(login: &DatabaseLogin<'_>, session: &Session, now: SystemTime) -> Result<Secret, RdsError> {
    let is_host = !login.host.is_empty()
        && login
            .host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    if !is_host {
        return Err(RdsError::Unsigned { operation: OPERATION });
    }
    let unsigned = || RdsError::Unsigned { operation: OPERATION };
    let mut query = Form::empty();
    query.field("Action", "connect");
    query.field("DBUser", login.user);
    let url = format!("https://{}:{}/?{}", login.host, login.port, query.finish());
    let identity: Identity = session.credentials().clone().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID);
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(login.region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|_| unsigned())?
        .into();
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let (instructions, _) = sign(request.map_err(|_| unsigned())?, &parameters)
        .map_err(|_| unsigned())?
        .into_parts();
    let mut signed = Form::empty();
    for (name, value) in instructions.params() {
        signed.field(name, value);
    }
    let address = url.strip_prefix("https://").unwrap_or_default();
    Ok(Secret::new(format!("{address}&{}", signed.finish())))
}

const OPERATION: &str = "connect";
/// As long as RDS takes one. A session that is open stays open.
const VALID: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::collections::BTreeSet;
    use std::process::Command;

    use aws_credential_types::Credentials;

    use super::*;
    use crate::support::python;

    /// What boto3 makes of the same login, at the same time, with the same credentials.
    const BOTO3: &str = "
import datetime, sys, botocore.auth, boto3
at = datetime.datetime(2026, 11, 22, 6, 41, 0, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *_, **__: at.replace(tzinfo=None)
session = boto3.Session('AKIDEXAMPLE', 'secret/with+signs', sys.argv[5] or None, region_name=sys.argv[4])
client = session.client('rds')
print(client.generate_db_auth_token(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
";

    #[test]
    fn it_is_what_boto3_makes() {
        for (user, token) in [("countersign", ""), ("who else@x", "IQoJ/b3+Jp==")] {
            let login = DatabaseLogin {
                host: "orders.abc.eu-central-1.rds.amazonaws.com",
                port: 5432,
                user,
                region: "eu-central-1",
            };
            let mut credentials = Credentials::builder()
                .access_key_id("AKIDEXAMPLE")
                .secret_access_key("secret/with+signs")
                .provider_name("test");
            credentials.set_session_token(Some(token.to_owned()).filter(|token| !token.is_empty()));
            let session = Session::of(credentials.build());
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_329_660);
            let ours = iam_token(&login, &session, at).unwrap();

            let output = Command::new(python())
                .args(["-c", BOTO3, login.host, "5432", user, login.region, token])
                .output()
                .unwrap();
            let theirs = String::from_utf8(output.stdout).unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(parts(ours.expose()), parts(theirs.trim()), "{errors}");
        }
    }

    /// The order of the fields says nothing: they are sorted before they are signed.
    fn parts(token: &str) -> (String, BTreeSet<String>) {
        let (address, query) = token.split_once('?').unwrap_or_default();
        // `+` and `%20` are the same in a query.
        let fields = query.split('&').map(|field| field.replace('+', "%20"));
        (address.to_owned(), fields.collect())
    }

    #[test]
    fn what_is_no_host_is_signed_for_nobody() {
        let session = Session::of(Credentials::for_tests());
        for host in ["", "a/b", "a:1", "user@host", "a?b"] {
            let login = DatabaseLogin {
                host,
                port: 5432,
                user: "u",
                region: "eu-central-1",
            };
            assert!(iam_token(&login, &session, SystemTime::UNIX_EPOCH).is_err(), "{host}");
        }
    }
}
