//! Writes HTML. Text goes in by one door that escapes it; markup goes in by names fixed at compile time.

use crate::text::visible;

/// A page under construction.
#[derive(Default)]
pub struct Html {
    text: String,
}

impl Html {
    /// Text of any origin, escaped, with hidden characters written out.
    pub fn text(&mut self, text: &str) {
        escape_into(&mut self.text, text);
    }

    /// `<name>…</name>`.
    pub fn tag(&mut self, name: &'static str, inside: impl FnOnce(&mut Self)) {
        self.tag_with(name, &[], inside);
    }

    /// `<name>text</name>`.
    pub fn leaf(&mut self, name: &'static str, text: &str) {
        self.tag(name, |html| html.text(text));
    }

    /// `<name attribute="value">…</name>`; values are escaped as text is.
    pub fn tag_with(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            escape_into(&mut self.text, value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// `<name attribute="value">`, of which there is no end.
    pub fn void(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.open(name, attributes);
    }

    /// Markup that is part of this program.
    pub fn markup(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    /// The finished page.
    pub fn into_string(self) -> String {
        self.text
    }
}

fn escape_into(out: &mut String, text: &str) {
    for character in visible(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut html = Html::default();
        html.tag_with("a", &[("href", "\"><script>")], |html| html.text("<b>&'\u{202e}"));
        assert_eq!(
            html.into_string(),
            "<a href=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;&#39;\\u{202e}</a>"
        );
    }
}
