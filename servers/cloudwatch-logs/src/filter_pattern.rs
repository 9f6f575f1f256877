//! Turns a literal text into a filter pattern that can mean nothing else.

use kit::ToolError;

/// Returns the pattern for events that hold `text` as it stands. In a quoted term only `"` and `\` have a meaning, so the
/// other operators of the pattern language (`?`, `-`, `{`, `[`, `%`) are letters like any other.
pub fn containing(text: &str) -> Result<String, ToolError> {
    if text.trim().is_empty() {
        return Err(ToolError::invalid_argument("`contains` is empty").hint("leave it out to see all lines"));
    }
    if text.chars().any(char::is_control) {
        return Err(ToolError::invalid_argument("`contains` holds a control character"));
    }
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('"');
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn operators_become_letters() {
        for (text, pattern) in [
            ("deadlock detected", r#""deadlock detected""#),
            (r#"a" -"b"#, r#""a\" -\"b""#),
            (r#"\"#, r#""\\""#),
            (r#"{ $.x = * }"#, r#""{ $.x = * }""#),
            ("%.*%", "\"%.*%\""),
        ] {
            assert_eq!(containing(text).unwrap(), pattern);
        }
    }

    #[test]
    fn what_cannot_be_a_term_is_refused() {
        for text in ["", "  ", "a\nb", "\0"] {
            assert_eq!(containing(text).unwrap_err().code, "invalid_arguments");
        }
    }
}
