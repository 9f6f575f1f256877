//! Signing in, and making a passkey.

use approval::Invitation;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Html, Reader, answer_fields, page, passkey_button};
use crate::enrolling::Registered;

/// Asks for a passkey. The question is taken once, within five minutes.
pub fn sign_in_page(reader: &Reader, question: &str, message: &[u8]) -> String {
    page("Sign in – Countersign", reader, None, |html| {
        html.leaf("h1", "Sign in");
        html.leaf(
            "p",
            "Signing in lets you fill in forms. Each decision is signed by your passkey once more.",
        );
        let message = BASE64_URL_SAFE_NO_PAD.encode(message);
        let attributes = [
            ("method", "post"),
            ("action", "/sign-in"),
            ("data-passkey", "get"),
            ("data-message", &*message),
        ];
        html.tag_with("form", &attributes, |html| {
            html.void(
                "input",
                &[("type", "hidden"), ("name", "question"), ("value", question)],
            );
            answer_fields(html);
            passkey_button(html, "go", "Sign in with passkey");
        });
    })
}

/// Asks an invited person to make a passkey.
pub fn invitation_page(reader: &Reader, invitation: &Invitation, message: &[u8]) -> String {
    page("Make your passkey – Countersign", reader, None, |html| {
        html.leaf("h1", "Make your passkey");
        html.tag("dl", |html| {
            fact(html, "for", &invitation.person);
            fact(html, "gate", &invitation.gate);
            fact(html, "invitation ends", &invitation.valid_until.to_string());
        });
        html.leaf(
            "p",
            "Make it only if this is you. It counts once your administrator has signed a list with it.",
        );
        let attributes = [
            ("method", "post"),
            ("action", &*format!("/register/{}", invitation.nonce)),
            ("data-passkey", "create"),
            ("data-person", &*invitation.person),
            ("data-gate", &*invitation.gate),
            ("data-message", &*BASE64_URL_SAFE_NO_PAD.encode(message)),
        ];
        html.tag_with("form", &attributes, |html| {
            for name in ["client_data", "authenticator_data"] {
                html.void("input", &[("type", "hidden"), ("name", name), ("value", "")]);
            }
            passkey_button(html, "go", "Make passkey");
        });
    })
}

/// Says what was registered, and what remains to be done.
pub fn registered_page(reader: &Reader, registered: &Registered) -> String {
    page("Passkey made – Countersign", reader, None, |html| {
        html.leaf("h1", "Your passkey is made");
        html.leaf(
            "p",
            "It counts for nothing yet. Tell your administrator this fingerprint, by voice or in person: it is what they \
             must see when they sign the list.",
        );
        html.tag_with("p", &[("class", "digest"), ("id", "fingerprint")], |html| {
            html.text(&registered.key_id)
        });
        html.tag("dl", |html| {
            fact(html, "person", &registered.person);
            let kind = if registered.synced {
                "synced between devices: no hardware key"
            } else {
                "bound to one device"
            };
            fact(html, "kind", kind);
            fact(html, "line for the list", &registered.public_key);
        });
    })
}

fn fact(html: &mut Html, label: &str, value: &str) {
    html.leaf("dt", label);
    html.leaf("dd", value);
}
