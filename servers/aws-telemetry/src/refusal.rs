//! Says what AWS refused, in one of ten codes. AWS's own text is shown only where it helps, and never unscrubbed.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use kit::ToolError;

use crate::Scrubber;

/// Why AWS gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The operator has not said which Region, log groups or instances.
    NotConfigured,
    /// No credentials were found where the AWS SDK looks for them.
    CredentialsMissing,
    ExpiredCredentials,
    /// The credentials are not accepted, or lack a permission.
    AccessDenied,
    /// The credentials belong to another account than the configured one.
    WrongAccount,
    Throttled,
    NotFound,
    InvalidRequest,
    /// AWS could not be reached, or had a fault of its own.
    Unavailable,
    /// AWS answered something that its own API does not describe.
    UnexpectedAnswer,
}

impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::CredentialsMissing => "credentials_missing",
            Self::ExpiredCredentials => "expired_credentials",
            Self::AccessDenied => "access_denied",
            Self::WrongAccount => "wrong_account",
            Self::Throttled => "throttled",
            Self::NotFound => "not_found",
            Self::InvalidRequest => "invalid_request",
            Self::Unavailable => "unavailable",
            Self::UnexpectedAnswer => "unexpected_answer",
        }
    }

    /// Makes the error with this refusal's code and its usual way out.
    pub fn error(self, message: impl Into<String>) -> ToolError {
        let error = ToolError::new(self.code(), message);
        match self {
            Self::NotConfigured => error.hint("the operator must configure this server; no argument can"),
            Self::CredentialsMissing => {
                error.hint("give the server AWS credentials: AWS_PROFILE, a web identity or a role of the machine")
            }
            Self::ExpiredCredentials => error.hint("the operator must renew the server's AWS session"),
            Self::AccessDenied => error.hint("the server's iam-policy.json lists the permissions it needs"),
            Self::WrongAccount => error.hint("correct `[aws] account` or the credentials"),
            Self::Throttled => error
                .retryable()
                .hint("wait a few seconds; other users share this quota"),
            Self::NotFound | Self::InvalidRequest => error,
            Self::Unavailable | Self::UnexpectedAnswer => error.retryable(),
        }
    }

    /// Reads AWS's error code; the HTTP status decides where the code is unknown.
    fn of(code: &str, status: u16) -> Self {
        match code {
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "SlowDown" => Self::Throttled,
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
                Self::ExpiredCredentials
            }
            "AccessDenied"
            | "AccessDeniedException"
            | "NotAuthorizedException"
            | "UnauthorizedOperation"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "OptInRequired"
            | "AuthFailure" => Self::AccessDenied,
            "ResourceNotFoundException" | "ResourceNotFound" => Self::NotFound,
            "ServiceUnavailableException" | "ServiceUnavailable" | "InternalServiceError" | "InternalFailure" => {
                Self::Unavailable
            }
            _ => match status {
                429 => Self::Throttled,
                401 | 403 => Self::AccessDenied,
                404 => Self::NotFound,
                400..=499 => Self::InvalidRequest,
                _ => Self::Unavailable,
            },
        }
    }
}

/// Returns the coded error for what `operation` (`StartQuery`) got back.
pub fn refused<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> ToolError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(cause) = credentials_error(error) {
        return without_credentials(&cause);
    }
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            refused_by(operation, code, answer.raw().status().as_u16(), answer.err().message())
        }
        SdkError::ResponseError(_) => {
            Refusal::UnexpectedAnswer.error(format!("the answer to {operation} could not be read"))
        }
        SdkError::ConstructionFailure(_) => {
            Refusal::InvalidRequest.error(format!("the request {operation} could not be built"))
        }
        SdkError::TimeoutError(_) => Refusal::Unavailable.error(format!("{operation} got no answer in time")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Refusal::Unavailable.error(format!("{operation} got no answer in time"))
        }
        _ => Refusal::Unavailable.error(format!("the endpoint of {operation} could not be reached")),
    }
}

/// Returns the coded error for AWS's own error code, HTTP status and text.
pub(crate) fn refused_by(operation: &str, code: &str, status: u16, text: Option<&str>) -> ToolError {
    let refusal = Refusal::of(code, status);
    refusal.error(explain(refusal, operation, code, text))
}

fn explain(refusal: Refusal, operation: &str, code: &str, text: Option<&str>) -> String {
    match refusal {
        Refusal::Throttled => format!("AWS throttled {operation}"),
        Refusal::ExpiredCredentials => "the AWS session has expired".to_owned(),
        Refusal::Unavailable => format!("AWS could not serve {operation}"),
        // A failed signature is answered with the canonical request and the session token in it; only the name of a
        // missing permission is worth taking out of such a text.
        Refusal::AccessDenied => match text.and_then(missing_permission) {
            Some(permission) => format!("{operation} was denied: the credentials lack {permission}"),
            None if code == "OptInRequired" => format!("{operation} was denied: the account has not opted in"),
            None => format!("{operation} was denied: AWS did not accept the credentials or they lack the permission"),
        },
        _ => match text {
            Some(text) => format!("{operation} was refused: {}", Scrubber::default().line(text, 300)),
            None => format!("{operation} was refused"),
        },
    }
}

/// `… is not authorized to perform: logs:StartQuery on resource …`
fn missing_permission(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("not authorized to perform: ")?;
    let name = rest.split([' ', ',', '"']).next()?;
    let (service, action) = name.split_once(':')?;
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (word(service) && word(action)).then_some(name)
}

enum MissingBecause {
    NotFound,
    TookTooLong,
    Unusable,
}

fn credentials_error<E>(error: &SdkError<E, HttpResponse>) -> Option<MissingBecause>
where
    E: Error + Send + Sync + 'static,
{
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(credentials) = current.downcast_ref::<CredentialsError>() {
            return Some(match credentials {
                CredentialsError::CredentialsNotLoaded(_) => MissingBecause::NotFound,
                CredentialsError::ProviderTimedOut(_) => MissingBecause::TookTooLong,
                _ => MissingBecause::Unusable,
            });
        }
        cause = current.source();
    }
    None
}

/// A provider's own words may hold paths, role names and answers of a token service, so none of them is passed on.
fn without_credentials(cause: &MissingBecause) -> ToolError {
    Refusal::CredentialsMissing.error(match cause {
        MissingBecause::NotFound => "no AWS credentials were found",
        MissingBecause::TookTooLong => "the AWS credentials did not arrive in time",
        MissingBecause::Unusable => "the configured source of AWS credentials gave none",
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

    use super::*;

    /// What a service of the SDK would answer.
    #[derive(Debug)]
    struct Answer(ErrorMetadata);

    impl std::fmt::Display for Answer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("service error")
        }
    }

    impl Error for Answer {}

    impl ProvideErrorMetadata for Answer {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    fn answer(status: u16, code: &str, text: &str) -> ToolError {
        let error = Answer(ErrorMetadata::builder().code(code).message(text).build());
        refused(
            "StartQuery",
            &SdkError::service_error(error, HttpResponse::new(status.try_into().unwrap(), SdkBody::empty())),
        )
    }

    #[test]
    fn every_kind_of_refusal_has_its_code() {
        for (status, code, expected, retryable) in [
            (400, "ThrottlingException", "throttled", true),
            (400, "LimitExceededException", "throttled", true),
            (429, "SomethingNew", "throttled", true),
            (400, "ExpiredTokenException", "expired_credentials", false),
            (403, "ExpiredToken", "expired_credentials", false),
            (400, "AccessDeniedException", "access_denied", false),
            (400, "NotAuthorizedException", "access_denied", false),
            (403, "InvalidSignatureException", "access_denied", false),
            (400, "ResourceNotFoundException", "not_found", false),
            (400, "MalformedQueryException", "invalid_request", false),
            (400, "InvalidArgumentException", "invalid_request", false),
            (503, "ServiceUnavailableException", "unavailable", true),
            (500, "InternalServiceError", "unavailable", true),
            (502, "", "unavailable", true),
        ] {
            let error = answer(status, code, "x");
            assert_eq!((error.code, error.retryable), (expected, retryable), "{status} {code}");
        }
    }

    #[test]
    fn a_denial_names_the_permission_and_nothing_else() {
        let text = "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: logs:StartQuery on resource: x";
        let error = answer(400, "AccessDeniedException", text);
        assert_eq!(
            error.message,
            "StartQuery was denied: the credentials lack logs:StartQuery"
        );
    }

    #[test]
    fn no_text_of_aws_brings_a_secret_along() {
        let token = "IQoJb3JpZ2luX2VjEJr//////////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQ";
        let signature = answer(
            403,
            "SignatureDoesNotMatch",
            &format!("canonical string: x-amz-security-token:{token}"),
        );
        assert!(!signature.message.contains("IQoJ"), "{}", signature.message);
        let invalid = answer(
            400,
            "InvalidParameterException",
            "bad AKIAABCDEFGHIJKLMNOP and password=hunter2\u{202E}",
        );
        assert_eq!(
            invalid.message,
            "StartQuery was refused: bad [redacted:aws_key] and password=[redacted:password]"
        );
    }

    #[test]
    fn missing_credentials_are_found_below_any_layer() {
        let source: Box<dyn Error + Send + Sync> = Box::new(CredentialsError::not_loaded("/home/x/.aws/config"));
        let error: SdkError<Answer, HttpResponse> = SdkError::construction_failure(source);
        let error = refused("StartQuery", &error);
        assert_eq!(error.code, "credentials_missing");
        assert!(!error.message.contains(".aws"));
    }
}
