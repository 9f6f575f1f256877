//! Every hostile statement through `query`, in the worst configurations: as the owner of everything, and as superuser.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    corpus::{self, SECRETS, Statement, TIES},
    mcp::Mcp,
    oracle::{Oracle, Signals, changed, difference},
    trapped::{COMMON_CAST, Trapped},
};

const FLAGS: [&str; 5] = [
    "--allow-privileged-role",
    "--statement-timeout-ms",
    "300",
    "--rest-after-failure",
    "0",
];
/// The statement's own time, what the server waits longer than that, and room for a machine that is busy with tests.
const DEADLINE: Duration = Duration::from_secs(5);
/// A build for tests, before the first statement about half of it.
const MAX_KIB: u64 = 64 * 1024;
const MORE_KIB: u64 = 4 * 1024;
/// The close look is taken after so many statements.
const BATCH: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_statement_has_an_effect_as_the_owner_of_everything() {
    Run::start("owner").await.all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_statement_has_an_effect_as_superuser() {
    Run::start("postgres").await.all().await;
}

struct Run {
    scene: Trapped,
    oracle: Oracle,
    role: &'static str,
    mcp: Mcp,
    /// Speaks as a role whose search_path puts other things before the built-in ones.
    shadowed: Mcp,
    findings: Vec<String>,
    answered: BTreeMap<&'static str, Vec<&'static str>>,
    refused: usize,
    slowest: (Duration, &'static str),
    peak: u64,
}

impl Run {
    async fn start(role: &'static str) -> Self {
        let scene = Trapped::start().await;
        let mut mcp = Mcp::start(&scene.cluster.dsn(role), &FLAGS).await;
        let mut shadowed = Mcp::start(&scene.cluster.dsn("shadowed"), &FLAGS).await;
        for mcp in [&mut mcp, &mut shadowed] {
            mcp.ok("query", json!({"sql": "SELECT 1"})).await;
        }
        let oracle = Oracle::watch(&scene.cluster, "postgres").await;
        Self {
            scene,
            oracle,
            role,
            mcp,
            shadowed,
            findings: Vec::new(),
            answered: BTreeMap::new(),
            refused: 0,
            slowest: (Duration::ZERO, ""),
            peak: 0,
        }
    }

    async fn all(mut self) {
        let statements = corpus::hostile();
        assert!(statements.len() >= 320);
        let session = self.session().await;
        let mut tied = "";
        let nothing = Signals::new();
        let mut before = self.oracle.look_closely(&nothing).await;
        for batch in statements
            .chunk_by(|one, next| one.category == next.category)
            .flat_map(|category| category.chunks(BATCH))
        {
            let category = batch.first().unwrap().category;
            let casts = match category {
                "tied" => Some(TIES),
                "implicit" => Some(COMMON_CAST),
                _ => None,
            };
            if let Some(casts) = casts.filter(|_| category != std::mem::replace(&mut tied, category)) {
                if self.session().await != session {
                    self.findings.push("the session is not as it was".to_owned());
                }
                assert!(self.scene.tie(casts).await);
                // What the guard knows of the catalog it may believe for a while; the casts must not be later than that.
                self.mcp = Mcp::start(&self.scene.cluster.dsn(self.role), &FLAGS).await;
                before = self.oracle.look_closely(&Signals::new()).await;
            }
            for statement in batch {
                before = self.one(statement, before).await;
            }
            let after = self.oracle.look_closely(&before).await;
            if !changed(&before, &after).is_empty() {
                let seen = difference(&before, &after);
                before = self.narrow_down(batch, &seen, after).await;
            }
        }
        self.report(statements.len());
        assert!(self.findings.is_empty(), "{} as {}", self.findings.len(), self.role);
    }

    /// Sends one statement; whatever it changed is a finding, and what the next one is compared with.
    async fn one(&mut self, statement: &Statement, before: Signals) -> Signals {
        self.send(statement).await;
        let after = self.oracle.look_settled(&before).await;
        if changed(&before, &after).is_empty() {
            return before;
        }
        self.found(statement, &difference(&before, &after));
        self.scene.replace_bystanders().await;
        self.oracle.look_closely(&before).await
    }

    /// The close look saw what no statement's own look did: sends the batch again, looking closely each time.
    async fn narrow_down(&mut self, batch: &[Statement], seen: &str, mut before: Signals) -> Signals {
        let found = self.findings.len();
        for statement in batch {
            self.send(statement).await;
            let after = self.oracle.look_closely(&before).await;
            if !changed(&before, &after).is_empty() {
                self.found(statement, &difference(&before, &after));
            }
            before = after;
        }
        if self.findings.len() == found {
            self.found(
                batch.first().unwrap(),
                &format!("or one of the {BATCH} after it: {seen}"),
            );
        }
        before
    }

    fn found(&mut self, statement: &Statement, what: &str) {
        let finding = format!("[{}] {:.200}\n    {what}", statement.category, statement.line);
        println!("FINDING {finding}");
        self.findings.push(finding);
    }

    async fn send(&mut self, statement: &Statement) {
        let sql = self.scene.places.fill(statement.line);
        let mcp = match statement.category {
            "shadow" => &mut self.shadowed,
            _ => &mut self.mcp,
        };
        let began = Instant::now();
        let answer = mcp.call("query", json!({"sql": sql})).await;
        let (took, peak) = (began.elapsed(), mcp.peak_kib());
        if took > self.slowest.0 {
            self.slowest = (took, statement.line);
        }
        if took > DEADLINE {
            self.found(statement, &format!("took {took:?}"));
        }
        if peak > (self.peak + MORE_KIB).max(MAX_KIB) {
            self.found(statement, &format!("the server held {peak} KiB"));
        }
        self.peak = self.peak.max(peak);
        let text = answer.to_string();
        if let Some(secret) = SECRETS.iter().find(|secret| text.contains(**secret)) {
            self.found(statement, &format!("told `{secret}`"));
        }
        let refused = answer.is_null() || answer.get("code").is_some_and(|code| code != "sql_error");
        match refused {
            true => self.refused += 1,
            false => self
                .answered
                .entry(statement.category)
                .or_default()
                .push(statement.line),
        }
    }

    /// What a session could keep, which nobody else can see.
    async fn session(&mut self) -> Value {
        let sql = "SELECT name, setting FROM pg_settings WHERE source IN ('session', 'client', 'database user')";
        self.mcp.ok("query", json!({"sql": sql, "max_rows": 1000})).await["rows"].clone()
    }

    fn report(&self, sent: usize) {
        println!(
            "as {}: {sent} statements, {} refused, {} findings; slowest {:?} ({:.60}); at most {} KiB",
            self.role,
            self.refused,
            self.findings.len(),
            self.slowest.0,
            self.slowest.1,
            self.peak
        );
        for (category, lines) in &self.answered {
            println!("answered or left to the database, {category}: {}", lines.len());
            lines.iter().for_each(|line| println!("    {line:.150}"));
        }
    }
}
