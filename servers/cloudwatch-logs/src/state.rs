//! What every tool works with.

use aws_sdk_cloudwatchlogs::Client;
use aws_telemetry::Session;
use kit::ToolError;
use tokio::sync::OnceCell;

use crate::{budget::Budget, config::Config, insights::Insights, records::Records, scope::Scope};

pub struct State {
    pub scope: Scope,
    pub budget: Budget,
    pub insights: Insights,
    pub records: Records,
    pub max_minutes: u32,
    session: Session,
    client: OnceCell<Client>,
}

impl State {
    pub fn new(config: Config) -> Self {
        Self {
            scope: config.scope,
            budget: config.budget,
            insights: Insights::new(config.query_deadline, config.concurrent_queries),
            records: Records::default(),
            max_minutes: config.max_minutes,
            session: Session::new(config.account),
            client: OnceCell::new(),
        }
    }

    /// The account that the operator has fixed.
    pub fn account(&self) -> Option<&str> {
        self.session.account()
    }

    pub async fn client(&self) -> Result<&Client, ToolError> {
        let sdk = self.session.connect().await?;
        let client = self.client.get_or_init(async || {
            let mut config = aws_sdk_cloudwatchlogs::config::Builder::from(sdk);
            config.set_endpoint_url(self.session.endpoint());
            Client::from_conf(config.build())
        });
        Ok(client.await)
    }
}
