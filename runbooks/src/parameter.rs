//! Typed parameters: what a value must be, and how it is written where a literal or an identifier may stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Binding;

/// The longest text a parameter may hold, in bytes; PostgreSQL's own names end at 63.
const MAX_TEXT_BYTES: usize = 256;
const MAX_NAME_BYTES: usize = 63;
/// `GIDSIZE` of PostgreSQL, its closing zero left out.
const MAX_GID_BYTES: usize = 199;
/// The largest pid that Linux gives out (`/proc/sys/kernel/pid_max` on 64 bits).
const MAX_PID: i64 = 4_194_304;

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// A PostgreSQL backend, as `pg_stat_activity.pid` names it: 1 to 4 194 304.
    BackendPid,
    /// A timestamp with time zone in full precision, as `2026-11-23 10:11:12.123456+00`.
    Timestamptz,
    /// A role's name; stands as an identifier.
    Role,
    /// A database's name; stands as an identifier.
    Database,
    /// A schema's name; stands as an identifier.
    Schema,
    /// A table's or materialized view's name without its schema; stands as an identifier.
    Relation,
    /// An index's name without its schema; stands as an identifier.
    Index,
    /// A replication slot's name: lower-case letters, digits and underscores.
    Slot,
    /// The identifier of a prepared transaction: at most 200 bytes.
    PreparedGid,
    /// Text: an application name, a state.
    Text,
    /// Seconds, a whole number.
    DurationS,
    /// A count, a whole number from zero.
    Count,
    /// `CONNECTION LIMIT` of a role: -1 for none, else from zero.
    ConnectionLimit,
    /// Bytes, a whole number from zero; at most an exabyte.
    SizeBytes,
    /// Kilobytes, a whole number from 64: memory and temporary files of a setting.
    SizeKb,
    /// A percentage, a whole number from 0 to 100.
    Percent,
    /// An RDS instance or cluster identifier: 1 to 63 lower-case letters, digits and single hyphens, a letter first.
    InstanceId,
    /// A Terraform variable's name: letters, digits, underscores and hyphens, no digit first.
    TerraformVariable,
}

/// One parameter of a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterSpec {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it means, for the person who approves.
    pub description: String,
    /// Where in the evidence it may be found. Absent: the value is a literal or derived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Binding>,
    /// The literal that is used when none is given. Present: a literal within bounds is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The value is computed by code from another parameter, and from nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derive: Option<Derive>,
    /// The smallest number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The only texts allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
}

/// How a number follows from another parameter: `percent_of * percent / 100`, rounded down, never under 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derive {
    /// The other parameter.
    pub percent_of: String,
    /// 1 to 400.
    #[schemars(range(min = 1, max = 400))]
    pub percent: u32,
}

/// A value that is what its parameter says: made only by [`ParameterSpec::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// Stands as a number.
    Number(i64),
    /// Stands as a string literal.
    Text(String),
    /// Stands as an identifier, or as a string literal where the template asks for one.
    Name(String),
}

/// Why a value is not what its parameter says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValueError {
    /// Another JSON type, or a number that is no integer.
    #[error("`{0}` is not {1}")]
    WrongType(String, &'static str),
    /// Outside the runbook's bounds.
    #[error("`{0}` is outside {1} to {2}")]
    OutOfBounds(i64, i64, i64),
    /// Not among the texts that the runbook allows.
    #[error("`{0}` is not one of {1:?}")]
    NotAllowed(String, Vec<String>),
    /// Too long, empty, or with a control character.
    #[error("{0} bytes of text, or a control character in it: at most {1} bytes and no control characters are allowed")]
    BadText(usize, usize),
}

impl ParameterSpec {
    /// Parses a value.
    ///
    /// # Errors
    /// When it is of another type, outside the bounds, or text that cannot stand in a statement.
    pub fn parse(&self, value: &Value) -> Result<ParameterValue, ValueError> {
        match self.kind {
            ParameterType::BackendPid => self.number(value, "a backend pid", 1, MAX_PID),
            ParameterType::DurationS => self.number(value, "whole seconds", 0, 31_536_000),
            ParameterType::Count => self.number(value, "a count", 0, i64::from(i32::MAX)),
            ParameterType::ConnectionLimit => self.number(value, "a connection limit", -1, 262_143),
            ParameterType::Timestamptz => {
                let text = self.text(value, MAX_TEXT_BYTES)?;
                if is_timestamptz(&text) {
                    Ok(ParameterValue::Text(text))
                } else {
                    Err(ValueError::WrongType(
                        text,
                        "a timestamp such as `2026-11-23 10:11:12.123456+00`",
                    ))
                }
            }
            ParameterType::SizeBytes => self.number(value, "whole bytes", 0, 1 << 60),
            ParameterType::SizeKb => self.number(value, "whole kilobytes", 64, i64::from(i32::MAX)),
            ParameterType::Percent => self.number(value, "a percentage", 0, 100),
            ParameterType::Slot => self.word(
                value,
                "a slot's name",
                |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'),
            ),
            ParameterType::InstanceId => match self.word(
                value,
                "an instance identifier",
                |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'),
            )? {
                ParameterValue::Text(id)
                    if id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-') && !id.contains("--") =>
                {
                    Ok(ParameterValue::Text(id))
                }
                other => Err(ValueError::WrongType(
                    other.to_json().to_string(),
                    "an instance identifier",
                )),
            },
            ParameterType::TerraformVariable => match self.word(
                value,
                "a Terraform variable",
                |b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-'),
            )? {
                ParameterValue::Text(name) if !name.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                    Ok(ParameterValue::Text(name))
                }
                other => Err(ValueError::WrongType(
                    other.to_json().to_string(),
                    "a Terraform variable",
                )),
            },
            ParameterType::PreparedGid => match self.text(value, MAX_GID_BYTES)? {
                gid if gid.is_empty() => Err(ValueError::BadText(0, MAX_GID_BYTES)),
                gid => Ok(ParameterValue::Text(gid)),
            },
            ParameterType::Role
            | ParameterType::Database
            | ParameterType::Schema
            | ParameterType::Relation
            | ParameterType::Index => {
                let text = self.text(value, MAX_NAME_BYTES)?;
                if text.is_empty() {
                    return Err(ValueError::BadText(0, MAX_NAME_BYTES));
                }
                Ok(ParameterValue::Name(text))
            }
            ParameterType::Text => Ok(ParameterValue::Text(self.text(value, MAX_TEXT_BYTES)?)),
        }
    }

    fn number(
        &self,
        value: &Value,
        what: &'static str,
        floor: i64,
        ceiling: i64,
    ) -> Result<ParameterValue, ValueError> {
        let number = value
            .as_i64()
            .ok_or_else(|| ValueError::WrongType(value.to_string(), what))?;
        let min = self.min.unwrap_or(floor).max(floor);
        let max = self.max.unwrap_or(ceiling).min(ceiling);
        if (min..=max).contains(&number) {
            Ok(ParameterValue::Number(number))
        } else {
            Err(ValueError::OutOfBounds(number, min, max))
        }
    }

    /// A name of few characters, which stands as a string literal.
    fn word(&self, value: &Value, what: &'static str, may_hold: fn(u8) -> bool) -> Result<ParameterValue, ValueError> {
        let text = self.text(value, MAX_NAME_BYTES)?;
        match !text.is_empty() && text.bytes().all(may_hold) {
            true => Ok(ParameterValue::Text(text)),
            false => Err(ValueError::WrongType(text, what)),
        }
    }

    fn text(&self, value: &Value, max_bytes: usize) -> Result<String, ValueError> {
        let text = value
            .as_str()
            .ok_or_else(|| ValueError::WrongType(value.to_string(), "text"))?;
        if text.len() > max_bytes || text.chars().any(char::is_control) {
            return Err(ValueError::BadText(text.len(), max_bytes));
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|allowed| allowed == text) {
            return Err(ValueError::NotAllowed(text.to_owned(), self.one_of.clone()));
        }
        Ok(text.to_owned())
    }
}

impl ParameterType {
    /// Whether its values are whole numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::BackendPid
                | Self::DurationS
                | Self::Count
                | Self::ConnectionLimit
                | Self::SizeBytes
                | Self::SizeKb
                | Self::Percent
        )
    }

    /// Whether its values name an object of the database or of the cloud: such a one comes from evidence, never as a literal.
    pub fn is_object(self) -> bool {
        matches!(
            self,
            Self::BackendPid
                | Self::Timestamptz
                | Self::Role
                | Self::Database
                | Self::Schema
                | Self::Relation
                | Self::Index
                | Self::Slot
                | Self::PreparedGid
                | Self::InstanceId
        )
    }

    /// Whether its values stand as identifiers.
    pub fn is_identifier(self) -> bool {
        matches!(
            self,
            Self::Role | Self::Database | Self::Schema | Self::Relation | Self::Index
        )
    }
}

impl ParameterValue {
    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => Value::from(*number),
            Self::Text(text) | Self::Name(text) => Value::from(text.as_str()),
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]+HH[:MM]`, as PostgreSQL writes it with DateStyle ISO.
fn is_timestamptz(text: &str) -> bool {
    let Some((date, rest)) = text.split_once(' ') else {
        return false;
    };
    let Some(zone_at) = rest.find(['+', '-']) else {
        return false;
    };
    let (time, zone) = rest.split_at(zone_at);
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    shaped(date, "0000-00-00")
        && shaped(seconds, "00:00:00")
        && (1..=6).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && zone
            .get(1..)
            .is_some_and(|zone| ["00", "00:00", "00:00:00"].iter().any(|shape| shaped(zone, shape)))
}

fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(kind: ParameterType) -> ParameterSpec {
        ParameterSpec {
            kind,
            description: String::new(),
            evidence: None,
            default: None,
            derive: None,
            min: None,
            max: None,
            one_of: Vec::new(),
        }
    }

    #[test]
    fn numbers_are_integers_within_their_bounds() {
        let pid = spec(ParameterType::BackendPid);
        assert_eq!(pid.parse(&json!(77)), Ok(ParameterValue::Number(77)));
        for odd in [
            json!(0),
            json!(-1),
            json!(4_194_305),
            json!("77"),
            json!(7.5),
            json!(null),
        ] {
            assert!(pid.parse(&odd).is_err(), "{odd}");
        }
        let limit = spec(ParameterType::ConnectionLimit);
        assert_eq!(limit.parse(&json!(-1)), Ok(ParameterValue::Number(-1)));
        let bounded = ParameterSpec {
            min: Some(5),
            max: Some(9),
            ..spec(ParameterType::DurationS)
        };
        assert_eq!(bounded.parse(&json!(10)), Err(ValueError::OutOfBounds(10, 5, 9)));
        // A runbook's bounds narrow the type's own; they cannot widen them.
        let wide = ParameterSpec {
            min: Some(-9),
            ..spec(ParameterType::BackendPid)
        };
        assert_eq!(wide.parse(&json!(0)), Err(ValueError::OutOfBounds(0, 1, MAX_PID)));
    }

    #[test]
    fn a_timestamp_is_in_postgresqls_own_spelling() {
        let time = spec(ParameterType::Timestamptz);
        for good in ["2026-11-23 10:11:12.123456+00", "2026-11-23 10:11:12+05:30"] {
            assert!(time.parse(&json!(good)).is_ok(), "{good}");
        }
        for odd in [
            "now",
            "infinity",
            "2026-11-23T10:11:12Z",
            "2026-11-23 10:11:12",
            "",
            "2026-11-23 10:11:12+00'",
        ] {
            assert!(time.parse(&json!(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn names_of_things_outside_sql_have_their_own_alphabets() {
        let fits = |kind, text: &str| spec(kind).parse(&json!(text)).is_ok();
        for (kind, good, odd) in [
            (
                ParameterType::Slot,
                &["debezium", "a_1"][..],
                &["", "A", "a-b", "a'b", "ä", &"x".repeat(64)][..],
            ),
            (
                ParameterType::InstanceId,
                &["orders-prod-1", "a"],
                &["", "1a", "-a", "a-", "a--b", "A", "a_b", "a.b"],
            ),
            (
                ParameterType::TerraformVariable,
                &["allocated_storage", "_x", "A-1"],
                &["", "1x", "-x", "x.y", "x y", "${x}"],
            ),
            (
                ParameterType::PreparedGid,
                &["tx-1", "it's"],
                &["", "a\0b", &"x".repeat(200)],
            ),
        ] {
            good.iter()
                .for_each(|text| assert!(fits(kind, text), "{kind:?} {text}"));
            odd.iter()
                .for_each(|text| assert!(!fits(kind, text), "{kind:?} {text}"));
        }
        assert!(spec(ParameterType::Percent).parse(&json!(101)).is_err());
        assert!(spec(ParameterType::SizeKb).parse(&json!(63)).is_err());
    }

    #[test]
    fn names_and_texts_are_short_and_free_of_control_characters() {
        let role = spec(ParameterType::Role);
        for odd in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert!(role.parse(&json!(odd)).is_err(), "{odd:?}");
        }
        let state = ParameterSpec {
            one_of: vec!["idle".into()],
            ..spec(ParameterType::Text)
        };
        assert!(state.parse(&json!("idle")).is_ok());
        assert!(state.parse(&json!("active")).is_err());
    }
}
