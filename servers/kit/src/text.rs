//! Makes text that an outsider may have written safe to carry: query texts, application names, log lines.

use std::{borrow::Cow, error::Error};

/// Returns `text` without control, bidirectional and invisible characters (line feed and tab stay), at most `max_chars`
/// characters long; a cut is shown by a closing `…`, which counts.
pub fn clean(text: &str, max_chars: usize) -> String {
    cleaned(text, max_chars).into_owned()
}

/// Does what [`clean`] does, without a copy where there is nothing to take away.
pub fn cleaned(text: &str, max_chars: usize) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
    if text.len() <= max_chars && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut kept = text.chars().filter(|c| !is_hidden(*c));
    let mut out: String = kept.by_ref().take(max_chars).collect();
    if kept.next().is_some() {
        out.pop();
        if max_chars > 0 {
            out.push('…');
        }
    }
    Cow::Owned(out)
}

/// Returns an error's message with those of its causes: `could not read the configuration: permission denied`.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Characters that a reader does not see, or that change how others are seen.
pub(crate) fn is_hidden(c: char) -> bool {
    if matches!(c, '\n' | '\t') {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFC}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_cannot_see_is_gone() {
        let hidden = "SELECT\u{200B} 1\u{202E}drop\u{2066}\u{E0041}\u{FEFF}\x1b[31m\0\r\n\tx\u{85}";
        assert_eq!(clean(hidden, 100), "SELECT 1drop[31m\n\tx");
    }

    #[test]
    fn what_a_reader_can_see_stays() {
        let text = "naïve — 日本語 🙂 'quoted' \\";
        assert_eq!(clean(text, 100), text);
    }

    #[test]
    fn a_cut_is_shown_and_counts() {
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdef", 4), "abc…");
        assert_eq!(clean("abcdef", 1), "…");
        assert_eq!(clean("abcdef", 0), "");
    }
}
