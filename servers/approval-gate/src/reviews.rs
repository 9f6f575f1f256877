//! How long people take to decide, by runbook: a runbook that is slow to read leaves questions open.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::{Request, Review};
use crate::text::duration;

/// The reviews of one runbook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewTime {
    /// Which.
    pub runbook: String,
    /// How many decisions were made on the page.
    pub decisions: usize,
    /// The median time from shown to decided, in seconds.
    pub median_s: u32,
    /// The parts that were looked at longest, with their seconds over all decisions.
    pub longest: Vec<(String, u64)>,
}

impl ReviewTime {
    /// Whether the runbook needs tightening.
    pub fn is_slow(&self) -> bool {
        self.median_s > SLOW_S
    }

    /// What to do about it, in a sentence.
    pub fn advice(&self) -> String {
        let parts: Vec<String> = self.longest.iter().map(|(part, _)| format!("“{part}”")).collect();
        format!(
            "Deciding on `{}` takes {} (median of {}): its runbook leaves questions open. Looked at longest: {}.",
            self.runbook,
            duration(i64::from(self.median_s)),
            self.decisions,
            if parts.is_empty() {
                "not known".to_owned()
            } else {
                parts.join(", ")
            }
        )
    }

    fn of(runbook: String, reviews: &[&Review]) -> Self {
        let mut took: Vec<u32> = reviews.iter().map(|review| review.took_s).collect();
        took.sort_unstable();
        let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
        for (part, seconds) in reviews.iter().flat_map(|review| &review.parts) {
            *parts.entry(part).or_default() += u64::from(*seconds);
        }
        let mut longest: Vec<(String, u64)> = parts.into_iter().map(|(part, s)| (part.to_owned(), s)).collect();
        longest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        longest.truncate(MAX_PARTS);
        Self {
            runbook,
            decisions: took.len(),
            median_s: took.get(took.len() / 2).copied().unwrap_or(0),
            longest,
        }
    }
}

impl Gate {
    /// The same as Prometheus text. Without any decision on the page there is no series.
    pub fn metrics(&self) -> String {
        let times = tokio::task::block_in_place(|| self.review_times()).unwrap_or_default();
        let mut text = String::from(
            "# HELP countersign_gate_review_seconds Median time from a request being shown to the decision, by runbook; over \
             300 its runbook needs tightening.\n# TYPE countersign_gate_review_seconds gauge\n",
        );
        for one in &times {
            // Ids of runbooks are letters, digits and hyphens by their schema.
            text.push_str(&format!(
                "countersign_gate_review_seconds{{runbook=\"{}\"}} {}\n",
                one.runbook, one.median_s
            ));
        }
        text
    }

    /// What to say of a runbook that takes people too long; none where it does not.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn slow_review(&self, runbook: &str) -> Result<Option<String>, Refusal> {
        let times = self.review_times()?;
        let slow = times.iter().find(|one| one.runbook == runbook && one.is_slow());
        Ok(slow.map(ReviewTime::advice))
    }

    /// Review times by runbook, over the newest requests.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn review_times(&self) -> Result<Vec<ReviewTime>, Refusal> {
        let requests = self.store.view(|rows| rows.requests(None, MAX_REQUESTS))?;
        Ok(by_runbook(&requests))
    }
}

fn by_runbook(requests: &[Request]) -> Vec<ReviewTime> {
    let mut reviews: BTreeMap<&str, Vec<&Review>> = BTreeMap::new();
    for request in requests {
        let signed = request.approvals.iter().chain(request.rejection());
        reviews
            .entry(&request.terms.runbook)
            .or_default()
            .extend(signed.filter_map(|signed| signed.review.as_ref()));
    }
    reviews
        .into_iter()
        .filter(|(runbook, reviews)| !runbook.is_empty() && !reviews.is_empty())
        .map(|(runbook, reviews)| ReviewTime::of(runbook.to_owned(), &reviews))
        .collect()
}

/// Five minutes, at three in the morning, is too long to understand one change.
const SLOW_S: u32 = 300;
const MAX_REQUESTS: u32 = 1000;
const MAX_PARTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{signed, terms};
    use crate::request::{Signed, Status};

    fn decided(runbook: &str, took_s: u32, parts: &[(&str, u32)]) -> Request {
        let mut terms = terms(1);
        runbook.clone_into(&mut terms.runbook);
        let review = Review {
            took_s,
            parts: parts.iter().map(|(part, s)| ((*part).to_owned(), *s)).collect(),
        };
        Request {
            terms,
            granted: None,
            approvals: vec![Signed {
                review: Some(review),
                ..signed("ana")
            }],
            status: Status::Pending,
        }
    }

    #[test]
    fn a_median_over_five_minutes_names_the_parts_that_took_longest() {
        let requests = [
            decided("a", 301, &[("Script", 200), ("Policy", 20)]),
            decided("a", 900, &[("Parameters", 500)]),
            decided("a", 10, &[]),
            decided("b", 300, &[("Script", 300)]),
            Request {
                approvals: vec![signed("ana")],
                ..decided("c", 0, &[])
            },
        ];
        let times = by_runbook(&requests);
        let of = |at: usize| {
            times
                .get(at)
                .map(|one| (one.runbook.as_str(), one.median_s, one.is_slow()))
        };
        assert_eq!(
            (of(0), of(1), of(2)),
            (Some(("a", 301, true)), Some(("b", 300, false)), None)
        );
        let advice = times.first().map(ReviewTime::advice).unwrap_or_default();
        assert!(advice.contains("“Parameters”, “Script”, “Policy”"), "{advice}");
    }
}
