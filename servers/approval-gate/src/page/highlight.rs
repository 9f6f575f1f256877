//! Colours a statement by what its parts are. The text stays what it is, character by character.

use super::Html;

/// Writes a statement with its strings, comments, numbers and keywords marked.
pub fn sql(html: &mut Html, text: &str) {
    let mut rest = text;
    while let Some(kind) = Kind::at(rest) {
        let (piece, tail) = rest.split_at(kind.length(rest));
        match kind.class(piece) {
            Some(class) => html.tag_with("span", &[("class", class)], |html| html.text(piece)),
            None => html.text(piece),
        }
        rest = tail;
    }
}

enum Kind {
    Quoted(char),
    Comment,
    Word,
    Number,
    Other,
}

impl Kind {
    fn at(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        let first = characters.next()?;
        Some(match first {
            '\'' | '"' => Self::Quoted(first),
            '-' if characters.next() == Some('-') => Self::Comment,
            c if c.is_alphabetic() || c == '_' => Self::Word,
            c if c.is_ascii_digit() => Self::Number,
            _ => Self::Other,
        })
    }

    fn length(&self, text: &str) -> usize {
        let after_first = |ends: &dyn Fn(char) -> bool| {
            let mut rest = text.char_indices().skip(1);
            rest.find(|(_, c)| ends(*c)).map_or(text.len(), |(at, _)| at)
        };
        match self {
            // A doubled quote ends one string and begins the next, which looks the same.
            Self::Quoted(quote) => {
                let mut rest = text.char_indices().skip(1);
                rest.find(|(_, c)| c == quote)
                    .map_or(text.len(), |(at, c)| at + c.len_utf8())
            }
            Self::Comment => after_first(&|c| c == '\n'),
            Self::Word => after_first(&|c| !c.is_alphanumeric() && c != '_' && c != '$'),
            Self::Number => after_first(&|c| !c.is_alphanumeric() && c != '.'),
            Self::Other => after_first(&|_| true),
        }
    }

    fn class(&self, piece: &str) -> Option<&'static str> {
        match self {
            Self::Quoted('\'') => Some("string"),
            Self::Quoted(_) => Some("name"),
            Self::Comment => Some("comment"),
            Self::Number => Some("number"),
            // What the parser wrote again has its keywords in capitals.
            Self::Word if piece.len() > 1 && piece.bytes().all(|b| b.is_ascii_uppercase()) => Some("keyword"),
            Self::Word | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stays_what_it_is() {
        for text in [
            "SELECT pg_terminate_backend(42) -- 'x'\nWHERE a = 'it''s' AND \"Ω\" <> E'\\n'",
            "'never closed",
            "é1_$2 1.5e3",
            "",
        ] {
            let mut html = Html::default();
            sql(&mut html, text);
            let mut shown = String::new();
            let mut inside = false;
            for c in html.into_string().chars() {
                match c {
                    '<' => inside = true,
                    '>' => inside = false,
                    c if !inside => shown.push(c),
                    _ => {}
                }
            }
            let shown = shown
                .replace("&#39;", "'")
                .replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">");
            assert_eq!(shown.replace("\\u{a}", "\n"), text);
        }
    }

    #[test]
    fn strings_and_comments_are_marked() {
        let mut html = Html::default();
        sql(&mut html, "a = 'b' -- c");
        assert_eq!(
            html.into_string(),
            "a = <span class=\"string\">&#39;b&#39;</span> <span class=\"comment\">-- c</span>"
        );
    }
}
