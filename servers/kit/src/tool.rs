//! What a tool is: a name, typed input and output, hints, bounds and one call.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{CallContext, ToolError};

/// One tool. Its input type should `deny_unknown_fields`; the kit refuses unknown top-level arguments either way, and
/// enforces the bounds that the input schema states (`#[schemars(range(…), length(…))]`).
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    type State: Send + Sync + 'static;
    type Input: DeserializeOwned + JsonSchema + Send;
    type Output: Serialize + JsonSchema + Send;

    const NAME: &'static str;
    const TITLE: &'static str;
    /// What the model reads: what it shows, when to use it, its bounds. At most 2 KiB.
    const DESCRIPTION: &'static str;

    fn hints() -> Hints {
        Hints::READ_ONLY
    }

    /// How long a call may take. After it the call's token fires and the caller gets `deadline_exceeded`.
    fn deadline() -> Duration {
        Duration::from_secs(30)
    }

    /// How many bytes of JSON a result may have; a larger one becomes `result_too_large`.
    fn max_result_bytes() -> usize {
        256 * 1024
    }

    async fn call(state: &Self::State, input: Self::Input, call: &CallContext) -> Result<Self::Output, ToolError>;
}

/// The four annotations of a tool, all spelled out, because the protocol's defaults are "may write, may destroy".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    /// The result may carry text that an outsider wrote (query texts, log lines).
    pub open_world: bool,
}

impl Hints {
    pub const READ_ONLY: Self = Self {
        read_only: true,
        destructive: false,
        idempotent: true,
        open_world: false,
    };
    pub const READ_ONLY_OPEN_WORLD: Self = Self {
        open_world: true,
        ..Self::READ_ONLY
    };
}

/// The input of a tool that takes no arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoInput {}
