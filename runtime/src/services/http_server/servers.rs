//! The servers of one actor, with their routes, as the actor makes them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use theater_record::{Permission, Value};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::CAPABILITY;
use super::caller::Caller;
use super::listener::Listener;
use super::path::{NoPattern, Path, Pattern};
use super::site::{Middleware, OF_MANIFEST, Route, Site, SocketPath};
use super::websocket::message_of;
use crate::host::{NetGrant, NetHost, Reason};
use crate::manifest::{HttpServerHandler, Method, TlsFiles};
use crate::services::tls::{self, TlsError};
use crate::services::{Served, decision};
use crate::trap::Failure;

/// How many servers an actor has at a time.
const SERVERS_MAX: usize = 64;
/// How many routes, pieces of middleware and paths for WebSockets a server has, of each.
const ENTRIES_MAX: usize = 1000;

/// The servers of one actor.
pub(super) struct Servers {
    served: Served,
    handler: HttpServerHandler,
    servers: BTreeMap<u64, Server>,
    pub(super) counts: Counts,
    /// The connections that there may be on all of them.
    places: Arc<Semaphore>,
}

/// How many there ever were of what has numbers.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) servers: u64,
    pub(super) handlers: u64,
    pub(super) routes: u64,
    pub(super) middleware: u64,
}

struct Server {
    site: Arc<Site>,
    address: SocketAddr,
    tls: Option<TlsFiles>,
    listener: Option<Listener>,
    /// Whether it is to be started once the actor is there.
    is_due: bool,
}

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbered {
    Server,
    Handler,
    Route,
    Middleware,
    Socket,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    #[error("there is no {0} {1}")]
    Missing(Numbered, u64),
    #[error("there is no server 0: the manifest gives no port")]
    NoneOfManifest,
    #[error("{subject} is not permitted: {detail}")]
    Denied { subject: String, detail: String },
    #[error("{0:?} is no IP address, such as 127.0.0.1")]
    Host(String),
    #[error("server {0} listens already")]
    Listens(u64),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Pattern(#[from] NoPattern),
    #[error("{0:?} is no path, such as /admin")]
    Path(String),
    #[error("{0:?} is no method, such as GET, and not *")]
    Method(String),
    #[error("server {0} has {1} already")]
    Twice(u64, String),
    #[error("server {0} takes no WebSocket connections on {1}")]
    NoSocketPath(u64, String),
    #[error("there are {0} already, and no more can be made")]
    TooMany(usize),
    #[error("nothing is sent on the WebSocket connection {0}: {1}")]
    NotSent(u64, String),
    #[error("there is no network: {0}")]
    NoNetwork(String),
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Numbered::Server => "server",
            Numbered::Handler => "handler",
            Numbered::Route => "route",
            Numbered::Middleware => "middleware",
            Numbered::Socket => "WebSocket connection",
        })
    }
}

impl Servers {
    /// Without any server, or with the one that the manifest wants.
    pub(super) fn new(served: Served, handler: HttpServerHandler) -> Servers {
        let places = handler.restriction.max_connections.and_then(|max| usize::try_from(max).ok());
        let places = places.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        let of_manifest = handler.port.map(|port| {
            // The manifest was read only because its host is an address.
            let host = ip_of(&handler.host).unwrap_or(Ipv4Addr::LOCALHOST.into());
            (SocketAddr::new(host, port), handler.tls.clone())
        });
        let mut servers = Servers {
            served,
            handler,
            servers: BTreeMap::new(),
            counts: Counts::default(),
            places: Arc::new(Semaphore::new(places)),
        };
        if let Some((address, tls)) = of_manifest {
            servers.insert(OF_MANIFEST, address, tls);
        }
        servers
    }

    /// Starts the server that the manifest wants, unless the actor has done so or does not want it, and
    /// those that listened before an actor was brought back.
    pub(super) fn open(&mut self) -> (Vec<Permission>, Result<(), String>) {
        let mut decisions = Vec::new();
        let is_due = |server: &Server| server.is_due && server.listener.is_none();
        let due = self.servers.iter().filter(|(_, server)| is_due(server));
        let due: Vec<(u64, SocketAddr)> = due.map(|(it, server)| (*it, server.address)).collect();
        let started = due.into_iter().try_for_each(|(number, address)| {
            let detail =
                if number == OF_MANIFEST { "of the manifest" } else { "it listened before" };
            let subject = address.to_string();
            decisions.push(decision(Reason::Granted, CAPABILITY, &subject, detail));
            self.start(number, &mut decisions).map(drop)
        });
        (decisions, started.map_err(|error| error.to_string()))
    }

    /// Begins again, for another life of the actor.
    pub(super) fn forget(&mut self) {
        *self = Servers::new(self.served.clone(), self.handler.clone());
    }

    /// Notes that a server listened on a port before the actor was brought back.
    pub(super) fn was_started(&mut self, number: u64, port: u16) {
        if let Some(server) = self.servers.get_mut(&number) {
            server.address.set_port(port);
            server.is_due = true;
        }
    }

    pub(super) fn was_stopped(&mut self, number: u64) {
        if let Some(server) = self.servers.get_mut(&number) {
            server.is_due = false;
        }
    }

    /// Notes that a WebSocket connection had this number before the actor was brought back.
    pub(super) fn had_socket(&self, socket: u64) {
        self.served.numbers.sockets.was_given(socket);
    }

    pub(super) fn was_destroyed(&mut self, number: u64) {
        self.servers.remove(&number);
    }

    pub(super) fn create(
        &mut self,
        port: u16,
        host: &str,
        tls: Option<(&str, &str)>,
        decisions: &mut Vec<Permission>,
    ) -> Result<u64, NotDone> {
        let host = ip_of(host).ok_or_else(|| NotDone::Host(host.to_owned()))?;
        let address = SocketAddr::new(host, port);
        let is_allowed = self.handler.restriction.allows_address(&grant_of(address));
        let denied = (!is_allowed).then_some("allowed_addresses does not have it");
        decide(&address.to_string(), denied, decisions)?;
        let tls = match tls {
            None => None,
            Some((cert, key)) => Some(self.tls(cert, key, decisions)?),
        };
        if self.servers.len() >= SERVERS_MAX {
            return Err(NotDone::TooMany(SERVERS_MAX));
        }
        self.counts.servers += 1;
        self.insert(self.counts.servers, address, tls);
        Ok(self.counts.servers)
    }

    pub(super) fn info(&self, number: u64) -> Result<Value, NotDone> {
        let server = self.server(number)?;
        let tables = server.site.tables();
        let count = |len: usize| Value::U32(u32::try_from(len).unwrap_or(u32::MAX));
        let address = server.listener.as_ref().map_or(server.address, |it| it.address);
        Ok(Value::Record(vec![
            Value::U64(number),
            Value::U16(address.port()),
            Value::String(address.ip().to_string()),
            Value::Bool(server.listener.is_some()),
            count(tables.routes.len()),
            count(tables.middleware.len()),
            Value::Bool(!tables.socket_paths.is_empty()),
        ]))
    }

    pub(super) fn start(
        &mut self,
        number: u64,
        decisions: &mut Vec<Permission>,
    ) -> Result<u16, NotDone> {
        let edge = self.edge()?;
        let server = self.server(number)?;
        if server.listener.is_some() {
            return Err(NotDone::Listens(number));
        }
        let folder = &self.served.base_dir;
        let tls = server.tls.as_ref().map(|files| tls::for_server(folder, &files.cert, &files.key));
        let (site, address) = (server.site.clone(), server.address);
        let started = Listener::start(&edge, site, address, tls.transpose()?, self.places.clone());
        let listener = started.map_err(|error| {
            let (subject, detail) = (address.to_string(), error.to_string());
            decisions.push(decision(Reason::System, CAPABILITY, &subject, &detail));
            NotDone::Listen(address, error)
        })?;
        let port = listener.address.port();
        self.server_mut(number)?.listener = Some(listener);
        Ok(port)
    }

    /// Returns once nobody listens any more.
    pub(super) fn stop(&mut self, number: u64) -> Result<Result<(), NotDone>, Failure> {
        let listener = match self.server_mut(number) {
            Ok(server) => {
                server.is_due = false;
                server.listener.take()
            }
            Err(error) => return Ok(Err(error)),
        };
        let Some(listener) = listener else { return Ok(Ok(())) };
        match self.edge() {
            Ok(edge) => self.served.shared.interrupt.wait(&edge, listener.stop()).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn destroy(&mut self, number: u64) -> Result<Result<(), NotDone>, Failure> {
        let stopped = self.stop(number)?;
        self.servers.remove(&number);
        Ok(stopped)
    }

    pub(super) fn register_handler(&mut self) -> u64 {
        self.counts.handlers += 1;
        self.counts.handlers
    }

    pub(super) fn add_route(
        &mut self,
        number: u64,
        path: &str,
        method: &str,
        handler: u64,
        decisions: &mut Vec<Permission>,
    ) -> Result<u64, NotDone> {
        self.check_handler(handler)?;
        let site = self.server(number)?.site.clone();
        let pattern: Pattern = path.parse()?;
        let method = match method {
            "*" => None,
            method => match method.parse::<Method>() {
                Ok(method) => Some(method.0),
                Err(_) => return Err(NotDone::Method(method.to_owned())),
            },
        };
        self.check_route(method.as_deref(), &pattern, decisions)?;
        let mut tables = site.tables_mut();
        let is_it = |route: &Route| route.method == method && route.pattern.is_same(&pattern);
        if tables.routes.iter().any(is_it) {
            let method = method.as_deref().unwrap_or("*");
            return Err(NotDone::Twice(number, format!("the route {method} {path}")));
        }
        check_room(tables.routes.len())?;
        self.counts.routes += 1;
        let number = self.counts.routes;
        tables.routes.push(Route { number, pattern, method, handler });
        Ok(number)
    }

    pub(super) fn remove_route(&mut self, number: u64) -> Result<(), NotDone> {
        let is_gone = self.servers.values().any(|server| {
            let routes = &mut server.site.tables_mut().routes;
            let before = routes.len();
            routes.retain(|route| route.number != number);
            routes.len() < before
        });
        is_gone.then_some(()).ok_or(NotDone::Missing(Numbered::Route, number))
    }

    pub(super) fn add_middleware(
        &mut self,
        number: u64,
        path: &str,
        handler: u64,
    ) -> Result<u64, NotDone> {
        self.check_handler(handler)?;
        let site = self.server(number)?.site.clone();
        let above = Path::parse(path).ok_or_else(|| NotDone::Path(path.to_owned()))?;
        let mut tables = site.tables_mut();
        check_room(tables.middleware.len())?;
        self.counts.middleware += 1;
        let number = self.counts.middleware;
        tables.middleware.push(Middleware { number, above, handler });
        Ok(number)
    }

    pub(super) fn remove_middleware(&mut self, number: u64) -> Result<(), NotDone> {
        let is_gone = self.servers.values().any(|server| {
            let middleware = &mut server.site.tables_mut().middleware;
            let before = middleware.len();
            middleware.retain(|it| it.number != number);
            middleware.len() < before
        });
        is_gone.then_some(()).ok_or(NotDone::Missing(Numbered::Middleware, number))
    }

    /// The handlers are those for the beginning of a connection, for its messages and for its end.
    pub(super) fn enable_websocket(
        &mut self,
        number: u64,
        path: &str,
        handlers: (Option<u64>, u64, Option<u64>),
        decisions: &mut Vec<Permission>,
    ) -> Result<(), NotDone> {
        let (connect, message, disconnect) = handlers;
        for handler in [connect, Some(message), disconnect].into_iter().flatten() {
            self.check_handler(handler)?;
        }
        let site = self.server(number)?.site.clone();
        let pattern: Pattern = path.parse()?;
        self.check_route(Some("GET"), &pattern, decisions)?;
        let mut tables = site.tables_mut();
        if tables.socket_paths.iter().any(|it| it.pattern.is_same(&pattern)) {
            return Err(NotDone::Twice(number, format!("WebSocket connections on {path}")));
        }
        check_room(tables.socket_paths.len())?;
        tables.socket_paths.push(SocketPath { pattern, connect, message, disconnect });
        Ok(())
    }

    pub(super) fn disable_websocket(&mut self, number: u64, path: &str) -> Result<(), NotDone> {
        let site = self.server(number)?.site.clone();
        let pattern: Pattern = path.parse()?;
        let mut tables = site.tables_mut();
        let at = tables.socket_paths.iter().position(|it| it.pattern.is_same(&pattern));
        let at = at.ok_or_else(|| NotDone::NoSocketPath(number, path.to_owned()))?;
        tables.socket_paths.remove(at);
        drop(tables);
        site.close_sockets(&pattern);
        Ok(())
    }

    pub(super) fn send(&self, number: u64, socket: u64, message: Value) -> Result<(), NotDone> {
        let site = &self.server(number)?.site;
        let outbox = site.outbox(socket).ok_or(NotDone::Missing(Numbered::Socket, socket))?;
        let message = message_of(message).map_err(|error| NotDone::NotSent(socket, error))?;
        outbox.push(message).map_err(|error| NotDone::NotSent(socket, error.to_string()))
    }

    pub(super) fn close_websocket(&self, number: u64, socket: u64) -> Result<(), NotDone> {
        let site = &self.server(number)?.site;
        match site.outbox(socket) {
            Some(outbox) => outbox.close(),
            None if site.has_had(socket) => {}
            None => return Err(NotDone::Missing(Numbered::Socket, socket)),
        }
        Ok(())
    }

    fn insert(&mut self, number: u64, address: SocketAddr, tls: Option<TlsFiles>) {
        let life = Arc::downgrade(&self.served.shared);
        let caller = Caller { system: self.served.system.clone(), id: self.served.id, life };
        let allowed = self.handler.restriction.clone();
        let site = Arc::new(Site::new(number, caller, allowed, self.served.numbers.clone()));
        let is_due = number == OF_MANIFEST;
        self.servers.insert(number, Server { site, address, tls, listener: None, is_due });
    }

    /// The files for TLS, if the manifest names them.
    fn tls(
        &self,
        cert: &str,
        key: &str,
        decisions: &mut Vec<Permission>,
    ) -> Result<TlsFiles, NotDone> {
        let asked = TlsFiles { cert: PathBuf::from(cert), key: PathBuf::from(key) };
        let is_named = self.handler.tls.as_ref() == Some(&asked);
        let denied = (!is_named).then_some("the manifest does not name these files under tls");
        decide(&format!("{cert} {key}"), denied, decisions)?;
        Ok(asked)
    }

    fn check_handler(&self, handler: u64) -> Result<(), NotDone> {
        let is_known = (1..=self.counts.handlers).contains(&handler);
        is_known.then_some(()).ok_or(NotDone::Missing(Numbered::Handler, handler))
    }

    /// Holds a route against the permissions. One for any method is for those that are allowed.
    fn check_route(
        &self,
        method: Option<&str>,
        pattern: &Pattern,
        decisions: &mut Vec<Permission>,
    ) -> Result<(), NotDone> {
        let allowed = &self.handler.restriction;
        let denied = if !allowed.allows_route(&pattern.literal_path()) {
            Some("allowed_routes does not have it")
        } else if method.is_some_and(|method| !allowed.allows_method(method)) {
            Some("allowed_methods does not have it")
        } else {
            None
        };
        decide(&format!("{} {pattern}", method.unwrap_or("*")), denied, decisions)
    }

    fn server(&self, number: u64) -> Result<&Server, NotDone> {
        self.servers.get(&number).ok_or_else(|| no_server(number))
    }

    fn server_mut(&mut self, number: u64) -> Result<&mut Server, NotDone> {
        self.servers.get_mut(&number).ok_or_else(|| no_server(number))
    }

    fn edge(&self) -> Result<Handle, NotDone> {
        let system = self.served.system.get();
        let edge = system.and_then(|system| system.edge().map_err(|error| error.to_string()));
        edge.map_err(NotDone::NoNetwork)
    }
}

fn no_server(number: u64) -> NotDone {
    match number {
        OF_MANIFEST => NotDone::NoneOfManifest,
        number => NotDone::Missing(Numbered::Server, number),
    }
}

/// Notes a decision, and stops where it is a denial.
fn decide(
    subject: &str,
    denied: Option<&str>,
    decisions: &mut Vec<Permission>,
) -> Result<(), NotDone> {
    let Some(detail) = denied else {
        decisions.push(decision(Reason::Granted, CAPABILITY, subject, ""));
        return Ok(());
    };
    decisions.push(decision(Reason::NotGranted, CAPABILITY, subject, detail));
    Err(NotDone::Denied { subject: subject.to_owned(), detail: detail.to_owned() })
}

fn check_room(entries: usize) -> Result<(), NotDone> {
    if entries >= ENTRIES_MAX { Err(NotDone::TooMany(ENTRIES_MAX)) } else { Ok(()) }
}

fn ip_of(host: &str) -> Option<IpAddr> {
    match host {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.parse().ok(),
    }
}

/// An address as a permission speaks of it. Port 0 stands for any.
fn grant_of(address: SocketAddr) -> NetGrant {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let host = NetHost::Range { start: address.ip(), bits };
    NetGrant { host, port: (address.port() > 0).then_some(address.port()) }
}
