//! Reads an operation's parameters to their end: what nobody asked for is an error.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::ApplyMethod;
use crate::name::Named;

/// Why it is no call of the closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RdsCallError {
    #[error(
        "`{operation}` is no operation of the closed set: ModifyDBInstance, ModifyDBParameterGroup, ResetDBParameterGroup, RebootDBInstance, FailoverDBCluster"
    )]
    UnknownOperation { operation: String },
    #[error("{operation} has no parameter `{parameter}` here")]
    UnknownParameter { operation: String, parameter: String },
    #[error("{operation} needs `{parameter}`")]
    Missing { operation: String, parameter: &'static str },
    #[error("`{parameter}` of {operation} is {found}, not {wanted}")]
    WrongType {
        operation: String,
        parameter: &'static str,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("`{parameter}` of {operation} is `{value}`, not {rule}")]
    Malformed {
        operation: String,
        parameter: &'static str,
        value: String,
        rule: &'static str,
    },
    #[error("`{parameter}` of {operation} is {value}, not {bound}")]
    OutOfBounds {
        operation: String,
        parameter: &'static str,
        value: String,
        bound: Bound,
    },
    #[error("{operation}: {why}")]
    Combination { operation: String, why: &'static str },
}

impl RdsCallError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation { .. } => "unknown_operation",
            Self::UnknownParameter { .. } => "unknown_parameter",
            Self::Missing { .. } => "missing_parameter",
            Self::WrongType { .. } => "wrong_type",
            Self::Malformed { .. } => "malformed_parameter",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::Combination { .. } => "invalid_combination",
        }
    }

    /// Returns the parameter that is at fault, where one is.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::UnknownOperation { .. } | Self::Combination { .. } => None,
            Self::UnknownParameter { parameter, .. } => Some(parameter),
            Self::Missing { parameter, .. }
            | Self::WrongType { parameter, .. }
            | Self::Malformed { parameter, .. }
            | Self::OutOfBounds { parameter, .. } => Some(parameter),
        }
    }
}

/// The least and the most that a number may be. The API's model gives none; these are what RDS documents for PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub least: u32,
    pub most: u32,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.least, self.most)
    }
}

/// Parameters that are taken one by one.
pub(crate) struct Parameters<'a> {
    operation: &'a str,
    left: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn of(operation: &'a str, parameters: &'a BTreeMap<String, Value>) -> Self {
        Self {
            operation,
            left: parameters.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        }
    }

    pub(crate) fn required<T: Named>(&mut self, parameter: &'static str) -> Result<T, RdsCallError> {
        self.optional(parameter)?.ok_or_else(|| self.missing(parameter))
    }

    pub(crate) fn optional<T: Named>(&mut self, parameter: &'static str) -> Result<Option<T>, RdsCallError> {
        let Some(value) = self.left.remove(parameter) else {
            return Ok(None);
        };
        let Value::String(text) = value else {
            return Err(self.wrong_type(parameter, value, "a string"));
        };
        match T::parse(text) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(RdsCallError::Malformed {
                operation: self.operation.to_owned(),
                parameter,
                value: text.chars().filter(|c| !c.is_control()).take(100).collect(),
                rule: T::RULE,
            }),
        }
    }

    pub(crate) fn optional_number(
        &mut self,
        parameter: &'static str,
        bound: Bound,
    ) -> Result<Option<u32>, RdsCallError> {
        let Some(value) = self.left.remove(parameter) else {
            return Ok(None);
        };
        let Value::Number(number) = value else {
            return Err(self.wrong_type(parameter, value, "a whole number"));
        };
        let fits = number
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (bound.least..=bound.most).contains(number));
        match fits {
            Some(number) => Ok(Some(number)),
            None => Err(RdsCallError::OutOfBounds {
                operation: self.operation.to_owned(),
                parameter,
                value: number.to_string(),
                bound,
            }),
        }
    }

    pub(crate) fn required_flag(&mut self, parameter: &'static str) -> Result<bool, RdsCallError> {
        match self.left.remove(parameter) {
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(self.wrong_type(parameter, value, "true or false")),
            None => Err(self.missing(parameter)),
        }
    }

    /// # Errors
    /// With the first parameter that was not taken.
    pub(crate) fn end(self) -> Result<(), RdsCallError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(parameter) => Err(RdsCallError::UnknownParameter {
                operation: self.operation.to_owned(),
                parameter: (*parameter).to_owned(),
            }),
        }
    }

    pub(crate) fn combination(&self, why: &'static str) -> RdsCallError {
        RdsCallError::Combination {
            operation: self.operation.to_owned(),
            why,
        }
    }

    fn missing(&self, parameter: &'static str) -> RdsCallError {
        RdsCallError::Missing {
            operation: self.operation.to_owned(),
            parameter,
        }
    }

    fn wrong_type(&self, parameter: &'static str, value: &Value, wanted: &'static str) -> RdsCallError {
        RdsCallError::WrongType {
            operation: self.operation.to_owned(),
            parameter,
            found: match value {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            },
            wanted,
        }
    }
}

impl Named for ApplyMethod {
    const RULE: &'static str = "`immediate` or `pending-reboot`";

    fn parse(text: &str) -> Option<Self> {
        [Self::Immediate, Self::PendingReboot]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}
