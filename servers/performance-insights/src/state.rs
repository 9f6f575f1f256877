//! What every tool works with.

use aws_sdk_pi::Client;
use aws_telemetry::Session;
use kit::ToolError;
use tokio::sync::OnceCell;

use crate::{config::Config, instances::Instances};

pub struct State {
    pub instances: Instances,
    pub session: Session,
    client: OnceCell<Client>,
}

impl State {
    pub fn new(config: Config) -> Self {
        Self {
            instances: config.instances,
            session: Session::new(config.account),
            client: OnceCell::new(),
        }
    }

    pub async fn client(&self) -> Result<&Client, ToolError> {
        let sdk = self.session.connect().await?;
        let client = self.client.get_or_init(async || {
            let mut config = aws_sdk_pi::config::Builder::from(sdk);
            config.set_endpoint_url(self.session.endpoint());
            Client::from_conf(config.build())
        });
        Ok(client.await)
    }
}
