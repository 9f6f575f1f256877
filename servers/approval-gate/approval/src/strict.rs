//! JSON with one spelling: what is signed is parsed only if its bytes are their own canonical form.

use serde::{Serialize, de::DeserializeOwned};

/// Parses canonical JSON (RFC 8785). Duplicate keys, unknown fields (the types deny them), floats, white space, another
/// order of members and trailing bytes are all refused: none of them survives being rendered again.
pub(crate) fn parse<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, String> {
    let value: T = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if canonical(&value)? == bytes {
        Ok(value)
    } else {
        Err("its bytes are not canonical JSON".to_owned())
    }
}

/// Returns the canonical bytes.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| error.to_string())
}

/// The largest integer that canonical JSON carries exactly.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Checks an identifier that must have one spelling everywhere: 1 to 128 of `a-z 0-9 . _ @ -`.
pub(crate) fn check_id(what: &str, text: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._@-".contains(c);
    if (1..=128).contains(&text.len()) && text.chars().all(known) {
        Ok(())
    } else {
        Err(format!("{what} must be 1 to 128 characters of `a-z 0-9 . _ @ -`"))
    }
}

/// Checks free text that people will read: 1 to `most` bytes, no control characters.
pub(crate) fn check_text(what: &str, text: &str, most: usize) -> Result<(), String> {
    if (1..=most).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!("{what} must be 1 to {most} bytes without control characters"))
    }
}

/// Checks a nonce: 32 lower-case hexadecimal digits.
pub(crate) fn check_nonce(text: &str) -> Result<(), String> {
    if text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        Ok(())
    } else {
        Err("nonce must be 32 lower-case hexadecimal digits".to_owned())
    }
}

/// Checks a key fingerprint as `ssh-keygen -l` writes it: `SHA256:` and 43 base64 characters.
pub(crate) fn check_fingerprint(text: &str) -> Result<(), String> {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    match text.strip_prefix("SHA256:") {
        Some(rest) if rest.len() == 43 && rest.bytes().all(base64) => Ok(()),
        Some(_) | None => Err("key id must be `SHA256:` and 43 base64 characters".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Small {
        a: u64,
        b: String,
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        parse::<Small>(br#"{"a":1,"b":"x"}"#).unwrap();
        for odd in [
            r#"{"a":1,"a":1,"b":"x"}"#,
            r#"{"a":1,"b":"x","c":2}"#,
            r#"{"a":1.0,"b":"x"}"#,
            r#"{"a":1e0,"b":"x"}"#,
            r#"{"a":01,"b":"x"}"#,
            r#"{"a":-0,"b":"x"}"#,
            r#"{"a":1, "b":"x"}"#,
            r#"{"b":"x","a":1}"#,
            r#"{"a":1,"b":"\u0078"}"#,
            "{\"a\":1,\"b\":\"x\"}\n",
            r#"{"a":1,"b":"x"}{}"#,
            r#"{"a":1}"#,
            r#"[1,"x"]"#,
            "",
        ] {
            assert!(parse::<Small>(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn ids_have_one_spelling() {
        check_id("id", "alice@example.com").unwrap();
        for odd in ["", "Alice", "a b", "а", &"a".repeat(129)] {
            assert!(check_id("id", odd).is_err(), "{odd}");
        }
        check_nonce(&"0f".repeat(16)).unwrap();
        for odd in ["", "0F", &"0F".repeat(16), &"0f".repeat(17)] {
            assert!(check_nonce(odd).is_err(), "{odd}");
        }
        check_fingerprint("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
        assert!(check_fingerprint("MD5:00").is_err());
    }
}
