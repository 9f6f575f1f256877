//! PagerDuty: somebody is paged while a request waits; a note on the incident is a listed account's word.

mod webhook;

use approval::Method;
use async_trait::async_trait;
use kit::Secret;
use reqwest::Client;
use serde_json::{Map, Value, json};

pub use webhook::{Signed, take};

use super::card::Card;
use super::config::{Page, PagerDutySection};
use super::courier::Channel;
use super::delivery::{self, Undelivered};
use super::notice::{Notice, Post, Step};
use super::read_secret;
use crate::text::excerpt;

/// A service of PagerDuty, and the webhook subscription on it.
pub struct PagerDuty {
    routing_key: Secret<String>,
    /// By which webhooks are known to be PagerDuty's; two while one replaces the other.
    pub webhook_secrets: Vec<Secret<String>>,
    page: Page,
    events_url: String,
    answers: Option<Answers>,
    http: Client,
}

/// By what notes are answered.
struct Answers {
    token: Secret<String>,
    from: String,
    api: String,
}

impl PagerDuty {
    /// # Errors
    /// When a secret's file cannot be read.
    pub fn open(section: &PagerDutySection) -> anyhow::Result<Self> {
        let secrets = section.webhook_secret_files.iter();
        let secrets = secrets.map(|file| read_secret("pagerduty.webhook_secret_files", file));
        let token = section.api_token_file.as_ref();
        let token = token
            .map(|file| read_secret("pagerduty.api_token_file", file))
            .transpose()?;
        let answers = token.zip(section.from.clone()).map(|(token, from)| Answers {
            token,
            from,
            api: section.api_url.trim_end_matches('/').to_owned(),
        });
        Ok(Self {
            answers,
            routing_key: read_secret("pagerduty.routing_key_file", &section.routing_key_file)?,
            webhook_secrets: secrets.collect::<anyhow::Result<_>>()?,
            page: section.page,
            events_url: section.events_url.clone(),
            http: delivery::client()?,
        })
    }

    async fn trigger(&self, card: &Card, dedup_key: &str, severity: &str) -> Result<(), Undelivered> {
        let mut details: Map<String, Value> = card
            .facts
            .iter()
            .map(|(label, value)| ((*label).to_owned(), json!(value)))
            .collect();
        details.insert("SHA-256 of the plan".to_owned(), json!(card.digest));
        details.insert("Approvals end".to_owned(), json!(card.approve_by));
        if !self.webhook_secrets.is_empty() {
            details.insert("To answer here".to_owned(), json!(answers(card)));
        }
        let event = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "Countersign",
            "client_url": card.url,
            "links": [{"href": card.url, "text": "Open the plan"}],
            "payload": {
                "summary": excerpt(&format!("Approval wanted: {}", card.title), MAX_SUMMARY),
                "source": "countersign",
                "severity": severity,
                "custom_details": details,
            },
        });
        self.send(&event).await
    }

    async fn resolve(&self, dedup_key: &str) -> Result<(), Undelivered> {
        let event =
            json!({"routing_key": self.routing_key.expose(), "event_action": "resolve", "dedup_key": dedup_key});
        self.send(&event).await
    }

    /// Answers on the incident that the note stands on.
    async fn reply(&self, incident: &str, text: &str) {
        let is_id = (1..=64).contains(&incident.len()) && incident.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let Some(answers) = self.answers.as_ref().filter(|_| is_id) else {
            return;
        };
        // It must not begin like a decision: it comes back as a webhook too.
        let note = json!({"note": {"content": format!("Countersign: {text}")}});
        let request = self
            .http
            .post(format!("{}/incidents/{incident}/notes", answers.api))
            .header("authorization", format!("Token token={}", answers.token.expose()))
            .header("accept", "application/json")
            .header("from", &answers.from)
            .json(&note);
        if let Err(undelivered) = delivery::post(request).await {
            tracing::warn!(channel = "pagerduty", error = %undelivered, "a note was not answered");
        }
    }

    async fn send(&self, event: &Value) -> Result<(), Undelivered> {
        delivery::post(self.http.post(&self.events_url).json(event))
            .await
            .map(drop)
    }
}

#[async_trait]
impl Channel for PagerDuty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    async fn tell(&self, step: Step, card: &Card, notice: &Notice) -> Result<Vec<Post>, Undelivered> {
        match step {
            Step::Open if self.page == Page::Opened && card.is_pending => {
                self.trigger(card, &card.id, "warning").await?
            }
            // A second incident: one that was acknowledged would page nobody again.
            Step::Escalate => self.trigger(card, &escalation(card), "critical").await?,
            Step::Show if notice.says_pending() && !card.is_pending => {
                if self.page == Page::Opened {
                    self.resolve(&card.id).await?;
                }
                if notice.escalated {
                    self.resolve(&escalation(card)).await?;
                }
            }
            Step::Open | Step::Show | Step::Remind(_) | Step::Forget | Step::Wait(_) => {}
        }
        Ok(Vec::new())
    }
}

fn escalation(card: &Card) -> String {
    format!("{}/escalation", card.id)
}

fn answers(card: &Card) -> String {
    let words = format!("{} {}", card.id, card.code(webhook::DIGITS));
    if card.may_approve_by(Method::Pagerduty) {
        format!("add the note `reject {words}`, or, once you have read the plan, `approve {words}`")
    } else {
        format!("add the note `reject {words}`; to approve, open the plan and sign with your own key")
    }
}

const MAX_SUMMARY: usize = 900;
