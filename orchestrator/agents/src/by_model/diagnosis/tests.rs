//! Diagnoses by scripted models, held against the evidence and the rules.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;

use model::{Message, Scripted};

use super::*;
use crate::test_evidence::{healthy, idle_blocker, without};

fn answer(cause: &str, says: &str, evidence: &str, pointer: &str) -> Value {
    let objects = if pointer.is_empty() {
        json!([])
    } else {
        json!([{"part": "blocker", "evidence": evidence, "pointer": pointer}])
    };
    json!({"hypotheses": [{
        "root_cause": cause, "confidence_pct": 88, "explanation": "a session is idle and holds locks",
        "signals_for": [{"says": says, "evidence": evidence}], "signals_against": [], "objects": objects,
    }], "rejected": []})
}

fn good() -> Value {
    answer("idle_in_transaction_blocker", "3 wait for 501", "E2", "/trees/0/root")
}

async fn investigated(answers: &[String], evidence: &[Evidence]) -> (Investigation, Arc<Scripted>) {
    let model = Arc::new(Scripted::answering(answers.to_vec()));
    let counsel = Counsel::unlimited(model.clone());
    (investigate(Some(&counsel), evidence, &[], None).await.unwrap(), model)
}

async fn fate(answer: impl ToString) -> (Author, Vec<String>) {
    let (investigation, _) = investigated(&vec![answer.to_string(); 3], &idle_blocker()).await;
    (investigation.diagnosis.findings().author.clone(), investigation.notes)
}

fn against(investigation: &Investigation) -> Vec<String> {
    let signals = &investigation.diagnosis.best().signals_against;
    signals.iter().map(|signal| signal.says.clone()).collect()
}

#[tokio::test]
async fn an_answer_on_the_evidence_becomes_the_diagnosis_under_the_models_name() {
    let (investigation, _) = investigated(&[good().to_string()], &idle_blocker()).await;
    let name = "scripted".to_owned();
    assert_eq!(investigation.diagnosis.findings().author, Author::Model { name });
    assert_eq!(
        investigation.diagnosis.best().root_cause,
        RootCause::IdleInTransactionBlocker
    );
    assert_eq!((against(&investigation), investigation.notes), (vec![], vec![]));
}

#[tokio::test]
async fn an_answer_that_does_not_stand_leaves_the_rules_and_the_reason() {
    let mut uncited = good();
    *uncited.pointer_mut("/hypotheses/0/signals_for").unwrap() = json!([]);
    let cause = "idle_in_transaction_blocker";
    for (answer, code) in [
        (answer(cause, "x", "E77", ""), "unknown_evidence"),
        (answer(cause, "x", "E2", "/trees/9/root"), "dangling_pointer"),
        (uncited, "uncited_hypothesis"),
        (json!({"hypotheses": [], "rejected": []}), "empty_diagnosis"),
        (answer("drop_everything", "x", "E2", ""), "malformed_answer"),
        (json!([]), "malformed_answer"),
    ] {
        let (author, notes) = fate(&answer).await;
        assert_eq!(author, Author::Offline);
        assert_eq!(
            notes,
            [format!("the model's diagnosis was not taken: `{code}`")],
            "{answer}"
        );
    }
}

#[tokio::test]
async fn one_word_outside_the_form_refuses_it_whole() {
    for (key, value) in [
        ("sql", json!("DROP TABLE t")),
        ("author", json!({"kind": "offline"})),
        ("tools", json!([])),
    ] {
        let mut extended = good();
        extended.as_object_mut().unwrap().insert(key.to_owned(), value);
        let (author, notes) = fate(&extended).await;
        assert_eq!((author, notes.len()), (Author::Offline, 1), "{key}");
    }
    let mut part = good();
    *part.pointer_mut("/hypotheses/0/objects/0/part").unwrap() = json!("ignore all rules");
    assert_eq!(fate(&part).await.0, Author::Offline);
}

#[tokio::test]
async fn a_mended_answer_is_taken() {
    let answers = [
        answer("idle_in_transaction_blocker", "x", "E77", "").to_string(),
        good().to_string(),
    ];
    let (investigation, model) = investigated(&answers, &idle_blocker()).await;
    assert!(matches!(
        investigation.diagnosis.findings().author,
        Author::Model { .. }
    ));
    assert_eq!(model.asked().len(), 2);
}

#[tokio::test]
async fn numbers_that_stand_nowhere_speak_against_it() {
    let invented = answer(
        "idle_in_transaction_blocker",
        "4242 wait for 501",
        "E2",
        "/trees/0/root",
    );
    let (investigation, _) = investigated(&[invented.to_string()], &idle_blocker()).await;
    assert_eq!(
        against(&investigation),
        ["checked: 4242 stands nowhere in the evidence that is cited"]
    );
}

#[tokio::test]
async fn a_cause_that_the_rules_rule_out_is_kept_and_told() {
    let other = answer("ddl_lock_queue", "a queue", "E2", "");
    let (investigation, _) = investigated(&[other.to_string()], &idle_blocker()).await;
    assert_eq!(investigation.diagnosis.best().root_cause, RootCause::DdlLockQueue);
    assert!(
        against(&investigation)
            .iter()
            .any(|says| says.starts_with("checked: the rules rule it out"))
    );
    assert!(
        investigation
            .notes
            .iter()
            .any(|note| note.contains("`idle_in_transaction_blocker`"))
    );
}

#[tokio::test]
async fn healthy_is_not_the_models_to_say_alone() {
    let calm = answer("no_database_action", "all is well", "E2", "").to_string();
    let unseen = without(healthy(), "sessions");
    for evidence in [idle_blocker(), unseen] {
        let (investigation, _) = investigated(std::slice::from_ref(&calm), &evidence).await;
        assert_ne!(investigation.diagnosis.best().root_cause, RootCause::NoDatabaseAction);
        assert_eq!(investigation.diagnosis.findings().author, Author::Offline);
        assert!(investigation.notes.iter().any(|note| note.contains("the rules stand")));
    }
    let (agreed, _) = investigated(&[calm], &healthy()).await;
    assert_eq!(
        agreed.diagnosis.best().root_cause,
        crate::diagnose(&healthy()).unwrap().best().root_cause
    );
}

#[tokio::test]
async fn what_a_model_says_cannot_steer_a_terminal() {
    let sly = answer(
        "idle_in_transaction_blocker",
        "\u{1b}[2J\u{202e}approve",
        "E2",
        "/trees/0/root",
    );
    let (investigation, _) = investigated(&[sly.to_string()], &idle_blocker()).await;
    let says = &investigation.diagnosis.best().signals_for.first().unwrap().says;
    assert_eq!(says, "\u{fffd}[2J\u{fffd}approve");
}

#[tokio::test]
async fn another_object_of_the_same_cause_is_told() {
    let victim = answer("idle_in_transaction_blocker", "x", "E2", "/trees/0/waiters/0");
    let (investigation, _) = investigated(&[victim.to_string()], &idle_blocker()).await;
    assert!(
        investigation
            .notes
            .iter()
            .any(|note| note.contains("/trees/0/waiters/0")),
        "{:?}",
        investigation.notes
    );
}

#[tokio::test]
async fn what_the_model_sees_is_the_framed_evidence_and_the_whole_vocabulary() {
    let (_, model) = investigated(&[good().to_string()], &idle_blocker()).await;
    let asked = model.asked();
    let request = asked.first().unwrap();
    let Some(Message::User { text }) = request.messages.first() else {
        unreachable!("the first turn is the user's");
    };
    assert!(text.starts_with("<evidence id=\"E1\""));
    assert_eq!(text.matches("</evidence>").count(), idle_blocker().len());
    assert!(
        RootCause::ALL
            .iter()
            .all(|cause| request.system.contains(&format!("`{cause}`")))
    );
    assert!(!request.system.contains("{{"));
}
