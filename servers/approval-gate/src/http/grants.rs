//! The pages of standing grants. As on every page, no GET changes anything, and what counts is signed by a passkey.

use std::sync::Arc;

use approval::{Envelope, GRANT_REVOCATION_TYPE, GRANT_TYPE, GrantTerms, Method};
use axum::Form;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::blocking;
use super::pages::{AnswerForm, Page, Visitor, after, bytes, one_line, passkey_of, signed_in};
use crate::gate::Gate;
use crate::page::{CanSign, grant_page, grants_page, revocation_page};
use crate::refusal::Refusal;

/// What only reads.
pub fn reading() -> Router<Arc<Gate>> {
    Router::new()
        .route("/grants", get(list))
        .route("/grants/{id}", get(show))
}

/// What needs a form of our own.
pub fn changing() -> Router<Arc<Gate>> {
    Router::new()
        .route("/grants", post(propose))
        .route("/grants/{id}/signed", post(sign))
        .route("/grants/{id}/revoke", post(ask_revoke))
        .route("/grants/{id}/revoked", post(revoke))
}

async fn list(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor) -> Page {
    let drawn = blocking(|| gate.grants()).map(|grants| grants_page(&reader, &grants));
    Page { reader, drawn }
}

async fn show(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor, Path(id): Path<String>) -> Page {
    let drawn = blocking(|| {
        let view = gate.grant(&id)?;
        let can = reader.session.as_ref().map(|session| {
            let passkey = passkey_of(&gate, session)?;
            let may_sign = matches!(&*view.status, "proposed" | "signed")
                && !view.record.has_signed_with(&session.person, &session.key_id);
            let grant = may_sign
                .then(|| {
                    let grant = gate.grant_to_sign(&id, &session.person, &session.key_id, Method::Passkey)?;
                    Ok::<_, Refusal>((grant.bytes()?, grant.signing_bytes()?))
                })
                .transpose()?;
            Ok::<_, Refusal>(CanSign {
                session: session.clone(),
                credential: passkey.credential().to_vec(),
                grant,
            })
        });
        Ok(grant_page(&reader, &view, &gate.catalog, can.transpose()?.as_ref()))
    });
    Page { reader, drawn }
}

#[derive(Deserialize)]
struct ProposalForm {
    csrf: String,
    terms: String,
}

async fn propose(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor, Form(form): Form<ProposalForm>) -> Response {
    let proposed = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let terms: GrantTerms =
            serde_json::from_str(&form.terms).map_err(|error| Refusal::because("malformed_grant", &error))?;
        gate.propose_grant(terms, &session.person)
    });
    let path = proposed
        .as_ref()
        .map_or("/grants".to_owned(), |grant| format!("/grants/{}", grant.id));
    after(reader, proposed, &path)
}

#[derive(Deserialize)]
struct SignedForm {
    csrf: String,
    payload: String,
    #[serde(flatten)]
    answer: AnswerForm,
}

async fn sign(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(id): Path<String>,
    Form(form): Form<SignedForm>,
) -> Response {
    let signed = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let assertion = form.answer.read()?.assertion(&passkey_of(&gate, session)?)?;
        let envelope = Envelope::new(GRANT_TYPE, &bytes(&form.payload)?, assertion);
        gate.sign_grant(&json(&envelope)?)
    });
    after(reader, signed, &format!("/grants/{id}"))
}

#[derive(Deserialize)]
struct ReasonForm {
    csrf: String,
    reason: String,
}

/// Writes down what the passkey will sign. It changes nothing yet.
async fn ask_revoke(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Page {
    let drawn = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let passkey = passkey_of(&gate, session)?;
        let reason = one_line(&form.reason);
        let said = gate.revocation_to_sign(&id, &reason, &session.person, &session.key_id, Method::Passkey)?;
        let (payload, message) = (said.bytes()?, said.signing_bytes()?);
        let signed = (&*payload, &*message);
        Ok(revocation_page(
            &reader,
            session,
            &said.grant,
            &reason,
            passkey.credential(),
            signed,
        ))
    });
    Page { reader, drawn }
}

async fn revoke(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(id): Path<String>,
    Form(form): Form<SignedForm>,
) -> Response {
    let revoked = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let assertion = form.answer.read()?.assertion(&passkey_of(&gate, session)?)?;
        let envelope = Envelope::new(GRANT_REVOCATION_TYPE, &bytes(&form.payload)?, assertion);
        gate.revoke_grant(&json(&envelope)?)
    });
    after(reader, revoked, &format!("/grants/{id}"))
}

fn json(envelope: &Envelope) -> Result<String, Refusal> {
    envelope.to_json().map_err(|error| Refusal::because("internal", &error))
}
