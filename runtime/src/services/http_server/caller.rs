//! Calls of the actor's handlers for what comes over the network.

use std::net::IpAddr;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use theater_record::{Permission, Value};
use tokio::sync::oneshot;

use super::CAPABILITY;
use crate::actor::{Shared, lock};
use crate::actor_id::ActorId;
use crate::delivery::{Done, HandlerCall, NotHandled};
use crate::handlers::HTTP;
use crate::host::Reason;
use crate::services::decision;
use crate::services::http_types::{Request, Response, check_body, sendable};
use crate::system::{SendError, WeakSystem};

/// How long to wait before a full mailbox is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What is sent back to a client.
pub(super) type Answer = http::Response<Full<Bytes>>;

/// Calls the handlers of one actor.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) system: WeakSystem,
    pub(super) id: ActorId,
    /// The life of the actor that has made the server.
    pub(super) life: Weak<Shared>,
}

/// A call that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The handler's name among `http-handlers`.
    pub(super) name: &'static str,
    /// What it gets besides the state.
    pub(super) params: Vec<Value>,
    /// What the chain says right before.
    pub(super) decision: Permission,
}

/// Why a call has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// There is no room in the mailbox.
    Full,
    /// The actor came to its end.
    Ended,
    /// It took too long.
    Late,
    /// The handler failed, is none, or gave what cannot be sent.
    Failed,
}

/// What becomes of a request that middleware has seen.
pub(super) enum Passed {
    On(Request),
    Back(Answer),
}

impl Caller {
    /// Has the actor's chain say what was decided about something that has not reached the actor.
    pub(super) fn note(&self, decision: Permission) {
        let Some(life) = self.life.upgrade() else { return };
        if lock(&life.notes).add(decision)
            && let Ok(system) = self.system.get()
        {
            system.wake_up(self.id);
        }
    }

    /// Makes a call and waits for its outcome, for a while. It is read as soon as the handler has
    /// returned; what cannot be read is in the chain.
    pub(super) async fn call<T, R>(
        &self,
        asked: Asked,
        read: R,
        patience: Duration,
    ) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        R: FnOnce(Vec<Value>) -> Result<T, String> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let subject = asked.decision.subject.clone();
        let done = Done::judging(move |outcome| {
            let (outcome, wrong) = judged(outcome, read);
            // Who has asked may have given up.
            let _ = tell.send(outcome);
            let denied = |wrong: String| decision(Reason::NotGranted, CAPABILITY, &subject, &wrong);
            wrong.map(denied).into_iter().collect()
        });
        let done = done.of_life(self.life.clone());
        let Asked { name, params, decision } = asked;
        let call = HandlerCall { interface: HTTP, name, params, decisions: vec![decision], done };
        let system = self.system.get().map_err(|_| Unanswered::Ended)?;
        match system.call_handler(self.id, call, Duration::ZERO) {
            Ok(()) => {}
            Err(SendError::Full(_)) => return Err(Unanswered::Full),
            Err(
                SendError::NoActor(_)
                | SendError::TooLarge { .. }
                | SendError::NoAnswer(_)
                | SendError::Failed(_),
            ) => return Err(Unanswered::Ended),
        }
        drop(system);
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Unanswered::Ended),
            Err(_) => Err(Unanswered::Late),
        }
    }

    /// Makes a call as soon as there is room for it, and waits for its outcome for as long as it takes.
    pub(super) async fn call_in_turn<T, R>(&self, asked: Asked, read: R) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        R: Fn(Vec<Value>) -> Result<T, String> + Clone + Send + 'static,
    {
        loop {
            match self.call(asked.clone(), read.clone(), Duration::MAX).await {
                Err(Unanswered::Full) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }
}

/// What the chain says of something that reaches the actor.
pub(super) fn reaches(subject: &str, peer: IpAddr, server: u64, through: &str) -> Permission {
    let detail = format!("from {peer} to server {server}{through}");
    decision(Reason::Granted, CAPABILITY, subject, &detail)
}

/// The outcome as it was read, and what is wrong with it.
fn judged<T>(
    outcome: Result<Vec<Value>, NotHandled>,
    read: impl FnOnce(Vec<Value>) -> Result<T, String>,
) -> (Result<T, Unanswered>, Option<String>) {
    match outcome {
        Ok(given) => match read(given) {
            Ok(read) => (Ok(read), None),
            Err(wrong) => (Err(Unanswered::Failed), Some(wrong)),
        },
        Err(NotHandled::NoHandler(name)) => {
            (Err(Unanswered::Failed), Some(format!("the actor does not export {name}")))
        }
        Err(NotHandled::Failed(_)) => (Err(Unanswered::Failed), None),
        Err(NotHandled::Ended) => (Err(Unanswered::Ended), None),
    }
}

/// The answer that `handle-request` has given.
pub(super) fn answer_in(given: Vec<Value>) -> Result<Answer, String> {
    let response = given.into_iter().next().and_then(Response::of);
    answer(response.ok_or("the handler returned no response")?)
}

/// What `handle-middleware` has decided.
pub(super) fn passed_in(given: Vec<Value>) -> Result<Passed, String> {
    let decided = match given.into_iter().next() {
        Some(Value::Variant(0, Some(request))) => Request::of(*request).map(Ok),
        Some(Value::Variant(1, Some(response))) => Response::of(*response).map(Err),
        _ => None,
    };
    match decided.ok_or("the middleware returned no decision")? {
        Ok(request) => Ok(Passed::On(request)),
        Err(response) => answer(response).map(Passed::Back),
    }
}

/// What is sent of a response.
fn answer(response: Response) -> Result<Answer, String> {
    let Response { status, mut headers, mut body } = response;
    let code = StatusCode::from_u16(status).ok().filter(|_| (200..=599).contains(&status));
    let code =
        code.ok_or_else(|| format!("an answer has a status from 200 to 599, not {status}"))?;
    check_body(body.as_ref()).map_err(|error| error.to_string())?;
    if matches!(status, 204 | 304) {
        // There is none, whatever the handler says; so there is no length either.
        body = None;
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    }
    let map = sendable(&headers, body.as_deref()).map_err(|error| error.to_string())?;
    let mut answer = Answer::new(Full::new(body.unwrap_or_default().into()));
    (*answer.status_mut(), *answer.headers_mut()) = (code, map);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use hyper::body::Body;

    use super::*;

    fn of(status: u16, headers: &[(&str, &str)], body: Option<&str>) -> Result<Answer, String> {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let body = body.map(|body| body.as_bytes().to_vec());
        answer_in(vec![Response { status, headers, body }.into_value()])
    }

    #[test]
    fn answers_are_held_to_what_http_is() {
        for (status, headers, expected) in [
            (100, &[][..], "an answer has a status from 200 to 599, not 100"),
            (600, &[], "an answer has a status from 200 to 599, not 600"),
            (
                200,
                &[("a", "b\r\nset-cookie: c")],
                "the value of the header a has control characters in it",
            ),
            (
                200,
                &[("Connection", "close")],
                "the header Connection is about the connection, which is not the actor's",
            ),
            (
                200,
                &[("content-length", "5")],
                "the header content-length says \"5\", but the body has 2 bytes",
            ),
        ] {
            assert_eq!(of(status, headers, Some("ab")).unwrap_err(), expected);
        }
        assert_eq!(answer_in(Vec::new()).unwrap_err(), "the handler returned no response");
    }

    #[test]
    fn what_has_no_body_gets_none() {
        for status in [204, 304] {
            let answer = of(status, &[("content-length", "2"), ("etag", "x")], Some("ab")).unwrap();
            assert_eq!(answer.headers().len(), 1);
            assert_eq!(answer.body().size_hint().exact(), Some(0));
        }
        let answer = of(200, &[("content-length", "2")], Some("ab")).unwrap();
        assert_eq!(answer.body().size_hint().exact(), Some(2));
        // What a HEAD is answered with: the length of what a GET would get.
        assert_eq!(
            of(200, &[("content-length", "70")], None).unwrap().headers()["content-length"],
            "70"
        );
    }

    #[test]
    fn middleware_lets_pass_or_answers() {
        let request = Request {
            method: "GET".to_owned(),
            uri: "/".to_owned(),
            headers: Vec::new(),
            body: None,
        };
        let variant = |case, value| vec![Value::Variant(case, Some(Box::new(value)))];
        assert!(
            matches!(passed_in(variant(0, request.clone().into_value())), Ok(Passed::On(it)) if it == request)
        );
        let no = Response { status: 403, headers: Vec::new(), body: None };
        assert!(
            matches!(passed_in(variant(1, no.into_value())), Ok(Passed::Back(it)) if it.status() == 403)
        );
        assert!(passed_in(variant(1, request.into_value())).is_err());
        assert!(passed_in(Vec::new()).is_err());
    }
}
