//! `ci.dispatch`: one run of a workflow, followed to its end; a run that nobody heard of is looked for, never repeated.

use serde_json::{Value, json};

use crate::calls::{assert_ended, events, no_way_back, plan, scene, step};
use crate::github::{AtDispatch, Behaviour, Github, TOKEN};
use crate::hooks::kill_at;
use crate::postgres::Server;
use crate::scene::{Ran, Scene, ended};

pub struct Scenery {
    pub server: Server,
    pub scene: Scene,
    pub github: Github,
}

impl Scenery {
    pub async fn new(max_wait_s: u32) -> Self {
        let server = Server::start(20).await;
        let mut restart = step("restart", &action(), &no_way_back());
        restart["max_wait_s"] = json!(max_wait_s);
        Self {
            scene: scene(&server, "medium", &json!([restart])).await,
            github: Github::start().await,
            server,
        }
    }

    pub fn extra(&self, hook: &str) -> String {
        let token = self.scene.dir.path().join("github-token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        format!(
            "[[repositories]]\nname = \"infrastructure\"\nurl = \"https://github.example/acme/infra.git\"\nbranch = \"main\"\n\
             github_api = \"{}\"\ngithub_repository = \"acme/infra\"\ngithub_token_file = \"github-token\"\n{hook}",
            self.github.url
        )
    }

    fn run(&self, state: &str) -> Ran {
        let config = self.scene.config(state, &self.extra(""));
        self.scene.run(&config, &self.scene.order(&plan(&self.scene)))
    }

    /// Runs an order whose dispatch kills the executor.
    fn run_killed(&self, state: &str) -> Ran {
        let config = self.scene.config(state, &self.extra(""));
        let order = self.scene.order(&plan(&self.scene));
        let child = self.scene.command(&config, Some(&order)).spawn().unwrap();
        self.github.caller(Some(child.id()));
        ended(child.wait_with_output().unwrap())
    }

    fn recover(&self, state: &str) -> Ran {
        self.scene.recover(&self.scene.config(state, &self.extra("")))
    }
}

fn action() -> Value {
    json!({"kind": "ci.dispatch", "repository": "infrastructure", "workflow": "restart.yml", "git_ref": "main", "timeout_s": 10,
        "inputs": {"service": "checkout", "drain": true, "batch": 2}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_with_its_inputs_and_followed_to_its_end() {
    let scenery = Scenery::new(20).await;
    assert_ended(&scenery.run("state"), "done", 0);
    let [run] = scenery.github.started().try_into().unwrap();
    assert_eq!(run.reference, "main");
    assert_eq!(run.inputs["service"], json!("checkout"));
    assert_eq!((&run.inputs["drain"], &run.inputs["batch"]), (&json!(true), &json!(2)));
    assert_eq!(run.inputs["countersign_id"].as_str().unwrap().len(), 32);

    // A server from before 2026 names no run; it is found by what it shows.
    scenery.github.behave(Behaviour {
        knows_details: false,
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "done", 0);
    assert_eq!(scenery.github.started().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_otherwise_is_told_as_such() {
    let scenery = Scenery::new(3).await;
    scenery.github.behave(Behaviour {
        conclusion: "failure",
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "run_failed", 5);
    scenery.github.behave(Behaviour {
        takes: 1000,
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "still_under_way", 5);
    scenery.github.behave(Behaviour {
        state: "disabled_manually",
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "precondition_changed", 1);
    assert_eq!(scenery.github.dispatches(), 2);

    let config = scenery.scene.config("other", &scenery.extra(""));
    std::fs::write(scenery.scene.dir.path().join("github-token"), "another").unwrap();
    let ran = scenery.scene.run(&config, &scenery.scene.order(&plan(&scenery.scene)));
    assert_ended(&ran, "github_refused", 1);
    assert!(ran.message.contains("401: Bad credentials"), "{}", ran.message);
    assert!(!format!("{ran:?}").contains("another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_no_reason_to_start_a_second_run() {
    let scenery = Scenery::new(5).await;
    scenery.github.behave(Behaviour {
        at_dispatch: AtDispatch::LosesAnswer,
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "done", 0);
    assert_eq!((scenery.github.dispatches(), scenery.github.started().len()), (1, 1));

    // Whether it was started cannot be told: a person must look.
    scenery.github.behave(Behaviour {
        at_dispatch: AtDispatch::Unavailable,
        ..Behaviour::default()
    });
    assert_ended(&scenery.run("state"), "run_not_found", 6);
    assert_eq!((scenery.github.dispatches(), scenery.github.started().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_the_call_it_looks_before_it_does_anything() {
    let scenery = Scenery::new(5).await;
    for (starts, result, code) in [(true, "done", 0), (false, "run_not_found", 6)] {
        let state = format!("state-{starts}");
        scenery.github.behave(Behaviour {
            at_dispatch: AtDispatch::KillsCaller { starts },
            ..Behaviour::default()
        });
        let before = scenery.github.dispatches();
        assert_eq!(scenery.run_killed(&state).code, None);
        assert_ended(&scenery.recover(&state), result, code);
        assert_eq!(scenery.github.dispatches(), before + 1);
        assert_eq!(events(&scenery.scene, &state, "step_started"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_most_wherever_the_executor_is_killed() {
    let scenery = Scenery::new(3).await;
    let mut points = 0;
    loop {
        let state = format!("state-{points}");
        let config = |hook: &str| scenery.scene.config(&state, &scenery.extra(hook));
        let order = scenery.scene.order(&plan(&scenery.scene));
        let before = scenery.github.dispatches();
        let ran = scenery
            .scene
            .run(&config(&kill_at(scenery.scene.dir.path(), points)), &order);
        if ran.code.is_some() {
            assert_ended(&ran, "done", 0);
            break;
        }
        scenery
            .scene
            .recover(&config(&kill_at(scenery.scene.dir.path(), points + 1)));
        let last = scenery.scene.recover(&config(""));
        let runs = scenery.github.dispatches() - before;
        // Killed between the intent and the call, there is a marker and no run: whether one will come nobody can tell.
        match last.code {
            Some(0) => assert_eq!(runs, 1, "at {points}"),
            Some(6) => assert_eq!(
                (runs, last.result.as_str()),
                (0, "run_not_found"),
                "at {points}: {last:?}"
            ),
            _ => panic!("at {points}: {last:?}"),
        }
        points += 1;
    }
    assert_eq!(points, 7, "one for each journalled event");
}
