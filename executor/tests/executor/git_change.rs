//! `git.change` on a real repository: one commit, once, and back again.

use std::path::{Path, PathBuf};
use std::process::Command;

use runbooks::Plan;
use serde_json::{Value, json};

use crate::calls::{assert_ended, events, plan, recovers, scene, step};
use crate::hooks::kill_at;
use crate::postgres::Server;
use crate::preflight::preflight;
use crate::scene::{Scene, ended, finish, text};

const FILE: &str = "prod/orders.tfvars";
const BEFORE: &str = "# sizes\nallocated_storage   = 100 # GiB\nname = \"orders\"\n";

/// A bare repository as a server has it, with one commit on `main`.
pub struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        git(
            repository.dir.path(),
            &["init", "--quiet", "--bare", "--initial-branch=main", "infra.git"],
        );
        git(repository.dir.path(), &["clone", "--quiet", "infra.git", "work"]);
        repository.commit(BEFORE);
        repository
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("infra.git")
    }

    /// Somebody else commits the file as it is to be, on `main`.
    fn commit(&self, text: &str) {
        let work = self.dir.path().join("work");
        if !git(&work, &["ls-remote", "origin"]).is_empty() {
            git(&work, &["pull", "--quiet", "origin", "main"]);
        }
        std::fs::create_dir_all(work.join("prod")).unwrap();
        std::fs::write(work.join(FILE), text).unwrap();
        git(&work, &["add", "."]);
        git(
            &work,
            &[
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.com",
                "commit",
                "--quiet",
                "-m",
                "by hand",
            ],
        );
        git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
    }

    /// Back to the first commit, whatever came after it; the commits that are found by `commits` stay reachable.
    pub fn reset(&self) {
        let head = self.ask(&["rev-parse", "main"]).trim().to_owned();
        self.ask(&["update-ref", &format!("refs/heads/old/{head}"), &head]);
        let first = self.ask(&["rev-list", "--max-parents=0", "main"]).trim().to_owned();
        self.ask(&["update-ref", "refs/heads/main", &first]);
    }

    fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join("hooks").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn ask(&self, arguments: &[&str]) -> String {
        git(&self.path(), arguments)
    }

    fn text(&self, branch: &str) -> String {
        self.ask(&["show", &format!("{branch}:{FILE}")])
    }

    /// How many commits of all branches say that they are a step's.
    pub fn commits(&self, direction: &str) -> usize {
        let log = self.ask(&["log", "--all", "--format=%(trailers:key=Countersign-Step,valueonly)"]);
        log.lines()
            .filter(|line| line.ends_with(&format!("/grow/{direction}")))
            .count()
    }

    pub fn config(&self, push: &str) -> String {
        format!(
            "[[repositories]]\nname = \"infrastructure\"\nurl = \"{}\"\nbranch = \"main\"\npush = \"{push}\"\n",
            self.path().display()
        )
    }
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(dir).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn change(from: i64, to: i64) -> Value {
    json!({"kind": "git.change", "repository": "infrastructure", "file": FILE, "variable": "allocated_storage",
        "from": from, "to": to, "timeout_s": 30})
}

fn grow() -> Value {
    let back = json!({"class": "exact", "summary": "As it was", "action": change(120, 100), "assert": []});
    json!([step("grow", &change(100, 120), &back)])
}

pub async fn scenery() -> (Server, Scene, Repository) {
    let server = Server::start(20).await;
    let scene = scene(&server, "medium", &grow()).await;
    (server, scene, Repository::new())
}

fn branch_of(plan: &Plan) -> String {
    format!("countersign/{}-grow", plan.digest().short())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_changes_in_one_commit_and_the_way_back_restores_the_tree() {
    let (server, scene, repository) = scenery().await;
    let config = scene.config("state", &repository.config("base"));
    let tree = repository.ask(&["rev-parse", "main^{tree}"]);

    let first = plan(&scene);
    assert_ended(&scene.run(&config, &scene.order(&first)), "done", 0);
    assert_eq!(repository.text("main"), BEFORE.replace("100", "120"));
    let message = repository.ask(&["log", "-1", "--format=%B", "main"]);
    assert!(
        message.contains(&format!("Countersign-Step: {}/grow/do", first.digest())),
        "{message}"
    );

    assert_ended(&scene.run(&config, &scene.rollback_order(&first)), "done", 0);
    assert_eq!(repository.ask(&["rev-parse", "main^{tree}"]), tree);

    // And by itself, where recovery is not seen.
    recovers(&server, false).await;
    assert_ended(&scene.run(&config, &scene.order(&plan(&scene))), "not_recovered", 5);
    assert_eq!(repository.ask(&["rev-parse", "main^{tree}"]), tree);
    assert_eq!((repository.commits("do"), repository.commits("undo")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_of_its_own_leaves_the_other_alone() {
    let (server, scene, repository) = scenery().await;
    let config = scene.config("state", &repository.config("branch"));
    let main = repository.ask(&["rev-parse", "main"]);
    let first = plan(&scene);
    assert_ended(&scene.run(&config, &scene.order(&first)), "done", 0);
    assert_eq!(repository.text(&branch_of(&first)), BEFORE.replace("100", "120"));
    recovers(&server, false).await;
    let second = plan(&scene);
    assert_ended(&scene.run(&config, &scene.order(&second)), "not_recovered", 5);
    assert_eq!(repository.text(&branch_of(&second)), BEFORE);
    assert_eq!(repository.ask(&["rev-parse", "main"]), main);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_was_approved_is_left_alone() {
    let (_server, scene, repository) = scenery().await;
    let config = scene.config("state", &repository.config("base"));
    for text in [
        BEFORE.replace("100", "110"),
        BEFORE.replace("allocated_storage", "other"),
        BEFORE.replace("100", "\"100\""),
        "allocated_storage = {\n".to_owned(),
    ] {
        repository.commit(&text);
        let head = repository.ask(&["rev-parse", "main"]);
        let ran = scene.run(&config, &scene.order(&plan(&scene)));
        assert_eq!(ran.code, Some(1), "{text}: {}", ran.stderr);
        assert!(
            ["precondition_changed", "file_unreadable"].contains(&ran.result.as_str()),
            "{ran:?}"
        );
        assert_eq!(repository.ask(&["rev-parse", "main"]), head);
    }
    assert_eq!(events(&scene, "state", "step_started"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_or_moves_on_is_not_forced() {
    let (_server, scene, repository) = scenery().await;
    let config = scene.config("state", &repository.config("base"));
    repository.hook("pre-receive", "echo protected >&2; exit 1");
    assert_ended(&scene.run(&config, &scene.order(&plan(&scene))), "git_push_refused", 1);
    repository.hook("pre-receive", "exit 0");

    // Somebody is faster, between our look and our push: what they wrote stays.
    let work = repository.dir.path().join("work");
    std::fs::write(work.join("theirs"), "x").unwrap();
    git(&work, &["add", "."]);
    git(
        &work,
        &[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@example.com",
            "commit",
            "--quiet",
            "-m",
            "theirs",
        ],
    );
    let theirs = git(&work, &["rev-parse", "HEAD"]).trim().to_owned();
    git(&work, &["push", "--quiet", "origin", "HEAD:refs/heads/theirs"]);
    repository.hook(
        "pre-receive",
        &format!("env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY git update-ref refs/heads/main {theirs}"),
    );
    assert_ended(
        &scene.run(&config, &scene.order(&plan(&scene))),
        "precondition_changed",
        1,
    );
    assert_eq!(repository.ask(&["rev-parse", "main"]).trim(), theirs);
    assert_eq!(repository.commits("do"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_tries_the_change_and_its_way_back_and_pushes_neither() {
    let (_server, scene, repository) = scenery().await;
    let refs = || repository.ask(&["for-each-ref"]);
    let before = refs();
    let looked = |push: &str| {
        preflight(
            &scene,
            &scene.config("state", &repository.config(push)),
            text(&plan(&scene)),
        )
    };
    for push in ["base", "branch"] {
        let looked = looked(push);
        assert_eq!((looked.codes(), looked.code), (vec![], Some(0)));
    }
    assert_eq!(refs(), before);
    let unknown = preflight(&scene, &scene.config("state", ""), text(&plan(&scene)));
    assert_eq!(
        (unknown.codes(), unknown.code),
        (vec!["no_service", "no_service"], Some(1))
    );
    repository.commit(&BEFORE.replace("100", "110"));
    assert_eq!(looked("base").codes(), ["precondition_changed"]);
    std::fs::remove_dir_all(repository.path()).unwrap();
    assert_eq!(looked("base").codes(), ["git_failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_nobody_knows_here_is_told_before_the_first_step() {
    let (_server, scene, _repository) = scenery().await;
    let ran = scene.run(&scene.config("state", ""), &scene.order(&plan(&scene)));
    assert_ended(&ran, "no_service", 1);
    assert!(ran.message.contains("`infrastructure`"), "{}", ran.message);
    assert_eq!(events(&scene, "state", "step_started"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_wherever_the_executor_is_killed() {
    let (server, scene, repository) = scenery().await;
    recovers(&server, false).await;
    let mut points = 0;
    loop {
        let state = format!("state-{points}");
        let extra = |hook: String| format!("{}{hook}", repository.config("base"));
        let order = scene.order(&plan(&scene));
        let (before, back) = (repository.commits("do"), repository.commits("undo"));
        let ran = scene.run(&scene.config(&state, &extra(kill_at(scene.dir.path(), points))), &order);
        let last = if ran.code.is_none() {
            scene.recover(&scene.config(&state, &extra(kill_at(scene.dir.path(), points + 1))));
            scene.recover(&scene.config(&state, &extra(String::new())))
        } else {
            ran
        };
        // Recovery is not seen, so that both ways are gone, each once.
        assert!(matches!(last.code, Some(0 | 5)), "at {points}: {last:?}");
        assert_eq!(
            (repository.commits("do"), repository.commits("undo")),
            (before + 1, back + 1),
            "at {points}"
        );
        assert_eq!(repository.text("main"), BEFORE);
        let replayed = scene.run(&scene.config(&state, &repository.config("base")), &order);
        assert_ended(&replayed, "already_executed", 4);
        if last.code == Some(5) && !last.stderr.contains("taken up again") {
            break;
        }
        points += 1;
    }
    assert_eq!(points, 9, "one for each journalled event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_outlives_the_executor_is_found_and_not_repeated() {
    let (_server, scene, repository) = scenery().await;
    let pid = scene.dir.path().join("pid");
    // The server has the commit in its hands when the executor dies, and takes it all the same.
    let wait = format!(
        "while [ ! -s {pid} ]; do sleep 0.05; done; kill -9 $(cat {pid}); exit 0",
        pid = pid.display()
    );
    repository.hook("pre-receive", &wait);
    let order = scene.order(&plan(&scene));
    let config = scene.config("state", &repository.config("base"));
    let child = scene.command(&config, Some(&order)).spawn().unwrap();
    std::fs::write(&pid, child.id().to_string()).unwrap();
    let killed = ended(child.wait_with_output().unwrap());
    assert_eq!(killed.code, None, "{killed:?}");
    repository.hook("pre-receive", "exit 0");
    assert_ended(&finish(scene.command(&config, None)), "done", 0);
    assert_eq!(repository.commits("do"), 1);
    assert_eq!(events(&scene, "state", "step_started"), 1);
}
