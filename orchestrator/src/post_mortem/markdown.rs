//! Writes Markdown in which foreign text stays text: it cannot start a heading, a table cell, a link or a fence.

#[derive(Default)]
pub(super) struct Page(String);

const MAX_FOREIGN_CHARS: usize = 2_000;

impl Page {
    pub fn title(&mut self, text: &str) {
        self.0.push_str(&format!("# {}\n\n", escape(text)));
    }

    pub fn section(&mut self, text: &str) {
        self.0.push_str(&format!("## {text}\n\n"));
    }

    /// A paragraph of our own words with foreign text in it, which is escaped.
    pub fn text(&mut self, text: &str) {
        self.0.push_str(&format!("{}\n\n", escape(text)));
    }

    pub fn bullet(&mut self, text: &str) {
        self.0.push_str(&format!("- {}\n", escape(text)));
    }

    pub fn end_list(&mut self) {
        self.0.push('\n');
    }

    pub fn facts(&mut self, facts: &[(&str, String)]) {
        self.table(
            &["", ""],
            facts
                .iter()
                .map(|(name, value)| vec![(*name).to_owned(), value.clone()]),
        );
    }

    pub fn table(&mut self, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        self.0.push_str(&format!(
            "| {} |\n|{}\n",
            heads.join(" | "),
            " --- |".repeat(heads.len())
        ));
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
            self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        self.0.push('\n');
    }

    /// Text as it is, in a fence that is longer than any run of backticks in it.
    pub fn fenced(&mut self, language: &str, text: &str) {
        let fence = "`".repeat(longest_run(text).max(2) + 1);
        let visible: String = text
            .chars()
            .map(|c| {
                if c.is_control() && c != '\n' && c != '\t' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
        self.0
            .push_str(&format!("{fence}{language}\n{}\n{fence}\n\n", visible.trim_end()));
    }

    pub fn into_text(self) -> String {
        let mut text = self.0;
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

/// One line in which no character means anything to Markdown or HTML.
fn escape(text: &str) -> String {
    let cleaned = kit::text::clean(text, MAX_FOREIGN_CHARS);
    let mut escaped = String::with_capacity(cleaned.len());
    for c in cleaned.chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // Inside words an underscore means nothing, and escaped it would only get in the way of reading.
            c => escaped.push(c),
        }
    }
    escaped
}

fn longest_run(text: &str) -> usize {
    let mut longest = 0_usize;
    let mut run = 0_usize;
    for c in text.chars() {
        run = if c == '`' { run.saturating_add(1) } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_break_out() {
        let mut page = Page::default();
        page.table(
            &["a"],
            [vec!["x | y <img src=1> [go](http://evil) `c`\n## heading".to_owned()]],
        );
        let text = page.into_text();
        assert_eq!(text.lines().count(), 3);
        assert!(
            !text.contains("<img") && !text.contains("[go]") && text.contains("\\|"),
            "{text}"
        );
    }

    #[test]
    fn a_fence_outlasts_the_backticks_in_it() {
        let mut page = Page::default();
        page.fenced("sql", "SELECT '```'");
        assert!(page.into_text().starts_with("````sql\n"));
    }
}
