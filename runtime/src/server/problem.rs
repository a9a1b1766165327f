//! What the server says when it does not do what it was asked: a status, a code for programs, a sentence for people.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::channels::ChannelError;
use crate::delivery::NoAnswer;
use crate::manifest::Finding;
use crate::system::SendError;

/// Why something was not done. Programs decide by its name, which does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The request makes no sense: a parameter, a body, an id.
    BadRequest,
    /// There is no such resource.
    NotFound,
    /// The resource has no such method.
    NotAllowed,
    /// No token, or another one.
    Unauthorized,
    /// The request comes from a web page, or for another host.
    Forbidden,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// There is no such actor.
    NoActor,
    /// The actor has come to its end.
    Ended,
    /// The actor's mailbox is full.
    MailboxFull,
    /// The actor says no.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// The manifest is not valid, or asks for more than it may have.
    BadManifest,
    /// The actor cannot be started.
    NotStarted,
    /// There is no such event.
    NoEvent,
    /// The chain cannot be read.
    NoChain,
    /// There is no such channel, or it is closed.
    NoChannel,
    /// The server has as much to do as it takes on at a time.
    Busy,
    /// The server is shutting down.
    ShuttingDown,
    /// The server has failed.
    Internal,
}

impl Code {
    /// Every code, as the description of the interface lists them.
    #[cfg(test)]
    pub(super) const ALL: [Code; 20] = [
        Code::BadRequest,
        Code::NotFound,
        Code::NotAllowed,
        Code::Unauthorized,
        Code::Forbidden,
        Code::TooLarge,
        Code::TooSlow,
        Code::NoActor,
        Code::Ended,
        Code::MailboxFull,
        Code::Refused,
        Code::TimedOut,
        Code::BadManifest,
        Code::NotStarted,
        Code::NoEvent,
        Code::NoChain,
        Code::NoChannel,
        Code::Busy,
        Code::ShuttingDown,
        Code::Internal,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Code::BadRequest => "bad-request",
            Code::NotFound => "not-found",
            Code::NotAllowed => "method-not-allowed",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::TooLarge => "too-large",
            Code::TooSlow => "too-slow",
            Code::NoActor => "no-actor",
            Code::Ended => "actor-ended",
            Code::MailboxFull => "mailbox-full",
            Code::Refused => "refused",
            Code::TimedOut => "timed-out",
            Code::BadManifest => "bad-manifest",
            Code::NotStarted => "not-started",
            Code::NoEvent => "no-event",
            Code::NoChain => "no-chain",
            Code::NoChannel => "no-channel",
            Code::Busy => "busy",
            Code::ShuttingDown => "shutting-down",
            Code::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::BadRequest => StatusCode::BAD_REQUEST,
            Code::NotFound | Code::NoActor | Code::NoEvent | Code::NoChain | Code::NoChannel => {
                StatusCode::NOT_FOUND
            }
            Code::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Code::Ended => StatusCode::CONFLICT,
            Code::Refused | Code::BadManifest | Code::NotStarted => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Code::MailboxFull | Code::Busy | Code::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Code::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The answer to a request that was not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Where in a manifest, if that is where.
    places: Vec<Place>,
}

/// Something that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Place {
    line: usize,
    column: usize,
    message: String,
}

/// The same as JSON.
#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Place]>::is_empty")]
    places: &'a [Place],
}

impl Problem {
    /// A problem in one sentence.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), places: Vec::new() }
    }

    /// A request that makes no sense.
    pub(crate) fn bad(message: impl Into<String>) -> Problem {
        Problem::new(Code::BadRequest, message)
    }

    /// A manifest that is not valid.
    pub(crate) fn bad_manifest(message: impl Into<String>, findings: &[Finding]) -> Problem {
        let place = |finding: &Finding| Place {
            line: finding.line,
            column: finding.column,
            message: finding.message.clone(),
        };
        let places = findings.iter().map(place).collect();
        Problem { code: Code::BadManifest, message: message.into(), places }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Problem {
        let code = match &error {
            SendError::NoActor(_) => Code::NoActor,
            SendError::Full(_) => Code::MailboxFull,
            SendError::NoAnswer(NoAnswer::Refused(_)) => Code::Refused,
            SendError::NoAnswer(NoAnswer::Ended) => Code::Ended,
            SendError::NoAnswer(NoAnswer::TimedOut(_) | NoAnswer::Interrupted) => Code::TimedOut,
            SendError::TooLarge { .. } => Code::TooLarge,
            SendError::Failed(_) => Code::Refused,
        };
        Problem::new(code, error.to_string())
    }
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Problem {
        match error {
            ChannelError::NotOpen(_) => Problem::new(Code::NoChannel, error.to_string()),
            ChannelError::Send(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { code, message, places } = &self;
        let error = Body { code: code.name(), message, places };
        let mut response = (code.status(), Json(Document { error })).into_response();
        if *code == Code::Unauthorized {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn every_code_has_a_name_of_its_own_and_an_error_status() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let status = code.status();
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
        }
    }
}
