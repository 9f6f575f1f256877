//! Microsoft Teams: told through a workflow's webhook, with a link. Nobody can answer there, because nothing that comes from
//! such a webhook says who clicked.

use anyhow::Context;
use async_trait::async_trait;
use kit::Secret;
use reqwest::Client;
use serde_json::{Value, json};
use url::Url;

use super::card::Card;
use super::config::{TeamsSection, is_loopback};
use super::courier::Channel;
use super::delivery::{self, Undelivered};
use super::notice::{Notice, Post, Step};
use super::read_secret;

/// A workflow that posts into a channel.
pub struct Teams {
    webhook: Secret<Url>,
    http: Client,
}

impl Teams {
    /// # Errors
    /// When the address cannot be read or is none.
    pub fn open(section: &TeamsSection) -> anyhow::Result<Self> {
        let text = read_secret("teams.webhook_url_file", &section.webhook_url_file)?;
        let url = Url::parse(text.expose())
            .ok()
            .filter(|url| url.scheme() == "https" || is_loopback(url));
        Ok(Self {
            webhook: Secret::new(url.context("`channels.teams.webhook_url_file` holds no https:// address")?),
            http: delivery::client()?,
        })
    }
}

#[async_trait]
impl Channel for Teams {
    fn name(&self) -> &'static str {
        "teams"
    }

    async fn tell(&self, step: Step, card: &Card, _: &Notice) -> Result<Vec<Post>, Undelivered> {
        let is_told = match step {
            Step::Open | Step::Remind(_) | Step::Escalate => true,
            Step::Show => !card.is_pending,
            Step::Forget | Step::Wait(_) => false,
        };
        if is_told {
            delivery::post(self.http.post(self.webhook.expose().clone()).json(&message(card))).await?;
        }
        Ok(Vec::new())
    }
}

/// An Adaptive Card in which foreign text stands in text runs, which know no Markdown.
fn message(card: &Card) -> Value {
    let line = |text: &str, bold: bool| {
        let run = json!({"type": "TextRun", "text": text, "weight": if bold { "Bolder" } else { "Default" }});
        json!({"type": "RichTextBlock", "inlines": [run]})
    };
    let mut body = vec![line(&card.title, true)];
    body.extend(
        card.facts
            .iter()
            .map(|(label, value)| line(&format!("{label}: {value}"), false)),
    );
    body.push(line(&format!("SHA-256 {}", card.digest), false));
    body.extend(card.story.iter().map(|text| line(text, true)));
    if card.is_pending {
        body.push(line(&format!("Approvals end at {}", card.approve_by), false));
    }
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open the plan", "url": card.url}],
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content,
    });
    json!({"type": "message", "attachments": [attachment]})
}
