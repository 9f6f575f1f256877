//! Slack: requests are posted and corrected there; a click is a listed account's word.

mod blocks;
mod click;
mod signature;
pub mod socket;

use anyhow::Context;
use approval::Method;
use async_trait::async_trait;
use kit::Secret;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

pub use click::{Click, take};
pub use signature::{Replays, Signed};

use super::card::Card;
use super::config::{SlackSection, is_loopback};
use super::courier::Channel;
use super::delivery::{self, Undelivered};
use super::notice::{Notice, Post, Step};
use super::read_secret;

/// The name of its notices.
pub const NAME: &str = "slack";

/// An app in one team.
pub struct Slack {
    bot_token: Secret<String>,
    /// By which clicks over HTTP are known to be Slack's.
    pub signing_secret: Option<Secret<String>>,
    /// Opens sockets.
    pub app_token: Option<Secret<String>>,
    /// The only team whose members are heard.
    pub team: String,
    /// What was taken already.
    pub replays: Replays,
    channel: String,
    escalation_channel: Option<String>,
    api: Url,
    http: Client,
}

impl Slack {
    /// # Errors
    /// When a secret's file cannot be read.
    pub fn open(section: &SlackSection) -> anyhow::Result<Self> {
        let secret = |key: &str, file: &Option<_>| {
            let key = format!("slack.{key}");
            file.as_ref().map(|file| read_secret(&key, file)).transpose()
        };
        Ok(Self {
            bot_token: read_secret("slack.bot_token_file", &section.bot_token_file)?,
            signing_secret: secret("signing_secret_file", &section.signing_secret_file)?,
            app_token: secret("app_token_file", &section.app_token_file)?,
            team: section.team.clone(),
            replays: Replays::default(),
            channel: section.channel.clone(),
            escalation_channel: section.escalation_channel.clone(),
            api: Url::parse(&section.api_url).context("`channels.slack.api_url`")?,
            http: delivery::client()?,
        })
    }

    /// Where a socket may be opened: Slack says so itself, and is asked each time.
    async fn socket_url(&self) -> Result<Url, Undelivered> {
        let token = self
            .app_token
            .as_ref()
            .ok_or_else(|| Undelivered::Never("no app-level token".to_owned()))?;
        let answer = self.call("apps.connections.open", token, &json!({})).await?;
        let url = answer.url.as_deref().and_then(|url| Url::parse(url).ok());
        let is_safe = |url: &Url| url.scheme() == "wss" || (url.scheme() == "ws" && is_loopback(&self.api));
        url.filter(is_safe)
            .ok_or_else(|| Undelivered::later("Slack named no wss:// address"))
    }

    async fn post_message(&self, message: Value) -> Result<Post, Undelivered> {
        let answer = self.call("chat.postMessage", &self.bot_token, &message).await?;
        match (answer.channel, answer.ts) {
            (Some(channel), Some(ts)) => Ok(Post { channel, ts }),
            _ => Err(Undelivered::Never("Slack named no message".to_owned())),
        }
    }

    async fn call(&self, method: &str, token: &Secret<String>, body: &Value) -> Result<Answer, Undelivered> {
        let url = format!("{}/{method}", self.api.as_str().trim_end_matches('/'));
        let request = self.http.post(url).bearer_auth(token.expose()).json(body);
        let text = delivery::post(request).await?;
        let answer: Answer =
            serde_json::from_str(&text).map_err(|_| Undelivered::later(format!("{method}: Slack answered no JSON")))?;
        if answer.ok {
            return Ok(answer);
        }
        let error = answer.error.unwrap_or_default();
        let why = format!("{method}: {}", crate::text::excerpt(&error, 80));
        Err(if HOPELESS.contains(&error.as_str()) {
            Undelivered::Never(why)
        } else {
            Undelivered::later(why)
        })
    }

    /// Tells one person how their click went. Only Slack is told: the address came in with the click.
    async fn reply(&self, response_url: &str, text: &str) {
        let Some(url) = self.reply_url(response_url) else {
            tracing::warn!(
                channel = NAME,
                "a click named an address for the answer that is not Slack's"
            );
            return;
        };
        let body = json!({"response_type": "ephemeral", "replace_original": false, "text": blocks::escape(text)});
        if let Err(undelivered) = delivery::post(self.http.post(url).json(&body)).await {
            tracing::warn!(channel = NAME, error = %undelivered, "a click was not answered");
        }
    }

    fn reply_url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let is_slack = url.scheme() == "https" && url.host_str() == Some(REPLY_HOST) && url.port().is_none();
        let is_api = url.origin() == self.api.origin();
        let is_plain = url.username().is_empty() && url.password().is_none();
        ((is_slack || is_api) && is_plain).then_some(url)
    }
}

#[async_trait]
impl Channel for Slack {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn tell(&self, step: Step, card: &Card, notice: &Notice) -> Result<Vec<Post>, Undelivered> {
        let may_approve = card.may_approve_by(Method::Slack);
        match step {
            Step::Open => Ok(vec![
                self.post_message(blocks::first_message(card, may_approve, &self.channel))
                    .await?,
            ]),
            Step::Escalate => match &self.escalation_channel {
                Some(channel) => Ok(vec![
                    self.post_message(blocks::first_message(card, may_approve, channel))
                        .await?,
                ]),
                None => Ok(Vec::new()),
            },
            Step::Remind(_) => {
                for post in &notice.posts {
                    self.post_message(blocks::reminder(card, post)).await?;
                }
                Ok(Vec::new())
            }
            Step::Show => {
                for post in &notice.posts {
                    let message = blocks::corrected(card, may_approve, post);
                    match self.call("chat.update", &self.bot_token, &message).await {
                        Ok(_) => {}
                        // The others are corrected all the same.
                        Err(Undelivered::Never(why)) => tracing::warn!(channel = NAME, why, "a message stays as it is"),
                        Err(later) => return Err(later),
                    }
                }
                Ok(Vec::new())
            }
            Step::Forget | Step::Wait(_) => Ok(Vec::new()),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
    url: Option<String>,
}

const REPLY_HOST: &str = "hooks.slack.com";

/// Errors that no waiting and no operator mends: the message is gone or can never be taken.
const HOPELESS: &[&str] = &[
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "thread_not_found",
    "msg_too_long",
    "msg_blocks_too_long",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
];
