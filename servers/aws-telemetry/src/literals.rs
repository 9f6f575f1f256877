//! Takes the values out of SQL that stands in log lines: strings, numbers, comments; what is left is its shape.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What stands in place of a value.
const VALUE: &str = "?";

/// Returns `sql` with every literal replaced by `?` and every comment left out, and counts the literals.
///
/// Where the text does not say for certain where a string ends (it was cut off, or a backslash stands before a quote),
/// everything after its beginning counts as the string.
pub fn without_literals(sql: &str, taken: &mut u64) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '\'' => string(rest, &mut out, taken),
            '"' => identifier(rest, &mut out),
            '$' => dollar(rest, &mut out, taken),
            '-' if rest.starts_with("--") => {
                out.push(' ');
                rest.split_once('\n').map_or("", |(_, after)| after)
            }
            '/' if rest.starts_with("/*") => {
                out.push(' ');
                after_comment(rest)
            }
            '0'..='9' => number(rest, &mut out, taken),
            c if c.is_alphabetic() || c == '_' => word(rest, &mut out),
            c => {
                out.push(c);
                rest.get(c.len_utf8()..).unwrap_or("")
            }
        };
    }
    fold_lists(&out)
}

/// Returns a whole log line with the values of the statements, parameters and rows in it replaced, and counts them.
pub fn line_without_literals(line: &str, taken: &mut u64) -> String {
    if let Some(cut) = QUOTING.find(line) {
        // SQL in quotes that themselves may be escaped in two ways: nobody can say where it ends.
        *taken += 1;
        let before = line.get(..cut.end()).unwrap_or("");
        return format!("{}{VALUE}", line_without_literals_before(before, taken));
    }
    line_without_literals_before(line, taken)
}

fn line_without_literals_before(line: &str, taken: &mut u64) -> String {
    match STATEMENT.find(line) {
        Some(marker) => {
            let (before, sql) = line.split_at(marker.end());
            format!("{before}{}", without_literals(sql, taken))
        }
        None => message(line, taken),
    }
}

/// A message quotes what a client sent: after a colon in double quotes, as a whole row, or in apostrophes.
fn message(line: &str, taken: &mut u64) -> String {
    let mut out = line.to_owned();
    for pattern in MESSAGES.iter() {
        let mut found = 0;
        let replaced = pattern.replace_all(&out, |caught: &regex_lite::Captures<'_>| {
            found += 1;
            let part = |name: &str| caught.name(name).map_or("", |part| part.as_str());
            format!("{}{VALUE}{}", part("before"), part("after"))
        });
        if found > 0 {
            out = replaced.into_owned();
            *taken += found;
        }
    }
    out
}

/// Where a statement begins; it ends with the line.
static STATEMENT: LazyLock<Pattern> = LazyLock::new(|| {
    Pattern::new(
        r"(?:(?:statement|STATEMENT|QUERY|Query Text|prepare|remote SQL command|execute [^:]{0,64}|parse [^:]{0,64}|bind [^:]{0,64}|Process [0-9]{1,10}|plan):\s|AUDIT: (?:[^,]*,){7})",
    )
});

/// Where SQL, or a row of data, begins inside quotes.
static QUOTING: LazyLock<Pattern> = LazyLock::new(|| {
    Pattern::new(
        r#"(?:AUDIT: [^"]{0,300}"|SQL (?:statement|expression) "|PL/pgSQL (?:assignment|expression) "|COPY [^:]{1,200}: "|(?s:AUDIT: .{300}))"#,
    )
});

static MESSAGES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"(?s)(?<before>(?:invalid input|malformed|invalid value|out of range|invalid byte sequence)[^"]{0,120}: ")(?<value>.*)(?<after>"|$)"#,
        r#"(?<before>\bvalue ")(?<value>[^"]*)(?<after>"|$)"#,
        r#"(?s)(?<before>\bat or near ")(?<value>.*)(?<after>"|$)"#,
        r#"(?<before>(?:\bToken|\bbut found) ")(?<value>[^"]*)(?<after>"|$)"#,
        r"(?s)(?<before>\bJSON data, line [0-9]{1,9}: )(?<value>.*)(?<after>$)",
        r"(?s)(?<before>\b[Ff]ailing row contains )(?<value>\(.*)(?<after>$)",
        r"(?<before>(?:^|[\s=(,:]))(?<value>'(?:[^']|'')*(?:'|$))",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// A regular expression of ours; one that does not compile finds itself at the very beginning, so that nothing is shown.
struct Pattern(Option<Regex>);

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self(Regex::new(pattern).ok())
    }

    fn find(&self, text: &str) -> Option<Found> {
        match &self.0 {
            Some(regex) => regex.find(text).map(|found| Found(found.end())),
            None => Some(Found(0)),
        }
    }
}

struct Found(usize);

impl Found {
    fn end(&self) -> usize {
        self.0
    }
}

/// `rest` begins with an apostrophe.
fn string<'a>(rest: &'a str, out: &mut String, taken: &mut u64) -> &'a str {
    *taken += 1;
    let escapes = out.ends_with(['e', 'E']) && !out.chars().rev().nth(1).is_some_and(is_word);
    out.push_str(VALUE);
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => {
                chars.next();
            }
            // Whether this one is escaped depends on a setting of the server.
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '\'') => return "",
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            '\'' => return rest.get(at + 1..).unwrap_or(""),
            _ => {}
        }
    }
    ""
}

/// `rest` begins with a double quote; names are kept.
fn identifier<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let end = rest
        .get(1..)
        .and_then(|inner| inner.find('"'))
        .map_or(rest.len(), |at| at + 2);
    let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    out.push_str(name);
    after
}

/// `rest` begins with `$`: a parameter, or a string in dollar quotes.
fn dollar<'a>(rest: &'a str, out: &mut String, taken: &mut u64) -> &'a str {
    let inner = rest.get(1..).unwrap_or("");
    let tag_len = inner.find(|c: char| !is_word(c)).unwrap_or(inner.len());
    let (tag, after) = inner.split_at_checked(tag_len).unwrap_or((inner, ""));
    let quotes = after.starts_with('$') && !tag.starts_with(|c: char| c.is_ascii_digit());
    if !quotes {
        out.push('$');
        out.push_str(tag);
        return after;
    }
    *taken += 1;
    out.push_str(VALUE);
    let (body, quote) = (after.get(1..).unwrap_or(""), format!("${tag}$"));
    body.split_once(quote.as_str()).map_or("", |(_, after)| after)
}

/// `rest` begins with `/*`; such comments nest.
fn after_comment(mut rest: &str) -> &str {
    let mut depth = 0_u32;
    loop {
        let Some(at) = rest.find("/*").into_iter().chain(rest.find("*/")).min() else {
            return "";
        };
        let opens = rest.get(at..).is_some_and(|found| found.starts_with("/*"));
        depth = if opens { depth + 1 } else { depth.saturating_sub(1) };
        rest = rest.get(at + 2..).unwrap_or("");
        if depth == 0 {
            return rest;
        }
    }
}

fn number<'a>(rest: &'a str, out: &mut String, taken: &mut u64) -> &'a str {
    *taken += 1;
    out.push_str(VALUE);
    let end = rest.find(|c: char| !(is_word(c) || c == '.')).unwrap_or(rest.len());
    rest.get(end..).unwrap_or("")
}

fn word<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let end = rest.find(|c: char| !(is_word(c) || c == '$')).unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    out.push_str(word);
    after
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `(?, ?, ?)` and `(?)` are one shape.
fn fold_lists(text: &str) -> String {
    static LIST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\?(?:\s*,\s*\?)+").ok());
    match LIST.as_ref() {
        Some(list) => list.replace_all(text, "?").into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(sql: &str) -> (String, u64) {
        let mut taken = 0;
        (without_literals(sql, &mut taken), taken)
    }

    #[test]
    fn only_the_shape_of_a_statement_is_left() {
        for (sql, shape, count) in [
            (
                "SELECT * FROM t WHERE a = 'x' AND b = 12.5e3",
                "SELECT * FROM t WHERE a = ? AND b = ?",
                2,
            ),
            (
                "select 'it''s', t1.c2, $1, \"it's\"",
                "select ?, t1.c2, $1, \"it's\"",
                1,
            ),
            (r"select E'a\'b' , x", "select E? , x", 1),
            (r"select 'a\' or secret", "select ?", 1),
            ("select 'cut off her", "select ?", 1),
            ("select $q$it's$q$, 1", "select ?", 2),
            ("a in (1, 2,3) -- it's secret\n and b", "a in (?)   and b", 3),
            ("/* it's /* nested */ secret */ select 1", "  select ?", 1),
            ("/* never ended secret", " ", 0),
            ("select 0xDEADBEEF, U&'d\\0061'", "select ?, U&?", 2),
        ] {
            assert_eq!(stripped(sql), (shape.to_owned(), count), "{sql}");
        }
    }

    #[test]
    fn values_leave_every_kind_of_line() {
        for line in [
            "2026-11-22 06:40:25 UTC:10.0.0.1(5):app@orders:[7]:LOG:  duration: 9.422 ms  statement: select * from t where c = 'hunter2'",
            "x:[7]:LOG:  duration: 1.0 ms  execute S_1: select 1 where pin = 'hunter2'",
            "x:[7]:STATEMENT:  insert into t values ('hunter2')",
            "x:[7]:DETAIL:  Process 10 waits for ShareLock.\n\tProcess 11: update t set a = 'hunter2'",
            "x:[7]:LOG:  AUDIT: SESSION,1,1,READ,SELECT,,,\"select * from t where a = 'hunter2' and b = \"\"hunter2\"\"\",<none>",
            "x:[7]:LOG:  AUDIT: SESSION,1,1,WRITE,UPDATE,,,update t set a = 'hunter2' where id = 4711,<none>",
            "x:[7]:CONTEXT:  SQL statement \"update t set a = 'hunter2'\"",
            "x:[7]:CONTEXT:  COPY t, line 3, column pin: \"hunter2\"",
            "x:[7]:ERROR:  invalid input syntax for type integer: \"hunter2\"",
            "x:[7]:ERROR:  value \"hunter2\" is out of range for type integer",
            "x:[7]:DETAIL:  Failing row contains (1, hunter2, null).",
            "x:[7]:LOG:  duration: 5 ms  plan:\n\tQuery Text: select 1\n\tSeq Scan on t\n\t  Filter: (pin = 'hunter2'::text)",
            "x:[7]:ERROR:  syntax error at or near 'hunter2'",
            "x:[7]:ERROR:  unterminated quoted string at or near \"'hunter2 and more\"",
            "x:[7]:ERROR:  syntax error at or near \"hunter2\" at character 15",
            "x:[7]:DETAIL:  Token \"hunter2\" is invalid.",
            "x:[7]:DETAIL:  Expected JSON value, but found \"hunter2\".",
            "x:[7]:CONTEXT:  JSON data, line 1: {\"pin\": \"hunter2\", ...",
            "x:[7]:CONTEXT:  remote SQL command: update t set a = 'hunter2' where id = 4711",
            "x:[7]:DETAIL:  prepare: PREPARE p AS select * from t where a = 'hunter2' and id = 4711",
            "x:[7]:DETAIL:  Partition key of the failing row contains (name, id) = (hunter2, 4711).",
            "x:[7]:ERROR:  invalid input value for enum mood: \"hunter2\"",
        ] {
            let mut taken = 0;
            let out = line_without_literals(line, &mut taken);
            assert!(!out.contains("hunter2") && !out.contains("4711") && taken > 0, "{out}");
        }
    }

    #[test]
    fn a_line_without_values_stays_as_it_is() {
        for line in [
            "2026-11-22 06:40:25 UTC:127.0.0.1(59836):app@orders:[30738]:LOG:  process 30738 still waiting for ShareLock on transaction 733 after 303.033 ms",
            "x:[7]:FATAL:  password authentication failed for user \"app\"",
            "x:[7]:ERROR:  relation \"orders\" does not exist at character 15",
            "x::@:[32642]:LOG:  automatic vacuum of table \"postgres.public.orders\": index scans: 0",
        ] {
            let mut taken = 0;
            assert_eq!((line_without_literals(line, &mut taken).as_str(), taken), (line, 0));
        }
    }

    #[test]
    fn every_pattern_is_a_regular_expression() {
        assert!(STATEMENT.0.is_some() && QUOTING.0.is_some());
        assert_eq!(MESSAGES.len(), 7);
    }
}
