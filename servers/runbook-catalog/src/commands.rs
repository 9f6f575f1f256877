//! The commands beside serving, one file each. Results go to stdout, remarks to stderr.

pub mod fixtures;
pub mod lint;
pub mod manifest;
pub mod policy;
pub mod render;
pub mod schema;

use std::{fs, path::Path};

use anyhow::Context;
use kit::ExitCode;
use serde::de::DeserializeOwned;

/// Reads a JSON file as `T`.
fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("`{}` is not what was expected", path.display()))
}

/// Says on stderr what is wrong with what was given.
fn unusable(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::Usage
}
