//! Messages and requests to actors, and their states.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::input::{Id, Message, Params, timeout};
use super::managed::Managed;
use super::problem::Problem;

/// How long a message waits for room in the mailbox and a request for its answer, if nobody says.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patience {
    timeout: Option<String>,
}

/// Sends a message that wants no answer. It stands in the receiver's chain once this is answered.
pub(super) async fn send(
    State(managed): State<Managed>,
    Id(id): Id,
    Params(params): Params<Patience>,
    Message(message): Message,
) -> Result<Response, Problem> {
    let patience = timeout(params.timeout.as_deref(), PATIENCE)?;
    let sent = managed.wait(move |managed| {
        managed.system().send(id, message, patience).map_err(|error| managed.unsent(error))
    });
    sent.await??;
    Ok((StatusCode::ACCEPTED, Json(json!({ "sent": true }))).into_response())
}

/// Sends a message and answers with the actor's answer.
pub(super) async fn request(
    State(managed): State<Managed>,
    Id(id): Id,
    Params(params): Params<Patience>,
    Message(message): Message,
) -> Result<Response, Problem> {
    let patience = timeout(params.timeout.as_deref(), PATIENCE)?;
    let answer = managed.wait(move |managed| {
        managed.system().request(id, message, patience).map_err(|error| managed.unsent(error))
    });
    Ok(bytes(answer.await??))
}

/// Bytes as they are.
pub(super) fn bytes(bytes: Vec<u8>) -> Response {
    // Whatever they are, no browser is to take them for a page.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}
