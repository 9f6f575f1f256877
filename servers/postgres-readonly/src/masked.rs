//! Takes passwords and the like out of settings before anybody sees them.

const MASK: &str = "***";
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "access_key",
    "api_key",
    "apikey",
    "credential",
];

/// Returns a setting's value as it may be shown.
pub fn setting(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    // A passphrase command often is `echo` and the passphrase; a namespaced setting called a secret is one.
    let custom_secret = name.contains('.') && (name.contains("key") || WORDS.iter().any(|word| name.contains(word)));
    match (name.as_str(), value) {
        (_, "") => String::new(),
        ("ssl_passphrase_command", _) => MASK.to_owned(),
        _ if custom_secret => MASK.to_owned(),
        _ => text(value),
    }
}

/// Returns `text` without the values of `password=…`, `PASSWORD '…'` and their like, and without the password of a URL.
pub fn text(text: &str) -> String {
    if !may_hold(text) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = split_at_secret(rest) {
        out.push_str(before);
        out.push_str(MASK);
        rest = after;
    }
    out + rest
}

/// Tells fast whether there may be anything to mask: most values have none of these characters.
pub fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    let followed_by_dash = |at: usize| bytes.get(at + 1) == Some(&b'-');
    let marks = bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| matches!(byte, b'=' | b'\'' | b'@') || (*byte == b'-' && followed_by_dash(at)));
    let letters = |word: &str| {
        text.as_bytes()
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    marks && (text.contains("://") || WORDS.iter().any(|word| letters(word)))
}

/// Splits around the first secret.
fn split_at_secret(text: &str) -> Option<(&str, &str)> {
    let keyed = WORDS.iter().filter_map(|word| keyed_value(text, word));
    let (start, end) = keyed.chain(url_password(text)).min()?;
    Some((text.get(..start)?, text.get(end..)?))
}

/// Finds the value in `word…=value`, `word… = 'value'` or `--word… value`.
fn keyed_value(text: &str, word: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices(word).find_map(|(at, _)| {
        let after_word = at + word.len();
        let tail = text.get(after_word..)?;
        let name = tail.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let value = match name.trim_start().strip_prefix('=') {
            Some(value) => value.trim_start(),
            // As ALTER ROLE takes it.
            None if name.trim_start().starts_with('\'') && name.starts_with(' ') => name.trim_start(),
            None if is_flag(text.get(..at)?) && name.starts_with(' ') => name.trim_start(),
            None => return None,
        };
        let start = text.len() - value.len();
        let end = start + value_bytes(value);
        // What is masked already is found again and again.
        (end > start && text.get(start..end) != Some(MASK)).then_some((start, end))
    })
}

fn is_flag(before: &str) -> bool {
    before
        .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .len()
        + 2
        <= before.len()
        && before
            .rsplit([' ', '\'', '"'])
            .next()
            .is_some_and(|word| word.starts_with("--"))
}

fn value_bytes(value: &str) -> usize {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return value
            .find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '\'' | '"'))
            .unwrap_or(value.len());
    };
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            c if c == quote && !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    value.len()
}

/// Finds the password in `scheme://user:password@host`.
fn url_password(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, _)| {
        let start = at + 3;
        let authority = text.get(start..)?;
        let authority = authority
            .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"'))
            .next()?;
        let userinfo = authority.get(..authority.rfind('@')?)?;
        let colon = userinfo.find(':')?;
        let (from, to) = (start + colon + 1, start + userinfo.len());
        (to > from && text.get(from..to) != Some(MASK)).then_some((from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::{setting, text};

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (given, shown) in [
            ("host=a password=hunter2 port=1", "host=a password=*** port=1"),
            (r"password = 'hun\'ter2' user=b", "password = *** user=b"),
            (
                "postgres://rep:hunter2@db/x?sslmode=require",
                "postgres://rep:***@db/x?sslmode=require",
            ),
            ("postgres://rep:p@ss:w0rd@db/x", "postgres://rep:***@db/x"),
            ("sh -c 'PGPASSWORD=hunter2 psql'", "sh -c 'PGPASSWORD=*** psql'"),
            ("put --secret-key hunter2 %p", "put --secret-key *** %p"),
            (
                "AWS_SECRET_ACCESS_KEY=hunter2 AWS_SESSION_TOKEN=hunter2 wal-g push %p",
                "AWS_SECRET_ACCESS_KEY=*** AWS_SESSION_TOKEN=*** wal-g push %p",
            ),
            ("host=a passfile=/x user=b", "host=a passfile=/x user=b"),
            ("test ! -f /a/%f && cp %p /a/%f", "test ! -f /a/%f && cp %p /a/%f"),
            ("password=", "password="),
            ("naïve password=ü2 ü", "naïve password=*** ü"),
        ] {
            assert_eq!(text(given), shown);
        }
    }

    #[test]
    fn a_setting_that_is_called_a_secret_is_not_shown() {
        assert_eq!(setting("ssl_passphrase_command", "echo hunter2"), "***");
        assert_eq!(setting("app.settings.jwt_secret", "hunter2"), "***");
        assert_eq!(setting("app.api_key", "hunter2"), "***");
        assert_eq!(setting("password_encryption", "scram-sha-256"), "scram-sha-256");
        assert_eq!(setting("ssl_passphrase_command", ""), "");
    }
}
