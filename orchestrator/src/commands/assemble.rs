//! Puts the pipeline together from a configuration. Everything that can be wrong with it is found here, before any work.

use std::sync::Arc;

use anyhow::{Context, Result};
use policies::Policy;
use runbooks::Catalog;
use store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

use crate::advisers::Advisers;
use crate::config::Config;
use crate::gate::Gate;
use crate::pipeline::Pipeline;
use crate::progress::Watchers;
use crate::toolbelt::Toolbelt;

/// Opens the store, which nobody else may have open, and reads catalog and policy.
pub(crate) fn assemble(config: Config, stop: CancellationToken) -> Result<Pipeline> {
    let catalog = Catalog::open(config.catalog.dir.as_deref()).context("could not read the catalog")?;
    let rules = &config.policy;
    let policy = Policy::open(rules.dir.as_deref(), rules.windows.as_deref(), rules.freezes.as_deref())
        .context("could not read the policy")?;
    let advisers = Advisers::new(&config)?;
    let store = Store::open(&StoreConfig {
        dir: config.orchestrator.state_dir.to_path_buf(),
        origin: format!("countersign/{}", config.orchestrator.id),
        publish: config.publish(),
    })
    .with_context(|| {
        format!(
            "could not open the state in `{}`",
            config.orchestrator.state_dir.display()
        )
    })?;
    Ok(Pipeline {
        toolbelt: Toolbelt::new(&config),
        gate: Gate::new(&config.gate),
        store: Arc::new(store),
        catalog,
        policy,
        advisers,
        watchers: Watchers::none_yet(),
        stop,
        config,
    })
}
