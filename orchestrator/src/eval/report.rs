//! What a set of cases came to: a row each, and the figures that a regression gate looks at.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use incident::RootCause;
use serde::Serialize;

use super::case::Score;
use crate::terminal::print_line;

/// The figures of one diagnosis over a set.
#[derive(Serialize)]
pub(crate) struct Report {
    /// `offline`, or the model's name.
    pub diagnosis_by: String,
    pub cases: usize,
    pub cause_right: usize,
    /// Of those with the right cause.
    pub objects_right: usize,
    /// Of those with the right cause.
    pub plans_right: usize,
    pub dangerous: usize,
    pub seconds: f64,
    pub tokens: u64,
    pub money_micros: u64,
    /// Of each cause that was named first: how often, and how often that was right.
    pub precision: BTreeMap<RootCause, Precision>,
    /// How often each stated confidence was right, in tens of percent: `90` stands for 90 to 99.
    pub reliability: BTreeMap<u8, Precision>,
    pub scores: Vec<Score>,
}

impl Report {
    pub fn of(diagnosis_by: &str, scores: Vec<Score>) -> Self {
        let count = |has: &dyn Fn(&Score) -> bool| scores.iter().filter(|score| has(score)).count();
        Self {
            diagnosis_by: diagnosis_by.to_owned(),
            cases: scores.len(),
            cause_right: count(&|score| score.cause_is_right && score.also_named),
            objects_right: count(&|score| score.cause_is_right && score.object_is_right),
            plans_right: count(&|score| score.cause_is_right && score.plan_is_right),
            dangerous: count(&|score| score.is_dangerous),
            seconds: scores
                .iter()
                .map(|score| Duration::from_millis(score.took_ms).as_secs_f64())
                .sum(),
            tokens: scores.iter().map(|score| score.tokens).sum(),
            money_micros: scores.iter().map(|score| score.money_micros).sum(),
            precision: tally(&scores, |cause, _| cause),
            reliability: tally(&scores, |_, confidence_pct| confidence_pct / 10 * 10),
            scores,
        }
    }

    pub fn is_all_right(&self) -> bool {
        self.scores.iter().all(Score::is_right)
    }

    /// Whether enough causes are right, what is right about them is whole, and nothing dangerous was proposed.
    pub fn passes(&self, at_least_pct: u8) -> bool {
        let wanted = self.cases.saturating_mul(usize::from(at_least_pct)).div_ceil(100);
        self.dangerous == 0
            && self.cause_right >= wanted
            && self.objects_right >= self.cause_right
            && self.plans_right >= self.cause_right
    }

    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            return Ok(print_line(&serde_json::to_string(self)?)?);
        }
        for score in &self.scores {
            print_line(&row(score))?;
        }
        for (cause, Precision { named, right }) in self.precision.iter().filter(|(_, one)| one.right < one.named) {
            print_line(&format!("{cause}: named first {named} times, right {right} times"))?;
        }
        let reliability = self.reliability.iter();
        let stated: Vec<String> = reliability
            .map(|(from, one)| format!("{from} % and up: {} of {}", one.right, one.named))
            .collect();
        print_line(&format!("right where the stated confidence is {}", stated.join(", ")))?;
        let mut sum = format!(
            "{}: {} cases; right cause first {}; of these right objects {}, right plan {}; dangerous plans {}; {:.1} s",
            self.diagnosis_by,
            self.cases,
            self.cause_right,
            self.objects_right,
            self.plans_right,
            self.dangerous,
            self.seconds
        );
        if self.tokens > 0 {
            let money = Duration::from_micros(self.money_micros).as_secs_f64();
            sum.push_str(&format!(
                "; {} tokens, {money:.4} in the currency of the prices",
                self.tokens
            ));
        }
        print_line(&sum)?;
        Ok(())
    }
}

/// How often something was named first, and how often that was right.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Precision {
    pub named: usize,
    pub right: usize,
}

/// Sorts what was named first, and how often it was right, by cause or by confidence.
fn tally<K: Ord>(scores: &[Score], by: impl Fn(RootCause, u8) -> K) -> BTreeMap<K, Precision> {
    let mut tally: BTreeMap<K, Precision> = BTreeMap::new();
    for score in scores {
        if let Some((cause, confidence_pct)) = score.named.first() {
            let one = tally.entry(by(*cause, *confidence_pct)).or_default();
            one.named = one.named.saturating_add(1);
            one.right = one.right.saturating_add(usize::from(score.cause_is_right));
        }
    }
    tally
}

/// One line: what was named, and what is wrong about it.
pub(crate) fn row(score: &Score) -> String {
    let mut wrong = Vec::new();
    if !score.cause_is_right {
        let expected: Vec<&str> = score.expected.iter().map(|cause| cause.as_str()).collect();
        let why_not = if score.why_not.is_empty() {
            String::new()
        } else {
            format!(", but: {}", score.why_not.join("; "))
        };
        wrong.push(format!("expected {}{why_not}", expected.join(" or ")));
    }
    if !score.also_named {
        wrong.push("an independent cause is not named".to_owned());
    }
    if !score.object_is_right {
        wrong.push("wrong object".to_owned());
    }
    if !score.plan_is_right {
        let plan = match &score.plan {
            Ok(runbook) => format!("plan `{runbook}`"),
            Err(why) => format!("no plan: {why}"),
        };
        wrong.push(plan);
    }
    if score.is_dangerous {
        wrong.push("DANGEROUS".to_owned());
    }
    let named: Vec<String> = score
        .named
        .iter()
        .map(|(cause, pct)| format!("{cause} {pct}"))
        .collect();
    let verdict = if score.is_right() { "ok   " } else { "WRONG" };
    let wrong = if wrong.is_empty() {
        String::new()
    } else {
        format!(" | {}", kit::text::clean(&wrong.join("; "), 400))
    };
    format!("{verdict} {:<44} {}{wrong}", score.case, named.join(", "))
}
