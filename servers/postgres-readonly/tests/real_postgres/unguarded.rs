//! The negative control: the same statements over a plain connection, where the same oracle must see what they do.
#![expect(
    clippy::disallowed_methods,
    reason = "an attacker's session: several statements at once are a part of what is tried"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{error::Elapsed, timeout};
use tokio_postgres::SimpleQueryMessage;

use crate::{
    cluster::Pg,
    corpus::{self, SECRETS, TIES},
    oracle::{Oracle, Signals, changed},
    trapped::{COMMON_CAST, Trapped},
};

/// Every so many statements of the corpus are run. All of them with POSTGRES_READONLY_WHOLE_CORPUS, in some minutes.
const STRIDE: usize = 5;
/// Statements whose harm must be seen; a part of the corpus is harmless, and a part fails without the ones before it.
const MIN_SEEN_PERCENT: usize = 50;
/// Categories that are run whole.
const ALWAYS: [&str; 3] = ["stacked", "setting", "secret"];
/// Kinds of harm that nothing in a plain session does to a server without taking it along.
const NEVER: [&str; 2] = ["server", "left_open"];

type Outcome = Result<Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>, Elapsed>;

#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_sees_the_harm_where_nothing_guards() {
    let mut scene = Trapped::start_with_copy().await;
    let mut oracle = Oracle::watch(&scene.cluster, "postgres").await;
    let mut before = oracle.look_closely(&Signals::new()).await;
    let every_kind: BTreeSet<String> = before
        .keys()
        .cloned()
        .chain(["session", "told"].map(str::to_owned))
        .collect();
    let mut untouched = BTreeMap::new();
    for role in ["postgres", "owner", "shadowed"] {
        untouched.insert(role, session(&attacker(&scene, role).await).await);
    }
    let (mut sent, mut seen) = (0, 0);
    let mut by_kind: BTreeMap<String, usize> = BTreeMap::new();
    let stride = if std::env::var_os("POSTGRES_READONLY_WHOLE_CORPUS").is_some() {
        1
    } else {
        STRIDE
    };
    let statements = corpus::hostile().into_iter().filter(|statement| statement.unguarded);
    for (number, statement) in statements.enumerate() {
        if number % stride != 0 && !ALWAYS.contains(&statement.category) {
            continue;
        }
        sent += 1;
        let role = match statement.category {
            "shadow" => "shadowed",
            "row_security" => "owner",
            _ => "postgres",
        };
        if ["tied", "implicit"].contains(&statement.category) && scene.tie(TIES).await && scene.tie(COMMON_CAST).await {
            before = oracle.look_closely(&Signals::new()).await;
        }
        let attacker = attacker(&scene, role).await;
        let sql = scene.places.fill(statement.line);
        let outcome = timeout(Duration::from_secs(10), attacker.simple_query(&sql)).await;
        // What is told over other connections arrives when it arrives.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut kinds = BTreeSet::new();
        if tells(&outcome) {
            kinds.insert("told".to_owned());
        }
        let mut after = oracle.look().await;
        kinds.extend(changed(&before, &after));
        if session(&attacker)
            .await
            .is_some_and(|now| Some(&Some(now)) != untouched.get(role))
        {
            kinds.insert("session".to_owned());
        }
        drop(attacker);
        let written = ["next_xid", "sprung_elsewhere", "folder"]
            .iter()
            .any(|kind| kinds.contains(*kind));
        if kinds.contains("auto_conf") {
            scene.reload().await;
        }
        if written || kinds.contains("auto_conf") {
            after = oracle.look_closely(&before).await;
            kinds.extend(changed(&before, &after));
        }
        match kinds.is_empty() {
            true => println!(
                "unseen: [{}] {:.150} {}",
                statement.category,
                statement.line,
                error_of(outcome)
            ),
            false => seen += 1,
        }
        let contents = kinds.iter().any(|kind| {
            ["contents", "catalogs", "large_objects", "sprung_elsewhere", "server"].contains(&kind.as_str())
        });
        let elsewhere = [
            "auto_conf",
            "slots",
            "prepared",
            "roles",
            "folder",
            "strangers",
            "bystanders",
            "conf_loaded",
        ];
        let repaired = kinds.iter().any(|kind| elsewhere.contains(&kind.as_str()));
        kinds
            .into_iter()
            .for_each(|kind| *by_kind.entry(kind).or_default() += 1);
        if contents || repaired {
            scene.repair(contents).await;
            oracle = Oracle::watch(&scene.cluster, "postgres").await;
            before = oracle.look_closely(&Signals::new()).await;
        } else {
            before.extend(oracle.look_settled(&before).await);
        }
    }
    println!("{sent} statements sent, the harm of {seen} seen: {by_kind:?}");
    let silent: Vec<&String> = every_kind
        .iter()
        .filter(|kind| !by_kind.contains_key(*kind) && !NEVER.contains(&kind.as_str()))
        .collect();
    assert!(silent.is_empty(), "kinds that never fired: {silent:?}");
    assert!(seen * 100 >= sent * MIN_SEEN_PERCENT && seen >= 120, "{seen} of {sent}");
}

async fn attacker(scene: &Trapped, role: &str) -> Pg {
    let attacker = scene.cluster.connect(role, "attacker").await;
    attacker
        .batch_execute("SET statement_timeout = '1s'; SET lock_timeout = '300ms'; SET client_min_messages = error")
        .await
        .unwrap();
    attacker
}

/// What a session keeps for itself; `None` if there is no asking it any more.
async fn session(attacker: &Pg) -> Option<String> {
    let ask = "SELECT concat_ws(' ', (SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings
                          WHERE name NOT LIKE '%.%' AND name NOT LIKE 'transaction_%'),
                      (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors),
                      current_user, (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),
                      (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'))";
    let asking = async {
        let asked = attacker.simple_query(ask).await;
        let rows = match asked {
            Ok(rows) => rows,
            Err(_) => {
                attacker.batch_execute("ROLLBACK").await.ok()?;
                attacker.simple_query(ask).await.ok()?
            }
        };
        rows.into_iter().find_map(|row| match row {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    };
    timeout(Duration::from_secs(5), asking).await.ok().flatten()
}

fn tells(outcome: &Outcome) -> bool {
    let Ok(Ok(messages)) = outcome else { return false };
    messages.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => (0..row.len())
            .filter_map(|column| row.get(column))
            .any(|value| SECRETS.iter().any(|secret| value.contains(secret))),
        _ => false,
    })
}

fn error_of(outcome: Outcome) -> String {
    match outcome {
        Ok(Ok(_)) => String::new(),
        Ok(Err(error)) => error
            .as_db_error()
            .map_or(error.to_string(), |error| error.message().to_owned()),
        Err(_) => "no answer".to_owned(),
    }
}
