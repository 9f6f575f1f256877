//! The proof that the policy allowed a plan.

use std::fmt;

use runbooks::Plan;

use crate::decision::{Decision, Obligations};

/// A plan that the policy allowed, with what approval and execution must keep to. Only [`crate::Policy::evaluate`] makes
/// one: it cannot be built, copied, or read from bytes.
///
/// ```compile_fail,E0451
/// fn forge(plan: runbooks::Plan, decision: policies::Decision, obligations: policies::Obligations) -> policies::PermittedPlan {
///     policies::PermittedPlan { plan, decision, obligations }
/// }
/// ```
/// ```compile_fail,E0599
/// fn twice(permitted: policies::PermittedPlan) -> (policies::PermittedPlan, policies::PermittedPlan) {
///     (permitted.clone(), permitted)
/// }
/// ```
/// ```compile_fail,E0277
/// let permitted: policies::PermittedPlan = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct PermittedPlan {
    plan: Plan,
    decision: Decision,
    obligations: Obligations,
}

impl PermittedPlan {
    /// The only maker; `decision` must allow.
    pub(crate) fn new(plan: Plan, decision: Decision) -> Result<Self, Refused> {
        match (&decision.allow, &decision.obligations) {
            (true, Some(obligations)) if decision.denials.is_empty() => {
                let obligations = obligations.clone();
                Ok(Self {
                    plan,
                    decision,
                    obligations,
                })
            }
            (true | false, _) => Err(Refused {
                decision: Box::new(decision),
            }),
        }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns what approval and execution must keep to.
    pub fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// Returns the decision, for the journal.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Gives the plan back and drops the proof.
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// The policy did not allow the plan.
#[derive(Debug, Clone)]
pub struct Refused {
    decision: Box<Decision>,
}

impl Refused {
    /// Returns the decision with its reasons.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Returns the stable name of this refusal; each reason has a code of its own.
    pub fn code(&self) -> &'static str {
        "policy_denied"
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy refuses the plan: ")?;
        for (number, denial) in self.decision.denials.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{} ({})", denial.message, denial.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
