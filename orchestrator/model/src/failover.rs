//! Several models in order. One that failed is left alone for a while, longer each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::ModelError;
use crate::request::{Answer, Model, Request};

const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// Asks the first model that is not resting; when it fails, the next.
pub struct Failover {
    models: Vec<Arc<dyn Model>>,
    rests: Mutex<Vec<Rest>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Failover {
    /// The models in the order in which they are asked.
    #[must_use]
    pub fn new(models: Vec<Arc<dyn Model>>) -> Self {
        let rests = Mutex::new(vec![Rest::default(); models.len()]);
        Self { models, rests }
    }

    fn awake(&self) -> Vec<(usize, &Arc<dyn Model>)> {
        let now = Instant::now();
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let is_awake = |rest: Option<&Rest>| rest.and_then(|rest| rest.until).is_none_or(|until| until <= now);
        let models = self.models.iter().enumerate();
        models.filter(|(index, _)| is_awake(rests.get(*index))).collect()
    }

    fn note(&self, index: usize, end: Option<&ModelError>) {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = rests.get_mut(index) else { return };
        match end {
            None => *rest = Rest::default(),
            Some(error) if error.is_of_the_model() => {
                let grown = FIRST_REST.saturating_mul(2_u32.saturating_pow(rest.failures));
                let span = grown.max(error.retry_after().unwrap_or_default()).min(LONGEST_REST);
                rest.failures = rest.failures.saturating_add(1);
                rest.until = Some(Instant::now() + span);
            }
            Some(_) => {}
        }
    }
}

#[async_trait]
impl Model for Failover {
    /// The first one's name; an answer says itself whose it is.
    fn name(&self) -> &str {
        self.models.first().map_or("none", |model| model.name())
    }

    async fn complete(&self, request: Request) -> Result<Answer, ModelError> {
        let end = Instant::now() + request.deadline;
        let awake = self.awake();
        let mut last = ModelError::NoneLeft;
        for (place, (index, model)) in awake.iter().enumerate() {
            // One that says nothing must not use up the time of those behind it.
            let behind = u32::try_from(awake.len().saturating_sub(place))
                .unwrap_or(u32::MAX)
                .max(1);
            let share = end.saturating_duration_since(Instant::now()) / behind;
            let asked = Request {
                deadline: share,
                ..request.clone()
            };
            match model.complete(asked).await {
                Ok(answer) => {
                    self.note(*index, None);
                    return Ok(answer);
                }
                // Another model would be paid from the same purse.
                Err(error @ (ModelError::OverBudget(_) | ModelError::RecordFailed)) => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        model = model.name(),
                        code = error.code(),
                        "the model failed; the next is asked"
                    );
                    self.note(*index, Some(&error));
                    last = error;
                }
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Reply, Scripted};

    fn two(
        first: Vec<Result<Reply, ModelError>>,
        second: Vec<Result<Reply, ModelError>>,
    ) -> (Arc<Scripted>, Arc<Scripted>, Failover) {
        let (first, second) = (
            Arc::new(Scripted::replying(first)),
            Arc::new(Scripted::replying(second)),
        );
        let failover = Failover::new(vec![first.clone(), second.clone()]);
        (first, second, failover)
    }

    async fn ask(failover: &Failover) -> Result<String, ModelError> {
        let request = Request::asking("s", "t", 1, Duration::from_secs(60));
        failover.complete(request).await.map(|answer| answer.text)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_model_answers_and_the_failed_one_is_left_alone() {
        let ok = |text: &str| Ok(Reply::text(text));
        let (first, _, failover) = two(
            vec![Err(ModelError::ServiceFailed(500)), ok("first")],
            vec![ok("second"), ok("second")],
        );
        assert_eq!(ask(&failover).await, Ok("second".to_owned()));
        assert_eq!(ask(&failover).await, Ok("second".to_owned()));
        assert_eq!(first.asked().len(), 1);
        tokio::time::advance(FIRST_REST).await;
        assert_eq!(ask(&failover).await, Ok("first".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_asks_the_next_but_rests_nobody() {
        let (first, _, failover) = two(
            vec![Err(ModelError::Refused("refusal".to_owned())), Ok(Reply::text("first"))],
            vec![Ok(Reply::text("second"))],
        );
        assert_eq!(ask(&failover).await, Ok("second".to_owned()));
        assert_eq!(ask(&failover).await, Ok("first".to_owned()));
        assert_eq!(first.asked().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_asks_nobody_else() {
        let (_, second, failover) = two(
            vec![Err(ModelError::OverBudget("money"))],
            vec![Ok(Reply::text("second"))],
        );
        assert_eq!(ask(&failover).await, Err(ModelError::OverBudget("money")));
        assert!(second.asked().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_rest_the_answer_is_at_once_that_none_is_left() {
        let failed = || vec![Err(ModelError::Unauthorized(401))];
        let (first, second, failover) = two(failed(), failed());
        assert_eq!(ask(&failover).await, Err(ModelError::Unauthorized(401)));
        assert_eq!(ask(&failover).await, Err(ModelError::NoneLeft));
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_shared() {
        let (first, second, failover) = two(vec![Err(ModelError::CutConnection)], vec![Ok(Reply::text("second"))]);
        assert!(ask(&failover).await.is_ok());
        let deadline = |model: &Scripted| model.asked().first().map(|asked| asked.deadline.as_secs());
        assert_eq!((deadline(&first), deadline(&second)), (Some(30), Some(60)));
    }
}
