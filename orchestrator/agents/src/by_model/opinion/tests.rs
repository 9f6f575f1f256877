//! Opinions by scripted models: each reason cites, or there is no opinion.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;

use model::Scripted;

use super::*;
use crate::debate::tests::{made_at, plan_for};
use crate::test_evidence::idle_blocker;

async fn opinions(answer: &Value) -> Vec<Opinion> {
    let evidence = idle_blocker();
    let (plan, findings) = plan_for(&evidence);
    let case = Case {
        plan: &plan,
        findings: &findings,
        evidence: &evidence,
        now: made_at(),
    };
    let counsel = Counsel::unlimited(Arc::new(Scripted::answering(vec![answer.to_string(); 9])));
    debate_with(Some(&counsel), &case).await
}

fn says(verdict: &str, cites: &[&str]) -> Value {
    json!({"verdict": verdict, "reasons": [{"says": "it is so", "cites": cites}]})
}

#[tokio::test]
async fn the_models_opinions_stand_beside_those_of_the_rules() {
    let opinions = opinions(&says("object", &["E2", "/steps/0"])).await;
    let who: Vec<(&str, bool)> = opinions.iter().map(|o| (o.agent.as_str(), o.by.is_some())).collect();
    let agents = ["cost", "security", "reviewer"];
    assert_eq!(who, [agents.map(|a| (a, false)), agents.map(|a| (a, true))].concat());
    let verdicts: Vec<Verdict> = opinions.iter().map(|opinion| opinion.verdict).collect();
    assert_eq!(verdicts, [[Verdict::Support; 3], [Verdict::Object; 3]].concat());
}

#[tokio::test]
async fn an_opinion_that_cites_nothing_or_wrongly_is_none() {
    let many: Vec<Value> = (0..=MAX_REASONS)
        .map(|_| json!({"says": "x", "cites": ["E2"]}))
        .collect();
    for (answer, code) in [
        (says("support", &[]), "uncited_reason"),
        (says("object", &["E99"]), "miscited_reason"),
        (says("object", &["E2", "/steps/99"]), "miscited_reason"),
        (json!({"verdict": "support", "reasons": []}), "unreasoned_verdict"),
        (json!({"verdict": "approve", "reasons": []}), "malformed_answer"),
        (json!({"verdict": "support", "reasons": many}), "oversized_opinion"),
    ] {
        for opinion in opinions(&answer)
            .await
            .into_iter()
            .filter(|opinion| opinion.by.is_some())
        {
            assert_eq!(opinion.verdict, Verdict::Abstain);
            let said = &opinion.reasons.first().unwrap().says;
            assert!(said.contains(&format!("`{code}`")), "{answer}: {said}");
        }
    }
}
