//! What agents and rules say stands beside the plan, and changes nothing about what is signed.

use serde_json::json;

use crate::world::{World, blocking_tree, plan, sessions, slots, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_is_on_the_page_and_cannot_become_markup() {
    let world = World::new();
    let gate = world.start().await;
    let plan = plan();
    let advice = json!({
        "diagnosed_by": "a model",
        "causes": [{"root_cause": "idle_in_transaction_blocker", "confidence_pct": 85, "explanation": "it is idle",
                    "signals_for": [{"says": "3 wait", "cites": ["E1"]}]}],
        "opinions": [
            {"agent": "cost", "verdict": "support", "reasons": []},
            {"agent": "reviewer", "by": "a model", "verdict": "object",
             "reasons": [{"says": "<script>the holder may come back</script>", "cites": ["E1", "/steps/0"]}]},
        ],
        "notes": ["the rules are less sure"],
    });
    let evidence = json!([blocking_tree(), sessions(), slots()]);
    let offer = json!({"plan": text(&plan), "evidence": evidence, "advice": advice});
    let asked = gate.call("execute_plan", offer).await;
    let request = asked["request_id"].as_str().unwrap().to_owned();

    let page = gate.get(&format!("/requests/{request}")).await.text().await.unwrap();
    assert!(page.contains("1 objection(s) stand against this plan"), "{page}");
    assert!(
        page.contains("&lt;script&gt;the holder may come back&lt;/script&gt; (E1, /steps/0)"),
        "{page}"
    );
    assert!(page.find("OBJECTS") < page.find("supports"), "{page}");
    assert!(
        page.contains("idle_in_transaction_blocker, 85 %") && page.contains("the rules are less sure"),
        "{page}"
    );

    // The same plan without a word about it is the same request, with the same digest to sign.
    let again = gate.execute(text(&plan), None).await;
    assert_eq!(again["request_id"], json!(request));
    assert_eq!(again["plan_digest"], asked["plan_digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_advice_is_refused_and_nobody_is_asked() {
    let world = World::new();
    let gate = world.start().await;
    let evidence = json!([blocking_tree(), sessions(), slots()]);
    let advice = json!({"diagnosed_by": "x", "notes": ["y".repeat(70_000)]});
    let offer = json!({"plan": text(&plan()), "evidence": evidence, "advice": advice});
    let refused = gate.call("execute_plan", offer).await;
    assert_eq!(refused["code"], "advice_too_long", "{refused:#}");
    assert_eq!(gate.json("/v1/requests").await, json!([]));
}
