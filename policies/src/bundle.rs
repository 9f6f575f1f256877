//! The files of a policy: read, checked, and pinned by one digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use runbooks::Digest;

/// The policy that ships inside the binary.
const SHIPPED: [(&str, &str); 12] = [
    ("allow.rego", include_str!("../rego/allow.rego")),
    ("denials.rego", include_str!("../rego/denials.rego")),
    ("effect_denials.rego", include_str!("../rego/effect_denials.rego")),
    ("limits.rego", include_str!("../rego/limits.rego")),
    ("maintenance.rego", include_str!("../rego/maintenance.rego")),
    ("plan.rego", include_str!("../rego/plan.rego")),
    ("settings.rego", include_str!("../rego/settings.rego")),
    ("slots.rego", include_str!("../rego/slots.rego")),
    ("statement_denials.rego", include_str!("../rego/statement_denials.rego")),
    ("statements.rego", include_str!("../rego/statements.rego")),
    ("remote.rego", include_str!("../rego/remote.rego")),
    ("steps.rego", include_str!("../rego/steps.rego")),
];

/// Rego files by name: rules, and tests beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    pub rules: BTreeMap<String, String>,
    pub tests: BTreeMap<String, String>,
}

impl Bundle {
    pub(crate) fn shipped() -> Self {
        let rules = SHIPPED
            .iter()
            .map(|(name, rego)| ((*name).to_owned(), (*rego).to_owned()))
            .collect();
        Self {
            rules,
            tests: BTreeMap::new(),
        }
    }

    /// Reads the `*.rego` files of one folder.
    pub(crate) fn load(dir: &Path) -> Result<Self, PolicyError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| PolicyError::Unreadable { path, source }
        };
        let mut bundle = Self {
            rules: BTreeMap::new(),
            tests: BTreeMap::new(),
        };
        for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
            let path = entry.map_err(unreadable(dir))?.path();
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str())
                .filter(|name| name.ends_with(".rego"))
            else {
                continue;
            };
            let rego = fs::read_to_string(&path).map_err(unreadable(&path))?;
            let files = if name.ends_with("_test.rego") {
                &mut bundle.tests
            } else {
                &mut bundle.rules
            };
            files.insert(name.to_owned(), rego);
        }
        if bundle.rules.is_empty() {
            return Err(PolicyError::Empty { dir: dir.to_owned() });
        }
        Ok(bundle)
    }

    /// Returns what a policy is pinned by: the names and bytes of its rules, not of its tests.
    pub(crate) fn digest(&self) -> Digest {
        let lines: String = self
            .rules
            .iter()
            .map(|(name, rego)| format!("{name} {}\n", Digest::of(rego.as_bytes())))
            .collect();
        Digest::of(lines.as_bytes())
    }
}

/// Why a policy cannot be used. A policy with one fault is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("could not read `{path}`")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no `*.rego` file with rules was found in `{dir}`")]
    Empty { dir: PathBuf },
    #[error("`{file}` is not Rego: {message}")]
    NotRego { file: String, message: String },
    #[error("the policy cannot be prepared: {message}")]
    Unprepared { message: String },
    #[error("`{call}` in `{file}`, line {line}, is neither a rule here nor a function that only computes")]
    UnknownCall { file: String, line: u64, call: String },
    #[error("`{path}` in `{file}`, line {line}, is no field of the input")]
    UnknownPath { file: String, line: u64, path: String },
    #[error("`{file}`, line {line}, imports something; only `rego.v1` is known here")]
    Import { file: String, line: u64 },
    #[error("the policy has no rule `data.countersign.{rule}`")]
    MissingRule { rule: &'static str },
    #[error("the calendar `{path}` cannot be used")]
    Calendar {
        path: PathBuf,
        #[source]
        source: crate::CalendarError,
    },
}

impl PolicyError {
    /// Returns the stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "policy_unreadable",
            Self::Empty { .. } => "policy_empty",
            Self::NotRego { .. } => "policy_not_rego",
            Self::Unprepared { .. } => "policy_unprepared",
            Self::UnknownCall { .. } => "policy_unknown_call",
            Self::UnknownPath { .. } => "policy_unknown_path",
            Self::Import { .. } => "policy_import",
            Self::MissingRule { .. } => "policy_missing_rule",
            Self::Calendar { .. } => "policy_calendar",
        }
    }
}
