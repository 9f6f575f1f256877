//! `server_identity`: which cluster and database this is.

use async_trait::async_trait;
use kit::{CallContext, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    db::Answer,
    state::{State, misshapen},
    tools::Target,
};

pub struct ServerIdentity;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The cluster's own number: the same after a restart, another after a restore to a new cluster. As text, for it has 64 bits.
    system_identifier: String,
    database: String,
    server_version: String,
    /// True on a standby.
    in_recovery: bool,
    current_role: String,
}

#[async_trait]
impl Tool for ServerIdentity {
    type State = State;
    type Input = Target;
    type Output = Answer<Identity>;
    const NAME: &'static str = "server_identity";
    const TITLE: &'static str = "Server identity";
    const DESCRIPTION: &'static str = "Which PostgreSQL cluster (system_identifier), database and version this is, whether it is a standby, and as which role it is read.";

    async fn call(state: &State, input: Target, call: &CallContext) -> Result<Self::Output, ToolError> {
        let reading = state
            .source(input.target.as_deref())?
            .ask(include_str!("../queries/server_identity.sql"), vec![], 1, call)
            .await?;
        let rows: Vec<Identity> = reading.decode().map_err(misshapen)?;
        let identity = rows
            .into_iter()
            .next()
            .ok_or_else(|| ToolError::new("internal", "the server did not say which it is"))?;
        Ok(reading.answer(identity))
    }
}
