//! Requests to RDS: questions, which may be repeated, and the one change, which may not.

use std::time::Duration;

use aws_query::{Endpoint, SignedCall, send};
use chrono::{DateTime, SecondsFormat, Utc};
use rds_call::{Form, RdsCall};

use crate::error::RdsError;
use crate::session::Session;
use crate::state::{Cluster, Event, Instance, Page, Parameter, page};

/// RDS in one Region, as one session may use it. The session's credentials are gone with it.
#[must_use]
pub struct Rds {
    endpoint: Endpoint,
    session: Session,
    deadline: Duration,
}

impl Rds {
    pub fn new(endpoint: Endpoint, session: Session) -> Self {
        Self {
            endpoint,
            session,
            deadline: DEADLINE,
        }
    }

    /// Bounds each request by another time than ten seconds.
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Makes the change. It is repeated only where RDS says that it did nothing, because there were too many requests.
    ///
    /// # Errors
    /// When RDS refuses or does not answer; [`RdsError::leaves_doubt`] says whether it may have taken effect.
    pub async fn send(&self, call: &RdsCall) -> Result<(), RdsError> {
        let mut pauses = SEND_PAUSES.into_iter();
        loop {
            let error = match self.once(call.operation(), call.form()).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            match (&error, pauses.next()) {
                (RdsError::Throttled { .. }, Some(pause)) => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    pub(crate) async fn instance(&self, name: &str) -> Result<Option<Instance>, RdsError> {
        let mut form = Form::new(DESCRIBE_INSTANCES);
        form.field("DBInstanceIdentifier", name);
        let found = self.all(DESCRIBE_INSTANCES, form, "DBInstances", Instance::read).await;
        Ok(or_none(found)?.into_iter().find(|instance| instance.name == name))
    }

    /// Returns every instance of the account in this Region.
    pub(crate) async fn instances(&self) -> Result<Vec<Instance>, RdsError> {
        let form = Form::new(DESCRIBE_INSTANCES);
        self.all(DESCRIBE_INSTANCES, form, "DBInstances", Instance::read).await
    }

    pub(crate) async fn cluster(&self, name: &str) -> Result<Option<Cluster>, RdsError> {
        const OPERATION: &str = "DescribeDBClusters";
        let mut form = Form::new(OPERATION);
        form.field("DBClusterIdentifier", name);
        let found = self.all(OPERATION, form, "DBClusters", Cluster::read).await;
        Ok(or_none(found)?.into_iter().next())
    }

    pub(crate) async fn parameter(&self, group: &str, name: &str) -> Result<Option<Parameter>, RdsError> {
        const OPERATION: &str = "DescribeDBParameters";
        let mut form = Form::new(OPERATION);
        form.field("DBParameterGroupName", group);
        form.field("Filters.Filter.1.Name", "parameter-name");
        form.field("Filters.Filter.1.Values.Value.1", name);
        let found = self.all(OPERATION, form, "Parameters", Parameter::read).await;
        // RDS may not know the filter, and answer with all of them.
        let found = or_none(found)?.into_iter().find(|(found, _)| found == name);
        Ok(found.map(|(_, parameter)| parameter))
    }

    pub(crate) async fn events(
        &self,
        kind: &str,
        name: &str,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, RdsError> {
        const OPERATION: &str = "DescribeEvents";
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut form = Form::new(OPERATION);
        form.field("SourceType", kind);
        form.field("SourceIdentifier", name);
        form.field("StartTime", &time(since.min(now)));
        form.field("EndTime", &time(now));
        self.all(OPERATION, form, "Events", Event::read).await
    }

    /// Asks for one page after another.
    async fn all<T>(
        &self,
        operation: &'static str,
        form: Form,
        list: &str,
        read: fn(aws_query::Element<'_, '_>) -> Option<T>,
    ) -> Result<Vec<T>, RdsError> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut form = form.clone();
            if let Some(marker) = &marker {
                form.field("Marker", marker);
            }
            let answer = self.ask(operation, form.finish()).await?;
            let Page { found, marker: next } = page(&answer, list, read).ok_or(RdsError::Unreadable { operation })?;
            all.extend(found);
            if next.is_none() {
                return Ok(all);
            }
            marker = next;
        }
        // Half of an answer is none.
        Err(RdsError::Unreadable { operation })
    }

    async fn ask(&self, operation: &'static str, body: String) -> Result<String, RdsError> {
        let mut pauses = ASK_PAUSES.into_iter();
        loop {
            let error = match self.once(operation, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if error.is_passing() => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn once(&self, operation: &'static str, body: String) -> Result<String, RdsError> {
        let call = SignedCall::query("rds", operation, body);
        send(&self.endpoint, self.session.credentials(), &call, self.deadline)
            .await
            .map_err(|error| RdsError::of(operation, error))
    }
}

/// What is not there is an answer, not an error.
fn or_none<T>(found: Result<Vec<T>, RdsError>) -> Result<Vec<T>, RdsError> {
    match found {
        Err(RdsError::NotFound { .. }) => Ok(Vec::new()),
        found => found,
    }
}

const DESCRIBE_INSTANCES: &str = "DescribeDBInstances";
const DEADLINE: Duration = Duration::from_secs(10);
const ASK_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];
const SEND_PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(2_700),
];
/// Five thousand instances, or parameters.
const MAX_PAGES: usize = 50;
