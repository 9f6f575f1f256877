//! A request as Block Kit. Whatever was foreign stands in `plain_text` or as a text element of `rich_text`, where Slack
//! knows no markup; fallback texts are escaped.

use serde_json::{Value, json};

use super::super::card::Card;
use super::super::notice::Post;
use crate::text::excerpt;

/// The id of the button that leads to the page.
pub const OPEN: &str = "open";
/// The id of the button that approves.
pub const APPROVE: &str = "approve";
/// The id of the button that rejects.
pub const REJECT: &str = "reject";

/// How many digits of the digest a button carries.
pub const DIGITS: usize = 16;

/// The message of a request, for `chat.postMessage`, which would show what lies behind links.
pub fn first_message(card: &Card, may_approve: bool, channel: &str) -> Value {
    with(
        message(card, may_approve, channel),
        &[("unfurl_links", json!(false)), ("unfurl_media", json!(false))],
    )
}

/// The same in place of one that was posted, for `chat.update`.
pub fn corrected(card: &Card, may_approve: bool, post: &Post) -> Value {
    with(message(card, may_approve, &post.channel), &[("ts", json!(post.ts))])
}

/// That it still waits, in the thread of the message and in its channel.
pub fn reminder(card: &Card, post: &Post) -> Value {
    let elements = vec![
        plain(&format!("{} still waits. Approvals end ", card.title)),
        date(card),
        plain(". "),
        json!({"type": "link", "url": card.url, "text": "Open"}),
    ];
    json!({
        "channel": post.channel,
        "thread_ts": post.ts,
        "reply_broadcast": true,
        "text": escape(&format!("{} still waits; approvals end at {}", card.title, card.approve_by)),
        "blocks": [{"type": "rich_text", "elements": [section(elements)]}],
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// What Slack asks for in texts that it would read as markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn message(card: &Card, may_approve: bool, channel: &str) -> Value {
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": excerpt(&card.title, 120), "emoji": false}}),
        json!({"type": "rich_text", "elements": [facts(card), heading("SHA-256 of the plan"), digest(card)]}),
        json!({"type": "rich_text", "elements": [section(story(card))]}),
        json!({"type": "actions", "elements": buttons(card, may_approve)}),
    ];
    if card.is_pending {
        blocks.push(small(if may_approve {
            "Read the plan on its page before you decide: this message does not hold all of it."
        } else {
            "Here you can only reject. To approve, open the page and sign with your own key."
        }));
    }
    json!({
        "channel": channel,
        "text": escape(&format!("{} ({})", card.title, card.story.last().map_or("", String::as_str))),
        "blocks": blocks,
        "parse": "none",
        "link_names": false,
    })
}

fn with(mut message: Value, more: &[(&str, Value)]) -> Value {
    if let Some(message) = message.as_object_mut() {
        message.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }
    message
}

fn facts(card: &Card) -> Value {
    let mut elements = Vec::new();
    for (label, value) in &card.facts {
        elements.push(json!({"type": "text", "text": format!("{label}: "), "style": {"bold": true}}));
        elements.push(plain(&format!("{value}\n")));
    }
    section(elements)
}

fn story(card: &Card) -> Vec<Value> {
    let mut elements: Vec<Value> = card.story.iter().map(|line| plain(&format!("{line}\n"))).collect();
    if card.is_pending {
        elements.push(plain("Approvals end "));
        elements.push(date(card));
    }
    elements
}

fn heading(text: &str) -> Value {
    section(vec![json!({"type": "text", "text": text, "style": {"bold": true}})])
}

fn digest(card: &Card) -> Value {
    json!({"type": "rich_text_preformatted", "elements": [plain(&card.digest)]})
}

fn buttons(card: &Card, may_approve: bool) -> Vec<Value> {
    let value = format!("{} {}", card.id, card.code(DIGITS));
    let text = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let confirm = |title: &str, what: &str, style: &str| {
        json!({
            "title": text(title),
            "text": text(&format!("{what}\n{}\nSHA-256 {} …", excerpt(&card.title, 150), card.digest.get(..35).unwrap_or_default())),
            "confirm": text(title),
            "deny": text("Back"),
            "style": style,
        })
    };
    let mut buttons =
        vec![json!({"type": "button", "action_id": OPEN, "text": text("Open the plan"), "url": card.url})];
    if card.may_reject {
        let (label, what) = if card.is_pending {
            ("Reject", "This ends the request for everyone.")
        } else {
            ("Stop", "This takes the approval back: no further step starts.")
        };
        buttons.push(json!({
            "type": "button", "action_id": REJECT, "text": text(label), "value": value, "style": "danger",
            "confirm": confirm(label, what, "danger"),
        }));
    }
    if may_approve {
        buttons.push(json!({
            "type": "button", "action_id": APPROVE, "text": text("Approve"), "value": value, "style": "primary",
            "confirm": confirm("Approve", "You have read the plan on its page, and want it done.", "primary"),
        }));
    }
    buttons
}

fn small(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "plain_text", "text": text, "emoji": false}]})
}

/// Slack shows it in each reader's own time zone.
fn date(card: &Card) -> Value {
    json!({
        "type": "date",
        "timestamp": card.approve_by.unix(),
        "format": "{date_short_pretty} at {time_secs}",
        "fallback": card.approve_by.to_string(),
    })
}

fn section(elements: Vec<Value>) -> Value {
    json!({"type": "rich_text_section", "elements": elements})
}

fn plain(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_fallback_text_is_markup() {
        let text = "<!channel> <@U1> <https://evil.example|a> &lt;";
        let escaped = escape(text);
        assert!(!escaped.contains(['<', '>']), "{escaped}");
        assert_eq!(
            escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
            text
        );
    }
}
