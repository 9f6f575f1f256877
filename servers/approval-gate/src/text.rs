//! Makes foreign text safe to look at: what cannot be seen, or would reorder what is seen, is written out.

/// Text on one line in which every character that is invisible, reorders others or moves the cursor stands as `\u{…}`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// `visible`, cut after `limit` characters with a mark that says so. Never for what is signed.
pub fn excerpt(text: &str, limit: usize) -> String {
    let total = text.chars().count();
    if total <= limit {
        return visible(text);
    }
    let head: String = text.chars().take(limit).collect();
    format!("{} … ({} more characters)", visible(&head), total - limit)
}

/// 64 hexadecimal digits as groups of eight, so that two screens can be compared by eye.
pub fn grouped(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits
        .chunks(8)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Seconds as people say them: `4 min 05 s`.
pub fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || HIDDEN
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&u32::from(character)))
}

// Format characters (general category Cf), fillers that draw nothing, variation selectors, tags and private use, by
// Unicode 16. The standard library knows no categories, and the list changes more rarely than a dependency would.
const HIDDEN: &[(u32, u32)] = &[
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xe000, 0xf8ff),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0x10_ffff),
];

/// For which groups nobody has signed, as the end of a sentence about how many have.
pub fn nobody_of(missing: &[String]) -> String {
    match missing {
        [] => String::new(),
        groups => format!(", nobody yet for {}", groups.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_written_out() {
        assert_eq!(visible("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(visible("x\n\u{1b}[2Jy\t\0"), "x\\u{a}\\u{1b}[2Jy\\u{9}\\u{0}");
        for hidden in [
            '\u{200b}',
            '\u{2066}',
            '\u{feff}',
            '\u{ad}',
            '\u{e0041}',
            '\u{a0}',
            '\u{2028}',
            '\u{3164}',
            '\u{85}',
        ] {
            assert_eq!(visible(&hidden.to_string()), format!("\\u{{{:x}}}", u32::from(hidden)));
        }
    }

    #[test]
    fn what_people_write_stays() {
        let text = "SELECT 'Größe', '価格', '🙂' WHERE a <> b";
        assert_eq!(visible(text), text);
    }

    #[test]
    fn an_excerpt_says_that_it_is_one() {
        assert_eq!(excerpt("abcdef", 6), "abcdef");
        assert_eq!(excerpt("abcdef", 2), "ab … (4 more characters)");
    }

    #[test]
    fn digests_and_times_are_easy_to_compare() {
        assert_eq!(grouped("0123456789abcdef"), "01234567 89abcdef");
        assert_eq!(duration(245), "4 min 05 s");
        assert_eq!(duration(-3), "0 s");
        assert_eq!(duration(3_725), "1 h 02 min");
    }
}
