//! Calls of services that are too large to be linked for one operation: the request is signed and sent as it is.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use kit::ToolError;

use crate::{Refusal, Session, refusal::refused_by};

const DEADLINE: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Waits between attempts when AWS throttles or has a fault of its own.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// One read of a service.
#[derive(Debug, Clone)]
pub struct SignedCall<'a> {
    /// The service in its host name and its signature: `rds`, `monitoring`.
    pub service: &'a str,
    /// For messages.
    pub operation: &'a str,
    pub content_type: &'a str,
    /// `X-Amz-Target`, where the protocol has one.
    pub target: Option<&'a str>,
    pub body: String,
}

impl Session {
    /// Makes one call and returns what the service answered, at most 4 MiB of it.
    pub async fn call(&self, call: &SignedCall<'_>) -> Result<String, ToolError> {
        let sdk = self.connect().await?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match tokio::time::timeout(DEADLINE, self.attempt(sdk, call)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => Refusal::Unavailable.error(format!("{} got no answer in time", call.operation)),
            };
            match pauses.next() {
                Some(pause) if error.retryable => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn attempt(&self, sdk: &SdkConfig, call: &SignedCall<'_>) -> Result<String, ToolError> {
        let unreachable =
            || Refusal::Unavailable.error(format!("the endpoint of {} could not be reached", call.operation));
        let url = self.url(sdk, call.service)?;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = match self.endpoint() {
            Some(_) => client.no_proxy(),
            None => client,
        };
        let mut request = client.build().map_err(|_| unreachable())?.post(&url);
        for (name, value) in headers(sdk, call, &url).await? {
            request = request.header(name, value);
        }
        let mut answer = request
            .body(call.body.clone())
            .send()
            .await
            .map_err(|_| unreachable())?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| unreachable())? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                return Err(Refusal::UnexpectedAnswer.error(format!("the answer to {} is too long", call.operation)));
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status == 200 {
            return Ok(text);
        }
        let (code, message) = error_of(&text);
        Err(refused_by(call.operation, &code, status, message.as_deref()))
    }

    fn url(&self, sdk: &SdkConfig, service: &str) -> Result<String, ToolError> {
        if let Some(endpoint) = self.endpoint() {
            return Ok(format!("{endpoint}/"));
        }
        let region = region(sdk)?;
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Ok(format!("https://{service}.{region}.{suffix}/"))
    }
}

fn region(sdk: &SdkConfig) -> Result<&str, ToolError> {
    sdk.region()
        .map(AsRef::as_ref)
        .ok_or_else(|| Refusal::NotConfigured.error("no AWS Region is configured"))
}

/// Returns all headers, the signature among them.
async fn headers(sdk: &SdkConfig, call: &SignedCall<'_>, url: &str) -> Result<Vec<(String, String)>, ToolError> {
    let missing = || Refusal::CredentialsMissing.error("no AWS credentials were found");
    let provider = sdk.credentials_provider().ok_or_else(missing)?;
    // A provider's own words may hold paths and answers of a token service.
    let identity: Identity = provider.provide_credentials().await.map_err(|_| missing())?.into();
    let broken = || Refusal::InvalidRequest.error(format!("the request {} could not be signed", call.operation));
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region(sdk)?)
        .name(call.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| broken())?
        .into();
    let mut headers = vec![("content-type".to_owned(), call.content_type.to_owned())];
    headers.extend(call.target.map(|target| ("x-amz-target".to_owned(), target.to_owned())));
    let plain = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new("POST", url, plain, SignableBody::Bytes(call.body.as_bytes()));
    let (instructions, _) = sign(request.map_err(|_| broken())?, &parameters)
        .map_err(|_| broken())?
        .into_parts();
    let signed: Vec<(String, String)> = instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.extend(signed);
    Ok(headers)
}

/// Reads `<Code>…</Code><Message>…</Message>` of the query protocol, or `__type` and `message` of JSON.
fn error_of(text: &str) -> (String, Option<String>) {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        let field = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| json.get(name)?.as_str().map(str::to_owned))
        };
        let code = field(&["__type", "code"]).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        return (code, field(&["message", "Message"]));
    }
    let code = xml_text(text, "Code").unwrap_or_default();
    (code, xml_text(text, "Message"))
}

/// Returns what stands in the first `<name>…</name>`, with entities resolved.
pub fn xml_text(xml: &str, name: &str) -> Option<String> {
    xml_elements(xml, name).next().map(|inner| {
        // The ampersand goes last: it could make an entity of what follows it.
        let inner = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        inner.replace("&#39;", "'").replace("&apos;", "'").replace("&amp;", "&")
    })
}

/// Returns what stands in each `<name>…</name>`; elements of that name do not nest in AWS's answers.
pub fn xml_elements<'x>(xml: &'x str, name: &str) -> impl Iterator<Item = &'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(open.as_str())?;
        let (inner, behind) = after.split_once(close.as_str())?;
        rest = behind;
        Some(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_protocols_are_read() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>a &lt; b &amp;lt;</Message></Error></ErrorResponse>";
        assert_eq!(error_of(xml), ("Throttling".to_owned(), Some("a < b &lt;".to_owned())));
        let json = r#"{"__type": "com.amazonaws.cloudwatch#AccessDenied", "Message": "no"}"#;
        assert_eq!(error_of(json), ("AccessDenied".to_owned(), Some("no".to_owned())));
        assert_eq!(error_of("<html>"), (String::new(), None));
    }

    #[test]
    fn each_element_is_found() {
        let xml = "<Events><Event><Message>one</Message></Event><Event><Message>two</Message></Event></Events>";
        let found: Vec<Option<String>> = xml_elements(xml, "Event")
            .map(|event| xml_text(event, "Message"))
            .collect();
        assert_eq!(found, [Some("one".to_owned()), Some("two".to_owned())]);
    }
}
