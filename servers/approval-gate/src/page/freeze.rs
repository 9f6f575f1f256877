//! The switch that stops everything.

use approval::FreezeState;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Html, Reader, answer_fields, csrf, page, passkey_button};
use crate::sessions::Session;

/// Shows whether the gate is frozen, and asks for a reason to change that.
pub fn freeze_page(reader: &Reader, said: Option<(&str, &str, String)>) -> String {
    page("Freeze – Countersign", reader, None, |html| {
        let is_frozen = reader.frozen.is_some();
        html.leaf(
            "h1",
            if is_frozen {
                "The gate is frozen"
            } else {
                "Freeze the gate"
            },
        );
        html.leaf(
            "p",
            "While it is frozen no order leaves this gate, and no further step starts of what runs already. A step that \
             runs is not interrupted.",
        );
        if let Some((who, reason, at)) = said {
            html.leaf("p", &format!("Last said by {who} at {at}: {reason}"));
        }
        let Some(session) = &reader.session else {
            html.markup("<p><a href=\"/sign-in\">Sign in</a>, or use <code>approval-gate freeze</code>.</p>");
            return;
        };
        html.tag_with("form", &[("method", "post"), ("action", "/freeze")], |html| {
            csrf(html, session);
            let (state, class, label) = if is_frozen {
                ("thawed", "go", "Thaw …")
            } else {
                ("frozen", "stop", "Freeze …")
            };
            html.void("input", &[("type", "hidden"), ("name", "state"), ("value", state)]);
            html.markup("<label for=\"reason\">Reason</label>");
            html.markup("<textarea id=\"reason\" name=\"reason\" rows=\"2\" maxlength=\"400\" required></textarea>");
            html.tag_with("button", &[("class", class)], |html| html.text(label));
        });
    })
}

/// Asks for the passkey's signature under what was just written.
pub fn freeze_signature_page(
    reader: &Reader,
    session: &Session,
    state: FreezeState,
    reason: &str,
    (payload, message, credential): (&[u8], &[u8], &[u8]),
) -> String {
    page("Freeze – Countersign", reader, None, |html: &mut Html| {
        let (title, class, label) = match state {
            FreezeState::Frozen => ("Freeze the gate", "stop", "Freeze with passkey"),
            FreezeState::Thawed => ("Thaw the gate", "go", "Thaw with passkey"),
        };
        html.leaf("h1", title);
        html.leaf("p", reason);
        let attributes = [
            ("method", "post"),
            ("action", "/freeze/signed"),
            ("data-passkey", "get"),
            ("data-message", &*BASE64_URL_SAFE_NO_PAD.encode(message)),
            ("data-credentials", &*BASE64_URL_SAFE_NO_PAD.encode(credential)),
        ];
        html.tag_with("form", &attributes, |html| {
            csrf(html, session);
            let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
            html.void("input", &[("type", "hidden"), ("name", "payload"), ("value", &payload)]);
            answer_fields(html);
            passkey_button(html, class, label);
        });
    })
}
