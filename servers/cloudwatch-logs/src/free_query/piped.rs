//! What Logs Insights QL and PPL share: commands between pipes, each of a known kind.

use kit::ToolError;

use super::{
    functions,
    lex::{Lexeme, Token, render},
    refuse, refuse_at,
};

/// Splits at the pipes and checks that every command is known and calls known functions only.
pub fn commands<'t, 'a>(
    lexemes: &'t [Lexeme<'a>],
    known: &[&str],
    called: &[&[&str]],
) -> Result<Vec<&'t [Lexeme<'a>]>, ToolError> {
    let commands: Vec<_> = lexemes.split(|lexeme| lexeme.is_sign("|")).collect();
    for command in &commands {
        let Some((first, rest)) = command.split_first() else {
            return Err(refuse("a command between two pipes is empty"));
        };
        let is_known = first
            .word()
            .is_some_and(|word| known.iter().any(|known| known.eq_ignore_ascii_case(word)));
        if !is_known {
            return Err(refuse_at(first.at, unknown_command(first, known)));
        }
        check_rest(first, rest, called)?;
    }
    Ok(commands)
}

fn unknown_command(first: &Lexeme<'_>, known: &[&str]) -> String {
    let word = match first.token {
        Token::Word(word) => word,
        _ => return "a command must begin with its name, without quotes".to_owned(),
    };
    let shown = kit::text::clean(word, 30);
    match word.to_ascii_lowercase().as_str() {
        "source" | "search" => {
            format!("`{shown}` chooses log groups itself; name them in `log_groups`")
        }
        "join" | "lookup" | "append" | "multisearch" | "inner" | "left" => {
            format!("`{shown}` reads a second source; query one at a time")
        }
        "diff" | "anomaly" => format!("`{shown}` reads beyond the given time; compare two calls instead"),
        "estimate" => "`estimate` is made before every query by this server".to_owned(),
        _ => format!("`{shown}` is not one of {}", known.join(", ")),
    }
}

/// Words that choose sources or lay masked data open are refused also where they would have to be fields.
fn check_rest(first: &Lexeme<'_>, rest: &[Lexeme<'_>], called: &[&[&str]]) -> Result<(), ToolError> {
    let mut before = first;
    for lexeme in rest {
        if let Token::Word(word) = lexeme.token {
            check_word(word, lexeme.at)?;
        }
        if lexeme.is_sign("(") {
            check_call(before, called)?;
        }
        before = lexeme;
    }
    Ok(())
}

pub fn check_word(word: &str, at: usize) -> Result<(), ToolError> {
    match word.to_ascii_lowercase().as_str() {
        "source" | "loggroups" | "loggroupidentifier" => Err(refuse_at(
            at,
            format!("`{word}` chooses log groups; name them in `log_groups` (a field of that name goes in backticks)"),
        )),
        "unmask" => Err(refuse_at(
            at,
            "`unmask` lays open what the account's data protection masks",
        )),
        _ => Ok(()),
    }
}

/// What stands before a parenthesis is a known function, a known word, or a sign.
pub fn check_call(before: &Lexeme<'_>, called: &[&[&str]]) -> Result<(), ToolError> {
    match before.token {
        Token::Sign(")") | Token::Name(_) | Token::Text(..) | Token::Number(_) | Token::Regex(_) => Err(refuse_at(
            before.at,
            "only the name of a function may stand before a parenthesis",
        )),
        Token::Sign(_) => Ok(()),
        Token::Word(word) if functions::is_allowed(word, called) => Ok(()),
        Token::Word(word) if word.eq_ignore_ascii_case("filter") || word.eq_ignore_ascii_case("where") => Ok(()),
        Token::Word(word) => {
            check_word(word, before.at)?;
            Err(refuse_at(
                before.at,
                format!(
                    "the function `{}` is not one that may be called",
                    kit::text::clean(word, 40)
                ),
            ))
        }
    }
}

pub fn joined(commands: &[&[Lexeme<'_>]]) -> String {
    commands
        .iter()
        .map(|command| render(command))
        .collect::<Vec<_>>()
        .join("\n| ")
}
