//! `GET /requests` and `GET /requests/{id}`: the approval pages. No GET here changes anything.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::blocking;
use crate::freezing::FreezeMark;
use crate::gate::Gate;
use crate::page::{HEADERS, STYLE, problem_page, queue_page, request_page};
use crate::refusal::Refusal;

pub fn routes() -> Router<Arc<Gate>> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/requests") }))
        .route("/requests", get(queue))
        .route("/requests/style.css", get(style))
        .route("/requests/{id}", get(request))
}

async fn queue(State(gate): State<Arc<Gate>>) -> Response {
    draw(blocking(|| {
        let frozen = match gate.freeze_mark()? {
            FreezeMark::Frozen(said) => Some(format!("{} ({})", said.reason, said.approver)),
            FreezeMark::Never | FreezeMark::Thawed(_) => None,
        };
        Ok(queue_page(&gate.requests(None)?, frozen.as_deref()))
    }))
}

async fn request(State(gate): State<Arc<Gate>>, Path(id): Path<String>) -> Response {
    draw(blocking(|| {
        let view = gate.request(&id)?;
        request_page(&view).map_err(|error| Refusal::because("internal", &error))
    }))
}

async fn style() -> Response {
    guarded("text/css; charset=utf-8", StatusCode::OK, STYLE.to_owned())
}

fn draw(page: Result<String, Refusal>) -> Response {
    match page {
        Ok(page) => guarded("text/html; charset=utf-8", StatusCode::OK, page),
        Err(refusal) => guarded(
            "text/html; charset=utf-8",
            super::status_of(refusal.code),
            problem_page(refusal.code, &refusal.message),
        ),
    }
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
