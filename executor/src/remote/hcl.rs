//! One variable in a Terraform file: found by the file's syntax, changed in its own bytes and in no others.

use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Body;
use serde_json::Value;

/// Why a file cannot be changed as the plan says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HclError {
    #[error("`{file}` is not HCL: {message}")]
    Syntax { file: String, message: String },
    #[error("`{file}` does not set `{variable}` exactly once")]
    NotOnce { file: String, variable: String },
    #[error("`{variable}` in `{file}` is `{found}`, not `{wanted}`")]
    Other {
        file: String,
        variable: String,
        found: String,
        wanted: String,
    },
    #[error("`{0}` cannot be written as a literal of HCL")]
    NoLiteral(String),
}

impl HclError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "file_unreadable",
            Self::NotOnce { .. } | Self::Other { .. } => crate::prove::CHANGED,
            Self::NoLiteral(_) => "value_refused",
        }
    }
}

/// Returns the text with the variable's value changed. Every other byte stays, so that the same call with the values
/// exchanged gives the very text back.
pub(crate) fn change(text: &str, file: &str, variable: &str, from: &Value, to: &Value) -> Result<String, HclError> {
    let place = place(text, file, variable)?;
    let (from, to) = (literal(from)?, literal(to)?);
    let found = text.get(place.clone()).unwrap_or_default();
    if found != from {
        return Err(HclError::Other {
            file: file.to_owned(),
            variable: variable.to_owned(),
            found: found.chars().filter(|c| !c.is_control()).take(100).collect(),
            wanted: from,
        });
    }
    let mut changed = text.to_owned();
    changed.replace_range(place, &to);
    Ok(changed)
}

/// In a `.tfvars` file the value of the attribute; in a `.tf` file the `default` of the variable's block.
fn place(text: &str, file: &str, variable: &str) -> Result<Range<usize>, HclError> {
    let body: Body = text
        .parse()
        .map_err(|error: hcl_edit::parser::Error| HclError::Syntax {
            file: file.to_owned(),
            // The error's own text quotes the file, which may hold a secret.
            message: format!("line {}, column {}", error.location().line(), error.location().column()),
        })?;
    let values: Vec<&Expression> = if file.ends_with(".tfvars") {
        body.attributes()
            .filter(|one| one.has_key(variable))
            .map(|one| &one.value)
            .collect()
    } else {
        let blocks = body
            .blocks()
            .filter(|block| block.has_ident("variable") && block.has_exact_labels(&[variable]));
        blocks
            .filter_map(|block| block.body.get_attribute("default"))
            .map(|one| &one.value)
            .collect()
    };
    match values.as_slice() {
        [value] => value.span(),
        _ => None,
    }
    .ok_or_else(|| HclError::NotOnce {
        file: file.to_owned(),
        variable: variable.to_owned(),
    })
}

/// The one way in which we write a value; a file that writes it in another is left alone.
fn literal(value: &Value) -> Result<String, HclError> {
    match value {
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        Value::String(text) if !text.chars().any(char::is_control) => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            Ok(format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{")))
        }
        other => Err(HclError::NoLiteral(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use serde_json::json;

    const TFVARS: &str = "# sizes; allocated_storage = 100 was too little\nallocated_storage   = 100 # GiB\nname = \"orders\"\n\
                          tags = {\n  allocated_storage = 100\n}\n";
    const TF: &str = "variable \"allocated_storage\" {\n  type    = number\n  default = 100\n}\n\nvariable \"other\" {\n  default = 100\n}\n";

    #[test]
    fn only_the_value_changes_and_the_way_back_gives_the_very_text() {
        for (file, text) in [
            ("prod.tfvars", TFVARS),
            ("variables.tf", TF),
            ("crlf.tfvars", &TFVARS.replace('\n', "\r\n")),
        ] {
            let changed = change(text, file, "allocated_storage", &json!(100), &json!(120)).unwrap();
            assert_eq!(changed.matches("120").count(), 1, "{changed}");
            assert_eq!(changed.len(), text.len());
            let back = change(&changed, file, "allocated_storage", &json!(120), &json!(100)).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn a_text_stays_a_text_whatever_it_holds() {
        for hostile in [
            "a\"\nb",
            "${file(\"/etc/passwd\")}",
            "%{ if true }x",
            "\\\" }",
            "a\u{0}",
        ] {
            let changed = change(TFVARS, "p.tfvars", "name", &json!("orders"), &json!(hostile));
            match changed {
                Err(error) => assert_eq!(error.code(), "value_refused"),
                Ok(changed) => {
                    let body: Body = changed.parse().unwrap();
                    let Expression::String(read) = &body.get_attribute("name").unwrap().value else {
                        unreachable!("{changed}")
                    };
                    assert_eq!(read.as_str(), hostile);
                    assert_eq!(body.len(), 3);
                }
            }
        }
    }

    #[test]
    fn what_is_not_as_planned_is_left_alone() {
        let code = |text: &str, file: &str, variable: &str, from: Value| {
            change(text, file, variable, &from, &json!(7)).unwrap_err().code()
        };
        assert_eq!(
            code(TFVARS, "p.tfvars", "allocated_storage", json!(90)),
            "precondition_changed"
        );
        assert_eq!(code(TFVARS, "p.tfvars", "absent", json!(1)), "precondition_changed");
        assert_eq!(code("a = 1\na = 1\n", "p.tfvars", "a", json!(1)), "file_unreadable");
        assert_eq!(code("a = 0x1\n", "p.tfvars", "a", json!(1)), "file_unreadable");
        assert_eq!(code("a = 1e0\n", "p.tfvars", "a", json!(1)), "precondition_changed");
        assert_eq!(
            code("a = var.b\n", "p.tfvars", "a", json!("var.b")),
            "precondition_changed"
        );
        assert_eq!(
            code("variable \"a\" {}\n", "v.tf", "a", json!(1)),
            "precondition_changed"
        );
        let twice = "variable \"a\" {\n default = 1\n}\nvariable \"a\" {\n default = 1\n}\n";
        assert_eq!(code(twice, "v.tf", "a", json!(1)), "precondition_changed");
    }
}
