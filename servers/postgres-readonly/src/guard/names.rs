//! Takes dotted names apart as they stand in statement facts: `public."Order lines"`.

/// Returns the schema, if the name has one, and the name itself, both without quotes. `None` if it cannot be read.
pub fn split(dotted: &str) -> Option<(Option<String>, String)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = dotted.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => part.extend(chars.next()),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => part.push(c),
        }
    }
    let name = parts.pop().filter(|name| !quoted && !name.is_empty())?;
    // A database in front of the schema can only be the current one; the server checks that.
    Some((parts.pop(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(dotted: &str) -> Option<(Option<String>, String)> {
        split(dotted)
    }

    #[test]
    fn names_are_taken_apart_at_dots_outside_quotes() {
        assert_eq!(parts("now"), Some((None, "now".into())));
        assert_eq!(parts("pg_catalog.now"), Some((Some("pg_catalog".into()), "now".into())));
        assert_eq!(
            parts("db.public.\"a.b\"\"c\""),
            Some((Some("public".into()), "a.b\"c".into()))
        );
        assert_eq!(parts("\"pg_catalog.now\""), Some((None, "pg_catalog.now".into())));
        assert_eq!(parts("public.\"open"), None);
        assert_eq!(parts(""), None);
    }
}
