//! Which function answers what.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::managed::Managed;
use super::problem::{Code, Problem};
use super::{access, actors, channels, events, messages};

/// The description of everything that the server answers.
pub(super) const OPENAPI: &str = include_str!("../../schemas/openapi-1.json");

/// Every path with what answers there.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Managed>)> {
    vec![
        ("/openapi.json", get(openapi)),
        ("/v1/health", get(actors::health)),
        ("/v1/actors", get(actors::list).post(actors::start)),
        ("/v1/actors/{id}", get(actors::inspect).delete(actors::stop)),
        ("/v1/actors/{id}/restart", post(actors::restart)),
        ("/v1/actors/{id}/kill", post(actors::kill)),
        ("/v1/actors/{id}/state", get(actors::state)),
        ("/v1/actors/{id}/events", get(events::events)),
        ("/v1/actors/{id}/logs", get(events::logs)),
        ("/v1/actors/{id}/messages", post(messages::send)),
        ("/v1/actors/{id}/requests", post(messages::request)),
        ("/v1/actors/{id}/channels", post(channels::open)),
        ("/v1/channels/{id}", get(channels::listen).post(channels::send).delete(channels::close)),
        ("/v1/tree", get(actors::tree)),
        ("/v1/events", get(events::all)),
        ("/v1/shutdown", post(actors::shutdown)),
    ]
}

/// All of it, for those who may.
pub(super) fn router(managed: Managed) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        router = router.route(path, methods.fallback(not_allowed));
    }
    router
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(managed.clone(), admit))
        .with_state(managed)
}

/// Lets in who may come in, while the server takes requests.
async fn admit(State(managed): State<Managed>, request: Request, next: Next) -> Response {
    if let Err(problem) = access::check(managed.token(), request.headers()) {
        return problem.into_response();
    }
    if managed.is_closed() {
        let message = "the server is shutting down";
        return Problem::new(Code::ShuttingDown, message).into_response();
    }
    next.run(request).await
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn not_found(request: Request) -> Problem {
    let message = format!("there is nothing at {}; see /openapi.json", request.uri().path());
    Problem::new(Code::NotFound, message)
}

async fn not_allowed(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Code::NotAllowed, format!("{path} has no method {method}; see /openapi.json"))
}
