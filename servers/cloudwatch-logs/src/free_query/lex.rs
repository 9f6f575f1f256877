//! Splits a query into words, texts and signs. Whatever two readers could split differently is refused.

use kit::ToolError;
use regex_lite::Regex;

use super::{refuse, refuse_at};

const CHOOSES: &str = "a source with arguments chooses log groups; name them in `log_groups`";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Word(&'a str),
    /// Digits, perhaps with a point or a unit: `10`, `0.5`, `5m`.
    Number(&'a str),
    /// In apostrophes or double quotes.
    Text(char, &'a str),
    /// In backticks.
    Name(&'a str),
    Regex(&'a str),
    Sign(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme<'a> {
    pub token: Token<'a>,
    /// Where it begins, counted in characters from 1.
    pub at: usize,
    /// Something that is no part of the query stands before it.
    spaced: bool,
}

/// What differs between the languages.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// What opens a comment to the end of the line.
    pub line_comment: &'static str,
    /// Whether `/* … */` is a comment.
    pub block_comments: bool,
    /// Whether `/…/` is a regular expression where a pattern is expected.
    pub regexes: bool,
    /// Whether a point joins words to one.
    pub dotted_words: bool,
    pub signs: &'static [&'static str],
}

impl<'a> Lexeme<'a> {
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    pub fn word(&self) -> Option<&'a str> {
        match self.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Writes what was parsed: comments are gone, and white space is one space.
pub fn render(lexemes: &[Lexeme<'_>]) -> String {
    let mut out = String::new();
    for lexeme in lexemes {
        if lexeme.spaced && !out.is_empty() {
            out.push(' ');
        }
        match lexeme.token {
            Token::Word(text) | Token::Number(text) => out.push_str(text),
            Token::Text(quote, text) => {
                out.push(quote);
                out.push_str(text);
                out.push(quote);
            }
            Token::Name(text) => {
                out.push('`');
                out.push_str(text);
                out.push('`');
            }
            Token::Regex(text) => {
                out.push('/');
                out.push_str(text);
                out.push('/');
            }
            Token::Sign(sign) => out.push_str(sign),
        }
    }
    out
}

pub fn lex<'a>(text: &'a str, dialect: &Dialect) -> Result<Vec<Lexeme<'a>>, ToolError> {
    if kit::text::clean(&text.replace("\r\n", "\n"), usize::MAX) != text.replace("\r\n", "\n") {
        return Err(refuse("the query holds control or invisible characters"));
    }
    // A column of that name would be taken for AWS's pointer to a record, and log_record would follow it.
    if text.to_ascii_lowercase().contains("@ptr") {
        return Err(refuse(
            "the query names `@ptr`; rows that have one get a `record` by themselves",
        ));
    }
    if text.to_ascii_lowercase().contains("arn:") {
        return Err(refuse(
            "the query holds an ARN; log groups are named by their exact names in `log_groups`",
        ));
    }
    let mut lexer = Lexer {
        text,
        rest: text,
        dialect,
        found: Vec::new(),
        depth: 0,
    };
    lexer.run()?;
    if lexer.depth != 0 {
        return Err(refuse("a parenthesis is not closed"));
    }
    Ok(lexer.found)
}

struct Lexer<'a, 'd> {
    text: &'a str,
    rest: &'a str,
    dialect: &'d Dialect,
    found: Vec<Lexeme<'a>>,
    depth: u32,
}

impl<'a> Lexer<'a, '_> {
    fn run(&mut self) -> Result<(), ToolError> {
        loop {
            let spaced = self.skip()?;
            let at = self.at();
            let Some(first) = self.rest.chars().next() else {
                return Ok(());
            };
            let token = match first {
                '\'' | '"' => Token::Text(first, self.quoted(first)?),
                '`' => Token::Name(self.quoted('`')?),
                '/' if self.dialect.regexes => Token::Regex(self.regex()?),
                '0'..='9' => Token::Number(self.take(|c| c.is_ascii_alphanumeric() || c == '.')),
                'a'..='z' | 'A'..='Z' | '_' | '@' => {
                    let dots = self.dialect.dotted_words;
                    Token::Word(
                        self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@') || (dots && c == '.')),
                    )
                }
                _ => Token::Sign(self.sign(first)?),
            };
            self.found.push(Lexeme { token, at, spaced });
        }
    }

    /// Skips white space and comments; returns whether there was any.
    fn skip(&mut self) -> Result<bool, ToolError> {
        let before = self.rest.len();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            if self.rest.starts_with(self.dialect.line_comment) {
                self.rest = self.rest.split_once('\n').map_or("", |(_, after)| after);
            } else if self.dialect.block_comments && self.rest.starts_with("/*") {
                let at = self.at();
                let (comment, after) = self
                    .rest
                    .get(2..)
                    .and_then(|inner| inner.split_once("*/"))
                    .ok_or_else(|| refuse_at(at, "a comment is not closed"))?;
                if comment.contains("/*") || comment.starts_with(['!', '+']) {
                    return Err(refuse_at(at, "this comment could be read as something else"));
                }
                self.rest = after;
            } else {
                return Ok(self.rest.len() != before);
            }
        }
    }

    /// Text between two `quote`s. What a reader with other rules for escapes or comments could end elsewhere is refused.
    fn quoted(&mut self, quote: char) -> Result<&'a str, ToolError> {
        let at = self.at();
        let inner = self.rest.get(1..).unwrap_or("");
        let (body, after) = inner
            .split_once(quote)
            .ok_or_else(|| refuse_at(at, format!("{quote} is not closed")))?;
        if body.contains(['\\', '\n', '\r']) {
            return Err(refuse_at(
                at,
                "a backslash or a line break stands inside quotes; use a regular expression",
            ));
        }
        self.no_comment(body, at)?;
        if after.starts_with(quote) {
            return Err(refuse_at(at, "a quote is doubled inside quotes"));
        }
        if quote == '`' && body.trim() != body {
            return Err(refuse_at(at, "a name in backticks begins or ends with a space"));
        }
        self.rest = after;
        Ok(body)
    }

    fn no_comment(&self, body: &str, at: usize) -> Result<(), ToolError> {
        let opens = body.contains(self.dialect.line_comment)
            || (self.dialect.block_comments && (body.contains("/*") || body.contains("*/")));
        if opens {
            return Err(refuse_at(
                at,
                format!(
                    "`{}` opens a comment and may not stand inside quotes",
                    self.dialect.line_comment
                ),
            ));
        }
        Ok(())
    }

    /// A slash means a regular expression only where a pattern must stand; a division could be read as one.
    fn regex(&mut self) -> Result<&'a str, ToolError> {
        let at = self.at();
        if !self.pattern_expected() {
            return Err(refuse_at(at, "a division; multiply instead"));
        }
        let inner = self.rest.get(1..).unwrap_or("");
        let (body, after) = inner
            .split_once('/')
            .ok_or_else(|| refuse_at(at, "a regular expression is not closed"))?;
        if body.ends_with('\\') || body.contains(['\n', '\r']) {
            return Err(refuse_at(
                at,
                "a regular expression holds a slash or a line break; write `.` for it",
            ));
        }
        self.no_comment(body, at)?;
        if body.is_empty() || body.len() > 1_000 || Regex::new(body).is_err() {
            return Err(refuse_at(at, "a regular expression that this server cannot read"));
        }
        self.rest = after;
        Ok(body)
    }

    fn pattern_expected(&self) -> bool {
        let command = self
            .found
            .rsplit(|lexeme| lexeme.is_sign("|"))
            .next()
            .unwrap_or_default();
        let after_parse = match command {
            [parse] => parse.is_word("parse"),
            [parse, field] => parse.is_word("parse") && matches!(field.token, Token::Word(_) | Token::Name(_)),
            _ => false,
        };
        after_parse
            || self
                .found
                .last()
                .is_some_and(|last| last.is_word("like") || last.is_sign("=~"))
    }

    fn sign(&mut self, first: char) -> Result<&'static str, ToolError> {
        let at = self.at();
        let sign = self
            .dialect
            .signs
            .iter()
            .copied()
            .find(|sign| self.rest.starts_with(sign));
        let Some(sign) = sign else {
            let reason = match first {
                _ if self.names_a_source() => CHOOSES.to_owned(),
                ';' => "more than one statement".to_owned(),
                '/' => "a division; multiply instead".to_owned(),
                '[' | ']' | '{' | '}' => format!("`{first}`: subqueries are not allowed"),
                c if c.is_ascii() => format!("`{c}` has no meaning here"),
                _ => "a letter outside ASCII must stand in quotes".to_owned(),
            };
            return Err(refuse_at(at, reason));
        };
        match sign {
            "(" => self.depth += 1,
            ")" => {
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| refuse_at(at, "a parenthesis closes nothing"))?;
            }
            "|" if self.depth > 0 && self.names_a_source() => return Err(refuse_at(at, CHOOSES)),
            "|" if self.depth > 0 => return Err(refuse_at(at, "a subquery; only one query is allowed")),
            _ => {}
        }
        self.rest = self.rest.get(sign.len()..).unwrap_or("");
        Ok(sign)
    }

    fn names_a_source(&self) -> bool {
        self.found.iter().any(|lexeme| lexeme.is_word("source"))
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = after;
        taken
    }

    fn at(&self) -> usize {
        let read = self.text.len() - self.rest.len();
        self.text.get(..read).map_or(0, |before| before.chars().count()) + 1
    }
}
