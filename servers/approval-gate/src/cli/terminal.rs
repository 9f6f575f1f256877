//! Draws a request on a terminal, from the same sheet as the page.

use crate::sheet::{Block, NotAPlan, Part, action_name, sheet};
use crate::text::{duration, excerpt, grouped, nobody_of, visible};
use crate::view::{RequestView, Summary};

/// Renders everything that an approver must read.
///
/// # Errors
/// When the plan's text is not a plan.
pub fn request_text(view: &RequestView) -> Result<String, NotAPlan> {
    let mut out = String::new();
    line(&mut out, 0, &format!("{}: {}", view.summary.id, view.summary.title));
    let left = view
        .summary
        .seconds_left()
        .map(|left| format!(", {} left", duration(left)))
        .unwrap_or_default();
    line(
        &mut out,
        0,
        &format!(
            "{}: {} on {} ({}), {} of {} signed{}{left}",
            view.summary.status,
            action_name(view.summary.action),
            view.summary.target.name,
            view.summary.target.environment,
            view.summary.have,
            view.summary.need,
            nobody_of(&view.summary.missing_groups)
        ),
    );
    line(
        &mut out,
        0,
        &format!("sha256 {}", grouped(&view.summary.plan_digest.hex())),
    );
    for part in &sheet(view)? {
        out.push('\n');
        draw(&mut out, part, 0);
    }
    Ok(out)
}

/// Renders the list of requests, one line each.
pub fn queue_text(requests: &[Summary]) -> String {
    let mut out = String::new();
    for request in requests {
        let left = request.seconds_left().map_or("-".to_owned(), duration);
        line(
            &mut out,
            0,
            &format!(
                "{}  {}  {}  {} ({})  {} of {} signed  {left}",
                request.id,
                request.status,
                excerpt(&request.title, 60),
                request.target.name,
                request.target.environment,
                request.have,
                request.need
            ),
        );
    }
    out
}

fn draw(out: &mut String, part: &Part, depth: usize) {
    let title = if depth == 0 {
        part.title.to_uppercase()
    } else {
        part.title.clone()
    };
    line(out, depth, &title);
    for block in &part.blocks {
        match block {
            Block::Note(text) => line(out, depth + 1, text),
            Block::Sql(text) => line(out, depth + 1, &format!("> {text}")),
            Block::Item(inner) => draw(out, inner, depth + 1),
            Block::Facts(lines) => {
                for (label, value) in lines {
                    line(out, depth + 1, &format!("{label}: {value}"));
                }
            }
        }
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    out.push_str(&"  ".repeat(depth));
    // Foreign text must not move the cursor, hide, or start a line of its own.
    out.push_str(&visible(text));
    out.push('\n');
}
