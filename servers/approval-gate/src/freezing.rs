//! Freeze and thaw: a listed person's signed word that nothing more runs, and the word that ends it.

use approval::{Freeze, FreezeState};
use runbooks::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::store::Rows;

/// The last freeze or thaw that was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FreezeMark {
    /// Nobody ever froze this gate.
    Never,
    /// Nothing runs.
    Frozen(Said),
    /// A freeze ended.
    Thawed(Said),
}

/// Who said it, when and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub approver: String,
    /// Why.
    pub reason: String,
    /// When it was signed. The next one must be later, so that no old thaw can be sent again.
    pub at: Timestamp,
}

impl FreezeMark {
    /// The mark as it stands.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn read(rows: &Rows<'_>) -> Result<Self, Refusal> {
        Ok(rows.mark(MARK)?.unwrap_or(Self::Never))
    }

    /// Whether nothing may run.
    pub fn is_frozen(&self) -> bool {
        match self {
            Self::Frozen(_) => true,
            Self::Never | Self::Thawed(_) => false,
        }
    }

    /// What was said last.
    pub fn said(&self) -> Option<&Said> {
        match self {
            Self::Frozen(said) | Self::Thawed(said) => Some(said),
            Self::Never => None,
        }
    }
}

impl Gate {
    /// What somebody would sign to freeze or thaw this gate now: later than what was said last, within the same second too.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn freeze_to_sign(
        &self,
        state: FreezeState,
        reason: &str,
        approver: &str,
        key_id: &str,
    ) -> Result<Freeze, Refusal> {
        let last = self.freeze_mark()?.said().map(|said| said.at.plus_s(1));
        Ok(Freeze {
            schema: Freeze::SCHEMA.to_owned(),
            state,
            gate: self.id.clone(),
            environment: self.environment.clone(),
            reason: reason.to_owned(),
            approver: approver.to_owned(),
            key_id: key_id.to_owned(),
            at: last.map_or(self.now(), |last| last.max(self.now())),
            nonce: hex::encode(rand::random::<[u8; 16]>()),
        })
    }

    /// Takes a signed freeze or thaw.
    ///
    /// # Errors
    /// When it is not signed by a listed person, not for this gate, or not newer than the last one.
    pub fn freeze(&self, envelope: &str) -> Result<FreezeMark, Refusal> {
        let approvers = self.approvers();
        let said = Freeze::verify(envelope, &approvers, &self.id, &self.environment, self.now())
            .map_err(|error| Refusal::because(error.code(), &error))?;
        let mark = self.store.change(|change| {
            // Between two people's clocks a freeze must not lose against a thaw; a thaw may lose.
            let grace = match said.state {
                FreezeState::Frozen => approval::MAX_SKEW_S,
                FreezeState::Thawed => 0,
            };
            let newest = FreezeMark::read(change)?.said().map(|last| last.at);
            if newest.is_some_and(|last| said.at.plus_s(grace) <= last) {
                return Err(Refusal::new("freeze_stale", "a newer freeze or thaw was taken already"));
            }
            let last = Said {
                approver: said.approver.clone(),
                reason: said.reason.clone(),
                at: newest.map_or(said.at, |last| last.max(said.at)),
            };
            let (kind, mark) = match said.state {
                FreezeState::Frozen => ("gate_frozen", FreezeMark::Frozen(last)),
                FreezeState::Thawed => ("gate_thawed", FreezeMark::Thawed(last)),
            };
            let envelope = change.keep(envelope.trim_end().as_bytes())?;
            let why = json!({"said": said, "envelope": envelope});
            change.set_sealed(kind, &self.id, why, MARK, &mark)?;
            Ok(mark)
        })?;
        self.orders.notify_waiters();
        Ok(mark)
    }

    /// The freeze as it stands.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn freeze_mark(&self) -> Result<FreezeMark, Refusal> {
        self.store.view(FreezeMark::read)
    }
}

const MARK: &str = "freeze";
