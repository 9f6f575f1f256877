//! How much a query may scan, and the refusal that says how to ask for less.

use kit::ToolError;
use serde_json::json;

use crate::config::{BudgetSettings, OnEstimateFailure};

#[derive(Debug, Clone)]
pub struct Budget {
    max_query_bytes: u64,
    on_estimate_failure: OnEstimateFailure,
    usd_per_gb: f64,
}

impl Budget {
    pub fn new(settings: &BudgetSettings) -> Self {
        Self {
            max_query_bytes: settings.max_query_bytes,
            on_estimate_failure: settings.on_estimate_failure,
            usd_per_gb: settings.usd_per_gb,
        }
    }

    /// Lets a query of `bytes` run, or refuses it with the numbers and the ways to narrow it.
    pub fn admit(&self, bytes: u64) -> Result<(), ToolError> {
        if bytes <= self.max_query_bytes {
            return Ok(());
        }
        let (wanted, allowed) = (gib(bytes), gib(self.max_query_bytes));
        let usd = self.price_usd(bytes);
        Err(ToolError::new("over_budget", format!("the query would scan {wanted} (about {usd} USD), the budget is {allowed}"))
            .hint("look at fewer minutes, use recent_log_lines with `contains`, or ask the operator to raise `[budget] max_query_bytes`")
            .data(json!({"estimated_bytes": bytes, "max_query_bytes": self.max_query_bytes, "estimated_usd": usd})))
    }

    /// Decides about a query whose size is unknown.
    pub fn admit_unknown(&self, cause: &ToolError) -> Result<(), ToolError> {
        match self.on_estimate_failure {
            OnEstimateFailure::Allow => Ok(()),
            OnEstimateFailure::Refuse => Err(ToolError::new(
                "estimate_failed",
                format!("the size of the query could not be estimated: {}", cause.message),
            )
            .retryable()
            .hint(
                "the operator may set `[budget] on_estimate_failure = \"allow\"`; recent_log_lines needs no estimate",
            )),
        }
    }

    /// Returns the price of scanning `bytes`, in USD, rounded to a hundredth of a cent.
    pub fn price_usd(&self, bytes: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a price needs no fifteen digits")]
        let usd = bytes as f64 / 1e9 * self.usd_per_gb;
        (usd * 1e4).round() / 1e4
    }
}

fn gib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    let bytes = bytes as f64;
    match bytes {
        b if b >= f64::from(1 << 30) => format!("{:.1} GiB", b / f64::from(1 << 30)),
        b if b >= f64::from(1 << 20) => format!("{:.1} MiB", b / f64::from(1 << 20)),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn a_refusal_has_the_number_the_price_and_the_ways_out() {
        let budget = Budget::new(&BudgetSettings::default());
        assert!(budget.admit(5 << 30).is_ok());
        let error = budget.admit((5 << 30) + (1 << 30)).unwrap_err();
        assert_eq!(error.code, "over_budget");
        assert_eq!(
            error.message,
            "the query would scan 6.0 GiB (about 0.0322 USD), the budget is 5.0 GiB"
        );
        assert!(!error.retryable);
    }

    #[test]
    fn an_unknown_size_is_refused_unless_the_operator_allows_it() {
        let cause = ToolError::new("x", "no number in the answer");
        let strict = Budget::new(&BudgetSettings::default());
        assert_eq!(strict.admit_unknown(&cause).unwrap_err().code, "estimate_failed");
        let lenient = BudgetSettings {
            on_estimate_failure: OnEstimateFailure::Allow,
            ..BudgetSettings::default()
        };
        assert!(Budget::new(&lenient).admit_unknown(&cause).is_ok());
    }
}
