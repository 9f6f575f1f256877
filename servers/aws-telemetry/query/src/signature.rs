//! Signature Version 4 of a request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;

use crate::call::{CallError, SignedCall};
use crate::endpoint::Endpoint;

/// Returns all headers, the signature among them.
pub(crate) fn headers(
    endpoint: &Endpoint,
    credentials: &Credentials,
    call: &SignedCall<'_>,
    now: SystemTime,
) -> Result<Vec<(String, String)>, CallError> {
    let identity: Identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(endpoint.region())
        .name(call.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| CallError::Unsigned)?
        .into();
    let mut headers = vec![("content-type".to_owned(), call.content_type.to_owned())];
    headers.extend(call.target.map(|target| ("x-amz-target".to_owned(), target.to_owned())));
    let plain = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(call.body.as_bytes());
    let request = SignableRequest::new("POST", endpoint.url(), plain, body).map_err(|_| CallError::Unsigned)?;
    let (instructions, _) = sign(request, &parameters)
        .map_err(|_| CallError::Unsigned)?
        .into_parts();
    let signed: Vec<(String, String)> = instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.extend(signed);
    Ok(headers)
}
