//! Which HTTP servers a component may send requests to.
//!
//! A request that is granted goes out as `wasmtime-wasi-http` sends it: HTTP/1.1 on a connection of
//! its own, TLS with the roots that browsers trust, and ten minutes for each of connecting, the first
//! byte and the pause between two, unless the component asks for less. Nothing follows redirects: if
//! the component does, that is another request, and decided again.

use std::net::{SocketAddr, ToSocketAddrs};

use http::uri::Scheme;
use http::{Request, Response, Uri};
use theater_record::Permission;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_hooks};

use super::decisions::{Decisions, Reason};
use super::grants::{HttpGrant, HttpScheme};
use super::network::{IS_CLOSED, reaches};

/// Decides about requests before they are sent.
pub(super) struct Hooks {
    grants: Vec<HttpGrant>,
    closed: Option<SocketAddr>,
    decisions: Decisions,
}

/// What sending a request leaves to be waited for: the response, and work on its connection.
type Sending = Box<
    dyn Future<
            Output = Result<
                (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>),
                Error,
            >,
        > + Send,
>;

impl Hooks {
    pub(super) fn new(
        grants: Vec<HttpGrant>,
        closed: Option<SocketAddr>,
        decisions: Decisions,
    ) -> Hooks {
        Hooks { grants, closed, decisions }
    }

    fn decide(&self, uri: &Uri) -> Permission {
        let Some(origin) = Origin::of(uri) else {
            let detail = "an address must have a scheme and a host, and no user name";
            return Reason::NotGranted.permission("http-client", uri.to_string(), detail);
        };
        if self.closed.is_some_and(|closed| origin.reaches(closed)) {
            return Reason::NotGranted.permission("http-client", origin.to_string(), IS_CLOSED);
        }
        let (reason, detail) = match self.grants.iter().find(|grant| origin.is_covered_by(grant)) {
            Some(grant) => (Reason::Granted, format!("granted by --http {grant}")),
            None => (
                Reason::NotGranted,
                format!("not granted; --http {}:{} would grant it", origin.host, origin.port),
            ),
        };
        reason.permission("http-client", origin.to_string(), detail)
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        body_sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sending {
        let decision = self.decide(request.uri());
        let allowed = decision.allowed;
        self.decisions.note(decision);
        if !allowed {
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        }
        default_hooks().send_request(request, options, body_sent)
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) scheme: HttpScheme,
    /// In lower case; IPv6 addresses are in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Whether a request to it reaches a server that listens on a loopback address.
    fn reaches(&self, server: SocketAddr) -> bool {
        // Its name is looked up for that reason only.
        if self.port != server.port() {
            return false;
        }
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut found = (host, self.port).to_socket_addrs().into_iter().flatten();
        found.any(|address| reaches(address, server))
    }

    /// The server of a whole address; `None` if it is none, or has a user name in it.
    pub(crate) fn of(uri: &Uri) -> Option<Origin> {
        let scheme = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTP => HttpScheme::Http,
            scheme if *scheme == Scheme::HTTPS => HttpScheme::Https,
            _ => return None,
        };
        let authority = uri.authority()?;
        // What stands before an `@` is no part of the host, but of what gets connected to.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None => scheme.port(),
        };
        Some(Origin { scheme, host: authority.host().to_ascii_lowercase(), port })
    }

    /// Whether a grant is for this server.
    pub(crate) fn is_covered_by(&self, grant: &HttpGrant) -> bool {
        grant.scheme.is_none_or(|scheme| scheme == self.scheme)
            && grant.host.as_ref().is_none_or(|host| *host == self.host)
            && grant.port.is_none_or(|port| port == self.port)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}
