//! The same for steps that are no SQL: what happened is counted by the repository, by GitHub's stand-in, and by that of RDS.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use runbooks::Plan;
use serde_json::{Value, json};

use super::kill::Kill;
use super::records::Records;
use crate::calls::{plan, recovers};
use crate::fuzz::Random;
use crate::postgres::Server;
use crate::scene::{Scene, finish};
use crate::{aws_rds, ci_dispatch, git_change};

/// A server, an executor, and the service that its one step calls.
enum Stage {
    Git(Server, Scene, git_change::Repository),
    Ci(ci_dispatch::Scenery),
    Rds(aws_rds::Scenery),
}

const KINDS: [&str; 3] = ["git.change", "ci.dispatch", "aws.rds"];

impl Stage {
    async fn new(kind: &str) -> Self {
        match kind {
            "git.change" => {
                let (server, scene, repository) = git_change::scenery().await;
                Self::Git(server, scene, repository)
            }
            "ci.dispatch" => Self::Ci(ci_dispatch::Scenery::new(2).await),
            _ => {
                let stage = aws_rds::Scenery::new(aws_rds::bigger()).await;
                Self::Rds(stage)
            }
        }
    }

    fn server(&self) -> &Server {
        match self {
            Self::Git(server, _, _) => server,
            Self::Ci(scenery) => &scenery.server,
            Self::Rds(scenery) => &scenery.server,
        }
    }

    fn scene(&self) -> &Scene {
        match self {
            Self::Git(_, scene, _) => scene,
            Self::Ci(scenery) => &scenery.scene,
            Self::Rds(scenery) => &scenery.scene,
        }
    }

    /// As it was before the first run.
    fn reset(&self) {
        match self {
            Self::Git(_, _, repository) => repository.reset(),
            Self::Ci(_) => {}
            Self::Rds(scenery) => scenery
                .standin
                .script(json!({"applies": true, "instances": {"orders-1": {}}})),
        }
    }

    fn plan(&self) -> Plan {
        match self {
            Self::Git(_, scene, _) => plan(scene),
            Self::Ci(scenery) => plan(&scenery.scene),
            Self::Rds(scenery) => scenery.plan(),
        }
    }

    fn config(&self, state: &str, hook: &str) -> PathBuf {
        match self {
            Self::Git(_, scene, repository) => scene.config(state, &format!("{}{hook}", repository.config("base"))),
            Self::Ci(scenery) => scenery.scene.config(state, &scenery.extra(hook)),
            Self::Rds(scenery) => scenery.config(state, hook),
        }
    }

    /// How often it was done, and undone, as the service counted.
    fn counted(&self) -> (usize, usize) {
        match self {
            Self::Git(_, _, repository) => (repository.commits("do"), repository.commits("undo")),
            Self::Ci(scenery) => (scenery.github.dispatches(), 0),
            Self::Rds(scenery) => {
                let asked = scenery.standin.requests();
                let of = |class: &str| {
                    asked
                        .iter()
                        .filter(|(name, body)| name == "rds:ModifyDBInstance" && body["DBInstanceClass"] == class)
                        .count()
                };
                (of("db.m6g.xlarge"), of("db.m6g.large"))
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    runs: u64,
    kills: u64,
    points: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    effects: usize,
    faults: Vec<String>,
}

#[test]
#[ignore = "hundreds of runs take a quarter of an hour: make soak"]
fn random_kills_of_calls_double_nothing_and_lose_nothing() {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (runs, seed) = (number("CALL_RUNS", 300), number("SEED", now));
    println!("CALL_RUNS={runs} SEED={seed}, a server for each of {KINDS:?}");
    let (tally, next, began) = (Mutex::new(Tally::default()), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for kind in KINDS {
            let (tally, next) = (&tally, &next);
            scope.spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let stage = Stage::new(kind).await;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= runs {
                            return;
                        }
                        one(&stage, kind, number, seed, tally).await;
                    }
                });
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!(
        "in {} s: {} runs, {} kills that hit",
        began.elapsed().as_secs(),
        tally.runs,
        tally.kills
    );
    for (what, times) in tally.points.iter().chain(&tally.ends) {
        println!("  {what}: {times}");
    }
    println!("{} effects counted, {} faults", tally.effects, tally.faults.len());
    assert_eq!(tally.runs, runs);
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
}

async fn one(stage: &Stage, kind: &str, number: u64, seed: u64, tally: &Mutex<Tally>) {
    let mut random = Random::new(seed, number);
    stage.reset();
    let goes_back = random.below(3) == 0;
    if goes_back {
        recovers(stage.server(), false).await;
    }
    let order = stage.scene().order(&stage.plan());
    let before = stage.counted();
    let records = Records::new(stage.scene(), number);
    let kills = 1 + random.below(2);
    let (mut tried, mut hit) = (Vec::new(), Vec::new());
    while tried.len() < kills && tried.len() == hit.len() {
        let kill = Kill::at_random(&mut random, &records);
        let config = stage.config(&records.name, &records.publish(Some(kill)));
        let command = stage.scene().command(&config, tried.is_empty().then_some(&order));
        tried.push(kill);
        if kill.run(command, &records) {
            let last = records
                .events()
                .last()
                .map_or("none".to_owned(), |(kind, _)| kind.clone());
            hit.push(format!("{kind} killed after {last}"));
        }
    }
    let config = stage.config(&records.name, &records.publish(None));
    let mut said = Vec::new();
    while records.end().is_none() && said.len() < 6 {
        let admitted = !records.events().is_empty();
        let ran = finish(stage.scene().command(&config, (!admitted).then_some(&order)));
        said.push(format!("{:?} {} {}", ran.code, ran.result, ran.message));
    }
    // A push whose executor was killed may still be on its way.
    let after = stage.counted();
    let (done, undone) = (after.0 - before.0, after.1 - before.1);
    let mut faults = judge(&records, done, undone);
    if goes_back {
        recovers(stage.server(), true).await;
    }
    let mut tally = tally.lock().unwrap();
    tally.runs += 1;
    tally.kills += u64::try_from(hit.len()).unwrap();
    tally.effects += done + undone;
    let end = records.end().unwrap_or("nowhere".to_owned());
    *tally.ends.entry(format!("{kind} ended as {end}")).or_default() += 1;
    for point in &hit {
        *tally.points.entry(point.clone()).or_default() += 1;
    }
    let what = format!("run {number}, {kind}, killed {tried:?}, then {said:?}");
    tally
        .faults
        .extend(faults.drain(..).map(|fault| format!("{what}: {fault}")));
    drop(tally);
    records.remove();
}

/// Holds the journal against what the service counted.
fn judge(records: &Records, done: usize, undone: usize) -> Vec<String> {
    let events = records.events();
    let times = |wanted: &dyn Fn(&str, &Value) -> bool| events.iter().filter(|(kind, data)| wanted(kind, data)).count();
    let mut faults = Vec::new();
    if done > 1 || undone > 1 {
        faults.push(format!("done {done} times, undone {undone} times: {events:?}"));
    }
    for (effects, recorded, open) in [
        (
            done,
            times(&|kind, _| kind == "step_done"),
            times(&|kind, data| kind == "step_in_doubt" || kind == "step_failed" && data["effect"] == "possible"),
        ),
        (
            undone,
            times(&|kind, _| kind == "undo_done"),
            times(&|kind, _| kind == "step_in_doubt" || kind == "undo_failed"),
        ),
    ] {
        if effects > recorded + open {
            faults.push(format!(
                "{effects} effects, {recorded} recorded, {open} open: {events:?}"
            ));
        }
        if effects < recorded {
            faults.push(format!("{effects} effects, {recorded} recorded: {events:?}"));
        }
    }
    if records.end().is_none() {
        faults.push(format!("it ended nowhere: {events:?}"));
    }
    faults.extend(records.verify().err());
    faults
}
