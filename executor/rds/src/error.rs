//! What RDS or STS refused, or why there is no answer: in codes, with a way out, and without AWS's own words where they
//! could hold a secret.

use aws_query::CallError;

/// Why a request came to nothing, or to nothing that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RdsError {
    #[error("AWS throttled {operation}")]
    Throttled { operation: &'static str },
    #[error("{operation} was denied{}", missing(.action.as_deref(), .resource.as_deref()))]
    AccessDenied {
        operation: &'static str,
        action: Option<String>,
        resource: Option<String>,
    },
    /// The key or its signature was not accepted: not a permission is missing, but the credentials are no good.
    #[error("AWS did not accept the credentials of {operation} ({aws_code})")]
    CredentialsRefused { operation: &'static str, aws_code: String },
    #[error("the AWS session expired before {operation}")]
    Expired { operation: &'static str },
    #[error("{operation} names what is not there: {message}")]
    NotFound { operation: &'static str, message: String },
    #[error("{operation} is not possible now: {message}")]
    InvalidState { operation: &'static str, message: String },
    #[error("the storage was changed less than six hours ago, or is still being optimised")]
    StorageChangedLately { operation: &'static str },
    #[error("{operation} would exceed the account's storage quota")]
    StorageQuota { operation: &'static str },
    #[error("AWS has no capacity for {operation} there: {message}")]
    NoCapacity { operation: &'static str, message: String },
    #[error("{operation} was refused: {message} ({aws_code})")]
    Refused {
        operation: &'static str,
        aws_code: String,
        message: String,
    },
    #[error("AWS could not serve {operation} (status {status})")]
    Unavailable { operation: &'static str, status: u16 },
    #[error("the endpoint of {operation} could not be reached; nothing was sent")]
    Unreachable { operation: &'static str },
    #[error("{operation} was sent, and there is no answer")]
    NoAnswer { operation: &'static str },
    #[error("the answer to {operation} could not be read")]
    Unreadable { operation: &'static str },
    #[error("{operation} could not be signed")]
    Unsigned { operation: &'static str },
    #[error("there are no AWS credentials in {source_name}")]
    NoCredentials { source_name: String },
}

impl RdsError {
    /// Reads what came back.
    pub(crate) fn of(operation: &'static str, error: CallError) -> Self {
        match error {
            CallError::Unsigned => Self::Unsigned { operation },
            CallError::Unreachable => Self::Unreachable { operation },
            CallError::Lost | CallError::TimedOut => Self::NoAnswer { operation },
            CallError::TooLong => Self::Unreadable { operation },
            CallError::Refused { status, code, message } => {
                Self::refused(operation, status, &code, message.as_deref().unwrap_or_default())
            }
        }
    }

    fn refused(operation: &'static str, status: u16, aws_code: &str, text: &str) -> Self {
        // RDS answers with and without it; its model has it.
        let bare = aws_code.strip_suffix("Fault").unwrap_or(aws_code);
        let bare = bare.strip_suffix("Exception").unwrap_or(bare);
        let message = || plain(text);
        match bare {
            "Throttling"
            | "Throttled"
            | "RequestThrottled"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "SlowDown" => Self::Throttled { operation },
            "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
                let (action, resource) = denied(text);
                Self::AccessDenied {
                    operation,
                    action,
                    resource,
                }
            }
            "ExpiredToken" | "TokenRefreshRequired" => Self::Expired { operation },
            // What AWS says to a failed signature holds the canonical request, and with it the session token.
            "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClient"
            | "InvalidAccessKeyId"
            | "IncompleteSignature"
            | "InvalidSignature"
            | "MissingAuthenticationToken"
            | "RequestExpired"
            | "AuthFailure"
            | "OptInRequired" => Self::CredentialsRefused {
                operation,
                aws_code: bare.to_owned(),
            },
            "DBInstanceNotFound" | "DBClusterNotFound" | "DBParameterGroupNotFound" => Self::NotFound {
                operation,
                message: message(),
            },
            "InvalidDBInstanceState" | "InvalidDBClusterState" | "InvalidDBParameterGroupState" => Self::InvalidState {
                operation,
                message: message(),
            },
            "InvalidParameterCombination" if is_of_lately(text) => Self::StorageChangedLately { operation },
            "StorageQuotaExceeded" => Self::StorageQuota { operation },
            "InsufficientDBInstanceCapacity" | "ProvisionedIopsNotAvailableInAZ" | "StorageTypeNotSupported" => {
                Self::NoCapacity {
                    operation,
                    message: message(),
                }
            }
            _ if status == 429 => Self::Throttled { operation },
            _ if status >= 500 => Self::Unavailable { operation, status },
            _ if status == 401 || status == 403 => Self::AccessDenied {
                operation,
                action: None,
                resource: None,
            },
            _ => Self::Refused {
                operation,
                aws_code: plain(bare),
                message: message(),
            },
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "aws_throttled",
            Self::AccessDenied { .. } => "aws_access_denied",
            Self::CredentialsRefused { .. } => "aws_credentials_refused",
            Self::Expired { .. } => "aws_session_expired",
            Self::NotFound { .. } => "aws_not_found",
            Self::InvalidState { .. } => "aws_invalid_state",
            Self::StorageChangedLately { .. } => "aws_storage_changed_lately",
            Self::StorageQuota { .. } => "aws_storage_quota",
            Self::NoCapacity { .. } => "aws_no_capacity",
            Self::Refused { .. } => "aws_refused",
            Self::Unavailable { .. } => "aws_unavailable",
            Self::Unreachable { .. } => "aws_unreachable",
            Self::NoAnswer { .. } => "aws_no_answer",
            Self::Unreadable { .. } => "aws_unreadable",
            Self::Unsigned { .. } => "aws_unsigned",
            Self::NoCredentials { .. } => "aws_no_credentials",
        }
    }

    /// Returns what helps.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "the account's rate of requests is used up; wait, or ask who else calls RDS",
            Self::AccessDenied { .. } => {
                "the executor's role must allow it, and no boundary or service control policy deny it; for AssumeRole the role's trust policy must allow sts:AssumeRole and sts:SetSourceIdentity"
            }
            Self::CredentialsRefused { .. } => {
                "check the base credentials and this host's clock: AWS takes no signature that is five minutes off"
            }
            Self::Expired { .. } => "a session lasts 15 minutes; the step took longer",
            Self::NotFound { .. } => "compare the names in the plan with those in RDS",
            Self::InvalidState { .. } => "wait until RDS is through with what it is doing, then plan anew",
            Self::StorageChangedLately { .. } => {
                "RDS allows one change of storage in six hours, and none while it optimises"
            }
            Self::StorageQuota { .. } => "have the quota raised in Service Quotas, or delete what is not needed",
            Self::NoCapacity { .. } => "choose another class or storage type, or wait",
            Self::Refused { .. } => "the plan asks for what RDS does not take",
            Self::Unavailable { .. } | Self::NoAnswer { .. } => "the state tells whether it took effect",
            Self::Unreachable { .. } => "check the endpoint and the way to it",
            Self::Unreadable { .. } => "what answers is perhaps not AWS",
            Self::Unsigned { .. } => "check host and Region",
            Self::NoCredentials { .. } => "put them where the configuration says, or correct the configuration",
        }
    }

    /// Whether the request may have taken effect all the same.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::NoAnswer { .. } | Self::Unreadable { .. } => true,
            Self::Throttled { .. }
            | Self::AccessDenied { .. }
            | Self::CredentialsRefused { .. }
            | Self::Expired { .. }
            | Self::NotFound { .. }
            | Self::InvalidState { .. }
            | Self::StorageChangedLately { .. }
            | Self::StorageQuota { .. }
            | Self::NoCapacity { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Unsigned { .. }
            | Self::NoCredentials { .. } => false,
        }
    }

    /// Whether the same question may be answered in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::NoAnswer { .. } | Self::Unreachable { .. }
        )
    }
}

fn missing(action: Option<&str>, resource: Option<&str>) -> String {
    match (action, resource) {
        (Some(action), Some(resource)) => format!(": `{action}` on `{resource}` is not allowed"),
        (Some(action), None) => format!(": `{action}` is not allowed"),
        (None, _) => String::new(),
    }
}

/// `… is not authorized to perform: rds:RebootDBInstance on resource: arn:… because …`
fn denied(text: &str) -> (Option<String>, Option<String>) {
    let after = |mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        let name = rest.split([' ', ',', '"']).next()?.trim_end_matches('.');
        let fits = (1..=300).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b":/_.*+=@-".contains(&b));
        fits.then(|| name.to_owned())
    };
    (after("not authorized to perform: "), after("on resource: "))
}

/// «You can't currently modify the storage of this DB instance because the previous storage change is being optimized.»
fn is_of_lately(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("storage")
        && ["optimiz", "optimis", "six hours", "6 hours"]
            .iter()
            .any(|word| text.contains(word))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> RdsError {
        let message = Some(message.to_owned());
        let code = code.to_owned();
        RdsError::of("ModifyDBInstance", CallError::Refused { status, code, message })
    }

    #[test]
    fn every_refusal_has_its_code_and_doubt_only_where_there_is_any() {
        for (status, aws, expected, doubt) in [
            (400, "Throttling", "aws_throttled", false),
            (503, "SlowDown", "aws_throttled", false),
            (400, "RequestLimitExceeded", "aws_throttled", false),
            (403, "AccessDenied", "aws_access_denied", false),
            (403, "ExpiredToken", "aws_session_expired", false),
            (403, "ExpiredTokenException", "aws_session_expired", false),
            (403, "InvalidClientTokenId", "aws_credentials_refused", false),
            (404, "DBInstanceNotFound", "aws_not_found", false),
            (404, "DBClusterNotFoundFault", "aws_not_found", false),
            (400, "InvalidDBInstanceState", "aws_invalid_state", false),
            (400, "InvalidDBClusterStateFault", "aws_invalid_state", false),
            (400, "StorageQuotaExceeded", "aws_storage_quota", false),
            (400, "InsufficientDBInstanceCapacity", "aws_no_capacity", false),
            (400, "InvalidParameterCombination", "aws_refused", false),
            (400, "InvalidParameterValue", "aws_refused", false),
            (500, "InternalFailure", "aws_unavailable", true),
            (502, "", "aws_unavailable", true),
        ] {
            let error = refused(status, aws, "x");
            assert_eq!(
                (error.code(), error.leaves_doubt()),
                (expected, doubt),
                "{status} {aws}"
            );
            assert!(!error.hint().is_empty());
        }
        for (error, expected, doubt) in [
            (CallError::Unreachable, "aws_unreachable", false),
            (CallError::Lost, "aws_no_answer", true),
            (CallError::TimedOut, "aws_no_answer", true),
            (CallError::TooLong, "aws_unreadable", true),
            (CallError::Unsigned, "aws_unsigned", false),
        ] {
            let error = RdsError::of("RebootDBInstance", error);
            assert_eq!((error.code(), error.leaves_doubt()), (expected, doubt));
        }
    }

    #[test]
    fn the_six_hours_have_a_code_of_their_own() {
        let text = "You can't currently modify the storage of this DB instance because the previous storage change is being optimized.";
        assert_eq!(
            refused(400, "InvalidParameterCombination", text).code(),
            "aws_storage_changed_lately"
        );
    }

    #[test]
    fn a_denial_says_what_on_what() {
        let text = "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: rds:ModifyDBInstance on resource: arn:aws:rds:eu-central-1:123456789012:db:payroll because no session policy allows it";
        assert_eq!(
            refused(403, "AccessDenied", text).to_string(),
            "ModifyDBInstance was denied: `rds:ModifyDBInstance` on `arn:aws:rds:eu-central-1:123456789012:db:payroll` is not allowed"
        );
    }

    #[test]
    fn no_message_brings_the_session_token_along() {
        let token = "IQoJb3JpZ2luX2VjEJr";
        for code in [
            "SignatureDoesNotMatch",
            "AccessDenied",
            "ExpiredToken",
            "InternalFailure",
        ] {
            let error = refused(403, code, &format!("canonical string: x-amz-security-token:{token}"));
            assert!(!format!("{error} {error:?}").contains("IQoJ"), "{error:?}");
        }
    }
}
