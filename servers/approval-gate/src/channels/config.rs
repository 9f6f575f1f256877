//! `[channels]`: where people are told. Secrets stand in files of their own, never here.

use kit::config::FilePath;
use serde::{Deserialize, Serialize};
use url::Url;

/// `[channels]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelsSection {
    /// People are reminded so many minutes before the time to approve ends.
    #[serde(default)]
    pub remind_min: Vec<u32>,
    /// What still waits so many minutes before that is escalated; without it, nothing is.
    #[serde(default)]
    pub escalate_min: Option<u32>,
    /// Slack.
    #[serde(default)]
    pub slack: Option<SlackSection>,
    /// PagerDuty.
    #[serde(default)]
    pub pagerduty: Option<PagerDutySection>,
    /// Microsoft Teams: told, never asked.
    #[serde(default)]
    pub teams: Option<TeamsSection>,
}

/// `[channels.slack]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackSection {
    /// The bot's token, `xoxb-…`.
    pub bot_token_file: FilePath,
    /// The signing secret: clicks come over HTTP to `/v1/channels/slack/interactions`.
    #[serde(default)]
    pub signing_secret_file: Option<FilePath>,
    /// The app-level token, `xapp-…`: clicks come through Socket Mode.
    #[serde(default)]
    pub app_token_file: Option<FilePath>,
    /// The only team whose members are heard, as `T…`.
    pub team: String,
    /// Where requests are posted, as `C…`.
    pub channel: String,
    /// Where a request is posted that still waits when it is escalated.
    #[serde(default)]
    pub escalation_channel: Option<String>,
    /// Slack's Web API.
    #[serde(default = "slack_api")]
    pub api_url: String,
}

/// `[channels.pagerduty]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDutySection {
    /// The integration key of a service (Events API v2).
    pub routing_key_file: FilePath,
    /// The secrets of the webhook subscription; two while one replaces the other. Without any, nobody is heard.
    #[serde(default)]
    pub webhook_secret_files: Vec<FilePath>,
    /// A REST API key: whoever decides by a note is answered by one. Without it, nobody is.
    #[serde(default)]
    pub api_token_file: Option<FilePath>,
    /// In whose name it is answered: the e-mail address of a user of the account.
    #[serde(default)]
    pub from: Option<String>,
    /// When somebody is paged.
    #[serde(default)]
    pub page: Page,
    /// Where events go.
    #[serde(default = "pagerduty_events")]
    pub events_url: String,
    /// PagerDuty's REST API.
    #[serde(default = "pagerduty_api")]
    pub api_url: String,
}

/// When PagerDuty pages somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// When a request opens, and again when it is escalated.
    #[default]
    Opened,
    /// Only when it is escalated.
    Escalated,
}

/// `[channels.teams]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsSection {
    /// The file with the workflow's address, which is itself the secret.
    pub webhook_url_file: FilePath,
}

impl ChannelsSection {
    /// What cannot be meant, key by key.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for minutes in self.remind_min.iter().chain(&self.escalate_min) {
            if !(1..=MAX_MINUTES).contains(minutes) {
                faults.push(format!("`channels`: {minutes} minutes are not 1 to {MAX_MINUTES}"));
            }
        }
        if self.escalate_min.is_some() && !self.can_escalate() {
            faults.push(
                "`channels.escalate_min` needs `channels.slack.escalation_channel` or `[channels.pagerduty]`"
                    .to_owned(),
            );
        }
        if let Some(slack) = &self.slack {
            let ids = [("team", Some(&slack.team)), ("channel", Some(&slack.channel))];
            let ids = ids
                .into_iter()
                .chain([("escalation_channel", slack.escalation_channel.as_ref())]);
            for (key, id) in ids.filter_map(|(key, id)| Some((key, id?))) {
                if !is_slack_id(id) {
                    faults.push(format!("`channels.slack.{key}` is `{id}`, and no id of `A-Z 0-9`"));
                }
            }
            faults.extend(check_url("channels.slack.api_url", &slack.api_url));
        }
        if let Some(pagerduty) = &self.pagerduty {
            if pagerduty.page == Page::Escalated && self.escalate_min.is_none() {
                faults.push("`channels.pagerduty.page` needs `channels.escalate_min`".to_owned());
            }
            if pagerduty.api_token_file.is_some() != pagerduty.from.is_some() {
                faults.push("`channels.pagerduty.api_token_file` and `from` go together".to_owned());
            }
            faults.extend(check_url("channels.pagerduty.events_url", &pagerduty.events_url));
            faults.extend(check_url("channels.pagerduty.api_url", &pagerduty.api_url));
        }
        faults
    }

    fn can_escalate(&self) -> bool {
        self.pagerduty.is_some()
            || self
                .slack
                .as_ref()
                .is_some_and(|slack| slack.escalation_channel.is_some())
    }
}

fn is_slack_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Tokens are sent there: in the clear only to this very machine.
fn check_url(key: &str, text: &str) -> Option<String> {
    let is_safe = Url::parse(text).is_ok_and(|url| url.scheme() == "https" || is_loopback(&url));
    (!is_safe).then(|| format!("`{key}` is `{text}`, which is no https:// address"))
}

/// Whether an address leads nowhere but to this machine, by plain HTTP.
pub fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

fn pagerduty_events() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

fn pagerduty_api() -> String {
    "https://api.pagerduty.com".to_owned()
}

const MAX_MINUTES: u32 = 1_440;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn faults(text: &str) -> String {
        toml_of(text).faults().join("; ")
    }

    fn toml_of(text: &str) -> ChannelsSection {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("channels.toml");
        std::fs::write(&file, text).unwrap();
        kit::config::load(&file).unwrap()
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_key() {
        let slack = "[slack]\nbot_token_file = \"t\"\nteam = \"T1\"\nchannel = \"C1\"\n";
        assert_eq!(faults(slack), "");
        let named = slack.replace("\"C1\"", "\"#prod\"");
        assert!(faults(&named).contains("`channels.slack.channel` is `#prod`"));
        let plain = format!("{slack}api_url = \"http://slack.example\"\n");
        assert!(faults(&plain).contains("`channels.slack.api_url`"));
        let local = format!("{slack}api_url = \"http://127.0.0.1:1/api\"\n");
        assert_eq!(faults(&local), "");
        assert!(faults(&format!("escalate_min = 3\n{slack}")).contains("`channels.escalate_min` needs"));
        assert!(faults(&format!("remind_min = [0]\n{slack}")).contains("0 minutes"));
        let pagerduty = "[pagerduty]\nrouting_key_file = \"k\"\n";
        assert_eq!(faults(pagerduty), "");
        assert!(faults(&format!("{pagerduty}page = \"escalated\"\n")).contains("`channels.pagerduty.page`"));
        assert!(faults(&format!("{pagerduty}from = \"a@b\"\n")).contains("go together"));
    }
}
