//! The configuration file: which catalog is served.

use kit::config::FilePath;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub catalog: CatalogConfig,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// A folder of `<id>/runbook.json` and `<id>/hand-over.json` that is laid over the catalog inside the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<FilePath>,
}
