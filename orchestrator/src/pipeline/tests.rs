//! The pipeline against stand-ins of its servers, over real MCP.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::path::Path;

use incident::{Alert, AlertStatus, Episode, HandOverReason, Outcome, Source};
use serde_json::{Value, json};
use store::News;

use super::*;
use crate::commands::assemble;
use crate::intake::receive;
use crate::stand_ins::{Observer, Script, StandIns};

fn alert() -> Alert {
    Alert {
        episode: Episode {
            source: Source::Alertmanager,
            fingerprint: "a1b2c3".to_owned(),
            starts_at: "2026-11-22T10:11:16.94533208Z".parse().unwrap(),
        },
        status: AlertStatus::Firing,
        name: "SomethingIsSlow".to_owned(),
        labels: [("cluster".to_owned(), "orders".to_owned())].into(),
        annotations: std::collections::BTreeMap::default(),
        generator_url: None,
    }
}

fn pipeline(folder: &Path, stand_ins: &StandIns) -> Pipeline {
    let text = format!(
        "[orchestrator]\nid = 'orchestrator-1'\nstate_dir = 'state'\nlisten = '127.0.0.1:0'\nbearer_file = 'bearer'\n\
         [gate]\nurl = '{}'\n\
         [[targets]]\nname = 'orders'\nenvironment = 'demo'\ndatabase = 'orders'\nsystem_identifier = '7400000000000000001'\n\
         match = {{ cluster = 'orders' }}\nservers = ['db']\n\
         [servers.db]\nkind = 'postgres-readonly'\nurl = '{}'\n",
        stand_ins.gate_url, stand_ins.observer_url
    );
    let file = folder.join("orchestrator.toml");
    std::fs::write(&file, text).unwrap();
    assemble(Config::load(&file).unwrap(), CancellationToken::new()).unwrap()
}

async fn opened(pipeline: &Pipeline) -> IncidentId {
    let received = receive(pipeline, "orders".to_owned(), alert()).await.unwrap();
    assert_eq!(received.news, News::Opened);
    received.incident.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_ends_in_a_recovered_incident_with_a_post_mortem() {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script::default()).await;
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    let closed = pipeline.drive(&id, None).await.unwrap();

    assert_eq!(closed.state, State::Closed(Outcome::Resolved));
    assert_eq!(closed.approval.unwrap().approvers, ["ana"]);
    // What the early look said, as the journal has it.
    let judged = closed.decision.unwrap();
    let said = |pointer: &str| judged.pointer(pointer).unwrap();
    assert_eq!((said("/allow"), said("/codes")), (&json!(true), &json!([])));
    assert_eq!(said("/asked_by"), "orchestrator-1");
    assert!(said("/took_us").as_u64().unwrap() > 0);
    assert!(said("/input_digest").as_str().unwrap().starts_with("sha256:"));
    let text = std::fs::read_to_string(pipeline.post_mortem_file(&id)).unwrap();
    for part in [
        "idle_in_transaction_blocker",
        "countersign.terminate_backend",
        "approved by ana",
        "countersign/orchestrator-1",
        "| E2 |",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    // What people signed is nowhere on our disk.
    let token = stand_ins.token();
    for file in ["journal.sqlite", "journal.sqlite-wal"] {
        let bytes = std::fs::read(folder.path().join("state").join(file)).unwrap_or_default();
        assert!(
            !bytes.windows(token.len()).any(|window| window == token.as_bytes()),
            "{file}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_to_the_same_end_whenever_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script::default()).await;
    let id = opened(&pipeline(folder.path(), &stand_ins)).await;
    let mut plans = Vec::new();
    for restart in 0.. {
        assert!(restart < 40, "it never ends");
        // A new process in all but name: everything is read from the disk again.
        let pipeline = pipeline(folder.path(), &stand_ins);
        let incident = pipeline.settled(&id).await.unwrap();
        if incident.state.is_closed() {
            assert_eq!(incident.state, State::Closed(Outcome::Resolved));
            break;
        }
        let incident = pipeline.advance(incident).await.unwrap();
        plans.extend(incident.plan.map(|plan| plan.digest));
    }
    plans.dedup();
    assert_eq!(plans.len(), 1, "a plan was made twice");
    assert_eq!(stand_ins.orders(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_an_act_and_its_journal_entry_is_made_good() {
    // Each step is done twice, as after a crash between what it did and the journal entry that tells of it.
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script::default()).await;
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    let mut incident = pipeline.settled(&id).await.unwrap();
    while !incident.state.is_closed() {
        match incident.state {
            State::Policy if incident.decision.is_some() => drop(pipeline.ask_for_approval(&incident).await.unwrap()),
            State::AwaitingApproval => drop(pipeline.await_approval(&incident).await.unwrap()),
            State::Executing => drop(pipeline.await_execution(&incident).await.unwrap()),
            _ => {}
        }
        incident = pipeline.advance(incident).await.unwrap();
    }
    assert_eq!(incident.state, State::Closed(Outcome::Resolved));
    assert_eq!(stand_ins.orders(), 1);
}

async fn outcome_of(script: Script) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(script).await;
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    let closed = pipeline.drive(&id, None).await.unwrap();
    assert!(pipeline.post_mortem_file(&id).is_file(), "every end has a post-mortem");
    closed.state.outcome().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_end_is_named_and_written_down() {
    let base = Script::default;
    let ends = [
        (
            Script {
                decision: "rejected",
                ..base()
            },
            Outcome::Rejected,
        ),
        (
            Script {
                decision: "expired",
                ..base()
            },
            Outcome::Expired,
        ),
        (
            Script {
                refusal: Some("policy_denied"),
                ..base()
            },
            Outcome::Refused,
        ),
        (
            Script {
                refusal: Some("not_an_instance"),
                ..base()
            },
            Outcome::HandedOver(HandOverReason::GateRefused),
        ),
        (
            Script {
                execution: "rolled_back",
                ..base()
            },
            Outcome::RolledBack,
        ),
        (
            Script {
                execution: "rollback_failed",
                ..base()
            },
            Outcome::RollbackFailed,
        ),
        (
            Script {
                execution: "refused",
                ..base()
            },
            Outcome::HandedOver(HandOverReason::ExecutionStopped),
        ),
        (
            Script {
                observer: Observer::Healthy,
                ..base()
            },
            Outcome::HandedOver(HandOverReason::NoDatabaseAction),
        ),
        (
            Script {
                observer: Observer::OtherSystem,
                ..base()
            },
            Outcome::HandedOver(HandOverReason::WrongTarget),
        ),
        (
            Script {
                observer: Observer::Restarted,
                ..base()
            },
            Outcome::HandedOver(HandOverReason::NotRecovered),
        ),
    ];
    for (script, expected) in ends {
        assert_eq!(outcome_of(script).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_that_ends_by_itself_while_people_think_is_not_executed() {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script {
        decision: "pending",
        ..Script::default()
    })
    .await;
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    pipeline.drive(&id, Some("awaiting_approval")).await.unwrap();
    let ended = Alert {
        status: AlertStatus::Resolved {
            ends_at: "2026-11-22T10:20:00Z".parse().unwrap(),
        },
        ..alert()
    };
    assert_eq!(
        receive(&pipeline, "orders".to_owned(), ended).await.unwrap().news,
        News::Resolved
    );
    let closed = pipeline.drive(&id, None).await.unwrap();
    assert_eq!(closed.state, State::Closed(Outcome::Subsided));
    assert_eq!(stand_ins.orders(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_said_and_not_guessed_around() {
    let folder = tempfile::tempdir().unwrap();
    let mut stand_ins = StandIns::start(Script::default()).await;
    stand_ins.observer_url = "http://127.0.0.1:9".to_owned();
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    let closed = pipeline.drive(&id, None).await.unwrap();
    assert_eq!(
        closed.state,
        State::Closed(Outcome::HandedOver(HandOverReason::NoEvidence))
    );
    assert!(!closed.ending.unwrap().look_at.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aws_that_hangs_or_is_gone_is_said_and_the_plan_is_made_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script::default()).await;
    // The system takes the connection, and nobody ever answers it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pipeline = pipeline(folder.path(), &stand_ins);
    let file = folder.path().join("aws.toml");
    let text = std::fs::read_to_string(folder.path().join("orchestrator.toml")).unwrap();
    let text = text
        .replace("[gate]", "observe_within_s = 1\n[gate]")
        .replace(
            "servers = ['db']",
            "servers = ['db', 'performance-insights', 'cloudwatch-logs']\naws = { instance = 'orders', log_group = '/orders' }",
        );
    let servers = format!(
        "[servers.performance-insights]\nurl = 'http://{}'\n[servers.cloudwatch-logs]\nurl = 'http://127.0.0.1:9'\n",
        silent.local_addr().unwrap()
    );
    std::fs::write(&file, format!("{text}{servers}")).unwrap();
    pipeline.config = Config::load(&file).unwrap();
    pipeline.toolbelt = crate::toolbelt::Toolbelt::new(&pipeline.config);
    let id = opened(&pipeline).await;
    let closed = pipeline.drive(&id, None).await.unwrap();
    assert_eq!(closed.state, State::Closed(Outcome::Resolved));
    let unanswered: Vec<(&str, &str)> = closed
        .missing
        .iter()
        .map(|one| (one.server.as_str(), one.code.as_str()))
        .collect();
    let (hangs, gone) = (
        ("performance-insights", "call_timed_out"),
        ("cloudwatch-logs", "server_unreachable"),
    );
    assert_eq!(unanswered, [hangs, hangs, hangs, gone, gone, gone]);
    assert!(
        closed
            .missing
            .iter()
            .all(|one| one.server != "performance-insights" || one.message.contains("within 1s"))
    );
    let page = std::fs::read_to_string(pipeline.post_mortem_file(&id)).unwrap();
    assert!(
        page.contains("compare_windows") && page.contains("lock_waits_and_deadlocks"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_without_names_in_aws_is_asked_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let stand_ins = StandIns::start(Script::default()).await;
    let pipeline = pipeline(folder.path(), &stand_ins);
    let id = opened(&pipeline).await;
    let diagnosed = pipeline.drive(&id, Some("planning")).await.unwrap();
    assert!(diagnosed.evidence.iter().all(|note| note.server == "postgres-readonly"));
    assert_eq!(diagnosed.missing, []);
    let evidence = pipeline.store.evidence(&diagnosed).unwrap();
    let plain = agents::diagnose(&evidence).unwrap().into_findings();
    assert_eq!(diagnosed.findings, Some(plain));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_diagnosis_on_evidence_is_taken_and_one_without_is_not() {
    let answer = |evidence: &str| {
        json!({"hypotheses": [{
            "root_cause": "idle_in_transaction_blocker", "confidence_pct": 88, "explanation": "501 holds locks",
            "signals_for": [{"says": "1 waits for 501", "evidence": evidence}],
            "objects": [{"part": "blocker", "evidence": evidence, "pointer": "/trees/0/root"}],
        }]})
        .to_string()
    };
    for (evidence, author) in [("E2", "Made by the model scripted"), ("E99", "Made by rules")] {
        let folder = tempfile::tempdir().unwrap();
        let stand_ins = StandIns::start(Script::default()).await;
        let mut pipeline = pipeline(folder.path(), &stand_ins);
        pipeline.advisers = Advisers::of(Arc::new(model::Scripted::answering(vec![answer(evidence); 3])));
        let id = opened(&pipeline).await;
        let closed = pipeline.drive(&id, None).await.unwrap();
        assert_eq!(closed.state, State::Closed(Outcome::Resolved));
        let text = std::fs::read_to_string(pipeline.post_mortem_file(&id)).unwrap();
        assert!(text.contains(author), "{text}");
    }
}

/// What every model of a whole path says, in the order in which it is asked: the diagnosis, the plan, three opinions.
mod with_models {
    use model::{Reply, Scripted};

    use super::*;
    use crate::advisers::Advisers;

    fn diagnosis() -> String {
        json!({"hypotheses": [{
            "root_cause": "idle_in_transaction_blocker", "confidence_pct": 88, "explanation": "501 holds locks",
            "signals_for": [{"says": "1 waits for 501", "evidence": "E2"}], "signals_against": [],
            "objects": [{"part": "blocker", "evidence": "E2", "pointer": "/trees/0/root"}],
        }], "rejected": []})
        .to_string()
    }

    /// The draft of this runbook, pointing at the first row of everything.
    fn draft(runbook: &str) -> String {
        let catalog = Catalog::shipped().unwrap();
        let document = catalog.get(runbook).unwrap().document();
        let bound = document
            .parameters
            .iter()
            .filter_map(|(name, spec)| Some((name, spec.evidence.as_ref()?)));
        let parameters: Vec<serde_json::Value> = bound
            .map(|(name, binding)| {
                let evidence = if binding.tool == "sessions" { "E3" } else { "E2" };
                json!({"name": name, "evidence": evidence, "pointer": binding.pointer.replace('*', "0")})
            })
            .collect();
        json!({"action": "plan", "runbook": runbook, "version": document.version, "parameters": parameters}).to_string()
    }

    fn opinion(verdict: &str) -> String {
        json!({"verdict": verdict, "reasons": [{"says": "so it is", "cites": ["/steps/0"]}]}).to_string()
    }

    async fn driven(replies: Vec<Reply>, folder: &Path) -> (incident::Incident, String, Arc<Scripted>) {
        driven_at(Observer::IdleBlocker, replies, folder).await
    }

    async fn driven_at(
        observer: Observer,
        replies: Vec<Reply>,
        folder: &Path,
    ) -> (incident::Incident, String, Arc<Scripted>) {
        let (closed, page, model, _) = driven_and_shown(observer, replies, folder).await;
        (closed, page, model)
    }

    /// The same, and what people were shown beside the plan.
    async fn driven_and_shown(
        observer: Observer,
        replies: Vec<Reply>,
        folder: &Path,
    ) -> (incident::Incident, String, Arc<Scripted>, Value) {
        let stand_ins = StandIns::start(Script {
            observer,
            ..Script::default()
        })
        .await;
        let mut pipeline = pipeline(folder, &stand_ins);
        let model = Arc::new(Scripted::replying(replies.into_iter().map(Ok)));
        pipeline.advisers = Advisers::of(model.clone());
        let id = opened(&pipeline).await;
        let closed = pipeline.drive(&id, None).await.unwrap();
        let page = std::fs::read_to_string(pipeline.post_mortem_file(&id)).unwrap();
        (closed, page, model, stand_ins.advice().unwrap())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_model_looks_up_is_evidence_of_the_incident() {
        let folder = tempfile::tempdir().unwrap();
        let calls = Reply::calling([
            ("postgres-readonly__sessions", json!({})),
            ("postgres-readonly__query", json!({"sql": "SELECT 1"})),
        ]);
        let (closed, page, model) = driven(vec![calls, Reply::text(diagnosis())], folder.path()).await;
        assert_eq!(closed.state, State::Closed(Outcome::Resolved));
        let taken = closed.evidence.last().unwrap();
        assert_eq!(taken.tool, "sessions");
        assert!(page.contains(&format!("| {} |", taken.id)), "{page}");
        // Only what takes no statement was offered.
        let offered: Vec<String> = model
            .asked()
            .first()
            .unwrap()
            .tools
            .iter()
            .map(|tool| tool.name.clone())
            .collect();
        assert!(
            offered.contains(&"postgres-readonly__sessions".to_owned()),
            "{offered:?}"
        );
        assert!(!offered.contains(&"postgres-readonly__query".to_owned()), "{offered:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_objection_changes_the_plan_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut two: Value = serde_json::from_str(&diagnosis()).unwrap();
        two.pointer_mut("/hypotheses").unwrap().as_array_mut().unwrap().push(json!({
            "root_cause": "connection_saturation", "confidence_pct": 80, "explanation": "one client holds the connections",
            "signals_for": [{"says": "40 sessions", "evidence": "E3"}], "signals_against": [],
            "objects": [{"part": "client", "evidence": "E3", "pointer": "/connections/groups/0"}],
        }));
        let mut replies = vec![two.to_string(), draft("idle-in-transaction-blocker")];
        replies.extend(["object", "support", "support"].map(opinion));
        replies.push(draft("connection-saturation"));
        replies.extend(["object", "support", "support"].map(opinion));
        // A second revision would be asked for here, and is not.
        replies.push(draft("idle-in-transaction-blocker"));
        let replies = replies.into_iter().map(Reply::text).collect();
        let (closed, page, model) = driven_at(Observer::TwoCauses, replies, folder.path()).await;
        assert_eq!(closed.plan.unwrap().draft.runbook, "connection-saturation", "{page}");
        assert_eq!(
            closed.revision.unwrap().plan.draft.runbook,
            "idle-in-transaction-blocker"
        );
        assert_eq!(model.asked().len(), 9);
        assert!(
            page.contains("met objections") && page.contains("planned anew"),
            "{page}"
        );
        // The second objection stands.
        let objecting = closed
            .opinions
            .iter()
            .filter(|o| o.by.is_some() && o.verdict == incident::Verdict::Object);
        assert_eq!(objecting.count(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_objection_that_nothing_answers_stands_on_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut replies = vec![Reply::text(diagnosis())];
        // The planner says nothing that is read, and the rules plan; then three agents judge, and one objects.
        replies.extend(["x", "x", "x"].map(Reply::text));
        replies.extend([opinion("object"), opinion("object"), opinion("object")].map(Reply::text));
        let (closed, page, _, shown) = driven_and_shown(Observer::IdleBlocker, replies, folder.path()).await;
        assert_eq!(closed.state, State::Closed(Outcome::Resolved));
        assert!(closed.revision.is_none());
        // Whoever signs has seen them.
        let opinions = shown.get("opinions").and_then(Value::as_array).unwrap();
        let objecting = opinions
            .iter()
            .filter(|opinion| opinion.get("verdict") == Some(&json!("object")));
        assert_eq!(objecting.count(), 3, "{shown:#}");
        assert_eq!(closed.opinions.len(), 6);
        assert!(page.contains("reviewer (the model scripted): object"), "{page}");
        assert!(page.contains("the model's plan: \\`malformed_answer"), "{page}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_a_model_that_answers_the_rules_do_it_all() {
        let folder = tempfile::tempdir().unwrap();
        let (closed, page, _) = driven(Vec::new(), folder.path()).await;
        assert_eq!(closed.state, State::Closed(Outcome::Resolved));
        assert!(
            page.contains("Made by rules") && page.contains("model_unreachable"),
            "{page}"
        );
    }
}
