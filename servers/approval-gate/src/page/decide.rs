//! The part of a request's page where somebody decides.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Html, Reader, answer_fields, csrf, passkey_button};
use crate::sessions::Session;
use crate::view::RequestView;

/// What the reader can do about a request.
#[derive(Debug)]
pub enum Standpoint {
    /// Sign in first.
    SignedOut,
    /// Sign: a yes, a no, or only one of them.
    Can(CanDecide),
    /// Say no, on a page that does not load itself again.
    MayStop,
    /// Nothing, and why.
    Cannot(String),
}

impl Standpoint {
    /// Whether somebody is filling in a form, which must not be taken away from under their hands.
    pub fn is_writing(&self) -> bool {
        matches!(self, Self::Can(_))
    }
}

/// The exact bytes that the reader's passkey would sign.
#[derive(Debug)]
pub struct CanDecide {
    /// Whose.
    pub session: Session,
    /// The passkey's credential id.
    pub credential: Vec<u8>,
    /// What they have said already.
    pub said: Option<String>,
    /// To approve; none where only a no is left.
    pub approve: Option<Vec<u8>>,
    /// To reject.
    pub reject: Vec<u8>,
    /// When the page was made, in seconds since 1970.
    pub shown_at: i64,
}

/// Writes the forms.
pub fn decide(html: &mut Html, reader: &Reader, view: &RequestView, standpoint: &Standpoint) {
    html.tag_with("section", &[("id", "sign"), ("data-part", "Decision")], |html| {
        html.leaf("h2", "Decide");
        match standpoint {
            Standpoint::SignedOut if reader.origin.is_some() => {
                html.markup(
                    "<p><a class=\"button\" href=\"/sign-in\">Sign in with your passkey</a> to decide here.</p>",
                );
            }
            Standpoint::SignedOut => html.leaf(
                "p",
                "Passkeys work only where this gate has a host name and TLS (`gate.public_url`). Sign with an SSH key.",
            ),
            Standpoint::Cannot(why) => html.leaf("p", why),
            Standpoint::MayStop => html.tag("p", |html| {
                let path = format!("/requests/{}?stop", view.summary.id);
                html.tag_with("a", &[("href", &path), ("class", "button stop")], |html| {
                    html.text("Stop it …")
                });
            }),
            Standpoint::Can(can) => {
                if let Some(said) = &can.said {
                    html.leaf("p", said);
                }
                if let Some(message) = &can.approve {
                    html.leaf(
                        "p",
                        "Your passkey signs the digest of exactly what this page shows: script, target, rollback and \
                         windows.",
                    );
                    form(html, view, can, "approve", message, |html| {
                        passkey_button(html, "go", "Approve with passkey");
                    });
                }
                form(html, view, can, "reject", &can.reject, |html| {
                    html.markup("<label for=\"reason\">Reason</label>");
                    html.markup(
                        "<textarea id=\"reason\" name=\"reason\" rows=\"2\" maxlength=\"500\" required></textarea>",
                    );
                    passkey_button(html, "stop", "Reject with passkey");
                });
            }
        }
    });
}

fn form(
    html: &mut Html,
    view: &RequestView,
    can: &CanDecide,
    decision: &str,
    message: &[u8],
    inside: impl FnOnce(&mut Html),
) {
    let attributes = [
        ("method", "post"),
        ("action", &*format!("/requests/{}/decision", view.summary.id)),
        ("class", "decision"),
        ("data-passkey", "get"),
        ("data-decision", decision),
        ("data-message", &*BASE64_URL_SAFE_NO_PAD.encode(message)),
        ("data-credentials", &*BASE64_URL_SAFE_NO_PAD.encode(&can.credential)),
    ];
    html.tag_with("form", &attributes, |html| {
        csrf(html, &can.session);
        answer_fields(html);
        let shown_at = can.shown_at.to_string();
        html.void(
            "input",
            &[("type", "hidden"), ("name", "shown_at"), ("value", &shown_at)],
        );
        html.void("input", &[("type", "hidden"), ("name", "parts"), ("value", "[]")]);
        inside(html);
    });
}
