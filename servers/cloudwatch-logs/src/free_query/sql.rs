//! OpenSearch SQL: one SELECT, whose sources are exact names in backticks.

use kit::ToolError;

use super::{
    Parsed, check_source, functions,
    lex::{Dialect, Lexeme, Token, lex, render},
    piped, refuse, refuse_at, row_count,
};
use crate::scope::AllowedGroup;

const DIALECT: Dialect = Dialect {
    line_comment: "--",
    block_comments: true,
    regexes: false,
    dotted_words: false,
    signs: &[
        "(", ")", ",", "!=", "<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "%", ".",
    ],
};

/// What opens a second statement or another kind of source.
const NEVER: [&str; 30] = [
    "select",
    "from",
    "with",
    "union",
    "intersect",
    "except",
    "minus",
    "lateral",
    "table",
    "values",
    "unnest",
    "pivot",
    "unpivot",
    "tablesample",
    "offset",
    "insert",
    "update",
    "delete",
    "create",
    "drop",
    "alter",
    "show",
    "describe",
    "explain",
    "set",
    "use",
    "call",
    "into",
    "filterindex",
    "exists",
];

/// What ends the sources.
const CLAUSES: [&str; 5] = ["where", "group", "having", "order", "limit"];
const JOINS: [&str; 4] = ["inner", "left", "outer", "join"];
/// What is no alias, because it would be a join of another kind.
const OTHER_JOINS: [&str; 8] = ["cross", "right", "full", "natural", "semi", "anti", "using", "on"];

pub fn parse(text: &str, groups: &[AllowedGroup], max_rows: u32) -> Result<Parsed, ToolError> {
    let lexemes = lex(text, &DIALECT)?;
    let from = check_select(&lexemes)?;
    let reads = check_sources(lexemes.get(from..).unwrap_or_default(), groups)?;
    let mut text = render(&lexemes);
    let limit = limit(&lexemes)?;
    if limit.is_none() {
        text.push_str(&format!(" LIMIT {max_rows}"));
    }
    Ok(Parsed {
        text,
        selecting: "fields @timestamp".to_owned(),
        reads,
        max_rows: limit.unwrap_or(max_rows),
    })
}

/// Checks words and calls; returns where the first source stands.
fn check_select(lexemes: &[Lexeme<'_>]) -> Result<usize, ToolError> {
    let Some((first, rest)) = lexemes.split_first() else {
        return Err(refuse("the query is empty"));
    };
    if !first.is_word("select") {
        return Err(refuse_at(first.at, "a query begins with SELECT"));
    }
    let mut from = None;
    let mut depth = 0_u32;
    let mut before = first;
    for (position, lexeme) in rest.iter().enumerate() {
        match lexeme.token {
            Token::Sign("(") => {
                piped::check_call(before, &[functions::COMMON, functions::SQL])?;
                depth += 1;
            }
            Token::Sign(")") => depth = depth.saturating_sub(1),
            Token::Word(word) if word.eq_ignore_ascii_case("from") && from.is_none() && depth == 0 => {
                from = Some(position + 2);
            }
            Token::Word(word) if depth > 0 && word.eq_ignore_ascii_case("join") => {
                return Err(refuse_at(lexeme.at, "a join inside parentheses"));
            }
            Token::Word(word) => {
                piped::check_word(word, lexeme.at)?;
                // Behind a point it is the name of a column.
                if !before.is_sign(".") && NEVER.iter().any(|never| never.eq_ignore_ascii_case(word)) {
                    return Err(refuse_at(
                        lexeme.at,
                        format!("`{word}`: only one SELECT over named log groups is allowed, without subqueries"),
                    ));
                }
            }
            _ => {}
        }
        before = lexeme;
    }
    from.ok_or_else(|| refuse("the query names no log group; write FROM and its exact name in backticks"))
}

/// Reads `name [[AS] alias] {[INNER | LEFT [OUTER]] JOIN name [[AS] alias] ON …}`; returns how many sources there are.
fn check_sources(lexemes: &[Lexeme<'_>], groups: &[AllowedGroup]) -> Result<u32, ToolError> {
    let mut rest = source(lexemes, groups)?;
    let mut reads = 1;
    while let Some((first, after)) = rest.split_first() {
        if is_one_of(first, &CLAUSES) {
            return no_more_sources(after).map(|()| reads);
        }
        if !is_one_of(first, &JOINS) {
            return Err(refuse_at(
                first.at,
                "expected INNER JOIN, LEFT OUTER JOIN, WHERE, GROUP, ORDER or LIMIT",
            ));
        }
        let joins = rest.iter().take_while(|lexeme| is_one_of(lexeme, &JOINS)).count();
        let (join, after) = rest.split_at_checked(joins).unwrap_or((rest, &[]));
        if !join.last().is_some_and(|last| last.is_word("join")) || join.len() > 3 {
            return Err(refuse_at(first.at, "only INNER JOIN and LEFT OUTER JOIN are allowed"));
        }
        rest = condition(source(after, groups)?)?;
        reads += 1;
    }
    Ok(reads)
}

fn source<'t, 'a>(lexemes: &'t [Lexeme<'a>], groups: &[AllowedGroup]) -> Result<&'t [Lexeme<'a>], ToolError> {
    let Some((first, rest)) = lexemes.split_first() else {
        return Err(refuse("the query ends where a log group should be named"));
    };
    let Token::Name(name) = first.token else {
        return Err(refuse_at(
            first.at,
            "a source is the exact name of a log group, in backticks",
        ));
    };
    check_source(name, first.at, groups)?;
    let is_alias = |lexeme: &Lexeme<'_>| {
        lexeme.word().is_some()
            && !is_one_of(lexeme, &CLAUSES)
            && !is_one_of(lexeme, &JOINS)
            && !is_one_of(lexeme, &OTHER_JOINS)
    };
    Ok(match rest {
        [named, alias, after @ ..] if named.is_word("as") && is_alias(alias) => after,
        [alias, after @ ..] if is_alias(alias) && !alias.is_word("as") => after,
        _ => rest,
    })
}

/// Skips `ON …` up to the next join or clause.
fn condition<'t, 'a>(lexemes: &'t [Lexeme<'a>]) -> Result<&'t [Lexeme<'a>], ToolError> {
    let [on, rest @ ..] = lexemes else {
        return Err(refuse("a join needs ON"));
    };
    if !on.is_word("on") {
        return Err(refuse_at(on.at, "a join needs ON"));
    }
    let mut depth = 0_u32;
    let end = rest.iter().position(|lexeme| {
        match lexeme.token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (is_one_of(lexeme, &CLAUSES) || is_one_of(lexeme, &JOINS) || lexeme.is_sign(","))
    });
    let (_, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
    Ok(after)
}

fn no_more_sources(lexemes: &[Lexeme<'_>]) -> Result<(), ToolError> {
    match lexemes.iter().find(|lexeme| lexeme.is_word("join")) {
        Some(join) => Err(refuse_at(join.at, "a join stands behind the sources")),
        None => Ok(()),
    }
}

/// Returns the limit at the end of the query, if it has one; a size that is not allowed is an error.
fn limit(lexemes: &[Lexeme<'_>]) -> Result<Option<u32>, ToolError> {
    let mut limits = lexemes.iter().filter(|lexeme| lexeme.is_word("limit"));
    let Some(limit) = limits.next() else {
        return Ok(None);
    };
    match lexemes {
        [.., last, size] if last == limit => match size.token {
            Token::Number(digits) => row_count(digits, size.at).map(Some),
            _ => Err(refuse_at(size.at, "LIMIT takes a number")),
        },
        _ => Err(refuse_at(limit.at, "LIMIT and one number must end the query")),
    }
}

fn is_one_of(lexeme: &Lexeme<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| lexeme.is_word(word))
}
