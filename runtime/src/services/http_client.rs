//! `theater:simple/http-client`: requests to the servers that the manifest allows.

mod connections;
mod hop;

use std::path::PathBuf;
use std::time::Duration;

use theater_record::{Permission, Value};
use tokio::runtime::Handle;

use super::http_types::{Malformed, Request, Response, body_limit, check_body, time_limit};
use super::tls::{self, TlsError};
use super::{Served, decision, given, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest::{self, HttpClientHandler, Restriction};
use crate::trap::Failure;

use connections::{Connections, NotSent};
use hop::{Hop, NoAddress};

/// The capability that requests need.
const CAPABILITY: &str = manifest::HttpClient::CAPABILITY;

/// The service for one actor. Its connections are its own and end with it.
pub(super) struct HttpClient {
    served: Served,
    allowed: manifest::HttpClient,
    /// The file with certificates that are trusted besides those that browsers trust.
    ca: Option<PathBuf>,
    /// Made when they are first needed.
    connections: Option<Connections>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum NoResponse {
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{subject} is not permitted: {detail}")]
    Denied { subject: String, detail: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{subject}: {reason}")]
    NotSent { subject: String, reason: NotSent },
    #[error("no response within {} ms", _0.as_millis())]
    TimedOut(Duration),
    #[error("there is no network: {0}")]
    NoNetwork(String),
}

/// A request on its way from server to server.
struct Exchange<'a> {
    allowed: &'a manifest::HttpClient,
    connections: &'a mut Connections,
    decisions: &'a mut Vec<Permission>,
}

impl Service for HttpClient {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut args = call.args.into_iter();
        match (call.function, args.next().and_then(Request::of), args.next()) {
            ("send-http", Some(request), None) => {
                let response = self.send(request, call.decisions)?.map(Response::into_value);
                Ok(vec![given(response.map_err(|error| error.to_string()))])
            }
            (function, _, _) => Err(unknown("http-client", function)),
        }
    }
}

impl HttpClient {
    pub(super) fn new(served: Served, handler: HttpClientHandler) -> HttpClient {
        let HttpClientHandler { ca, restriction } = handler;
        HttpClient { served, allowed: restriction, ca, connections: None }
    }

    /// Sends a request and waits for the response, unless the actor is killed first.
    fn send(
        &mut self,
        request: Request,
        decisions: &mut Vec<Permission>,
    ) -> Result<Result<Response, NoResponse>, Failure> {
        let (edge, hop) = match self.edge().and_then(|edge| Ok((edge, first_hop(request)?))) {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let connections = match &mut self.connections {
            Some(connections) => connections,
            none => match tls::for_client(&self.served.base_dir, self.ca.as_deref()) {
                Ok(tls) => {
                    let system = self.served.system.get();
                    let closed = system.ok().and_then(|system| system.closed_address());
                    none.insert(Connections::new(tls, closed))
                }
                Err(error) => return Ok(Err(error.into())),
            },
        };
        let limit = time_limit(self.allowed.timeout_ns);
        let exchange = Exchange { allowed: &self.allowed, connections, decisions };
        self.served.shared.interrupt.wait(&edge, async {
            let timed = tokio::time::timeout(limit, exchange.run(hop)).await;
            timed.unwrap_or(Err(NoResponse::TimedOut(limit)))
        })
    }

    fn edge(&self) -> Result<Handle, NoResponse> {
        let edge = self
            .served
            .system
            .get()
            .and_then(|system| system.edge().map_err(|error| error.to_string()));
        edge.map_err(NoResponse::NoNetwork)
    }
}

fn first_hop(request: Request) -> Result<Hop, NoResponse> {
    check_body(request.body.as_ref())?;
    Hop::first(request)
}

impl Exchange<'_> {
    /// Follows redirects as far as is allowed. Where it is not, the redirect is the response.
    async fn run(mut self, mut hop: Hop) -> Result<Response, NoResponse> {
        let bytes_max = body_limit(self.allowed.max_response_bytes);
        let mut redirects = self.allowed.max_redirects.unwrap_or(0);
        loop {
            self.decide(&hop)?;
            let sent = self.connections.send(&hop, bytes_max).await;
            let response = sent.map_err(|reason| {
                let subject = hop.origin.to_string();
                NoResponse::NotSent { subject, reason }
            })?;
            if redirects == 0 {
                return Ok(response);
            }
            hop = match hop.redirected(&response)? {
                Some(next) => next,
                None => return Ok(response),
            };
            redirects -= 1;
        }
    }

    /// Holds a request against the permissions, and notes how that went.
    fn decide(&mut self, hop: &Hop) -> Result<(), NoResponse> {
        let method = hop.method.as_str();
        let subject = format!("{method} {}", hop.origin);
        let denied = if !self.allowed.allows_server(&hop.origin) {
            Some(format!("allowed_hosts does not have {}", hop.origin))
        } else if !self.allowed.allows_method(method) {
            Some(format!("allowed_methods does not have {method}"))
        } else {
            None
        };
        let Some(detail) = denied else {
            self.decisions.push(decision(Reason::Granted, CAPABILITY, &subject, ""));
            return Ok(());
        };
        self.decisions.push(decision(Reason::NotGranted, CAPABILITY, &subject, &detail));
        Err(NoResponse::Denied { subject, detail })
    }
}
