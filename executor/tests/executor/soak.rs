//! kill -9 at random, many times over: whatever the moment, every run ends as done, as undone, or handed over to a person;
//! no step takes effect twice, and no record is lost. The same seed gives the same plans and the same kills, as far as time
//! lets them be the same.
//!
//! What happened is counted where it happened: committed changes of roles in the server's write-ahead log, sessions that
//! were ended and statements that were cancelled in its log, what it analysed and vacuumed in its statistics, what it
//! dropped by an event trigger. The journal is verified against every checkpoint that went out, also before a kill.

mod calls;
mod incident;
mod kill;
mod records;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use runbooks::Plan;
use serde_json::{Value, json};

use self::incident::{Counted, Incident, SHAPES, Shape, counted, since};
use self::kill::Kill;
use self::records::Records;
use crate::fuzz::Random;
use crate::postgres::Server;
use crate::scene::{Scene, finish, set};

#[test]
#[ignore = "a thousand runs take half an hour: make soak"]
fn a_thousand_random_kills_double_nothing_and_lose_nothing() {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (runs, seed, servers) = (number("RUNS", 1000), number("SEED", now), number("SERVERS", 3));
    println!("RUNS={runs} SEED={seed}, {servers} servers side by side");
    let (tally, next, began) = (Mutex::new(Tally::default()), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..servers {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(work(runs, seed, &next, &tally));
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("in {} s:\n{tally}", began.elapsed().as_secs());
    assert_eq!(tally.runs, runs);
    assert!(tally.faults().is_empty(), "{:#?}", tally.faults());
}

/// The oracle itself: it sees a second execution of either class, and a journal that lost its end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "with the runs that it is about: make soak"]
async fn a_second_execution_and_a_lost_record_would_be_seen() {
    let stage = Stage::new().await;
    let second = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'";
    for (number, shape, again) in [
        (0, Shape::Cap, "ALTER ROLE app CONNECTION LIMIT 2"),
        (1, Shape::CapAndCancel, second),
    ] {
        let incident = Incident::new(&stage.server, &stage.succeeds, shape).await;
        let since = since(&stage.server, shape).await;
        let records = Records::new(&stage.succeeds, number);
        let config = stage.succeeds.config(&records.name, &records.publish(None));
        let ran = stage.succeeds.run(&config, &stage.succeeds.order(&incident.plan));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let mut found = Found::default();
        let once = counted(&stage.server, shape, &since).await;
        stage.judge(&records, &incident.plan, once, &mut found).await;
        assert!(
            found.double.is_empty() && found.lost.is_empty() && found.other.is_empty(),
            "{found:?}"
        );

        stage.server.admin.batch_execute(again).await.unwrap();
        let twice = loop {
            let counted = counted(&stage.server, shape, &since).await;
            if counted != once {
                break counted;
            }
            tokio::task::yield_now().await;
        };
        stage.judge(&records, &incident.plan, twice, &mut found).await;
        assert_eq!(found.double.len(), 1, "{found:?}");

        records.lose_the_last();
        stage.judge(&records, &incident.plan, once, &mut found).await;
        assert!(!found.lost.is_empty(), "{found:?}");
        drop(incident);
        stage.server.admin.batch_execute(TIDY).await.unwrap();
        stage.server.wait_until(NOBODY).await;
    }
}

/// What all runs came to.
#[derive(Default)]
struct Tally {
    runs: u64,
    kills: u64,
    killed_twice: u64,
    /// The first kill came before the order was admitted, so it was handed in again.
    handed_in_again: u64,
    points: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    effects: u64,
    double: Vec<String>,
    lost: Vec<String>,
    other: Vec<String>,
}

/// What one run came to.
#[derive(Debug, Default)]
struct Found {
    what: String,
    points: Vec<String>,
    handed_in_again: bool,
    end: String,
    effects: u64,
    /// More effects than the plan has, or than may be.
    double: Vec<String>,
    /// A record that is gone, or an effect without one.
    lost: Vec<String>,
    other: Vec<String>,
}

impl Tally {
    fn add(&mut self, found: Found) {
        self.runs += 1;
        self.kills += u64::try_from(found.points.len()).unwrap();
        self.killed_twice += u64::from(found.points.len() > 1);
        self.handed_in_again += u64::from(found.handed_in_again);
        for point in found.points {
            *self.points.entry(point).or_default() += 1;
        }
        *self.ends.entry(found.end).or_default() += 1;
        self.effects += found.effects;
        let named = |fault| format!("{}: {fault}", found.what);
        self.double.extend(found.double.into_iter().map(named));
        self.lost.extend(found.lost.into_iter().map(named));
        self.other.extend(found.other.into_iter().map(named));
    }

    fn faults(&self) -> Vec<&String> {
        self.double.iter().chain(&self.lost).chain(&self.other).collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (runs, kills) = (self.runs, self.kills);
        writeln!(
            f,
            "{runs} runs, {kills} kills that hit, {} runs killed twice, {} orders handed in again",
            self.killed_twice, self.handed_in_again
        )?;
        for (point, kills) in &self.points {
            writeln!(f, "  last record before the kill: {point}: {kills}")?;
        }
        for (end, runs) in &self.ends {
            writeln!(f, "  ended {end}: {runs}")?;
        }
        write!(
            f,
            "{} effects counted; double executions {}, lost records {}, other faults {}",
            self.effects,
            self.double.len(),
            self.lost.len(),
            self.other.len()
        )
    }
}

/// One server, and one run on it after another until all are done.
async fn work(runs: u64, seed: u64, next: &AtomicU64, tally: &Mutex<Tally>) {
    let stage = Stage::new().await;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= runs {
            return;
        }
        let mut random = Random::new(seed, number);
        let found = stage.run(number, &mut random).await;
        let mut tally = tally.lock().unwrap();
        tally.add(found);
        if tally.runs.is_multiple_of(100) {
            println!(
                "{} runs, {} kills, {} faults",
                tally.runs,
                tally.kills,
                tally.faults().len()
            );
        }
    }
}

/// A server, an executor whose verification succeeds, and one whose verification fails.
struct Stage {
    server: Server,
    succeeds: Scene,
    fails: Scene,
}

impl Stage {
    async fn new() -> Self {
        let settings = [
            "wal_level=replica",
            "autovacuum=off",
            "checkpoint_timeout=1d",
            "max_wal_size=8GB",
        ];
        let server = Server::start_with(60, |_| settings.map(str::to_owned).to_vec()).await;
        incident::prepare(&server).await;
        let (succeeds, fails) = (scene(&server, false).await, scene(&server, true).await);
        Self {
            server,
            succeeds,
            fails,
        }
    }

    async fn run(&self, number: u64, random: &mut Random) -> Found {
        let shape = SHAPES[random.below(SHAPES.len())];
        let scene = if random.below(3) == 0 {
            &self.fails
        } else {
            &self.succeeds
        };
        let kills = 1 + random.below(2);
        let incident = Incident::new(&self.server, scene, shape).await;
        let order = scene.order(&incident.plan);
        let since = since(&self.server, shape).await;

        let records = Records::new(scene, number);
        let (mut tried, mut points) = (Vec::new(), Vec::new());
        while tried.len() < kills && tried.len() == points.len() {
            let kill = Kill::at_random(random, &records);
            let config = scene.config(&records.name, &records.publish(Some(kill)));
            let command = scene.command(&config, tried.is_empty().then_some(&order));
            tried.push(kill);
            if kill.run(command, &records) {
                points.push(point(&records.events()));
            }
        }
        let config = scene.config(&records.name, &records.publish(None));
        let (mut handed_in_again, mut said) = (false, Vec::new());
        while records.end().is_none() && said.len() < 6 {
            let admitted = !records.events().is_empty();
            handed_in_again |= !admitted;
            let ran = finish(scene.command(&config, (!admitted).then_some(&order)));
            said.push(format!("{:?} {} {}", ran.code, ran.result, ran.message));
        }
        // Whatever is still at work there belongs to this run.
        self.server.wait_until(GONE).await;
        let counted = counted(&self.server, shape, &since).await;
        let mut found = Found {
            what: format!("run {number}, {shape:?}, killed {tried:?} after {points:?}, then {said:?}"),
            points,
            handed_in_again,
            effects: counted.transactional + counted.not_transactional,
            ..Found::default()
        };
        self.judge(&records, &incident.plan, counted, &mut found).await;
        drop(incident);
        self.server.admin.batch_execute(TIDY).await.unwrap();
        self.server.wait_until(NOBODY).await;
        records.remove();
        found
    }

    /// Holds the journal against what the server counted.
    async fn judge(&self, records: &Records, plan: &Plan, counted: Counted, found: &mut Found) {
        found.end = match records.end().as_deref() {
            Some(end @ "done") => format!("as done: {end}"),
            Some(end @ ("rolled_back" | "not_recovered" | "failed")) => format!("as undone: {end}"),
            Some(end @ ("in_doubt" | "rollback_failed")) => format!("handed over to a person: {end}"),
            end => {
                found.other.push("it ended nowhere".to_owned());
                format!("nowhere: {end:?}")
            }
        };
        found.lost.extend(records.verify().err());
        let events = records.events();
        for (class, effects) in [
            (TRANSACTIONAL, counted.transactional),
            (NOT_TRANSACTIONAL, counted.not_transactional),
        ] {
            let times = |wanted: &dyn Fn(&str, &Value) -> bool| {
                let of_class = events.iter().filter(|(_, data)| class_of(data) == Some(class));
                u64::try_from(of_class.filter(|(kind, data)| wanted(kind, data)).count()).unwrap()
            };
            let is = |wanted: &'static str| move |kind: &str, _: &Value| kind == wanted;
            // No plan here has two steps of one class, so each direction has one effect at most.
            let intended = times(&is("step_started")).min(1) + times(&is("undo_started")).min(1);
            let recorded = times(&is("step_done")) + times(&is("undo_done"));
            let open = times(&|kind, data| {
                kind == "step_in_doubt"
                    || kind == "undo_failed"
                    || kind == "step_failed" && data["effect"] == "possible"
            });
            if effects > recorded + open {
                let fault = format!("{effects} effects that are {class}, {recorded} recorded, {open} open: {events:?}");
                if intended <= recorded + open {
                    found.double.push(fault);
                } else {
                    found.lost.push(fault);
                }
            }
            if effects < recorded {
                let fault = format!("{effects} effects that are {class}, {recorded} recorded: {events:?}");
                found.other.push(fault);
            }
        }
        // The target's own marks, and its catalog.
        let digest = plan.digest().to_string();
        let marks: i64 = self.server.admin.query_one(MARKS, &[&digest]).await.unwrap().get(0);
        if u64::try_from(marks).unwrap() != counted.transactional {
            found.other.push(format!("{marks} marks: {counted:?}, {events:?}"));
        }
        let role = self.server.text(ROLE).await;
        if (role == AS_BEFORE) != counted.transactional.is_multiple_of(2) {
            found.other.push(format!("the role is {role}: {counted:?}, {events:?}"));
        }
    }
}

async fn scene(server: &Server, fails: bool) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/interval_ms", json!(100));
        if fails {
            let never = json!("SELECT pg_catalog.current_setting('port')::bigint");
            set(runbook, "/verification/query", never);
            set(runbook, "/verification/expect", json!({"equals": 0}));
            set(runbook, "/verification/deadline_s", json!(1));
        }
        // Its fault takes seconds to make, and is not what this is about.
        if runbook["id"] == "lock-manager-contention" {
            let checks = runbook["prechecks"].as_array_mut().unwrap();
            set(checks.last_mut().unwrap(), "/expect", json!({"at_least": 0}));
        }
    })
    .await
}

/// The last record before the kill, and which class of step it is about.
fn point(events: &[(String, Value)]) -> String {
    let Some((kind, data)) = events.last() else {
        return "none".to_owned();
    };
    match class_of(data) {
        Some(class) => format!("{kind}, {class}"),
        None => kind.clone(),
    }
}

fn class_of(data: &Value) -> Option<&'static str> {
    match data["step"].as_str()? {
        "cap_role" => Some(TRANSACTIONAL),
        _ => Some(NOT_TRANSACTIONAL),
    }
}

const TRANSACTIONAL: &str = "transactional";
const NOT_TRANSACTIONAL: &str = "not transactional";
const GONE: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'countersign/%'";
const NOBODY: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename IN ('app', 'batch')";
const TIDY: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('app', 'batch');
    ALTER ROLE app RESET work_mem; ALTER ROLE app CONNECTION LIMIT -1; DROP TABLE IF EXISTS worked_on; DELETE FROM dropped";
const MARKS: &str =
    "SELECT count(*) FILTER (WHERE step_id = 'cap_role') FROM countersign.executed_steps WHERE plan_digest = $1";
const ROLE: &str = "
    SELECT concat_ws(' ', r.rolconnlimit, (SELECT s.setconfig::text FROM pg_db_role_setting s WHERE s.setrole = r.oid))
    FROM pg_roles r WHERE rolname = 'app'";
const AS_BEFORE: &str = "-1 {lock_timeout=1min}";
