//! Which AWS account and Region the operator has fixed. No tool argument can change any of it.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::endpoint::LoopbackEndpoint;

/// `[aws]` in the configuration file, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSettings {
    /// `eu-central-1`; without it AWS_DEFAULT_REGION or the profile decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The twelve digits that the credentials must belong to; checked before the first request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Loopback only, for a stand-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// The flags over `[aws]`; an empty value counts as not given.
#[derive(Debug, Clone, Default, Args)]
pub struct AwsFlags {
    /// AWS Region that every request goes to
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub region: Option<String>,
    /// AWS account that the credentials must belong to
    #[arg(long, value_name = "DIGITS", env = "COUNTERSIGN_AWS_ACCOUNT")]
    pub account: Option<String>,
    /// Profile in the AWS configuration files
    #[arg(long, value_name = "NAME", env = "AWS_PROFILE")]
    pub profile: Option<String>,
    /// Where to send requests instead of AWS; loopback only
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,
}

impl AwsSettings {
    /// Returns the settings with what the flags and the environment say on top.
    #[must_use]
    pub fn overridden_by(self, flags: AwsFlags) -> Self {
        let over = |flag: Option<String>, file: Option<String>| flag.filter(|value| !value.is_empty()).or(file);
        Self {
            region: over(flags.region, self.region),
            account: over(flags.account, self.account),
            profile: over(flags.profile, self.profile),
            endpoint_url: over(flags.endpoint_url, self.endpoint_url),
        }
    }
}

/// The account as parsed: what a [`crate::Session`] is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub(crate) region: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) endpoint: Option<LoopbackEndpoint>,
}

impl Account {
    /// Parses the settings, or returns every fault, each with its key.
    pub fn parse(settings: AwsSettings) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        if settings.region.as_deref().is_some_and(|region| !is_region(region)) {
            faults.push("`region` is not an AWS Region, as in `eu-central-1`".to_owned());
        }
        if settings
            .account
            .as_deref()
            .is_some_and(|id| id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()))
        {
            faults.push("`account` is not twelve digits".to_owned());
        }
        let endpoint = settings
            .endpoint_url
            .as_deref()
            .map(LoopbackEndpoint::parse)
            .transpose();
        let endpoint = endpoint.unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            region: settings.region,
            id: settings.account,
            profile: settings.profile,
            endpoint,
        })
    }
}

/// The Region becomes part of a host name.
fn is_region(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 32 && text.contains('-') && text.split('-').all(word)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn every_fault_is_reported_at_once() {
        let settings: AwsSettings =
            toml::from_str("region = 'x.example.com/'\naccount = '123'\nendpoint_url = 'http://example.com'").unwrap();
        let faults = Account::parse(settings).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(
            faults
                .iter()
                .zip(["`region`", "`account`", "`endpoint_url`"])
                .all(|(fault, key)| fault.contains(key))
        );
    }

    #[test]
    fn a_flag_wins_and_an_empty_one_is_none() {
        let file = AwsSettings {
            region: Some("eu-central-1".to_owned()),
            ..AwsSettings::default()
        };
        let empty = AwsFlags {
            region: Some(String::new()),
            ..AwsFlags::default()
        };
        assert_eq!(
            file.clone().overridden_by(empty).region.as_deref(),
            Some("eu-central-1")
        );
        let given = AwsFlags {
            region: Some("us-gov-west-1".to_owned()),
            ..AwsFlags::default()
        };
        let settings = file.overridden_by(given);
        assert_eq!(
            Account::parse(settings).unwrap().region.as_deref(),
            Some("us-gov-west-1")
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        assert!(
            toml::from_str::<AwsSettings>("endpoint = 'http://127.0.0.1'")
                .unwrap_err()
                .to_string()
                .contains("endpoint")
        );
    }
}
