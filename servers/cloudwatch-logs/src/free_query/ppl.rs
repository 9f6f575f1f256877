//! OpenSearch PPL. A leading `source = …` must name the same groups as the argument; it is then left to the request.

use kit::ToolError;

use super::{
    Parsed, check_source, functions,
    lex::{Dialect, Lexeme, Token, lex},
    piped, refuse_at, row_count,
};
use crate::scope::AllowedGroup;

const DIALECT: Dialect = Dialect {
    line_comment: "//",
    block_comments: true,
    regexes: false,
    dotted_words: true,
    signs: &[
        "|", "(", ")", ",", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "%", ":",
    ],
};

/// What `head` alone returns.
const HEAD: u32 = 10;

const COMMANDS: [&str; 12] = [
    "fields",
    "where",
    "stats",
    "eventstats",
    "sort",
    "head",
    "dedup",
    "eval",
    "parse",
    "rename",
    "top",
    "rare",
];

pub fn parse(text: &str, groups: &[AllowedGroup], max_rows: u32) -> Result<Parsed, ToolError> {
    let lexemes = lex(text, &DIALECT)?;
    let lexemes = after_source(&lexemes, groups)?;
    let commands = piped::commands(lexemes, &COMMANDS, &[functions::COMMON, functions::PPL])?;
    let mut limited = None;
    for command in &commands {
        limited = head(command)?;
    }
    let mut text = piped::joined(&commands);
    if limited.is_none() {
        text.push_str(&format!("\n| head {max_rows}"));
    }
    Ok(Parsed {
        text,
        selecting: "fields @timestamp".to_owned(),
        reads: 1,
        max_rows: limited.unwrap_or(max_rows),
    })
}

/// Returns what follows `[search] source = name, … |`.
fn after_source<'t, 'a>(lexemes: &'t [Lexeme<'a>], groups: &[AllowedGroup]) -> Result<&'t [Lexeme<'a>], ToolError> {
    let rest = match lexemes {
        [search, source, rest @ ..] if search.is_word("search") && source.is_word("source") => rest,
        [source, rest @ ..] if source.is_word("source") => rest,
        _ => return Ok(lexemes),
    };
    let end = rest.iter().position(|lexeme| lexeme.is_sign("|"));
    let (clause, after) = match end {
        Some(end) => rest.split_at_checked(end).unwrap_or((rest, &[])),
        None => (rest, <&[Lexeme<'a>]>::default()),
    };
    let at = lexemes.first().map_or(1, |first| first.at);
    let form = || {
        refuse_at(
            at,
            "a source is written `source = `, then exact names in backticks, with commas between",
        )
    };
    let [equals, names @ ..] = clause else {
        return Err(form());
    };
    if !equals.is_sign("=") || names.len().is_multiple_of(2) {
        return Err(form());
    }
    for (position, lexeme) in names.iter().enumerate() {
        match lexeme.token {
            Token::Name(name) if position.is_multiple_of(2) => check_source(name, lexeme.at, groups)?,
            Token::Sign(",") if !position.is_multiple_of(2) => {}
            _ => return Err(form()),
        }
    }
    match after {
        [_, commands @ ..] if !commands.is_empty() => Ok(commands),
        _ => Err(refuse_at(at, "nothing is done with the source; add `| fields …`")),
    }
}

/// Returns the size of `command`, if it is a `head`; a size that is not allowed is an error.
fn head(command: &[Lexeme<'_>]) -> Result<Option<u32>, ToolError> {
    match command {
        [first] if first.is_word("head") => Ok(Some(HEAD)),
        [first, size] if first.is_word("head") => match size.token {
            Token::Number(digits) => row_count(digits, size.at).map(Some),
            _ => Err(refuse_at(size.at, "`head` takes a number")),
        },
        [first, ..] if first.is_word("head") => Err(refuse_at(first.at, "`head` takes one number")),
        _ => Ok(None),
    }
}
