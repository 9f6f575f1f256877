//! The approval pages: HTML made on the server, no script, nothing that changes anything.

mod html;
mod queue;
mod request;

pub use html::Html;
pub use queue::queue_page;
pub use request::request_page;

/// The one style sheet, served beside the pages.
pub const STYLE: &str = include_str!("style.css");

/// What every page is sent with. Nothing is loaded but the style sheet, nothing runs, nobody frames it.
pub const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Says why there is no page.
pub fn problem_page(code: &str, message: &str) -> String {
    page("Countersign", |html| {
        html.leaf("h1", "There is nothing to show");
        html.leaf("p", message);
        html.leaf("p", code);
        html.markup("<p><a href=\"/requests\">All requests</a></p>");
    })
}

/// A whole page around what `inside` writes.
pub fn page(title: &str, inside: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.markup("<!doctype html>\n");
    html.tag_with("html", &[("lang", "en")], |html| {
        html.tag("head", |html| {
            html.markup("<meta charset=\"utf-8\">");
            html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
            html.markup("<meta name=\"color-scheme\" content=\"light dark\">");
            html.markup("<link rel=\"stylesheet\" href=\"/requests/style.css\">");
            html.leaf("title", title);
        });
        html.tag("body", |html| html.tag("main", inside));
    });
    html.into_string()
}
