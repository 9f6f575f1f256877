//! A session that can only look: every question runs in a transaction that cannot write, and no step can be driven over
//! it, because the target inside never leaves this file.

use approval::MAX_SKEW_S;
use runbooks::{BlastRadius, Check, Digest, Target as PlanTarget, Timestamp};
use tokio_postgres::Row;

use crate::credentials::LookingCredential;
use crate::execution::Measured;
use crate::identity;
use crate::prove::{self, Answer};
use crate::step::Cause;
use crate::target::{Parameter, QUESTION, Target, TargetError};

pub(super) struct Look<'c>(Target<'c>);

impl<'c> Look<'c> {
    pub(super) async fn connect(
        credential: &'c LookingCredential,
        wanted: &'c PlanTarget,
        plan: &Digest,
    ) -> Result<Self, TargetError> {
        Target::connect_to_look(credential, wanted, plan).await.map(Self)
    }

    /// Checks that this is the target, and that it has seen nothing of the plan yet.
    pub(super) async fn identity(&self, plan: &Digest) -> Result<Result<(), Cause>, TargetError> {
        self.begin().await?;
        let known = match identity::check(&self.0).await {
            Ok(Ok(())) => identity::check_unused(&self.0, plan).await,
            other => other,
        };
        self.end().await?;
        known
    }

    /// Checks that the target's clock is near this one.
    pub(super) async fn clock(&mut self, ours: Timestamp) -> Result<Result<(), Cause>, TargetError> {
        let theirs = self.0.now().await?;
        if ours.since(theirs).abs() <= MAX_SKEW_S {
            return Ok(Ok(()));
        }
        let message = format!("the target's clock says {theirs}, this host's {ours}");
        Ok(Err(Cause::new("clock_skew", message)))
    }

    pub(super) async fn holds(&mut self, check: &Check, code: &str) -> Result<Answer, TargetError> {
        prove::ask(&mut self.0, check, code).await
    }

    pub(super) async fn measure(&mut self, radius: &BlastRadius) -> Result<Result<Measured, Cause>, TargetError> {
        prove::measure(&mut self.0, radius).await
    }

    /// Runs one of the executor's own queries.
    pub(super) async fn rows(
        &self,
        query: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, TargetError> {
        self.begin().await?;
        let rows = self.0.rows(query, parameters).await;
        self.end().await?;
        rows
    }

    // Not a setting of the session: behind a pooler that would reach whoever has the connection next.
    async fn begin(&self) -> Result<(), TargetError> {
        self.0.execute("BEGIN READ ONLY", &[], QUESTION).await.map(drop)
    }

    async fn end(&self) -> Result<(), TargetError> {
        self.0.execute("ROLLBACK", &[], QUESTION).await.map(drop)
    }
}
