//! A topic of the configuration, and the only addresses at which SNS is reached for it: both are made from its ARN.

use thiserror::Error;

/// `arn:aws:sns:eu-central-1:123456789012:database-alarms`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    arn: String,
    host: String,
    /// Names that stand in SNS's certificates: that of the region, and that without one.
    names: [String; 2],
}

#[derive(Debug, Error)]
#[error("`{0}` is not the ARN of an SNS topic")]
pub(crate) struct BadTopic(String);

const MAX_TOKEN_BYTES: usize = 1_024;

impl Topic {
    pub fn parse(arn: &str) -> Result<Self, BadTopic> {
        let bad = || BadTopic(arn.escape_debug().to_string());
        let parts: Vec<&str> = arn.split(':').collect();
        let [scheme, partition, service, region, account, name] = *parts.as_slice() else {
            return Err(bad());
        };
        let domain = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            // The isolated partitions have domains of their own, which are not known here.
            _ => return Err(bad()),
        };
        let is_plain = |text: &str, also: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b))
        };
        let is_region = is_plain(region, "-") && !region.bytes().any(|b| b.is_ascii_uppercase());
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if scheme != "arn" || service != "sns" || !is_region || !is_account || !is_plain(name, "-_") {
            return Err(bad());
        }
        let host = format!("sns.{region}.{domain}");
        Ok(Self {
            arn: arn.to_owned(),
            names: [host.clone(), format!("sns.{domain}")],
            host,
        })
    }

    pub fn arn(&self) -> &str {
        &self.arn
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Compared as text with the one address that there may be. A parser of addresses would have to agree with the one that
    /// fetches on user names, ports, dots and letters; this has nothing to agree on.
    pub fn keeps_certificate_at(&self, url: &str) -> bool {
        let file = url
            .strip_prefix("https://")
            .and_then(|rest| rest.strip_prefix(&self.host))
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|file| file.strip_suffix(".pem"));
        file.is_some_and(|name| {
            (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        })
    }

    /// The call that confirms a subscription. A token that could be more than a value in it makes none.
    pub fn confirmation(&self, token: &str) -> Option<String> {
        let is_plain = (1..=MAX_TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric());
        let Self { host, arn, .. } = self;
        is_plain.then(|| {
            let arn = arn.replace(':', "%3A");
            format!("https://{host}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={arn}&Token={token}")
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn addresses_are_made_from_the_arn_alone() {
        let topic = Topic::parse("arn:aws-cn:sns:cn-north-1:123456789012:alarms").unwrap();
        assert!(
            topic.keeps_certificate_at("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0a1b.pem")
        );
        assert!(!topic.keeps_certificate_at("https://sns.cn-north-1.amazonaws.com/SimpleNotificationService-0a1b.pem"));
        assert_eq!(
            topic.confirmation("2336412f").unwrap(),
            "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&Version=2010-03-31\
             &TopicArn=arn%3Aaws-cn%3Asns%3Acn-north-1%3A123456789012%3Aalarms&Token=2336412f"
        );
        for token in ["", "a&TopicArn=b", "a b", "a#b", "a%26b"] {
            assert_eq!(topic.confirmation(token), None, "{token}");
        }
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        for odd in [
            "",
            "arn:aws:sns:eu-central-1:123456789012",
            "arn:aws:sns:eu-central-1:123456789012:alarms:subscription",
            "arn:aws:sns:eu-central-1.evil:123456789012:alarms",
            "arn:aws:sns:eu-central-1/x:123456789012:alarms",
            "arn:aws:sns:EU-central-1:123456789012:alarms",
            "arn:aws:sqs:eu-central-1:123456789012:alarms",
            "arn:aws-iso:sns:us-iso-east-1:123456789012:alarms",
            "arn:aws:sns:eu-central-1:1234:alarms",
            "arn:aws:sns:eu-central-1:123456789012:*",
        ] {
            assert!(Topic::parse(odd).is_err(), "{odd}");
        }
    }
}
