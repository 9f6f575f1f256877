//! Whether this is the right plan: for the cause that was found, on evidence that is fresh, and provably undone or lost.

use incident::Opinion;
use runbooks::Rollback;

use super::{Case, opinion, reason};
use crate::thresholds::THRESHOLDS;

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let mut support = Vec::new();
    let mut objections = Vec::new();

    if let Some(best) = case.findings.hypotheses.first() {
        let cited = best.cited();
        if best.root_cause.as_str() == case.plan.root_cause {
            let says = format!(
                "it answers `{}`, the most likely cause at {} %",
                best.root_cause, best.confidence_pct
            );
            support.push(reason(says, &cited));
        } else {
            let says = format!(
                "it answers `{}`, but `{}` is the most likely cause",
                case.plan.root_cause, best.root_cause
            );
            objections.push(reason(says, &["/root_cause"]));
        }
        for other in case.findings.hypotheses.iter().skip(1) {
            if best.confidence_pct.saturating_sub(other.confidence_pct) <= THRESHOLDS.indistinct_pct {
                let says = format!(
                    "`{}` is nearly as likely ({} %): this plan would not cure it",
                    other.root_cause, other.confidence_pct
                );
                objections.push(reason(says, &other.cited()));
            }
        }
    }

    let oldest = case.evidence.iter().min_by_key(|piece| piece.taken_at);
    if let Some(oldest) = oldest {
        let age_s = case.now.since(oldest.taken_at);
        if age_s > THRESHOLDS.stale_evidence_s {
            objections.push(reason(format!("the evidence is up to {age_s} s old"), &[&oldest.id]));
        }
    }

    for (index, step) in case.plan.steps.iter().enumerate() {
        let cite = format!("/steps/{index}/rollback");
        match &step.rollback {
            Rollback::Exact(_) | Rollback::Compensating(_) => {
                support.push(reason(format!("step `{}` has a way back", step.id), &[&cite]));
            }
            Rollback::None(none) => {
                support.push(reason(
                    format!("step `{}` has no way back, and says why: {}", step.id, none.reason),
                    &[&cite],
                ));
            }
        }
    }
    if case.plan.verification.collateral.is_empty() {
        objections.push(reason(
            "nothing is checked but the symptom: harm would look like recovery",
            &["/verification"],
        ));
    }
    opinion("reviewer", support, objections)
}
