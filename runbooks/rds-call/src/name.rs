//! Names and values of RDS, each with the rule that the API gives for it.

use std::fmt;

/// A text that obeys a rule; the rule is what a message says of a text that does not.
pub(crate) trait Named: Sized {
    const RULE: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Returns the name, or `None` where it breaks the API's rule.
            pub fn parse(text: &str) -> Option<Self> {
                <Self as Named>::parse(text)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Named for $name {
            const RULE: &'static str = $rule;

            fn parse(text: &str) -> Option<Self> {
                let fits: fn(&str) -> bool = $fits;
                fits(text).then(|| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

named!(
    /// A DB instance. In lower case alone: so RDS keeps it, and so it stands in the ARN that a policy is made of.
    InstanceId,
    "1 to 63 lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen",
    |text| is_identifier(text, 63)
);

named!(
    /// An Aurora or Multi-AZ DB cluster, in lower case alone as well.
    ClusterId,
    "1 to 63 lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen",
    |text| is_identifier(text, 63)
);

named!(
    /// A DB parameter group of the customer's own: `default.postgres16` has a dot, and cannot be modified.
    GroupName,
    "1 to 255 lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen; a \
     `default.` group cannot be modified",
    |text| is_identifier(text, 255)
);

named!(
    /// A parameter of a group, as `work_mem`, `rds.force_ssl`, `auto_explain.log_min_duration`.
    ParameterName,
    "1 to 255 letters, digits, underscores and dots, beginning with a letter",
    |text| {
        text.len() <= 255
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    }
);

named!(
    /// A parameter's value, as text; what it may be is in the group's own description of it.
    ParameterValue,
    "1 to 4096 printable ASCII characters",
    |text| (1..=4096).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
);

named!(
    /// An instance class, as `db.r6g.large` or `db.serverless`.
    InstanceClass,
    "a DB instance class, as `db.r6g.large`",
    |text| {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        text.len() <= 64
            && text.split('.').count() <= 5
            && text.strip_prefix("db.").is_some_and(|rest| rest.split('.').all(word))
    }
);

fn is_identifier(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
