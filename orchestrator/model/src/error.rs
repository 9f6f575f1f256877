//! How asking a model can fail. A message holds no word of the answer and none of the key.

use std::time::Duration;

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelError {
    #[error("the model did not answer within {0:?}")]
    TimedOut(Duration),
    /// It began, and then nothing came any more.
    #[error("the model fell silent for {0:?} in the middle of its answer")]
    Stalled(Duration),
    #[error("the model could not be reached: {0}")]
    Unreachable(String),
    #[error("the connection was cut in the middle of the answer")]
    CutConnection,
    #[error("the model's service gave the answer up with an error of its own")]
    Aborted,
    #[error("the model asks to be left alone for {0:?}")]
    Throttled(Duration),
    #[error("the model is overloaded{}", .0.map(|after| format!(", and asks for {after:?}")).unwrap_or_default())]
    Overloaded(Option<Duration>),
    #[error("the model's service failed with status {0}")]
    ServiceFailed(u16),
    #[error("the model's service does not take the key: status {0}")]
    Unauthorized(u16),
    #[error("the model's service does not take the request: status {0}")]
    NotTaken(u16),
    /// `refusal`, `content_filter` and the like.
    #[error("the model refused to answer: {0}")]
    Refused(String),
    #[error("the model's answer was cut off at {0} tokens")]
    CutOff(u32),
    #[error("the model's service answered in no form that is known: {0}")]
    Malformed(&'static str),
    #[error("the answer has more than {0} bytes")]
    Flooded(usize),
    /// The part of the budget that would not suffice.
    #[error("the budget of {0} is spent")]
    OverBudget(&'static str),
    /// Every model failed lately and is left alone.
    #[error("no model is left to ask")]
    NoneLeft,
    #[error("nothing is recorded for this request")]
    NotRecorded,
    #[error("the exchange could not be recorded")]
    RecordFailed,
}

impl ModelError {
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "model_timed_out",
            Self::Stalled(_) => "model_stalled",
            Self::Unreachable(_) => "model_unreachable",
            Self::CutConnection => "model_connection_cut",
            Self::Aborted => "model_aborted",
            Self::Throttled(_) => "model_throttled",
            Self::Overloaded(_) => "model_overloaded",
            Self::ServiceFailed(_) => "model_service_failed",
            Self::Unauthorized(_) => "model_unauthorized",
            Self::NotTaken(_) => "model_request_not_taken",
            Self::Refused(_) => "model_refused",
            Self::CutOff(_) => "model_cut_off",
            Self::Malformed(_) => "model_malformed_response",
            Self::Flooded(_) => "model_flooded",
            Self::OverBudget(_) => "model_over_budget",
            Self::NoneLeft => "model_none_left",
            Self::NotRecorded => "model_not_recorded",
            Self::RecordFailed => "model_record_failed",
        }
    }

    /// Whether the same question to the same model may fare better soon.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Throttled(_)
            | Self::Overloaded(_)
            | Self::ServiceFailed(_)
            | Self::Unreachable(_)
            | Self::CutConnection
            | Self::Aborted
            | Self::Stalled(_) => true,
            Self::TimedOut(_)
            | Self::Unauthorized(_)
            | Self::NotTaken(_)
            | Self::Refused(_)
            | Self::CutOff(_)
            | Self::Malformed(_)
            | Self::Flooded(_)
            | Self::OverBudget(_)
            | Self::NoneLeft
            | Self::NotRecorded
            | Self::RecordFailed => false,
        }
    }

    /// How long the model itself wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled(after) => Some(*after),
            Self::Overloaded(after) => *after,
            _ => None,
        }
    }

    /// Whether it tells of the model rather than of the question: such a model is left alone for a while.
    #[must_use]
    pub const fn is_of_the_model(&self) -> bool {
        self.is_retryable()
            || matches!(
                self,
                Self::TimedOut(_) | Self::Unauthorized(_) | Self::Malformed(_) | Self::Flooded(_)
            )
    }

    /// Whether the service may have worked, and charged, before it failed.
    #[must_use]
    pub const fn may_have_cost(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable(_)
                | Self::Throttled(_)
                | Self::Overloaded(_)
                | Self::Unauthorized(_)
                | Self::NotTaken(_)
                | Self::OverBudget(_)
                | Self::NoneLeft
                | Self::NotRecorded
        )
    }
}
