//! Why the gate said no: a stable code, words for people, and what a caller may do about it.

use journal::JournalError;
use kit::ToolError;
use serde_json::{Value, json};

/// A refusal, the same for tools, people and executors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable.
    pub code: &'static str,
    /// A fragment in the caller's words, with its causes.
    pub message: String,
    /// The same call may be granted later.
    pub retryable: bool,
    /// What to do.
    pub hint: Option<String>,
    /// Facts beside the code.
    pub data: Option<Box<Value>>,
}

impl Refusal {
    /// A refusal that stays one.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            hint: None,
            data: None,
        }
    }

    /// A refusal with the words of an error and of what caused it.
    pub fn because(code: &'static str, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(code, message)
    }

    /// What to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Facts beside the code.
    #[must_use]
    pub fn with(self, data: Value) -> Self {
        Self {
            data: Some(Box::new(data)),
            ..self
        }
    }

    /// The same call may be granted later.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            retryable: true,
            ..self
        }
    }

    /// What the journal keeps of it: never a token.
    pub fn for_journal(&self) -> Value {
        let denials = self.data.as_ref().and_then(|data| data.get("denials"));
        json!({"code": self.code, "message": self.message, "denials": denials})
    }

    /// What somebody is told who may be anybody: what went wrong inside is for the log.
    #[must_use]
    pub fn told(self) -> Self {
        let is_inside = self.code == "internal" || self.code == "journal_database";
        if !is_inside {
            return self;
        }
        tracing::error!(code = self.code, error = self.message, "an answer failed");
        Self {
            message: "the gate could not do this; its log says why".to_owned(),
            data: None,
            ..self
        }
    }

    /// The object that every caller gets.
    pub fn to_value(&self) -> Value {
        ToolError::from(self.clone()).to_value()
    }
}

impl From<Refusal> for ToolError {
    fn from(refusal: Refusal) -> Self {
        let Refusal {
            code,
            message,
            retryable,
            hint,
            data,
        } = refusal;
        Self {
            code,
            message,
            retryable,
            hint,
            data,
        }
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::because(error.code(), &error).retryable()
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::because("journal_database", &error).retryable()
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::because("internal", &error)
    }
}

impl From<crate::request::IllegalEvent> for Refusal {
    fn from(error: crate::request::IllegalEvent) -> Self {
        Self::because("illegal_event", &error)
    }
}

impl From<crate::execution::IllegalOrderEvent> for Refusal {
    fn from(error: crate::execution::IllegalOrderEvent) -> Self {
        Self::because("illegal_event", &error)
    }
}

impl From<crate::grant::IllegalGrantEvent> for Refusal {
    fn from(error: crate::grant::IllegalGrantEvent) -> Self {
        Self::because("illegal_event", &error)
    }
}

impl From<runbooks::PlanError> for Refusal {
    fn from(error: runbooks::PlanError) -> Self {
        Self::because(error.code(), &error)
    }
}

impl From<policies::Refused> for Refusal {
    fn from(refused: policies::Refused) -> Self {
        let decision = refused.decision();
        Self::because(refused.code(), &refused)
            .with(json!({"denials": decision.denials, "policy_digest": decision.policy_digest}))
            .hint("no person is asked about a plan that the policy denies; each denial says what would be allowed")
    }
}

impl From<approval::Refusal> for Refusal {
    fn from(refusal: approval::Refusal) -> Self {
        Self::because(refusal.code(), &refusal)
    }
}

impl From<approval::TokenError> for Refusal {
    fn from(error: approval::TokenError) -> Self {
        approval::Refusal::from(error).into()
    }
}
