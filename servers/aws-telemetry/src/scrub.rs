//! Makes text that an outsider may have written fit to show to a model, and keeps count of what was taken out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::redact::{Secrets, redact};

/// How much of one text is looked at; a secret that begins in the part shown cannot end behind it unnoticed.
const WINDOW: usize = 8_000;

/// Scrubs the texts of one answer.
#[derive(Debug, Default)]
pub struct Scrubber {
    secrets: Secrets,
    hidden: u64,
}

/// What was taken out of the texts of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scrubbed {
    /// Secrets by kind; each was replaced by `[redacted:<kind>]`.
    pub redactions: BTreeMap<String, u64>,
    /// Control, bidirectional and invisible characters removed.
    pub hidden_characters: u64,
}

impl Scrubber {
    /// Returns `text` on one line, without hidden characters and secrets, at most `max_chars` long.
    pub fn line(&mut self, text: &str, max_chars: usize) -> String {
        let looked_at: String = text.chars().take(WINDOW.max(max_chars)).collect();
        // Hidden characters go first: they could stand in the middle of a word that a rule looks for.
        let clean = kit::text::clean(&looked_at, usize::MAX);
        self.hidden += (looked_at.chars().count() - clean.chars().count()) as u64;
        let one_line = clean
            .split_whitespace()
            .fold(String::with_capacity(clean.len()), |mut line, word| {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
                line
            });
        kit::text::clean(&redact(&one_line, &mut self.secrets), max_chars)
    }

    pub fn report(self) -> Scrubbed {
        Scrubbed {
            redactions: self
                .secrets
                .into_iter()
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect(),
            hidden_characters: self.hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_split_by_invisible_characters_is_found() {
        let mut scrubber = Scrubber::default();
        assert_eq!(
            scrubber.line("pass\u{200B}word=hun\u{202E}ter2\nnext\tline", 100),
            "password=[redacted:password] next line"
        );
        let scrubbed = scrubber.report();
        assert_eq!(scrubbed.hidden_characters, 2);
        assert_eq!(scrubbed.redactions, BTreeMap::from([("password".to_owned(), 1)]));
    }

    #[test]
    fn a_secret_is_not_cut_into_something_that_no_rule_knows() {
        let mut scrubber = Scrubber::default();
        let line = format!("{} AKIAIOSFODNN7EXAMPLE", "x".repeat(90));
        assert!(!scrubber.line(&line, 100).contains("AKIA"));
    }
}
