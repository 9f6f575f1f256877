//! Asks again when asking again may help, with growing, jittered pauses, and never past the deadline.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::ModelError;
use crate::request::{Answer, Model, Request};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A model that is asked up to so many times.
pub struct Retry {
    model: Arc<dyn Model>,
    attempts: u32,
    /// A number from 0 up to 1.
    chance: fn() -> f64,
}

impl Retry {
    #[must_use]
    pub fn new(model: Arc<dyn Model>, attempts: u32) -> Self {
        Self {
            model,
            attempts: attempts.max(1),
            chance: rand::random::<f64>,
        }
    }

    /// The pause before the next attempt: at least what the model asks for, else between half and all of a growing span,
    /// so that many who were refused together do not come back together.
    fn pause(&self, attempt: u32, error: &ModelError) -> Duration {
        let span = FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(attempt))
            .min(LONGEST_PAUSE);
        let jittered = span.mul_f64(f64::midpoint(1.0, (self.chance)().clamp(0.0, 1.0)));
        match error.retry_after() {
            Some(asked) => asked.saturating_add(jittered.mul_f64(0.1)),
            None => jittered,
        }
    }
}

#[async_trait]
impl Model for Retry {
    fn name(&self) -> &str {
        self.model.name()
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        let end = Instant::now() + request.deadline;
        let mut attempt = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let again = Request {
                deadline: left,
                ..request.clone()
            };
            let error = match self.model.complete(again).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = self.pause(attempt, &error);
            attempt = attempt.saturating_add(1);
            let late = Instant::now() + pause >= end;
            if attempt >= self.attempts || !error.is_retryable() || late {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Reply, Scripted};

    fn retry(replies: Vec<Result<Reply, ModelError>>) -> (Arc<Scripted>, Retry) {
        let model = Arc::new(Scripted::replying(replies));
        let retry = Retry {
            chance: || 0.5,
            ..Retry::new(Arc::clone(&model) as Arc<dyn Model>, 3)
        };
        (model, retry)
    }

    fn request(deadline_s: u64) -> Request {
        Request::asking("s", "t", 1, Duration::from_secs(deadline_s))
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again() {
        let (model, retry) = retry(vec![
            Err(ModelError::Overloaded(None)),
            Err(ModelError::CutConnection),
            Ok(Reply::text("yes")),
        ]);
        let answer = retry.complete(request(60)).await;
        assert_eq!(answer.map(|answer| answer.text), Ok("yes".to_owned()));
        assert_eq!(model.asked().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_pass_is_not_tried_again() {
        for error in [
            ModelError::Unauthorized(401),
            ModelError::Refused("refusal".to_owned()),
            ModelError::OverBudget("tokens"),
            ModelError::Flooded(1),
        ] {
            let (model, retry) = retry(vec![Err(error.clone()), Ok(Reply::text("no"))]);
            assert_eq!(retry.complete(request(60)).await, Err(error));
            assert_eq!(model.asked().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_model_is_left_alone_as_long_as_it_asks() {
        let after = Duration::from_secs(7);
        let (_, retry) = retry(vec![Err(ModelError::Throttled(after)), Ok(Reply::text("yes"))]);
        let began = Instant::now();
        assert!(retry.complete(request(60)).await.is_ok());
        assert!(began.elapsed() >= after, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline() {
        let after = Duration::from_secs(70);
        let (model, retry) = retry(vec![Err(ModelError::Throttled(after)), Ok(Reply::text("late"))]);
        let began = Instant::now();
        assert_eq!(retry.complete(request(60)).await, Err(ModelError::Throttled(after)));
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(model.asked().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted() {
        let (model, retry) = retry(vec![Err(ModelError::ServiceFailed(500)); 9]);
        assert_eq!(retry.complete(request(600)).await, Err(ModelError::ServiceFailed(500)));
        assert_eq!(model.asked().len(), 3);
    }
}
