//! Three agents judge a plan before anybody is asked. Their objections inform the human and stand in the post-mortem.

mod cost;
mod reviewer;
mod security;

use incident::{Findings, Opinion, Reason, Verdict};
use runbooks::{Evidence, PlanDocument, Timestamp};

/// What all three see: the plan as data, the diagnosis that it answers, and the evidence behind both.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub plan: &'a PlanDocument,
    pub findings: &'a Findings,
    pub evidence: &'a [Evidence],
    pub now: Timestamp,
}

/// One opinion from each, by rules alone.
#[must_use]
pub fn debate(case: &Case<'_>) -> Vec<Opinion> {
    vec![cost::judge(case), security::judge(case), reviewer::judge(case)]
}

/// Sums reasons into a verdict: one objection objects; nothing to go by abstains.
fn opinion(agent: &str, support: Vec<Reason>, objections: Vec<Reason>) -> Opinion {
    let (verdict, reasons) = match (support.is_empty(), objections.is_empty()) {
        (_, false) => (Verdict::Object, objections),
        (false, true) => (Verdict::Support, support),
        (true, true) => (Verdict::Abstain, Vec::new()),
    };
    Opinion {
        agent: agent.to_owned(),
        verdict,
        reasons,
        by: None,
    }
}

fn reason(says: impl Into<String>, cites: &[&str]) -> Reason {
    Reason {
        says: says.into(),
        cites: cites.iter().map(|&cite| cite.to_owned()).collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use runbooks::{Catalog, Digest, Plan, PlanContext, Target};

    use super::*;
    use crate::test_evidence::{idle_blocker, record, saturated, without};
    use crate::{choose, diagnose};

    pub(crate) fn made_at() -> Timestamp {
        Timestamp::from_unix(1_795_000_002)
    }

    pub(crate) fn plan_for(evidence: &[Evidence]) -> (PlanDocument, Findings) {
        let catalog = Catalog::shipped().unwrap();
        let diagnosis = diagnose(evidence).unwrap();
        let draft = choose(&diagnosis, &catalog, evidence).unwrap().draft;
        let target = Target {
            name: "orders".to_owned(),
            environment: "demo".to_owned(),
            system_identifier: "7400000000000000001".to_owned(),
            database: "orders".to_owned(),
        };
        let context = PlanContext {
            incident: "inc-1".to_owned(),
            target,
            requester: "orchestrator-1".to_owned(),
            policy_digest: Digest::of(b"policy"),
            not_before: made_at(),
            approve_by: made_at().plus_s(900),
            expires_at: made_at().plus_s(1800),
            nonce: "0".repeat(32),
        };
        let plan = Plan::fill(&draft, &catalog, evidence, context).unwrap();
        (plan.document().clone(), diagnosis.into_findings())
    }

    fn verdicts(case: &Case<'_>) -> Vec<Verdict> {
        debate(case).iter().map(|opinion| opinion.verdict).collect()
    }

    #[test]
    fn a_guarded_plan_on_fresh_evidence_is_supported_by_all() {
        let evidence = idle_blocker();
        let (plan, findings) = plan_for(&evidence);
        let case = Case {
            plan: &plan,
            findings: &findings,
            evidence: &evidence,
            now: made_at(),
        };
        let opinions = debate(&case);
        assert!(
            opinions.iter().all(|opinion| opinion.verdict == Verdict::Support),
            "{opinions:#?}"
        );
        assert!(
            opinions
                .iter()
                .flat_map(|o| &o.reasons)
                .all(|reason| !reason.cites.is_empty())
        );
    }

    #[test]
    fn the_reviewer_objects_to_old_evidence() {
        let evidence = idle_blocker();
        let (plan, findings) = plan_for(&evidence);
        let case = Case {
            plan: &plan,
            findings: &findings,
            evidence: &evidence,
            now: made_at().plus_s(600),
        };
        assert_eq!(verdicts(&case), [Verdict::Support, Verdict::Support, Verdict::Object]);
    }

    #[test]
    fn the_reviewer_objects_when_another_cause_is_as_likely() {
        let mut evidence = without(idle_blocker(), "sessions");
        let hoarder = saturated().into_iter().find(|piece| piece.tool == "sessions").unwrap();
        evidence.push(record("E4", "sessions", hoarder.result));
        let (plan, findings) = plan_for(&evidence);
        let case = Case {
            plan: &plan,
            findings: &findings,
            evidence: &evidence,
            now: made_at(),
        };
        assert_eq!(debate(&case).last().unwrap().verdict, Verdict::Object);
    }

    #[test]
    fn the_cost_agent_objects_when_most_of_the_server_would_be_hit() {
        let evidence = saturated();
        let (plan, findings) = plan_for(&evidence);
        let case = Case {
            plan: &plan,
            findings: &findings,
            evidence: &evidence,
            now: made_at(),
        };
        let opinions = debate(&case);
        let cost = opinions.first().unwrap();
        assert_eq!((cost.agent.as_str(), cost.verdict), ("cost", Verdict::Object));
    }

    #[test]
    fn the_security_agent_objects_to_evidence_that_was_touched() {
        let mut evidence = idle_blocker();
        let (plan, findings) = plan_for(&evidence);
        for piece in evidence.iter_mut().filter(|piece| piece.tool == "blocking_tree") {
            *piece.result.pointer_mut("/trees/0/root/pid").unwrap() = serde_json::json!(999);
        }
        let case = Case {
            plan: &plan,
            findings: &findings,
            evidence: &evidence,
            now: made_at(),
        };
        assert_eq!(verdicts(&case), [Verdict::Support, Verdict::Object, Verdict::Support]);
    }
}
