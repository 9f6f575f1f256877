//! Takes secrets out of text that nobody vetted: log lines, query texts, error messages.

use std::{collections::BTreeMap, sync::LazyLock};

use regex_lite::Regex;

/// How many secrets of each kind were taken out.
pub type Secrets = BTreeMap<&'static str, u64>;

/// Returns `text` with every secret replaced by `[redacted:<kind>]`, and counts them.
///
/// The rules prefer to take out too much. What they cannot know is a secret without a shape or a name beside it.
pub fn redact(text: &str, found: &mut Secrets) -> String {
    let mut out = text.to_owned();
    for rule in RULES.iter() {
        let mut count = 0;
        let replaced = rule.pattern.replace_all(&out, |caught: &regex_lite::Captures<'_>| {
            let part = |name: &str| caught.name(name).map_or("", |part| part.as_str());
            // An earlier rule has been here; anything but exactly its mark is still a secret.
            if RULES.iter().any(|rule| part("secret") == mark(rule.kind)) {
                return caught.get(0).map_or("", |whole| whole.as_str()).to_owned();
            }
            count += 1;
            format!("{}{}{}", part("before"), mark(rule.kind), part("after"))
        });
        if count > 0 {
            out = replaced.into_owned();
            *found.entry(rule.kind).or_default() += count;
        }
    }
    out
}

fn mark(kind: &str) -> String {
    format!("[redacted:{kind}]")
}

struct Rule {
    kind: &'static str,
    pattern: Regex,
}

/// In this order: what is wider goes first, so that no half of it is left over.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    PATTERNS
        .iter()
        .filter_map(|(kind, pattern)| Regex::new(pattern).ok().map(|pattern| Rule { kind, pattern }))
        .collect()
});

const PATTERNS: &[(&str, &str)] = &[
    (
        "private_key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    ),
    // A password may hold `@` and `/`, so it reaches to the last `@` of the word.
    (
        "connection_uri",
        r#"(?<before>\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s:/@'"]*:[^\s'"]+(?<after>@)"#,
    ),
    // ALTER ROLE … PASSWORD '…', also E'…' and U&'…', also cut off before the closing quote.
    (
        "password",
        r#"(?i)(?<before>\bpassword\s+(?:e|u&)?)(?<secret>'(?:[^'\\]|''|\\.)*(?:'|\\?$)|"[^"]*(?:"|$)|\$[A-Za-z0-9_]*\$.*)"#,
    ),
    ("password", r"SCRAM-SHA-256\$[0-9]+:[^\s']+"),
    ("password", r"\bmd5[0-9a-f]{32}\b"),
    ("jwt", r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
    ("aws_key", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    (
        "token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,})",
    ),
    (
        "token",
        r"(?i)(?<before>\b(?:bearer|basic)\s+)(?<secret>[A-Za-z0-9._~+/-]{12,}=*)",
    ),
    // name=value, name: value, "name": "value"; the name may be a part of a longer one, as in PGPASSWORD.
    (
        "password",
        concat!(
            r#"(?i)(?<before>[A-Za-z0-9_.-]*(?:password|passwd|pwd|passphrase)[A-Za-z0-9_.-]*["']?\s*(?:=>|=|:)\s*)"#,
            r#"(?<secret>"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s,;&)]+)"#
        ),
    ),
    (
        "token",
        concat!(
            r#"(?i)(?<before>[A-Za-z0-9_.-]*(?:secret|token|api[_-]?key|access[_-]?key|credential)[A-Za-z0-9_.-]*["']?\s*(?:=>|=|:)\s*)"#,
            r#"(?<secret>"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s,;&)]+)"#
        ),
    ),
    // What log_parameter_max_length and unique violations write out.
    (
        "parameter",
        r"(?<before>\$[0-9]{1,3} = )(?<secret>'(?:[^']|'')*(?:'|$))",
    ),
    (
        "key_value",
        r"(?<before>\b[Kk]ey \([^)]*\)=\()(?<secret>.*?)(?<after>\) (?:already exists|is not present|is still referenced|conflicts)|$)",
    ),
    (
        "iban",
        r"\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){3,7}(?: [A-Z0-9]{1,4})?)\b",
    ),
    (
        "card_number",
        r"\b(?:[3-6][0-9]{3}(?:[ -][0-9]{4}){3}|4[0-9]{15}|5[1-5][0-9]{14}|3[47][0-9]{13}|6(?:011|5[0-9]{2})[0-9]{12})\b",
    ),
    (
        "email",
        r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> (String, Secrets) {
        let mut found = Secrets::new();
        (redact(text, &mut found), found)
    }

    #[test]
    fn every_pattern_is_a_regular_expression() {
        assert_eq!(RULES.len(), PATTERNS.len());
    }

    #[test]
    fn no_secret_is_left_and_the_rest_stays() {
        for (text, expected) in [
            ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted:aws_key] used"),
            ("x=ASIAIOSFODNN7EXAMPLE", "x=[redacted:aws_key]"),
            (
                "auth eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123 end",
                "auth [redacted:jwt] end",
            ),
            (
                "connecting with password=hunter2 host=db",
                "connecting with password=[redacted:password] host=db",
            ),
            ("PGPASSWORD='two words' psql", "PGPASSWORD=[redacted:password] psql"),
            (
                r#"{"db_password": "a b", "n": 1}"#,
                r#"{"db_password": [redacted:password], "n": 1}"#,
            ),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG",
                "aws_secret_access_key = [redacted:token]",
            ),
            (
                "postgres://app:p@ss/w0rd@db:5432/x?a=b",
                "postgres://[redacted:connection_uri]@db:5432/x?a=b",
            ),
            ("redis://:pw@cache", "redis://[redacted:connection_uri]@cache"),
            (
                "ALTER ROLE app PASSWORD 'it''s'; x",
                "ALTER ROLE app PASSWORD [redacted:password]; x",
            ),
            (
                r"CREATE USER a WITH ENCRYPTED PASSWORD E'a\'b' LOGIN",
                "CREATE USER a WITH ENCRYPTED PASSWORD E[redacted:password] LOGIN",
            ),
            (
                "alter user a password 'cut off her",
                "alter user a password [redacted:password]",
            ),
            (
                "alter user a password $x$secret$x$",
                "alter user a password [redacted:password]",
            ),
            (
                "Authorization: Bearer abcdefghijklmnop",
                "Authorization: Bearer [redacted:token]",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY----- MIIE -----END RSA PRIVATE KEY----- z",
                "[redacted:private_key] z",
            ),
            ("-----BEGIN PRIVATE KEY----- MIIE", "[redacted:private_key]"),
            (
                "DETAIL:  Key (email)=(a@b.example) already exists.",
                "DETAIL:  Key (email)=([redacted:key_value]) already exists.",
            ),
            (
                "DETAIL:  parameters: $1 = 'x', $2 = 'it''s'",
                "DETAIL:  parameters: $1 = [redacted:parameter], $2 = [redacted:parameter]",
            ),
            (
                "DETAIL:  Key (d)=([1,2)) conflicts with existing key (d)=([1,9)).",
                "DETAIL:  Key (d)=([redacted:key_value]) conflicts with existing key (d)=([redacted:key_value]",
            ),
            (
                "paid from DE89370400440532013000 and DE89 3704 0044 0532 0130 00 today",
                "paid from [redacted:iban] and [redacted:iban] today",
            ),
            (
                "card 4111111111111111 or 4111-1111-1111-1111 declined",
                "card [redacted:card_number] or [redacted:card_number] declined",
            ),
            (
                "mail to jane.doe+x@mail.example.com now",
                "mail to [redacted:email] now",
            ),
        ] {
            assert_eq!(redacted(text).0, expected, "{text}");
        }
    }

    #[test]
    fn an_ordinary_line_stays_as_it_is() {
        for text in [
            "2026-11-22 06:40:25 UTC:127.0.0.1(59836):postgres@orders:[30715]:LOG:  duration: 919.422 ms",
            "FATAL:  password authentication failed for user \"app\"",
            "process 30738 still waiting for ShareLock on transaction 733 after 303.033 ms",
            "checkpoint of system 7123456789012345678 wrote 4398046511104 bytes up to 3/4111B2C8",
            "see https://www.postgresql.org/docs/15/index.html",
        ] {
            assert_eq!(redacted(text), (text.to_owned(), Secrets::new()));
        }
    }

    #[test]
    fn secrets_are_counted_by_kind_and_only_once() {
        let (_, found) = redacted("password=Bearer_abcdefghijkl AKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLA");
        assert_eq!(found, Secrets::from([("password", 1), ("aws_key", 2)]));
        let (text, found) = redacted("password=AKIAIOSFODNN7EXAMPLE");
        assert_eq!(text, "password=[redacted:aws_key]");
        assert_eq!(found, Secrets::from([("aws_key", 1)]));
    }

    #[test]
    fn a_forged_mark_hides_nothing() {
        assert_eq!(
            redacted("password=[redacted:password]hunter2").0,
            "password=[redacted:password]"
        );
        assert_eq!(
            redacted("password=[redacted:hunter2]").0,
            "password=[redacted:password]"
        );
    }
}
