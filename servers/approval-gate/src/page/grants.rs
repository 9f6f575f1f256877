//! Standing grants: what runs without anybody being asked once more, who signed that, and how often it did.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use runbooks::Catalog;

use super::{Html, Reader, answer_fields, csrf, page, passkey_button};
use crate::grant_sheet::grant_facts;
use crate::granting::GrantView;
use crate::sessions::Session;
use crate::text::excerpt;

/// What the reader's passkey would sign on a grant's page.
#[derive(Debug)]
pub struct CanSign {
    /// Whose.
    pub session: Session,
    /// The passkey's credential id.
    pub credential: Vec<u8>,
    /// Payload and message of the grant; none where it is over, or they have signed it.
    pub grant: Option<(Vec<u8>, Vec<u8>)>,
}

/// Lists the grants.
pub fn grants_page(reader: &Reader, grants: &[GrantView]) -> String {
    page("Grants – Countersign", reader, None, |html| {
        html.leaf("h1", "Standing grants");
        html.leaf(
            "p",
            "What people have signed ahead of time. Each execution under a grant carries their signatures. Gate and executor judge by the grant alone whether it covers a plan.",
        );
        if grants.is_empty() {
            html.leaf("p", "Nothing is granted: people are asked about every plan.");
        } else {
            table(html, grants);
        }
        match &reader.session {
            Some(session) => propose(html, session),
            None => html.markup("<p>Sign in to put one forward, or use <code>approval-gate grants</code>.</p>"),
        }
    })
}

fn table(html: &mut Html, grants: &[GrantView]) {
    html.tag("table", |html| {
        html.tag("thead", |html| {
            html.tag("tr", |html| {
                for title in ["What", "Targets", "Status", "Signed by", "Last 24 h", "Until"] {
                    html.leaf("th", title);
                }
            });
        });
        html.tag("tbody", |html| {
            for grant in grants {
                html.tag("tr", |html| row(html, grant));
            }
        });
    });
}

fn row(html: &mut Html, grant: &GrantView) {
    let terms = &grant.record.terms;
    html.tag("td", |html| {
        let path = format!("/grants/{}", grant.record.id);
        html.tag_with("a", &[("href", &path)], |html| {
            html.text(&excerpt(&terms.runbook.id, 80))
        });
    });
    let targets: Vec<&str> = terms.targets.iter().map(|target| target.name.as_str()).collect();
    html.leaf("td", &targets.join(", "));
    html.tag("td", |html| status(html, &grant.status));
    html.leaf("td", &signers(grant));
    html.leaf("td", &format!("{} of {}", grant.uses_last_day, terms.max_per_day));
    html.leaf("td", &terms.until.to_string());
}

fn status(html: &mut Html, status: &str) {
    let class = match status {
        "signed" => "status approved",
        "proposed" => "status pending",
        _ => "status expired",
    };
    html.tag_with("span", &[("class", class)], |html| html.text(status));
}

fn signers(grant: &GrantView) -> String {
    let people: Vec<&str> = grant
        .record
        .signed
        .iter()
        .map(|signed| signed.approver.as_str())
        .collect();
    if people.is_empty() {
        "nobody yet".to_owned()
    } else {
        people.join(", ")
    }
}

fn propose(html: &mut Html, session: &Session) {
    html.tag("section", |html| {
        html.leaf("h2", "Put one forward");
        html.markup(
            "<p><code>approval-gate grants propose</code> writes the terms; paste them here. Nothing is granted until \
             somebody signs.</p>",
        );
        html.tag_with("form", &[("method", "post"), ("action", "/grants")], |html| {
            csrf(html, session);
            html.markup("<label for=\"terms\">Terms, as JSON</label>");
            html.markup("<textarea id=\"terms\" name=\"terms\" rows=\"8\" maxlength=\"65536\" required></textarea>");
            html.markup("<button>Read and sign …</button>");
        });
    });
}

/// One grant: its terms, who signed, what ran under it, and how to sign or end it.
pub fn grant_page(reader: &Reader, grant: &GrantView, catalog: &Catalog, can: Option<&CanSign>) -> String {
    let record = &grant.record;
    let title = format!("{} – Countersign", record.id);
    page(&title, reader, None, |html| {
        html.markup("<p><a href=\"/grants\">All grants</a></p>");
        html.leaf("h1", &format!("Grant {}", record.id));
        html.tag("p", |html| {
            status(html, &grant.status);
            html.text(&format!(
                " signed by {}; {} of {} uses in the last 24 hours",
                signers(grant),
                grant.uses_last_day,
                record.terms.max_per_day
            ));
        });
        html.tag("section", |html| {
            html.leaf("h2", "What is granted");
            html.tag("dl", |html| {
                for (label, value) in grant_facts(&record.terms, catalog) {
                    html.leaf("dt", &label);
                    html.leaf("dd", &value);
                }
            });
            html.leaf(
                "p",
                "The policy is still asked about each plan, its prechecks and limits still hold, and a freeze still stops \
                 it. The way back is never granted: people are asked.",
            );
        });
        signatures(html, grant);
        uses(html, grant);
        match can {
            Some(can) => decide(html, grant, can),
            None if grant.status == "revoked" => {}
            None => html.markup("<p>Sign in to sign or revoke it, or use <code>approval-gate grants</code>.</p>"),
        }
    })
}

fn signatures(html: &mut Html, grant: &GrantView) {
    let record = &grant.record;
    html.tag("section", |html| {
        html.leaf("h2", "Signatures");
        html.tag("dl", |html| {
            html.leaf("dt", "put forward");
            html.leaf("dd", &format!("by {} at {}", record.proposed_by, record.proposed_at));
            for signed in &record.signed {
                html.leaf("dt", "signed");
                html.leaf(
                    "dd",
                    &format!(
                        "by {} ({}) with {} at {}",
                        signed.approver,
                        signed.method.name(),
                        signed.key_id,
                        signed.at
                    ),
                );
            }
            if let Some(revoked) = &record.revoked {
                html.leaf("dt", "revoked");
                html.leaf(
                    "dd",
                    &format!("by {} at {}: {}", revoked.approver, revoked.at, revoked.reason),
                );
            }
        });
    });
}

fn uses(html: &mut Html, grant: &GrantView) {
    html.tag("section", |html| {
        html.leaf("h2", "What it covered");
        if grant.uses.is_empty() {
            html.leaf("p", "Nothing yet.");
        }
        html.tag("ul", |html| {
            for one in &grant.uses {
                html.tag("li", |html| {
                    let path = format!("/requests/{}", one.request_id);
                    html.tag_with("a", &[("href", &path)], |html| html.text(&excerpt(&one.title, 120)));
                    html.text(&format!(" on {} at {}: {}", one.target, one.at, one.status));
                });
            }
        });
    });
}

fn decide(html: &mut Html, grant: &GrantView, can: &CanSign) {
    let id = &grant.record.id;
    html.tag_with("section", &[("id", "sign")], |html| {
        html.leaf("h2", "Decide");
        if let Some((payload, message)) = &can.grant {
            html.leaf("p", "Your passkey signs exactly the terms above.");
            let path = format!("/grants/{id}/signed");
            signature_form(html, &can.session, &path, &can.credential, (payload, message), |html| {
                passkey_button(html, "go", "Grant with passkey");
            });
        }
        if grant.record.revoked.is_none() {
            let path = format!("/grants/{id}/revoke");
            html.tag_with(
                "form",
                &[("method", "post"), ("action", &path), ("class", "decision")],
                |html| {
                    csrf(html, &can.session);
                    html.markup("<label for=\"reason\">Reason</label>");
                    html.markup(
                        "<textarea id=\"reason\" name=\"reason\" rows=\"2\" maxlength=\"400\" required></textarea>",
                    );
                    html.markup("<button class=\"stop\">Revoke …</button>");
                },
            );
        }
    });
}

/// Asks for the passkey's signature under a revocation.
pub fn revocation_page(
    reader: &Reader,
    session: &Session,
    id: &str,
    reason: &str,
    credential: &[u8],
    signed: (&[u8], &[u8]),
) -> String {
    page("Revoke a grant – Countersign", reader, None, |html| {
        html.leaf("h1", &format!("Revoke grant {id}"));
        html.leaf("p", reason);
        html.leaf(
            "p",
            "It ends at once and for good: what is queued under it is withdrawn, and what runs under it starts no further \
             step.",
        );
        let path = format!("/grants/{id}/revoked");
        signature_form(html, session, &path, credential, signed, |html| {
            passkey_button(html, "stop", "Revoke with passkey");
        });
    })
}

fn signature_form(
    html: &mut Html,
    session: &Session,
    path: &str,
    credential: &[u8],
    (payload, message): (&[u8], &[u8]),
    inside: impl FnOnce(&mut Html),
) {
    let attributes = [
        ("method", "post"),
        ("action", path),
        ("class", "decision"),
        ("data-passkey", "get"),
        ("data-message", &*BASE64_URL_SAFE_NO_PAD.encode(message)),
        ("data-credentials", &*BASE64_URL_SAFE_NO_PAD.encode(credential)),
    ];
    html.tag_with("form", &attributes, |html| {
        csrf(html, session);
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
        html.void("input", &[("type", "hidden"), ("name", "payload"), ("value", &payload)]);
        answer_fields(html);
        inside(html);
    });
}
