//! What comes with a request: ids, parameters, bodies. Whatever is wrong with them is said in one form.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::actor_id::ActorId;
use crate::manifest::amounts::parse_time;

use super::problem::{Code, Problem};

/// A message is not larger than this.
pub(crate) const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Nor is any other body: a manifest, an initial state.
const DOCUMENT_BYTES_MAX: usize = 24 << 20;
/// How long a client may take to send a body.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// How long anybody waits for an actor.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// The actor that a path names.
pub(super) struct Id(pub(super) ActorId);

/// The parameters behind the `?`.
pub(super) struct Params<T>(pub(super) T);

/// A body that is handed to an actor as it is.
pub(super) struct Message(pub(super) Vec<u8>);

/// A body in JSON, whatever it is said to be.
pub(super) struct Document<T>(pub(super) T);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|error| Problem::bad(error.body_text()))?;
        // No actor has such a name, so nothing is said of the form of names.
        id.parse()
            .map(Id)
            .map_err(|error: crate::NotAnActorId| Problem::new(Code::NoActor, error.to_string()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Params<T>, Problem> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad(format!("the parameters: {}", cause(&error))))?;
        Ok(Params(params))
    }
}

impl<S: Send + Sync> FromRequest<S> for Message {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Message, Problem> {
        read(request.into_body(), MESSAGE_BYTES_MAX).await.map(Message)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Document<T>, Problem> {
        let bytes = read(request.into_body(), DOCUMENT_BYTES_MAX).await?;
        let document = serde_json::from_slice(&bytes);
        document.map(Document).map_err(|error| Problem::bad(format!("the body: {error}")))
    }
}

/// How long to wait for an actor, from text such as `30s`.
pub(super) fn timeout(text: Option<&str>, default: Duration) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(default) };
    let time = parse_time(text).map_err(|error| Problem::bad(format!("timeout: {error}")))?;
    Ok(Duration::from_nanos(time).min(TIMEOUT_MAX))
}

async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let reading = axum::body::to_bytes(body, bytes_max);
    let Ok(read) = tokio::time::timeout(BODY_PATIENCE, reading).await else {
        return Err(Problem::new(Code::TooSlow, "the body did not come in time"));
    };
    read.map(Vec::from).map_err(|error| {
        let error = error.into_inner();
        match error.is::<http_body_util::LengthLimitError>() {
            true => {
                let message = format!("the body is larger than {} MiB", bytes_max >> 20);
                Problem::new(Code::TooLarge, message)
            }
            false => Problem::bad(format!("the body cannot be read: {error}")),
        }
    })
}

/// What an error of another library comes down to.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
