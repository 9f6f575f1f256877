//! Where requests go: to AWS, to the operator's own endpoint over TLS, or to this machine.

use std::net::IpAddr;

use reqwest::Url;

/// A service in one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    region: String,
    is_loopback: bool,
}

/// Requests must not go there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("the endpoint is no URL of a scheme, a host and a port alone, as `https://rds.eu-central-1.amazonaws.com`")]
    Malformed,
    #[error("the endpoint is not on this machine, and not https")]
    Plain,
}

impl Endpoint {
    /// Returns AWS's own endpoint of a service.
    pub fn of_aws(service: &str, region: &str) -> Self {
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Self {
            url: format!("https://{service}.{region}.{suffix}/"),
            region: region.to_owned(),
            is_loopback: false,
        }
    }

    /// Returns an endpoint of the operator's: of a VPC, or a stand-in on loopback, which alone may do without TLS.
    ///
    /// # Errors
    /// When it is no such address.
    pub fn at(url: &str, region: &str) -> Result<Self, EndpointError> {
        let parsed = Url::parse(url).map_err(|_| EndpointError::Malformed)?;
        let bare = parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none()
            && parsed.path() == "/";
        let host = parsed.host_str().unwrap_or_default();
        if !bare || host.is_empty() {
            return Err(EndpointError::Malformed);
        }
        let is_loopback = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        match parsed.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return Err(EndpointError::Plain),
        }
        Ok(Self {
            url: parsed.into(),
            region: region.to_owned(),
            is_loopback,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for (url, expected) in [
            ("http://127.0.0.1:4566", None),
            ("http://[::1]:1/", None),
            ("http://localhost:9", None),
            ("https://vpce-1.rds.eu-central-1.vpce.amazonaws.com", None),
            ("http://rds.eu-central-1.amazonaws.com", Some(EndpointError::Plain)),
            ("http://localhost.example.com", Some(EndpointError::Plain)),
            ("http://[::ffff:10.0.0.1]", Some(EndpointError::Plain)),
            ("ftp://127.0.0.1", Some(EndpointError::Plain)),
            ("https://user:pw@example.com", Some(EndpointError::Malformed)),
            ("https://example.com/path", Some(EndpointError::Malformed)),
            ("https://example.com/?x=y", Some(EndpointError::Malformed)),
            ("127.0.0.1:4566", Some(EndpointError::Malformed)),
            ("", Some(EndpointError::Malformed)),
        ] {
            assert_eq!(Endpoint::at(url, "eu-central-1").err(), expected, "{url}");
        }
    }

    #[test]
    fn china_has_another_domain() {
        assert_eq!(
            Endpoint::of_aws("rds", "cn-north-1").url(),
            "https://rds.cn-north-1.amazonaws.com.cn/"
        );
        assert_eq!(
            Endpoint::of_aws("rds", "eu-central-1").url(),
            "https://rds.eu-central-1.amazonaws.com/"
        );
    }
}
