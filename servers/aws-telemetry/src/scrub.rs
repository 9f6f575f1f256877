//! Makes text that an outsider may have written fit to show to a model, and keeps count of what was taken out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    literals::{line_without_literals, without_literals},
    redact::{Secrets, redact},
};

/// How much of one text is looked at; a secret that begins in the part shown cannot end behind it unnoticed.
const WINDOW: usize = 8_000;

/// Scrubs the texts of one answer.
#[derive(Debug, Default)]
pub struct Scrubber {
    secrets: Secrets,
    literals: u64,
    hidden: u64,
}

/// What was taken out of the texts of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scrubbed {
    /// Secrets by kind, each replaced by `[redacted:<kind>]`, and `literal`: values of statements, each replaced by `?`.
    pub redactions: BTreeMap<String, u64>,
    /// Control, bidirectional and invisible characters removed.
    pub hidden_characters: u64,
}

impl Scrubber {
    /// Returns `text` on one line, without hidden characters and secrets, at most `max_chars` long.
    pub fn line(&mut self, text: &str, max_chars: usize) -> String {
        let clean = self.visible(text, max_chars);
        kit::text::clean(&redact(&one_line(&clean), &mut self.secrets), max_chars)
    }

    /// Returns a line of PostgreSQL's log as [`Self::line`] does, and without the values of statements and rows in it.
    pub fn log_line(&mut self, text: &str, max_chars: usize) -> String {
        self.shape(text, max_chars, line_without_literals)
    }

    /// Does what [`Self::log_line`] does, and keeps the lines of the text apart.
    pub fn log_lines(&mut self, text: &str, max_chars: usize) -> Vec<String> {
        let clean = self.visible(text, max_chars);
        redact(&one_line(&clean), &mut self.secrets);
        let stripped = line_without_literals(&clean, &mut self.literals);
        // A secret may go over the end of a line, so they are sought in the whole first.
        let whole = redact(&stripped, &mut Secrets::new());
        let lines = whole.lines().map(|line| redact(&one_line(line), &mut Secrets::new()));
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Returns a statement as [`Self::line`] does, and without its values and comments.
    pub fn statement(&mut self, sql: &str, max_chars: usize) -> String {
        self.shape(sql, max_chars, without_literals)
    }

    /// Values go first, as long as the quotes around them are all there. Secrets are counted in the whole text, so that one
    /// inside a value is known of, and taken out of what is left.
    fn shape(&mut self, text: &str, max_chars: usize, strip: fn(&str, &mut u64) -> String) -> String {
        let clean = self.visible(text, max_chars);
        redact(&one_line(&clean), &mut self.secrets);
        let stripped = strip(&clean, &mut self.literals);
        kit::text::clean(&redact(&one_line(&stripped), &mut Secrets::new()), max_chars)
    }

    /// Hidden characters go before anything else: they could stand in the middle of a word that a rule looks for.
    fn visible(&mut self, text: &str, max_chars: usize) -> String {
        let looked_at: String = text.chars().take(WINDOW.max(max_chars)).collect();
        let clean = kit::text::clean(&looked_at, usize::MAX);
        self.hidden += (looked_at.chars().count() - clean.chars().count()) as u64;
        clean
    }

    pub fn report(self) -> Scrubbed {
        let secrets = self.secrets.into_iter().map(|(kind, count)| (kind.to_owned(), count));
        let literals = (self.literals > 0).then(|| ("literal".to_owned(), self.literals));
        Scrubbed {
            redactions: secrets.chain(literals).collect(),
            hidden_characters: self.hidden,
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .fold(String::with_capacity(text.len()), |mut line, word| {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            line
        })
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
    fn a_secret_inside_a_value_is_counted_and_neither_is_shown() {
        let mut scrubber = Scrubber::default();
        let line = "x:[7]:LOG:  statement: update t set mail = 'a@b.example', k = 'AKIAIOSFODNN7EXAMPLE' where id = 7 -- AKIAIOSFODNN7EXAMPLE";
        assert_eq!(
            scrubber.log_line(line, 200),
            "x:[7]:LOG: statement: update t set mail = ?, k = ? where id = ?"
        );
        let expected = [("aws_key", 2), ("email", 1), ("literal", 3)].map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(scrubber.report().redactions, BTreeMap::from(expected));
    }

    #[test]
    fn a_secret_is_not_cut_into_something_that_no_rule_knows() {
        let mut scrubber = Scrubber::default();
        let line = format!("{} AKIAIOSFODNN7EXAMPLE", "x".repeat(90));
        assert!(!scrubber.line(&line, 100).contains("AKIA"));
    }
}
