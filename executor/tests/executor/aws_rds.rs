//! `aws.rds` as the whole binary does it: one signed call in a session of its own, at most once. The API is a stand-in made from
//! the vendor's model; that the session can make no other call is shown with an emulator that enforces IAM, in `executor/rds`.

use std::path::{Path, PathBuf};

use runbooks::{Evidence, Plan};
use serde_json::{Value, json};

use crate::calls::{RUNBOOK, assert_ended, events, no_way_back, recovers, scene_with, step};
use crate::hooks::kill_at;
use crate::postgres::Server;
use crate::preflight::preflight;
use crate::scene::{Ran, Scene, draft, ended, now, text};
use crate::support::StandIn;

pub struct Scenery {
    pub server: Server,
    pub scene: Scene,
    pub standin: StandIn,
}

impl Scenery {
    pub async fn new(steps: Value) -> Self {
        let server = Server::start(20).await;
        let parameters = json!({"instance": {"type": "instance_id", "description": "The instance",
            "evidence": {"server": "performance-insights", "tool": "instance_features", "pointer": "/instance"}}});
        let scene = scene_with(&server, "high", &steps, &parameters).await;
        Self {
            server,
            scene,
            standin: StandIn::start("rds_standin.py"),
        }
    }

    pub fn config(&self, state: &str, hook: &str) -> PathBuf {
        let credentials = self.scene.dir.path().join("aws-credentials");
        let text = "[executor]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = operator-secret\n";
        std::fs::write(credentials, text).unwrap();
        let path = self.scene.config(state, hook);
        let aws = format!(
            "[targets.aws]\nregion = \"eu-central-1\"\naccount = \"123456789012\"\n\
             role_arn = \"arn:aws:iam::123456789012:role/countersign\"\ncredentials = \"profile\"\n\
             credentials_file = \"aws-credentials\"\nprofile = \"executor\"\nrds_endpoint = \"{url}\"\nsts_endpoint = \"{url}\"\n\
             [[targets.aws.instances]]\nname = \"orders-1\"\nresource_id = \"db-ORDERS-1\"\n",
            url = self.standin.url()
        );
        append(&path, &aws);
        path
    }

    pub fn plan(&self) -> Plan {
        let found = json!({"instance": "orders-1"});
        let evidence = Evidence::record(
            "E1",
            "performance-insights",
            "instance_features",
            json!({}),
            now(),
            found,
        )
        .unwrap();
        self.scene
            .plan(&draft(RUNBOOK, &[("instance", "/instance")], &[]), &[evidence])
    }

    fn run(&self, state: &str) -> Ran {
        self.scene.run(&self.config(state, ""), &self.scene.order(&self.plan()))
    }
}

fn append(path: &Path, text: &str) {
    let before = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, before + text).unwrap();
}

fn call(operation: &str, parameters: Value) -> Value {
    let mut parameters = parameters;
    parameters["DBInstanceIdentifier"] = json!("${instance}");
    json!({"kind": "aws.rds", "operation": operation, "parameters": parameters, "timeout_s": 30})
}

fn class(name: &str) -> Value {
    call(
        "ModifyDBInstance",
        json!({"DBInstanceClass": name, "ApplyImmediately": true}),
    )
}

pub fn bigger() -> Value {
    let back =
        json!({"class": "compensating", "summary": "The class before", "action": class("db.m6g.large"), "assert": []});
    json!([step("resize", &class("db.m6g.xlarge"), &back)])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_class_changes_by_one_call_and_goes_back_where_recovery_is_not_seen() {
    let scenery = Scenery::new(bigger()).await;
    scenery.standin.script(json!({"applies": true}));
    let plan = scenery.plan();
    let config = scenery.config("state", "");
    assert_ended(&scenery.scene.run(&config, &scenery.scene.order(&plan)), "done", 0);
    let asked = scenery.standin.requests();
    let modified: Vec<&Value> = asked
        .iter()
        .filter(|(name, _)| name == "rds:ModifyDBInstance")
        .map(|(_, body)| body)
        .collect();
    let wanted =
        json!({"DBInstanceIdentifier": "orders-1", "DBInstanceClass": "db.m6g.xlarge", "ApplyImmediately": true});
    assert_eq!(modified, [&wanted]);
    // CloudTrail shows which plan it was, and who approved it.
    let (_, assumed) = asked.iter().find(|(name, _)| name.ends_with("AssumeRole")).unwrap();
    assert_eq!(
        format!("sha256:{}", assumed["RoleSessionName"].as_str().unwrap()),
        plan.digest().to_string()
    );
    assert_eq!(assumed["SourceIdentity"], "ana");
    assert_eq!(assumed["DurationSeconds"], 900);

    scenery
        .standin
        .script(json!({"applies": true, "instances": {"orders-1": {}}}));
    recovers(&scenery.server, false).await;
    assert_ended(&scenery.run("state"), "not_recovered", 5);
    assert_eq!(scenery.standin.count("rds:ModifyDBInstance"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modification_that_somebody_else_left_pending_is_not_applied_along() {
    let scenery = Scenery::new(bigger()).await;
    for (instance, result) in [
        (
            json!({"PendingModifiedValues": {"AllocatedStorage": 500}}),
            "foreign_pending_modification",
        ),
        (json!({"DBInstanceStatus": "modifying"}), "rds_not_available"),
        (json!({"DbiResourceId": "db-ANOTHER"}), "wrong_resource"),
        (json!({"DBInstanceClass": "db.m6g.xlarge"}), "precondition_changed"),
    ] {
        scenery
            .standin
            .script(json!({"applies": true, "instances": {"orders-1": instance}}));
        assert_ended(&scenery.run("state"), result, 1);
    }
    assert_eq!(scenery.standin.count("rds:ModifyDBInstance"), 0);
    assert_eq!(events(&scenery.scene, "state", "step_started"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_asks_in_a_session_that_can_only_ask() {
    let scenery = Scenery::new(bigger()).await;
    let config = scenery.config("state", "");
    let looked = || preflight(&scenery.scene, &config, text(&scenery.plan()));
    scenery.standin.script(json!({}));
    let fine = looked();
    assert_eq!((fine.codes(), fine.code), (vec![], Some(0)));
    let asked = scenery.standin.requests();
    let (_, assumed) = asked.iter().find(|(name, _)| name.ends_with("AssumeRole")).unwrap();
    let policy: Value = serde_json::from_str(assumed["Policy"].as_str().unwrap()).unwrap();
    let allowed = policy["Statement"].to_string();
    assert!(
        allowed.contains("rds:DescribeDBInstances") && !allowed.contains("Modify"),
        "{allowed}"
    );
    assert_eq!(assumed["SourceIdentity"], "preflight");
    scenery
        .standin
        .script(json!({"instances": {"orders-1": {"PendingModifiedValues": {"AllocatedStorage": 500}}}}));
    assert_eq!(looked().codes(), ["foreign_pending_modification"]);
    assert_eq!(scenery.standin.count("rds:ModifyDBInstance"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_rds_answers_it_asks_for_the_state_and_calls_no_second_time() {
    let scenery = Scenery::new(bigger()).await;
    let pid = scenery.scene.dir.path().join("pid");
    scenery.standin.script(json!({"applies": true, "kill": pid}));
    let config = scenery.config("state", "");
    let order = scenery.scene.order(&scenery.plan());
    let child = scenery.scene.command(&config, Some(&order)).spawn().unwrap();
    std::fs::write(&pid, child.id().to_string()).unwrap();
    assert_eq!(ended(child.wait_with_output().unwrap()).code, None);
    assert_ended(&scenery.scene.recover(&config), "done", 0);
    assert_eq!(scenery.standin.count("rds:ModifyDBInstance"), 1);
    assert_eq!(events(&scenery.scene, "state", "step_started"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_restart_at_most_wherever_the_executor_is_killed() {
    let scenery = Scenery::new(json!([step(
        "restart",
        &call("RebootDBInstance", json!({})),
        &no_way_back()
    )]))
    .await;
    let mut points = 0;
    loop {
        scenery.standin.script(json!({"applies": true, "events": []}));
        let state = format!("state-{points}");
        let order = scenery.scene.order(&scenery.plan());
        let before = scenery.standin.count("rds:RebootDBInstance");
        let ran = scenery.scene.run(
            &scenery.config(&state, &kill_at(scenery.scene.dir.path(), points)),
            &order,
        );
        if ran.code.is_some() {
            assert_ended(&ran, "done", 0);
            break;
        }
        scenery
            .scene
            .recover(&scenery.config(&state, &kill_at(scenery.scene.dir.path(), points + 1)));
        let last = scenery.scene.recover(&scenery.config(&state, ""));
        let restarts = scenery.standin.count("rds:RebootDBInstance") - before;
        match last.code {
            Some(0) => assert_eq!(restarts, 1, "at {points}"),
            // Between the intent and the call: for five minutes nobody can tell whether an event is still to come.
            Some(5) => assert_eq!(
                (restarts, last.result.as_str()),
                (0, "still_under_way"),
                "at {points}: {last:?}"
            ),
            _ => panic!("at {points}: {last:?}"),
        }
        points += 1;
    }
    assert_eq!(points, 7, "one for each journalled event");
}
