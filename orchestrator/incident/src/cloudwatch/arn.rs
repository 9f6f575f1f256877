//! The ARN of an alarm, in its parts.

/// `arn:aws:cloudwatch:eu-central-1:123456789012:alarm:orders storage low`
pub(super) struct AlarmArn<'a> {
    pub whole: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// Of at most 255 characters; it may hold colons.
    pub name: &'a str,
}

const MAX_BYTES: usize = 1_024;

impl<'a> AlarmArn<'a> {
    pub fn parse(whole: &'a str) -> Option<Self> {
        if whole.len() > MAX_BYTES || whole.chars().any(char::is_control) {
            return None;
        }
        let mut parts = whole.splitn(7, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (scheme, partition, service) = (part()?, part()?, part()?);
        let (region, account, kind, name) = (part()?, part()?, part()?, part()?);
        let is_alarm = scheme == "arn" && partition.starts_with("aws") && service == "cloudwatch" && kind == "alarm";
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (is_alarm && is_account).then_some(Self {
            whole,
            region,
            account,
            name,
        })
    }
}
