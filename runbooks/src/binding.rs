//! Where in the evidence a parameter may be found: a server, a tool, and a pointer pattern.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parameter's place in the evidence. `*` in the pointer stands for one array index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The server whose evidence counts, as `postgres-readonly`.
    pub server: String,
    /// The tool whose result counts.
    pub tool: String,
    /// A JSON pointer (RFC 6901) into the result, as `/trees/*/root/pid`.
    pub pointer: String,
    /// Parameters with the same word here must come from one evidence and the same array indices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}

impl Binding {
    /// The array indices at which `pointer` fits the pattern; `None` when it does not fit.
    pub fn indices_of(&self, pointer: &str) -> Option<Vec<usize>> {
        let mut indices = Vec::new();
        let mut wanted = self.pointer.split('/');
        let mut given = pointer.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(indices),
                (Some("*"), Some(index)) => indices.push(parse_index(index)?),
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return None,
            }
        }
    }

    /// The pointer for these array indices; `None` when their number is not that of the stars.
    pub fn pointer_at(&self, indices: &[usize]) -> Option<String> {
        let mut rest = indices.iter();
        let mut parts = Vec::new();
        for part in self.pointer.split('/') {
            parts.push(if part == "*" {
                rest.next()?.to_string()
            } else {
                part.to_owned()
            });
        }
        if rest.next().is_none() {
            Some(parts.join("/"))
        } else {
            None
        }
    }
}

fn parse_index(text: &str) -> Option<usize> {
    let index: usize = text.parse().ok()?;
    // RFC 6901: no leading zeros and no sign, so one place has one pointer.
    (index.to_string() == text).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_exactly_one_plain_index() {
        let binding = Binding {
            server: "s".into(),
            tool: "t".into(),
            pointer: "/trees/*/root/pid".into(),
            row: None,
        };
        assert_eq!(binding.indices_of("/trees/3/root/pid"), Some(vec![3]));
        for odd in [
            "/trees/03/root/pid",
            "/trees/x/root/pid",
            "/trees/3/root",
            "/trees/3/root/pid/0",
        ] {
            assert_eq!(binding.indices_of(odd), None, "{odd}");
        }
        assert_eq!(binding.pointer_at(&[7]).as_deref(), Some("/trees/7/root/pid"));
        assert_eq!(binding.pointer_at(&[7, 8]), None);
        assert_eq!(binding.pointer_at(&[]), None);
    }
}
