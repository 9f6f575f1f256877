//! One request: everything that would happen, the digest, and how to sign it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::decide::{Standpoint, decide};
use super::execution::{execution, is_running};
use super::{Html, Reader, highlight, page};
use crate::sheet::{Block, NotAPlan, Part, action_name, sheet};
use crate::text::{duration, grouped, nobody_of};
use crate::view::{ExecutionView, RequestView};

/// Renders the page of a request, from the plan's bytes.
///
/// # Errors
/// When the plan's text is not a plan.
pub fn request_page(
    reader: &Reader,
    view: &RequestView,
    executed: Option<&ExecutionView>,
    standpoint: &Standpoint,
) -> Result<String, NotAPlan> {
    let parts = sheet(view)?;
    let title = format!("{} – {} – Countersign", view.summary.id, view.summary.title);
    // What somebody reads in order to decide must not move under their eyes.
    let moves_on = executed.map_or(view.summary.status == "approved", is_running) && !standpoint.is_writing();
    Ok(page(&title, reader, moves_on.then_some(AGAIN_S), |html| {
        head(html, view);
        if let Some(executed) = executed {
            execution(html, executed);
        }
        for part in &parts {
            draw(html, part, 2);
        }
        exact_bytes(html, view);
        if may_be_decided(view, executed) {
            decide(html, reader, view, standpoint);
            how_to_sign(html, view);
        }
    }))
}

fn head(html: &mut Html, view: &RequestView) {
    html.markup("<p><a href=\"/requests\">All requests</a></p>");
    html.leaf("h1", &view.summary.title);
    html.tag("p", |html| {
        let class = format!("status {}", view.summary.status);
        html.tag_with("span", &[("class", &class)], |html| html.text(&view.summary.status));
        html.text(&format!(
            " {} on {} ({}), {} of {} signed{}",
            action_name(view.summary.action),
            view.summary.target.name,
            view.summary.target.environment,
            view.summary.have,
            view.summary.need,
            nobody_of(&view.summary.missing_groups)
        ));
        if let Some(left) = view.summary.seconds_left() {
            html.text(&format!(", {} left", duration(left)));
        }
    });
    html.tag_with("p", &[("class", "digest")], |html| {
        html.text("sha256 ");
        html.text(&grouped(&view.summary.plan_digest.hex()));
    });
    if is_open(view) {
        html.markup("<p><a href=\"#sign\">Decide</a>, once you have read all of it</p>");
    }
}

/// A no counts as long as something is left to stop.
fn may_be_decided(view: &RequestView, executed: Option<&ExecutionView>) -> bool {
    is_open(view) || view.summary.status == "used" && executed.is_some_and(is_running)
}

fn is_open(view: &RequestView) -> bool {
    matches!(view.summary.status.as_str(), "pending" | "approved")
}

fn draw(html: &mut Html, part: &Part, level: u8) {
    let part_name: &[(&'static str, &str)] = if level == 2 { &[("data-part", &part.title)] } else { &[] };
    html.tag_with("section", part_name, |html| {
        let heading = match level {
            2 => "h2",
            3 => "h3",
            _ => "h4",
        };
        html.leaf(heading, &part.title);
        for block in &part.blocks {
            match block {
                Block::Note(text) => html.leaf("p", text),
                Block::Sql(text) => html.tag("pre", |html| highlight::sql(html, text)),
                Block::Item(inner) => draw(html, inner, level + 1),
                Block::Facts(lines) => html.tag("dl", |html| {
                    for (label, value) in lines {
                        html.leaf("dt", label);
                        html.leaf("dd", value);
                    }
                }),
            }
        }
    });
}

fn how_to_sign(html: &mut Html, view: &RequestView) {
    let base = view
        .summary
        .url
        .strip_suffix(&format!("/requests/{}", view.summary.id))
        .unwrap_or(&view.summary.url);
    html.tag_with("section", &[("id", "cli")], |html| {
        html.leaf("h2", "With an SSH key");
        html.leaf(
            "p",
            "On your own machine, which shows you the same and checks it itself:",
        );
        html.leaf(
            "pre",
            &format!(
                "approval-gate approve {} --gate {base} --key ~/.ssh/id_ed25519",
                view.summary.id
            ),
        );
        html.leaf(
            "pre",
            &format!(
                "approval-gate reject {} --gate {base} --key ~/.ssh/id_ed25519 --reason '…'",
                view.summary.id
            ),
        );
        html.tag("details", |html| {
            html.leaf("summary", "With curl and ssh-keygen alone");
            html.leaf(
                "p",
                "Look at the file `statement` before the second line; with decision=reject it is a no.",
            );
            for line in by_hand(base, &view.summary.id) {
                html.leaf("pre", &line);
            }
        });
    });
}

const AGAIN_S: u32 = 2;

/// The three commands that sign without this program. `-G` and `--data-urlencode`: a fingerprint may hold `+` and `/`.
pub fn by_hand(base: &str, id: &str) -> [String; 3] {
    [
        format!(
            "curl -fsSG '{base}/v1/requests/{id}/statement' -d approver=YOUR_ID -d decision=approve \
             --data-urlencode \"key=$(ssh-keygen -lf ~/.ssh/id_ed25519 | cut -d' ' -f2)\" -o statement"
        ),
        "ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n approval@countersign statement".to_owned(),
        format!("curl -fsS --data-binary @statement.sig '{base}/v1/requests/{id}/decisions?approver=YOUR_ID'"),
    ]
}

fn exact_bytes(html: &mut Html, view: &RequestView) {
    html.tag_with("section", &[("data-part", "The exact bytes")], |html| {
        html.leaf("h2", "The exact bytes");
        html.leaf(
            "p",
            "Everything above was rendered from these bytes; the digest is their SHA-256.",
        );
        html.tag("details", |html| {
            html.leaf("summary", &format!("{} bytes of canonical JSON", view.plan.len()));
            let bytes = BASE64_URL_SAFE_NO_PAD.encode(&view.plan);
            html.tag_with("pre", &[("id", "plan"), ("data-bytes", &bytes)], |html| {
                html.text(&view.plan)
            });
        });
    });
}
