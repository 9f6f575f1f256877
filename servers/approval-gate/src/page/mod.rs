//! The approval pages: HTML made on the server. They read and change without a script; only a passkey needs one.

mod decide;
mod execution;
mod freeze;
mod grants;
mod highlight;
mod html;
mod people;
mod queue;
mod request;

pub use decide::{CanDecide, Standpoint};
pub use freeze::{freeze_page, freeze_signature_page};
pub use grants::{CanSign, grant_page, grants_page, revocation_page};
pub use html::Html;
pub use people::{invitation_page, registered_page, sign_in_page};
pub use queue::queue_page;
pub use request::request_page;

use crate::sessions::Session;

/// The one style sheet, served beside the pages.
pub const STYLE: &str = include_str!("style.css");

/// The one script, served beside the pages.
pub const SCRIPT: &str = include_str!("script.js");

/// What every page is sent with. Nothing is loaded but our own style sheet and script, nobody frames it, and forms go
/// nowhere else. With `no-referrer` browsers would send forms without saying where they come from.
pub const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    ),
    ("cache-control", "no-store"),
];

/// Who looks at a page, and at what gate.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Their session, if they are signed in.
    pub session: Option<Session>,
    /// Where passkeys work here; none where they cannot.
    pub origin: Option<String>,
    /// Why nothing is executed, when the gate is frozen.
    pub frozen: Option<String>,
}

/// Says why there is no page, or why nothing was done.
pub fn problem_page(reader: &Reader, code: &str, message: &str, hint: Option<&str>) -> String {
    page("Countersign", reader, None, |html| {
        html.leaf("h1", "That was not done");
        html.leaf("p", message);
        if let Some(hint) = hint {
            html.leaf("p", hint);
        }
        html.leaf("p", code);
        html.markup("<p><a href=\"/requests\">All requests</a></p>");
    })
}

/// A whole page around what `inside` writes. With `again_s` it loads itself again after so many seconds.
pub fn page(title: &str, reader: &Reader, again_s: Option<u32>, inside: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.markup("<!doctype html>\n");
    html.tag_with("html", &[("lang", "en")], |html| {
        html.tag("head", |html| {
            html.markup("<meta charset=\"utf-8\">");
            html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
            html.markup("<meta name=\"color-scheme\" content=\"light dark\">");
            if let Some(seconds) = again_s {
                html.void("meta", &[("http-equiv", "refresh"), ("content", &seconds.to_string())]);
            }
            html.markup("<link rel=\"stylesheet\" href=\"/requests/style.css\">");
            html.markup("<script src=\"/requests/script.js\" defer></script>");
            html.leaf("title", title);
        });
        html.tag("body", |html| {
            html.markup("<a class=\"skip\" href=\"#main\">To the content</a>");
            html.tag("header", |html| navigation(html, reader));
            html.tag_with("main", &[("id", "main")], |html| {
                if let Some(reason) = &reader.frozen {
                    html.tag_with("p", &[("class", "banner stop")], |html| {
                        html.text("Frozen: nothing is executed. ");
                        html.text(reason);
                    });
                }
                inside(html);
            });
        });
    });
    html.into_string()
}

fn navigation(html: &mut Html, reader: &Reader) {
    html.tag("nav", |html| {
        html.markup("<a class=\"brand\" href=\"/requests\">Countersign</a>");
        html.markup("<a href=\"/requests\">Requests</a><a href=\"/grants\">Grants</a><a href=\"/freeze\">Freeze</a>");
        match &reader.session {
            Some(session) => html.tag_with("form", &[("method", "post"), ("action", "/sign-out")], |html| {
                csrf(html, session);
                html.leaf("span", &session.person);
                html.markup("<button class=\"plain\">Sign out</button>");
            }),
            None if reader.origin.is_some() => html.markup("<a href=\"/sign-in\">Sign in</a>"),
            None => {}
        }
    });
}

/// What every form of a signed-in person carries.
fn csrf(html: &mut Html, session: &Session) {
    html.void(
        "input",
        &[("type", "hidden"), ("name", "csrf"), ("value", &session.csrf)],
    );
}

/// The fields that the script fills in with the passkey's answer.
fn answer_fields(html: &mut Html) {
    for name in ["credential", "client_data", "authenticator_data", "signature"] {
        html.void("input", &[("type", "hidden"), ("name", name), ("value", "")]);
    }
}

/// A button that waits for the script, and a place where the script says how it goes.
fn passkey_button(html: &mut Html, class: &str, label: &str) {
    html.tag_with("button", &[("class", class), ("disabled", "")], |html| html.text(label));
    html.markup("<p role=\"status\"></p>");
    html.markup("<noscript><p>A passkey needs JavaScript; the command line does not.</p></noscript>");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use std::collections::BTreeMap;

    use super::STYLE;

    /// Relative luminance, as WCAG 2.2 defines it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(colour.get(at..at + 2).unwrap(), 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The colours that the style sheet names, light first.
    fn schemes() -> Vec<BTreeMap<&'static str, &'static str>> {
        let blocks = STYLE.split(":root {").skip(1).take(2);
        let colours = |block: &'static str| {
            let declared = block.split('}').next().unwrap().split(';');
            let pairs = declared.filter_map(|one| one.trim().strip_prefix("--")?.split_once(": "));
            pairs.collect()
        };
        blocks.map(colours).collect()
    }

    #[test]
    fn every_text_has_the_contrast_of_wcag_aa_in_light_and_dark() {
        let schemes = schemes();
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            for ground in ["paper", "code"] {
                for text in ["ink", "soft", "go", "wait", "stop", "link"] {
                    let found = contrast(scheme.get(text).unwrap(), scheme.get(ground).unwrap());
                    assert!(found >= 4.5, "{text} on {ground}: {found:.2} in {scheme:?}");
                }
            }
        }
        // A disabled button is exempt; nothing else names a colour of its own.
        let literal = STYLE
            .lines()
            .filter(|line| line.contains('#') && !line.trim().starts_with("--"));
        assert_eq!(literal.count(), 0);
    }
}
