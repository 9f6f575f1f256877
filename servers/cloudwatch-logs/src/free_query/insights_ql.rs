//! Logs Insights QL.

use kit::ToolError;

use super::{
    Parsed, functions,
    lex::{Dialect, Lexeme, Token, lex},
    piped, refuse_at, row_count,
};

const DIALECT: Dialect = Dialect {
    line_comment: "#",
    block_comments: false,
    regexes: true,
    dotted_words: true,
    signs: &[
        "|", "(", ")", ",", "!=", "<=", ">=", "=~", "=", "<", ">", "+", "-", "*", "%", "^", "[", "]",
    ],
};

const COMMANDS: [&str; 9] = [
    "fields", "display", "filter", "parse", "stats", "sort", "limit", "dedup", "pattern",
];

pub fn parse(text: &str, max_rows: u32) -> Result<Parsed, ToolError> {
    let lexemes = lex(text, &DIALECT)?;
    let commands = piped::commands(&lexemes, &COMMANDS, &[functions::COMMON, functions::INSIGHTS])?;
    let mut limited = None;
    for command in &commands {
        limited = limit(command)?;
    }
    let selecting: Vec<&[Lexeme<'_>]> = commands
        .iter()
        .copied()
        .take_while(|command| {
            command
                .first()
                .is_some_and(|first| first.is_word("fields") || first.is_word("filter"))
        })
        .collect();
    let mut text = piped::joined(&commands);
    if limited.is_none() {
        text.push_str(&format!("\n| limit {max_rows}"));
    }
    let selecting = if selecting.is_empty() {
        "fields @timestamp".to_owned()
    } else {
        piped::joined(&selecting)
    };
    Ok(Parsed {
        text,
        selecting,
        reads: 1,
        max_rows: limited.unwrap_or(max_rows),
    })
}

/// Returns the size of `command`, if it is a limit; a size that is not allowed is an error.
fn limit(command: &[Lexeme<'_>]) -> Result<Option<u32>, ToolError> {
    match command {
        [first, size] if first.is_word("limit") => match size.token {
            Token::Number(digits) => row_count(digits, size.at).map(Some),
            _ => Err(refuse_at(size.at, "a limit is a number")),
        },
        [first, ..] if first.is_word("limit") => Err(refuse_at(first.at, "a limit is one number")),
        _ => Ok(None),
    }
}
