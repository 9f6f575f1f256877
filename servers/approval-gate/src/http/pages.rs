//! The approval pages. No GET here changes anything; each POST comes from one of our own pages, and each decision in it is
//! signed by the person's passkey.

use std::sync::Arc;

use approval::{ApproverKey, Decision, Envelope, FREEZE_TYPE, FreezeState, Passkey, Proof};
use axum::Form;
use axum::Router;
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use runbooks::Timestamp;
use serde::Deserialize;

use super::people::checked_remark;
use super::{blocking, grants};
use crate::deciding::{Beside, Given};
use crate::gate::Gate;
use crate::page::{
    CanDecide, HEADERS, Reader, SCRIPT, STYLE, Standpoint, freeze_page, freeze_signature_page, invitation_page,
    problem_page, queue_page, registered_page, request_page, sign_in_page,
};
use crate::refusal::Refusal;
use crate::request::Review;
use crate::sessions::{Answer, Session};
use crate::view::RequestView;

pub fn routes(gate: Arc<Gate>) -> Router<Arc<Gate>> {
    let changing = Router::new()
        .route("/requests/{id}/decision", post(decide))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/register/{nonce}", post(register))
        .route("/freeze", post(ask_freeze))
        .route("/freeze/signed", post(freeze))
        .merge(grants::changing())
        .route_layer(from_fn_with_state(gate, check_origin));
    Router::new()
        .route("/", get(|| async { Redirect::to("/requests") }))
        .route("/requests", get(queue))
        .route("/requests/style.css", get(style))
        .route("/requests/script.js", get(script))
        .route("/requests/{id}", get(request))
        .route("/sign-in", get(ask_sign_in))
        .route("/register/{nonce}", get(invitation))
        .route("/freeze", get(show_freeze))
        .merge(grants::reading())
        .merge(changing)
}

/// A page, or why there is none.
pub struct Page {
    pub reader: Reader,
    pub drawn: Result<String, Refusal>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        match self.drawn {
            Ok(page) => guarded("text/html; charset=utf-8", StatusCode::OK, page),
            Err(refusal) => {
                let refusal = refusal.told();
                let page = problem_page(&self.reader, refusal.code, &refusal.message, refusal.hint.as_deref());
                guarded("text/html; charset=utf-8", super::status_of(refusal.code), page)
            }
        }
    }
}

/// Who asks for a page.
pub struct Visitor(pub Reader);

impl FromRequestParts<Arc<Gate>> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, Self::Rejection> {
        let frozen = blocking(|| gate.freeze_mark()).ok().and_then(|mark| {
            let said = mark.said().filter(|_| mark.is_frozen())?;
            Some(format!("{} ({})", said.reason, said.approver))
        });
        Ok(Self(Reader {
            session: cookie_of(&parts.headers).and_then(|cookie| gate.session(cookie)),
            origin: gate.origin().map(str::to_owned),
            frozen,
        }))
    }
}

async fn queue(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor) -> Page {
    let drawn = blocking(|| Ok(queue_page(&reader, &gate.requests(None)?, &gate.review_times()?)));
    Page { reader, drawn }
}

async fn request(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Page {
    let wants_to_stop = query.as_deref() == Some("stop");
    let drawn = blocking(|| {
        let view = gate.request(&id)?;
        let executed = view.summary.execution_id.as_deref();
        let executed = executed.map(|id| gate.execution(id)).transpose()?;
        let standpoint = standpoint(&gate, &reader, &view, wants_to_stop)?;
        request_page(&reader, &view, executed.as_ref(), &standpoint)
            .map_err(|error| Refusal::because("internal", &error))
    });
    Page { reader, drawn }
}

/// What the reader can do about a request: the statements that the gate would take from them.
fn standpoint(gate: &Gate, reader: &Reader, view: &RequestView, wants_to_stop: bool) -> Result<Standpoint, Refusal> {
    let Some(session) = &reader.session else {
        return Ok(Standpoint::SignedOut);
    };
    let passkey = passkey_of(gate, session)?;
    let said = view.approvals.iter().find(|signed| signed.approver == session.person);
    let is_pending = view.summary.status == "pending";
    if !is_pending && !wants_to_stop {
        return Ok(Standpoint::MayStop);
    }
    let statement = |decision| gate.statement(&view.summary.id, Some(&session.person), &session.key_id, decision);
    let reject = match statement(Decision::Reject) {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(Standpoint::Cannot(refusal.message)),
    };
    Ok(Standpoint::Can(CanDecide {
        session: session.clone(),
        credential: passkey.credential().to_vec(),
        approve: statement(Decision::Approve)
            .ok()
            .filter(|_| said.is_none() && is_pending),
        said: said.map(|signed| format!("You approved this at {}.", signed.at)),
        reject,
        shown_at: gate.now().unix(),
    }))
}

#[derive(Deserialize)]
struct DecisionForm {
    csrf: String,
    #[serde(flatten)]
    answer: AnswerForm,
    shown_at: String,
    parts: String,
    #[serde(default)]
    reason: String,
}

async fn decide(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(id): Path<String>,
    Form(form): Form<DecisionForm>,
) -> Response {
    let decided = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let assertion = form.answer.read()?.assertion(&passkey_of(&gate, session)?)?;
        let remark = form.reason.trim();
        let beside = Beside {
            remark: (!remark.is_empty())
                .then(|| checked_remark(remark))
                .transpose()?
                .map(str::to_owned),
            review: Some(review(&form, gate.now())),
        };
        gate.decide(
            &id,
            Some(&session.person),
            &Given::Proof(Proof::Passkey(assertion)),
            &beside,
        )
    });
    after(reader, decided, &format!("/requests/{id}"))
}

/// How the page was read, as its script tells; nothing is decided by it.
fn review(form: &DecisionForm, now: Timestamp) -> Review {
    let took = form
        .shown_at
        .parse()
        .map_or(0, |shown_at| now.since(Timestamp::from_unix(shown_at)));
    let parts: Vec<(String, u32)> = serde_json::from_str(&form.parts).unwrap_or_default();
    let known = parts
        .into_iter()
        .filter(|(part, _)| part.chars().count() <= MAX_PART_CHARS);
    Review {
        took_s: u32::try_from(took.clamp(0, MAX_REVIEW_S)).unwrap_or(0),
        parts: known.take(MAX_PARTS).collect(),
    }
}

async fn ask_sign_in(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor) -> Page {
    let drawn = passkeys_work(&gate)
        .and_then(|()| gate.sign_in_question())
        .map(|(question, message)| sign_in_page(&reader, &question, &message));
    Page { reader, drawn }
}

#[derive(Deserialize)]
struct SignInForm {
    question: String,
    #[serde(flatten)]
    answer: AnswerForm,
}

async fn sign_in(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor, Form(form): Form<SignInForm>) -> Response {
    let cookie = blocking(|| gate.sign_in(&form.question, &form.answer.read()?));
    match cookie {
        Ok(cookie) => with_cookie(
            Redirect::to("/requests"),
            &format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict"),
        ),
        Err(refusal) => after::<()>(reader, Err(refusal), "/sign-in"),
    }
}

#[derive(Deserialize)]
struct SignOutForm {
    csrf: String,
}

async fn sign_out(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    headers: HeaderMap,
    Form(form): Form<SignOutForm>,
) -> Response {
    if let Err(refusal) = signed_in(&reader, &form.csrf) {
        return after::<()>(reader, Err(refusal), "/requests");
    }
    if let Some(cookie) = cookie_of(&headers) {
        gate.sessions.end(cookie);
    }
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    with_cookie(Redirect::to("/requests"), &gone)
}

async fn invitation(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor, Path(nonce): Path<String>) -> Page {
    let drawn = passkeys_work(&gate)
        .and_then(|()| blocking(|| gate.invitation(&nonce)))
        .map(|(invitation, message)| invitation_page(&reader, &invitation, &message));
    Page { reader, drawn }
}

#[derive(Deserialize)]
struct RegistrationForm {
    client_data: String,
    authenticator_data: String,
}

async fn register(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Path(nonce): Path<String>,
    Form(form): Form<RegistrationForm>,
) -> Page {
    let registered = blocking(|| {
        let (client, authenticator) = (bytes(&form.client_data)?, bytes(&form.authenticator_data)?);
        gate.register(&nonce, &client, &authenticator)
    });
    let drawn = registered.map(|registered| registered_page(&reader, &registered));
    Page { reader, drawn }
}

async fn show_freeze(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor) -> Page {
    let drawn = blocking(|| gate.freeze_mark()).map(|mark| {
        let said = mark.said();
        freeze_page(
            &reader,
            said.map(|said| (&*said.approver, &*said.reason, said.at.to_string())),
        )
    });
    Page { reader, drawn }
}

#[derive(Deserialize)]
struct FreezeForm {
    csrf: String,
    state: FreezeState,
    reason: String,
}

/// Writes down what the passkey will sign. It changes nothing yet.
async fn ask_freeze(State(gate): State<Arc<Gate>>, Visitor(reader): Visitor, Form(form): Form<FreezeForm>) -> Page {
    let drawn = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let passkey = passkey_of(&gate, session)?;
        let reason = one_line(&form.reason);
        let said = gate.freeze_to_sign(form.state, &reason, &session.person, &session.key_id)?;
        let malformed = |error: approval::FreezeError| Refusal::because(error.code(), &error);
        let (payload, message) = (
            said.bytes().map_err(malformed)?,
            said.signing_bytes().map_err(malformed)?,
        );
        let signed = (&*payload, &*message, passkey.credential());
        Ok(freeze_signature_page(
            &reader,
            session,
            said.state,
            &said.reason,
            signed,
        ))
    });
    Page { reader, drawn }
}

#[derive(Deserialize)]
struct FreezeSignedForm {
    csrf: String,
    payload: String,
    #[serde(flatten)]
    answer: AnswerForm,
}

async fn freeze(
    State(gate): State<Arc<Gate>>,
    Visitor(reader): Visitor,
    Form(form): Form<FreezeSignedForm>,
) -> Response {
    let frozen = blocking(|| {
        let session = signed_in(&reader, &form.csrf)?;
        let assertion = form.answer.read()?.assertion(&passkey_of(&gate, session)?)?;
        let envelope = Envelope::new(FREEZE_TYPE, &bytes(&form.payload)?, assertion);
        let envelope = envelope
            .to_json()
            .map_err(|error| Refusal::because("internal", &error))?;
        gate.freeze(&envelope)
    });
    after(reader, frozen, "/freeze")
}

async fn style() -> Response {
    guarded("text/css; charset=utf-8", StatusCode::OK, STYLE.to_owned())
}

async fn script() -> Response {
    guarded("text/javascript; charset=utf-8", StatusCode::OK, SCRIPT.to_owned())
}

/// Only our own pages send forms here.
async fn check_origin(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    if origin.is_some() && origin == gate.origin() {
        return next.run(request).await;
    }
    Refusal::new("wrong_origin", "this form does not come from a page of this gate")
        .hint("open the gate under its own address, gate.public_url")
        .into_response()
}

fn passkeys_work(gate: &Gate) -> Result<(), Refusal> {
    match gate.origin() {
        Some(_) => Ok(()),
        None => Err(
            Refusal::new("no_passkeys", "browsers have no passkeys for this address of the gate")
                .hint("set gate.public_url to https:// and a host name, or sign with an SSH key"),
        ),
    }
}

/// A reason on one line, and no longer than what is signed may hold.
pub fn one_line(reason: &str) -> String {
    let mut reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    while reason.len() > MAX_REASON_BYTES {
        reason.pop();
    }
    reason
}

pub fn signed_in<'a>(reader: &'a Reader, csrf: &str) -> Result<&'a Session, Refusal> {
    let session = reader
        .session
        .as_ref()
        .ok_or_else(|| Refusal::new("not_signed_in", "you are not signed in any more").hint("sign in again"))?;
    if session.csrf == csrf {
        Ok(session)
    } else {
        Err(Refusal::new("csrf", "this form is not from a page of your session").hint("load the page again"))
    }
}

pub fn passkey_of(gate: &Gate, session: &Session) -> Result<Passkey, Refusal> {
    match gate.approvers().find_key(&session.key_id) {
        Some(ApproverKey::Passkey(passkey)) => Ok(passkey.clone()),
        Some(ApproverKey::Ssh(_)) | None => Err(Refusal::new("unknown_key", "your passkey is not listed any more")),
    }
}

/// The passkey's answer, base64url.
#[derive(Deserialize)]
pub struct AnswerForm {
    credential: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

impl AnswerForm {
    pub fn read(&self) -> Result<Answer, Refusal> {
        Ok(Answer {
            credential: bytes(&self.credential)?,
            client_data: bytes(&self.client_data)?,
            authenticator_data: bytes(&self.authenticator_data)?,
            signature: bytes(&self.signature)?,
        })
    }
}

pub fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| Refusal::new("malformed_signature", "the passkey's answer is not base64url"))
}

/// Back to the page, so that loading it again sends nothing again.
pub fn after<T>(reader: Reader, done: Result<T, Refusal>, path: &str) -> Response {
    match done {
        Ok(_) => Redirect::to(path).into_response(),
        Err(refusal) => Page {
            reader,
            drawn: Err(refusal),
        }
        .into_response(),
    }
}

fn with_cookie(redirect: Redirect, cookie: &str) -> Response {
    let mut response = redirect.into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut cookies = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn guarded(kind: &'static str, status: StatusCode, body: String) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Bound to this host and to TLS by its very name.
const COOKIE: &str = "__Host-countersign";
const MAX_REASON_BYTES: usize = 512;
const MAX_REVIEW_S: i64 = 86_400;
const MAX_PARTS: usize = 8;
const MAX_PART_CHARS: usize = 80;
