//! Standing grants: the executor judges by the grant, by its own books and by its own list whether nobody had to be asked.

use approval::{Bound, Grant, GrantTerms, Method, Token};
use runbooks::Plan;

use crate::hooks::kill_at;
use crate::incidents::Blocked;
use crate::postgres::Server;
use crate::scene::{Ran, Scene, nonce, now, text};

const GRANTS: &str = "[floor]\napprovers = 1\ngrants = true\n";

/// Whatever the plan's runbook may do to its target, so often a day.
fn terms(plan: &Plan, max_per_day: u32) -> GrantTerms {
    let document = plan.document();
    let parameters = document.parameters.keys().map(|name| (name.clone(), Bound::Any));
    GrantTerms {
        schema: GrantTerms::SCHEMA.to_owned(),
        gate: "gate-1".to_owned(),
        audience: "executor-1".to_owned(),
        runbook: document.runbook.clone(),
        targets: vec![document.target.clone()],
        parameters: parameters.collect(),
        max_per_day,
        windows: Vec::new(),
        not_before: now().plus_s(-60),
        until: now().plus_s(86_400),
        reason: "sessions that block others are ended at night".to_owned(),
        nonce: nonce(),
    }
}

fn signed_by_ana(scene: &Scene, terms: &GrantTerms) -> Token {
    let grant = Grant {
        terms: terms.clone(),
        approver: "ana".to_owned(),
        key_id: scene.people.key("ana").fingerprint(),
        method: Method::Ssh,
    };
    Token::new(vec![scene.people.grant(&grant)]).unwrap()
}

fn run(scene: &Scene, state: &str, floor: &str, plan: &Plan, token: &Token) -> Ran {
    let order = scene.sign(&scene.forge(text(plan), token.encode()));
    scene.run(&scene.config(state, floor), &order)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_runs_what_it_covers_as_often_as_it_says_and_no_longer_than_its_signer_is_listed() {
    let server = Server::start(100).await;
    let scene = Scene::new(&server).await;
    let incident = Blocked::new(&server, &scene).await;
    let plan = &incident.plan;
    let grant = terms(plan, 1);

    // Nothing of this is the gate's to decide.
    let ran = run(&scene, "off", "", plan, &signed_by_ana(&scene, &grant));
    assert_eq!((ran.result.as_str(), ran.code), ("grant_not_allowed", Some(4)));
    let mut narrow = grant.clone();
    let other = Bound::Range { min: 0, max: 0 };
    narrow.parameters.insert("blocker_pid".to_owned(), other);
    let ran = run(&scene, "state", GRANTS, plan, &signed_by_ana(&scene, &narrow));
    assert_eq!((ran.result.as_str(), ran.code), ("grant_out_of_bounds", Some(4)));
    incident.assert_untouched(&server).await;

    // Killed right after the only use of the day is written down: it is finished, and not held against itself.
    let token = signed_by_ana(&scene, &grant);
    let order = scene.sign(&scene.forge(text(plan), token.encode()));
    let killed = format!("{GRANTS}{}", kill_at(scene.dir.path(), 0));
    let ran = scene.run(&scene.config("kept", &killed), &order);
    assert_eq!(ran.code, None, "{ran:?}");
    incident.assert_untouched(&server).await;
    let ran = scene.recover(&scene.config("kept", GRANTS));
    assert_eq!((ran.code, ran.result.as_str()), (Some(0), "done"), "{}", ran.stderr);

    // Another plan under the same grant, of a gate that has not counted.
    let next = &incident.again;
    let ran = run(&scene, "kept", GRANTS, next, &signed_by_ana(&scene, &grant));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("grant_spent", Some(4)),
        "{}",
        ran.stderr
    );

    // Whoever is not listed any more has granted nothing.
    scene
        .people
        .write_approvers_of(&scene.dir.path().join("approvers.json"), 2, &["ben"]);
    let more = terms(next, 9);
    let ran = run(&scene, "kept", GRANTS, next, &signed_by_ana(&scene, &more));
    assert_eq!((ran.result.as_str(), ran.code), ("unknown_key", Some(4)));
    incident.assert_resolved(&server).await;
    let marks = "SELECT count(*) FROM countersign.executed_steps";
    assert_eq!(server.number(marks).await, 1);
}
