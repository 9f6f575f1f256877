//! Who may depend on whom: each edge between our own crates, and what may never be reached from where, each with its
//! reason. A new edge here is a change of the design. `deny.toml` says the same for direct edges.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed set-up is a failed test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Each crate of ours, the crates of ours that it may ship with directly, and why no others.
const ALLOWED: [(&str, &[&str], &str); 22] = [
    (
        "sql-facts",
        &[],
        "what a statement is does not depend on what anybody wants of it",
    ),
    (
        "rds-call",
        &[],
        "which calls there are, as data: who reads a plan must not be able to make one",
    ),
    ("journal", &[], "the log must be verifiable without the rest"),
    (
        "model",
        &[],
        "the crate with the model's key knows nothing of incidents, plans, or databases",
    ),
    (
        "runbooks",
        &["rds-call", "sql-facts"],
        "what may be done is data and its meaning",
    ),
    (
        "policies",
        &["runbooks", "sql-facts"],
        "whether it may go on is judged from plans and parsed facts alone",
    ),
    (
        "approval",
        &["policies", "runbooks"],
        "an approval is made from what the policy permitted: PermittedPlan to ApprovedPlan",
    ),
    (
        "incident",
        &["runbooks"],
        "incidents share the evidence that plans point into",
    ),
    (
        "kit",
        &["journal"],
        "every server starts the same way and can log to the journal",
    ),
    (
        "aws-query",
        &[],
        "a signed request and its answer: who may ask what is said elsewhere",
    ),
    (
        "aws-telemetry",
        &["aws-query", "kit"],
        "what the two servers that read AWS share",
    ),
    (
        "cloudwatch-logs",
        &["aws-telemetry", "kit"],
        "observation reads, and judges nothing",
    ),
    (
        "performance-insights",
        &["aws-telemetry", "kit"],
        "observation reads, and judges nothing",
    ),
    (
        "postgres-readonly",
        &["kit", "sql-facts"],
        "observation reads, and parses what it is asked to run",
    ),
    (
        "runbook-catalog",
        &["kit", "policies", "runbooks"],
        "shows and tests the law; it enforces nothing",
    ),
    (
        "approval-gate",
        &["approval", "journal", "kit", "policies", "runbooks"],
        "re-derives everything from bytes",
    ),
    (
        "rds",
        &["aws-query", "rds-call"],
        "changes RDS for the executor; what may be changed is decided before it is asked",
    ),
    (
        "executor",
        &["approval", "journal", "policies", "rds", "runbooks"],
        "verifies alone; shares no code with what listens",
    ),
    (
        "agents",
        &["incident", "model", "runbooks"],
        "agents propose drafts; they see no policy, gate, or journal",
    ),
    (
        "store",
        &["incident", "journal"],
        "an incident's state and the journal entry for it are one transaction",
    ),
    (
        "orchestrator",
        &[
            "agents", "incident", "journal", "kit", "model", "policies", "runbooks", "store",
        ],
        "coordinates; it can neither sign, nor verify, nor execute",
    ),
    ("countersign-tests", &[], "tests ship with nothing"),
];

/// What may not be reached from a crate, by whatever way. A `*` at the end stands for any ending.
const FORBIDDEN: [Forbidden; 9] = [
    Forbidden {
        from: &["approval-gate", "executor", "approval", "policies", "runbooks"],
        to: &[
            "model",
            "agents",
            "genai",
            "async-openai",
            "rig-core",
            "ollama-rs",
            "anthropic*",
            "openai*",
        ],
        why: "no model where it is decided or done",
    },
    Forbidden {
        from: &[
            "orchestrator",
            "agents",
            "model",
            "incident",
            "store",
            "approval-gate",
            "approval",
        ],
        to: &[
            "tokio-postgres",
            "postgres",
            "postgres-protocol",
            "sqlx*",
            "diesel*",
            "sea-orm*",
            "mysql*",
            "aws-sdk-*",
            "aws-config",
        ],
        why: "neither proposal nor gate can reach a database or a cloud; the embedded store is a file of its own",
    },
    Forbidden {
        from: &[
            "sql-facts",
            "runbooks",
            "policies",
            "kit",
            "journal",
            "aws-query",
            "aws-telemetry",
            "cloudwatch-logs",
            "performance-insights",
            "rds",
            "runbook-catalog",
        ],
        to: &["tokio-postgres", "postgres", "postgres-protocol", "sqlx*", "diesel*"],
        why: "only postgres-readonly reads a database and only the executor changes one",
    },
    Forbidden {
        from: &["executor", "rds", "aws-query"],
        to: &["axum*", "actix*", "warp", "rocket*", "tonic*", "rmcp*", "kit"],
        why: "the executor listens to nobody: it pulls signed orders",
    },
    Forbidden {
        from: &["orchestrator", "agents", "model", "store", "incident"],
        to: &["approval", "ssh-key", "executor", "approval-gate"],
        why: "proposal holds no key that signs or verifies an approval",
    },
    Forbidden {
        from: &["executor", "approval", "approval-gate", "rds"],
        to: &["openssl", "openssl-sys", "native-tls", "rsa"],
        why: "rsa has an unpatched timing leak (RUSTSEC-2023-0071); OpenSSL is a second TLS that nobody audits here",
    },
    Forbidden {
        from: &["sql-facts", "rds-call", "runbooks", "policies", "approval", "incident"],
        to: &["tokio", "reqwest", "hyper", "rusqlite", "axum*"],
        why: "the law and the proofs are pure: no network, no runtime, no state",
    },
    Forbidden {
        from: &[
            "postgres-readonly",
            "cloudwatch-logs",
            "performance-insights",
            "aws-telemetry",
        ],
        to: &["approval", "policies", "executor", "rds", "model", "agents", "genai"],
        why: "observation reads and can do nothing else",
    },
    Forbidden {
        from: &["kit", "journal", "incident", "store", "sql-facts", "runbook-catalog"],
        to: &["model", "genai"],
        why: "a model's client and its key are behind orchestrator/model, and only agents and orchestrator ask it",
    },
];

struct Forbidden {
    from: &'static [&'static str],
    to: &'static [&'static str],
    why: &'static str,
}

/// Crates and what they ship with: normal dependencies on this platform, as Cargo resolved them.
#[derive(Debug, Clone, Default)]
struct Graph {
    ours: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of(metadata: &Metadata) -> Self {
        let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
        // A crate that only another workspace crate leads to by path is one of ours as well.
        let ours = metadata.packages.iter().filter(|package| package.source.is_none());
        let mut graph = Self {
            ours: ours.map(|package| package.name.to_string()).collect(),
            edges: BTreeMap::new(),
        };
        for node in &metadata.resolve.as_ref().unwrap().nodes {
            let package = packages.get(&node.id).unwrap();
            let edges = graph.edges.entry(package.name.to_string()).or_default();
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            let names = normal.map(|dep| packages.get(&dep.pkg).unwrap().name.to_string());
            edges.extend(names.filter(|name| is_switched_on(package, &node.features, name)));
        }
        graph
    }

    fn direct(&self, from: &str) -> impl Iterator<Item = &String> {
        self.edges.get(from).into_iter().flatten()
    }

    /// Everything that is reached from a crate, each with the crate before it on a shortest way.
    fn reached(&self, from: &str) -> BTreeMap<String, String> {
        let mut before = BTreeMap::new();
        let mut next = VecDeque::from([from.to_owned()]);
        while let Some(name) = next.pop_front() {
            for dep in self.direct(&name) {
                if dep != from && !before.contains_key(dep) {
                    before.insert(dep.clone(), name.clone());
                    next.push_back(dep.clone());
                }
            }
        }
        before
    }

    fn with_edge(&self, from: &str, to: &str) -> Self {
        let mut graph = self.clone();
        graph.edges.entry(from.to_owned()).or_default().insert(to.to_owned());
        graph
    }
}

/// Everything that breaks a boundary, each with the way that breaks it and the reason of the rule.
fn violations(graph: &Graph) -> Vec<String> {
    unlisted_edges(graph).into_iter().chain(forbidden_ways(graph)).collect()
}

fn unlisted_edges(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for name in &graph.ours {
        let Some((_, allowed, why)) = ALLOWED.iter().find(|(known, _, _)| known == name) else {
            found.push(format!("`{name}` stands in no rule"));
            continue;
        };
        let direct = graph
            .direct(name)
            .filter(|dep| graph.ours.contains(*dep) && !allowed.contains(&dep.as_str()));
        found.extend(direct.map(|dep| format!("{name} → {dep}: {why}")));
    }
    found
}

fn forbidden_ways(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for rule in &FORBIDDEN {
        for from in rule.from {
            let reached = graph.reached(from);
            let bad = reached
                .keys()
                .filter(|name| rule.to.iter().any(|pattern| fits(pattern, name)));
            found.extend(bad.map(|name| format!("{}: {}", way(&reached, name), rule.why)));
        }
    }
    found
}

fn way(before: &BTreeMap<String, String>, to: &str) -> String {
    let mut way = vec![to];
    while let Some(previous) = way.last().and_then(|name| before.get(*name)) {
        way.push(previous);
    }
    way.reverse();
    way.join(" → ")
}

/// Whether an optional dependency is asked for by a feature that is on. Cargo's metadata lists those of weak features,
/// as in `rsa?/std`, although nothing builds them.
fn is_switched_on(package: &Package, features: &[impl ToString], dep: &str) -> bool {
    let declared = package
        .dependencies
        .iter()
        .filter(|declared| declared.name == dep && declared.kind == DependencyKind::Normal);
    declared.into_iter().any(|declared| {
        let key = declared.rename.as_deref().unwrap_or(dep);
        let asks =
            |value: &String| value == key || *value == format!("dep:{key}") || value.starts_with(&format!("{key}/"));
        let on = features
            .iter()
            .filter_map(|feature| package.features.get(&feature.to_string()));
        !declared.optional || on.flatten().any(asks)
    })
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[test]
fn no_boundary_is_broken() {
    assert_eq!(violations(&graph()), [""; 0]);
}

#[test]
fn every_crate_of_a_rule_exists() {
    let graph = graph();
    for (name, allowed, _) in ALLOWED {
        assert!(graph.ours.contains(name), "`{name}` is gone");
        assert!(
            allowed.iter().all(|dep| graph.ours.contains(*dep)),
            "`{name}` may depend on what is gone: {allowed:?}"
        );
    }
    for rule in FORBIDDEN {
        assert!(
            rule.from.iter().all(|from| graph.ours.contains(*from)),
            "{:?}",
            rule.from
        );
    }
}

/// Every edge between two of our crates that no rule allows, added alone, is reported.
#[test]
fn every_edge_that_is_not_allowed_is_reported() {
    let graph = graph();
    for (from, allowed, why) in ALLOWED {
        for to in graph
            .ours
            .iter()
            .filter(|to| *to != from && !allowed.contains(&to.as_str()))
        {
            let found = unlisted_edges(&graph.with_edge(from, to));
            assert!(
                found.contains(&format!("{from} → {to}: {why}")),
                "{from} → {to}: {found:?}"
            );
        }
    }
}

/// Every forbidden end is reported when it is reached from a dependency of a dependency.
#[test]
fn everything_forbidden_is_reported_however_far_away_it_is() {
    let graph = graph();
    for rule in FORBIDDEN {
        for from in rule.from {
            for to in rule.to {
                let name = to.trim_end_matches('*').to_owned();
                let far = graph
                    .with_edge(from, "first")
                    .with_edge("first", "second")
                    .with_edge("second", &name);
                let report = format!("{from} → first → second → {name}: {}", rule.why);
                assert!(forbidden_ways(&far).contains(&report), "{report}");
            }
        }
    }
}

#[test]
fn a_crate_that_no_rule_knows_is_reported() {
    let mut graph = graph();
    graph.ours.insert("newcomer".into());
    assert_eq!(violations(&graph), ["`newcomer` stands in no rule"]);
}

/// The other place where direct edges are written down says the same.
#[test]
fn deny_toml_names_the_same_direct_edges() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let deny: toml::Table = toml::from_str(&text).unwrap();
    let bans = deny
        .get("bans")
        .and_then(|bans| bans.get("deny"))
        .and_then(toml::Value::as_array)
        .unwrap();
    let mut written: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ban in bans {
        let name = ban.get("crate").and_then(toml::Value::as_str).unwrap();
        let wrappers = ban
            .get("wrappers")
            .and_then(toml::Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        written.insert(name, wrappers.iter().filter_map(toml::Value::as_str).collect());
    }
    for (name, _, _) in ALLOWED {
        let users: BTreeSet<&str> = ALLOWED
            .iter()
            .filter(|(_, allowed, _)| allowed.contains(&name))
            .map(|(user, _, _)| *user)
            .collect();
        if users.is_empty() {
            continue;
        }
        match written.get(name) {
            Some(wrappers) => assert_eq!(wrappers, &users, "deny.toml: wrappers of `{name}`"),
            None => panic!("deny.toml says nothing of `{name}`"),
        }
    }
    let drivers = BTreeSet::from(["executor", "postgres-readonly"]);
    assert!(
        written
            .get("tokio-postgres")
            .is_some_and(|wrappers| drivers.is_subset(wrappers))
    );
    for banned in ["openssl", "openssl-sys", "native-tls", "rsa"] {
        assert!(written.contains_key(banned), "deny.toml says nothing of `{banned}`");
    }
}

fn graph() -> Graph {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .unwrap();
    Graph::of(&metadata)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
