//! Where requests may go when they do not go to AWS: to this machine, and nowhere else.

use std::net::IpAddr;

use url::{Host, Url};

/// An endpoint on loopback. Signed requests and log lines must not be sent to a host that someone typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackEndpoint(String);

impl LoopbackEndpoint {
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            Err(format!(
                "`endpoint_url` {why}; only a loopback address is accepted, as in http://127.0.0.1:4566"
            ))
        };
        let Ok(url) = Url::parse(text) else {
            return refuse("is not a URL");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return refuse("has more than a scheme, a host and a port");
        }
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if !loopback {
            return refuse("names another machine");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_accepted() {
        for text in [
            "http://127.0.0.1:4566",
            "http://[::1]:1/",
            "https://localhost:4566",
            "http://127.9.9.9",
        ] {
            assert!(LoopbackEndpoint::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn another_machine_is_refused_however_it_is_written() {
        for text in [
            "http://10.0.0.1:4566",
            "https://logs.eu-central-1.amazonaws.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com",
            "http://user:pw@127.0.0.1",
            "http://0.0.0.0:4566",
            "http://[::ffff:10.0.0.1]",
            "http://169.254.169.254",
            "file:///etc/passwd",
            "127.0.0.1:4566",
            "",
        ] {
            assert!(LoopbackEndpoint::parse(text).is_err(), "{text}");
        }
    }
}
