//! The list of requests, those that wait first.

use super::{Html, page};
use crate::text::{duration, excerpt};
use crate::view::Summary;

/// Renders the list. `frozen` is the reason for a freeze, when there is one.
pub fn queue_page(requests: &[Summary], frozen: Option<&str>) -> String {
    page("Requests – Countersign", |html| {
        html.leaf("h1", "Requests");
        if let Some(reason) = frozen {
            html.tag_with("p", &[("class", "status frozen")], |html| {
                html.text("Frozen: nothing is executed. ");
                html.text(reason);
            });
        }
        if requests.is_empty() {
            html.leaf("p", "Nobody asks for anything.");
            return;
        }
        html.tag("table", |html| {
            html.markup("<thead><tr><th>Request</th><th>Status</th><th>What</th><th>Target</th><th>Signed</th><th>Time left</th></tr></thead>");
            html.tag("tbody", |html| requests.iter().for_each(|request| row(html, request)));
        });
    })
}

fn row(html: &mut Html, request: &Summary) {
    let left = request.seconds_left().map_or("–".to_owned(), duration);
    html.tag("tr", |html| {
        html.tag("td", |html| {
            let path = format!("/requests/{}", request.id);
            html.tag_with("a", &[("href", &path)], |html| html.text(&request.id));
        });
        html.tag("td", |html| {
            let class = format!("status {}", request.status);
            html.tag_with("span", &[("class", &class)], |html| html.text(&request.status));
        });
        html.leaf("td", &excerpt(&request.title, 120));
        html.leaf(
            "td",
            &format!("{} ({})", request.target.name, request.target.environment),
        );
        html.leaf("td", &format!("{} of {}", request.have, request.need));
        html.leaf("td", &left);
    });
}
