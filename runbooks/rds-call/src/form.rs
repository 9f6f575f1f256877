//! Bodies of the Query protocol: `Action=…&Version=2014-10-31&…`.

/// A body under construction.
#[derive(Debug, Clone)]
pub struct Form(String);

impl Form {
    /// Starts a request to RDS.
    pub fn new(operation: &str) -> Self {
        Self::of(operation, "2014-10-31")
    }

    /// Starts a request to a service whose API has this version.
    pub fn of(operation: &str, version: &str) -> Self {
        let mut form = Self::empty();
        form.field("Action", operation);
        form.field("Version", version);
        form
    }

    /// Starts without any field.
    pub fn empty() -> Self {
        Self(String::new())
    }

    /// Adds a field. Whatever the value holds, it ends no other field.
    pub fn field(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        encode(&mut self.0, name);
        self.0.push('=');
        encode(&mut self.0, value);
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(HEX.get(usize::from(digit)).map(|digit| char::from(*digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_add_a_field() {
        let mut form = Form::new("X");
        form.field("A", "1&Action=DeleteDBInstance=ü +%");
        assert_eq!(
            form.finish(),
            "Action=X&Version=2014-10-31&A=1%26Action%3DDeleteDBInstance%3D%C3%BC%20%2B%25"
        );
    }
}
