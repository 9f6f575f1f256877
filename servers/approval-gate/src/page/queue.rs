//! The list of requests: those that wait, then what became of the others.

use super::{Html, Reader, page};
use crate::reviews::ReviewTime;
use crate::text::{duration, excerpt};
use crate::view::Summary;

/// Renders the list, and which runbooks take people long to read.
pub fn queue_page(reader: &Reader, requests: &[Summary], slow: &[ReviewTime]) -> String {
    page("Requests – Countersign", reader, None, |html| {
        html.leaf("h1", "Requests");
        for one in slow.iter().filter(|one| one.is_slow()) {
            html.tag_with("p", &[("class", "banner wait")], |html| html.text(&one.advice()));
        }
        let (waiting, over): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_waiting(request));
        html.leaf("h2", "Waiting");
        if waiting.is_empty() {
            html.leaf("p", "Nobody waits for a signature.");
        } else {
            table(html, &waiting, "Time left", |request| {
                request.seconds_left().map_or("–".to_owned(), duration)
            });
        }
        if !over.is_empty() {
            html.leaf("h2", "History");
            table(html, &over, "Asked", |request| request.opened_at.to_string());
        }
    })
}

fn is_waiting(request: &Summary) -> bool {
    matches!(request.status.as_str(), "pending" | "approved")
}

fn table(html: &mut Html, requests: &[&Summary], last: &str, last_of: impl Fn(&Summary) -> String) {
    html.tag("table", |html| {
        html.tag("thead", |html| {
            html.tag("tr", |html| {
                for title in ["What", "Target", "Status", "Signed", last] {
                    html.leaf("th", title);
                }
            });
        });
        html.tag("tbody", |html| {
            for request in requests {
                row(html, request, &last_of(request));
            }
        });
    });
}

fn row(html: &mut Html, request: &Summary, last: &str) {
    html.tag("tr", |html| {
        html.tag("td", |html| {
            let path = format!("/requests/{}", request.id);
            html.tag_with("a", &[("href", &path)], |html| html.text(&excerpt(&request.title, 120)));
        });
        html.leaf(
            "td",
            &format!("{} ({})", request.target.name, request.target.environment),
        );
        html.tag("td", |html| {
            let class = format!("status {}", request.status);
            html.tag_with("span", &[("class", &class)], |html| html.text(&request.status));
        });
        html.leaf("td", &format!("{} of {}", request.have, request.need));
        html.leaf("td", last);
    });
}
