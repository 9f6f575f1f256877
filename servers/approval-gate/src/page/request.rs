//! One request: everything that would happen, the digest, and how to sign it.

use super::{Html, page};
use crate::sheet::{Block, NotAPlan, Part, action_name, sheet};
use crate::text::{duration, grouped, nobody_of};
use crate::view::RequestView;

/// Renders the page of a request, from the plan's bytes.
///
/// # Errors
/// When the plan's text is not a plan.
pub fn request_page(view: &RequestView) -> Result<String, NotAPlan> {
    let parts = sheet(view)?;
    let title = format!("{} – {} – Countersign", view.summary.id, view.summary.title);
    Ok(page(&title, |html| {
        head(html, view);
        for part in &parts {
            draw(html, part, 2);
        }
        if is_open(view) {
            how_to_sign(html, view);
        }
        exact_bytes(html, view);
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
        html.markup("<p><a href=\"#sign\">How to sign</a>, once you have read all of it</p>");
    }
    if let Some(execution) = &view.summary.execution_id {
        html.tag("p", |html| {
            html.text("It became execution ");
            html.leaf("code", execution);
        });
    }
}

fn is_open(view: &RequestView) -> bool {
    matches!(view.summary.status.as_str(), "pending" | "approved")
}

fn draw(html: &mut Html, part: &Part, level: u8) {
    html.tag("section", |html| {
        let heading = match level {
            2 => "h2",
            3 => "h3",
            _ => "h4",
        };
        html.leaf(heading, &part.title);
        for block in &part.blocks {
            match block {
                Block::Note(text) => html.leaf("p", text),
                Block::Sql(text) => html.leaf("pre", text),
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
    html.tag_with("section", &[("id", "sign")], |html| {
        html.leaf("h2", "How to sign");
        html.leaf("p", "This page signs nothing; your own key does, on your own machine.");
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
    html.tag("section", |html| {
        html.leaf("h2", "The exact bytes");
        html.leaf(
            "p",
            "Everything above was rendered from these bytes; the digest is their SHA-256.",
        );
        html.tag("details", |html| {
            html.leaf("summary", &format!("{} bytes of canonical JSON", view.plan.len()));
            html.leaf("pre", &view.plan);
        });
    });
}
