//! A request from the network, on its way to the actor and back.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use theater_record::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::caller::{Answer, Asked, Passed, Unanswered, answer_in, passed_in, reaches};
use super::listener::Phase;
use super::path::Path;
use super::site::{Found, Site};
use super::websocket::{self, Upgrade};
use crate::services::http_types::{Malformed, Request, received};

/// How much of its path is told of a request that is refused.
const REFUSED_PATH_BYTES_MAX: usize = 256;

/// One connection to a server.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) site: Arc<Site>,
    pub(super) peer: IpAddr,
    pub(super) phase: watch::Receiver<Phase>,
    /// Whether something has come since the last request was answered.
    pub(super) is_asking: Arc<AtomicBool>,
    /// One of the connections that there may be, for as long as anything of this one is left.
    pub(super) _place: Arc<OwnedSemaphorePermit>,
}

/// A request that the actor does not get, or has not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    header: Option<(HeaderName, String)>,
    /// Whether the actor's chain says nothing of the request yet.
    is_untold: bool,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Refusal {
        Refusal { status, header: None, is_untold: true }
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Refusal {
        let refusal = Refusal::from(match unanswered {
            Unanswered::Full | Unanswered::Ended => StatusCode::SERVICE_UNAVAILABLE,
            Unanswered::Late => StatusCode::GATEWAY_TIMEOUT,
            Unanswered::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        });
        Refusal { is_untold: unanswered == Unanswered::Full, ..refusal }
    }
}

impl Refusal {
    /// The same with a header.
    pub(super) fn with(self, name: HeaderName, value: String) -> Refusal {
        Refusal { header: Some((name, value)), ..self }
    }

    fn into_answer(self) -> Answer {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let text = match self.status {
            StatusCode::NO_CONTENT => String::new(),
            status => format!("{} {reason}\n", status.as_u16()),
        };
        let has_text = !text.is_empty();
        let mut answer = Answer::new(Bytes::from(text).into());
        *answer.status_mut() = self.status;
        if has_text {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            answer.headers_mut().insert(CONTENT_TYPE, plain);
        }
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::try_from(value)
        {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl Visit {
    /// Answers a request.
    pub(super) async fn answer(self, mut request: http::Request<Incoming>) -> Answer {
        let upgrade = Upgrade::wanted_by(&mut request);
        let (head, body) = request.into_parts();
        let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
        let (site, peer, is_asking) = (self.site.clone(), self.peer, self.is_asking.clone());
        let subject = format!("{} {}", head.method, shortened(head.uri.path()));
        let answer = self.try_answer(head, body, upgrade).await;
        let mut answer = answer.unwrap_or_else(|refusal| {
            if refusal.is_untold {
                site.note(&subject, peer, refusal.status);
            }
            refusal.into_answer()
        });
        is_asking.store(false, Ordering::Relaxed);
        if is_chunked {
            // A length beside it may have been passed over, and somebody on the way may have gone by that.
            // So nothing that follows is taken for another request.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn try_answer(
        self,
        head: Parts,
        body: Incoming,
        upgrade: Option<Upgrade>,
    ) -> Result<Answer, Refusal> {
        check_head(&head)?;
        if head.method == Method::OPTIONS && head.uri.path() == "*" {
            return Err(StatusCode::NO_CONTENT.into());
        }
        let path = self.path(&head.uri)?;
        let headers = received(&head.headers).map_err(|error| match error {
            Malformed::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        })?;
        let middleware = self.site.middleware(&path);
        let is_socket = upgrade.is_some() && self.site.socket_path(&path).is_some();
        if middleware.is_empty() && !is_socket {
            // Nobody has to send a body that nobody is going to see.
            self.handler(head.method.as_str(), &path)?;
        }
        let body = self.read(body).await?;
        let uri = head.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let body = (!body.is_empty()).then_some(body);
        let request = Request { method: head.method.as_str().to_owned(), uri, headers, body };
        let request = match self.through(middleware, request).await? {
            Passed::On(request) => request,
            Passed::Back(answer) => return Ok(answer),
        };
        // Middleware may have changed it.
        let (path, query) = split(&request.uri);
        let (path, query) = (path.to_owned(), query.map(str::to_owned));
        let parsed = Path::parse(&path).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let socket_path = self.site.socket_path(&parsed);
        if let (Some(upgrade), Some(socket_path)) = (upgrade, socket_path) {
            return websocket::accept(self, upgrade, socket_path, path, query);
        }
        let (handler, route) = self.handler(&request.method, &parsed)?;
        let through = route.map_or(String::new(), |route| format!(", route {route}"));
        let asked = self.asked("handle-request", handler, request, &through);
        Ok(self.site.caller.call(asked, answer_in, self.site.patience()).await?)
    }

    /// The path of a request, if it is one and may be answered at all.
    fn path(&self, uri: &http::Uri) -> Result<Path, Refusal> {
        let path = Path::parse(uri.path()).ok_or(StatusCode::BAD_REQUEST)?;
        if !self.site.allowed.allows_route(&path.to_string()) {
            return Err(StatusCode::NOT_FOUND.into());
        }
        Ok(path)
    }

    /// The handler for a request, and the route to it.
    fn handler(&self, method: &str, path: &Path) -> Result<(u64, Option<u64>), Refusal> {
        match self.site.route(method, path) {
            Found::Handler { handler, route } => Ok((handler, route)),
            Found::Nothing => Err(StatusCode::NOT_FOUND.into()),
            Found::OtherMethods(mut methods) => {
                let status = match method {
                    "OPTIONS" => StatusCode::NO_CONTENT,
                    _ => StatusCode::METHOD_NOT_ALLOWED,
                };
                methods.push("OPTIONS".to_owned());
                methods.dedup();
                Err(Refusal::from(status).with(ALLOW, methods.join(", ")))
            }
        }
    }

    async fn read(&self, body: Incoming) -> Result<Vec<u8>, Refusal> {
        let reading = read(body, self.site.request_bytes_max());
        let read = tokio::time::timeout(self.site.patience(), reading).await;
        Ok(read.map_err(|_| StatusCode::REQUEST_TIMEOUT)??)
    }

    /// Shows a request to middleware, one after another.
    async fn through(
        &self,
        middleware: Vec<(u64, u64)>,
        mut request: Request,
    ) -> Result<Passed, Refusal> {
        for (number, handler) in middleware {
            let through = format!(", middleware {number}");
            let asked = self.asked("handle-middleware", handler, request, &through);
            let passed = self.site.caller.call(asked, passed_in, self.site.patience()).await?;
            request = match passed {
                Passed::On(request) => request,
                back @ Passed::Back(_) => return Ok(back),
            };
        }
        Ok(Passed::On(request))
    }

    fn asked(&self, name: &'static str, handler: u64, request: Request, through: &str) -> Asked {
        let subject = format!("{} {}", request.method, split(&request.uri).0);
        let decision = reaches(&subject, self.peer, self.site.number, through);
        Asked { name, params: vec![Value::U64(handler), request.into_value()], decision }
    }
}

/// A request says once which server it means (before HTTP/1.1 it need not), and in one way how long it is.
fn check_head(head: &Parts) -> Result<(), Refusal> {
    let hosts = head.headers.get_all(HOST).iter().count();
    let has_two_lengths =
        head.headers.contains_key(CONTENT_LENGTH) && head.headers.contains_key(TRANSFER_ENCODING);
    if hosts > 1 || hosts == 0 && head.version >= Version::HTTP_11 || has_two_lengths {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    Ok(())
}

async fn read(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, StatusCode> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        // What follows a body besides are trailers, which are left out.
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// As much of a path as is told of a request that is refused.
fn shortened(path: &str) -> &str {
    &path[..path.floor_char_boundary(REFUSED_PATH_BYTES_MAX)]
}

/// Path and query.
fn split(uri: &str) -> (&str, Option<&str>) {
    match uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri, None),
    }
}
