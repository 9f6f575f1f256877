//! The functions that a query may call, per language: each reads the event at hand and nothing else.

/// Words that may stand before a parenthesis without calling anything.
const BEFORE_A_PARENTHESIS: [&str; 14] = [
    "and", "or", "not", "in", "by", "as", "like", "then", "else", "when", "on", "where", "select", "having",
];

pub fn is_allowed(word: &str, functions: &[&[&str]]) -> bool {
    let is = |known: &&str| known.eq_ignore_ascii_case(word);
    BEFORE_A_PARENTHESIS.iter().any(&is) || functions.iter().copied().flatten().any(is)
}

pub const COMMON: &[&str] = &[
    "count", "sum", "avg", "min", "max", "stddev", "abs", "ceil", "floor", "sqrt", "log", "concat", "ltrim", "rtrim",
    "trim", "replace", "coalesce", "greatest", "least",
];

pub const INSIGHTS: &[&str] = &[
    "count_distinct",
    "pct",
    "median",
    "earliest",
    "latest",
    "sortsfirst",
    "sortslast",
    "bin",
    "datefloor",
    "dateceil",
    "frommillis",
    "tomillis",
    "isempty",
    "isblank",
    "ispresent",
    "strlen",
    "toupper",
    "tolower",
    "substr",
    "strcontains",
];

pub const SQL: &[&str] = &[
    "count_if",
    "round",
    "upper",
    "lower",
    "length",
    "substring",
    "substr",
    "nullif",
    "ifnull",
    "if",
    "cast",
    "date_trunc",
    "date_format",
    "from_unixtime",
    "unix_timestamp",
    "to_timestamp",
    "regexp_extract",
    "percentile",
    "approx_percentile",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
];

pub const PPL: &[&str] = &[
    "dc",
    "distinct_count",
    "percentile",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "span",
    "round",
    "upper",
    "lower",
    "length",
    "substring",
    "if",
    "ifnull",
    "isnull",
    "isnotnull",
    "isblank",
    "isempty",
    "ispresent",
    "case",
    "cast",
    "date_format",
    "hour",
    "minute",
    "second",
];
