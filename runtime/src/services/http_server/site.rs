//! One server as those see it who serve its connections: where requests go, and what is open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use http::StatusCode;

use super::CAPABILITY;
use super::caller::Caller;
use super::outbox::Outbox;
use super::path::{Path, Pattern};
use crate::actor::lock;
use crate::host::Reason;
use crate::manifest;
use crate::numbers::Numbers;
use crate::services::decision;
use crate::services::http_types::{body_limit, time_limit};

/// The server that is started with the actor.
pub(super) const OF_MANIFEST: u64 = 0;

/// What a server's connections share with the actor.
pub(super) struct Site {
    pub(super) number: u64,
    pub(super) caller: Caller,
    pub(super) allowed: manifest::HttpServer,
    tables: RwLock<Tables>,
    sockets: Mutex<BTreeMap<u64, Socket>>,
    /// WebSocket connections are numbered on all servers of the actor together.
    numbers: Arc<Numbers>,
}

/// Where requests go.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) routes: Vec<Route>,
    /// In the order in which it runs.
    pub(super) middleware: Vec<Middleware>,
    pub(super) socket_paths: Vec<SocketPath>,
}

#[derive(Debug)]
pub(super) struct Route {
    pub(super) number: u64,
    pub(super) pattern: Pattern,
    /// `None` for any.
    pub(super) method: Option<String>,
    pub(super) handler: u64,
}

#[derive(Debug)]
pub(super) struct Middleware {
    pub(super) number: u64,
    pub(super) above: Path,
    pub(super) handler: u64,
}

/// Where WebSocket connections can be made, and which handlers hear of them.
#[derive(Debug, Clone)]
pub(super) struct SocketPath {
    pub(super) pattern: Pattern,
    pub(super) connect: Option<u64>,
    pub(super) message: u64,
    pub(super) disconnect: Option<u64>,
}

/// An open WebSocket connection.
struct Socket {
    outbox: Arc<Outbox>,
    pattern: Pattern,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To this handler, by this route if by any.
    Handler { handler: u64, route: Option<u64> },
    /// Nowhere; with one of these methods it would.
    OtherMethods(Vec<String>),
    /// Nowhere.
    Nothing,
}

impl Site {
    pub(super) fn new(
        number: u64,
        caller: Caller,
        allowed: manifest::HttpServer,
        numbers: Arc<Numbers>,
    ) -> Site {
        let (tables, sockets) = (RwLock::default(), Mutex::default());
        Site { number, caller, allowed, tables, sockets, numbers }
    }

    /// Has the chain say of something that has not reached the actor how the server has answered it.
    pub(super) fn note(&self, subject: &str, peer: IpAddr, status: StatusCode) {
        let is_refused = status.is_client_error() || status.is_server_error();
        let reason = if is_refused { Reason::NotGranted } else { Reason::Granted };
        let detail = format!("{status}, from {peer} to server {}", self.number);
        self.caller.note(decision(reason, CAPABILITY, subject, &detail));
    }

    /// How large the body of a request may be.
    pub(super) fn request_bytes_max(&self) -> usize {
        body_limit(self.allowed.max_request_bytes)
    }

    /// How long a client may take, and how long the actor.
    pub(super) fn patience(&self) -> Duration {
        time_limit(self.allowed.timeout_ns)
    }

    pub(super) fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        // A table is changed in one step.
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tables_mut(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a request goes.
    pub(super) fn route(&self, method: &str, path: &Path) -> Found {
        let tables = self.tables();
        if self.number == OF_MANIFEST && tables.routes.is_empty() {
            return match self.allowed.allows_method(method) {
                true => Found::Handler { handler: 0, route: None },
                false => Found::OtherMethods(self.allowed_methods()),
            };
        }
        let fitting: Vec<&Route> =
            tables.routes.iter().filter(|route| route.pattern.matches(path)).collect();
        // Of routes with equal patterns, the one that names the method is the better one.
        let fit = |route: &Route| match route.method.as_deref() {
            Some(it) if it == method => Some(2),
            Some("GET") if method == "HEAD" => Some(1),
            Some(_) => None,
            None => Some(0),
        };
        let candidates = fitting.iter().filter_map(|route| Some((fit(route)?, route)));
        let best = candidates.max_by(|(fit, one), (other_fit, other)| {
            one.pattern.precedence(&other.pattern).then(fit.cmp(other_fit))
        });
        let found = best.filter(|_| self.allowed.allows_method(method)).map(|(_, route)| route);
        match found {
            Some(route) => Found::Handler { handler: route.handler, route: Some(route.number) },
            None if fitting.is_empty() => Found::Nothing,
            None => Found::OtherMethods(self.methods_of(&fitting)),
        }
    }

    /// The middleware that a request is shown to: numbers and handlers.
    pub(super) fn middleware(&self, path: &Path) -> Vec<(u64, u64)> {
        let tables = self.tables();
        let concerned = tables.middleware.iter().filter(|it| path.is_below(&it.above));
        concerned.map(|it| (it.number, it.handler)).collect()
    }

    /// The handlers of WebSocket connections on a path.
    pub(super) fn socket_path(&self, path: &Path) -> Option<SocketPath> {
        let tables = self.tables();
        let fitting = tables.socket_paths.iter().filter(|it| it.pattern.matches(path));
        fitting.max_by(|one, other| one.pattern.precedence(&other.pattern)).cloned()
    }

    /// Notes that a WebSocket connection is open, and gives it its number.
    pub(super) fn opened(&self, outbox: &Arc<Outbox>, pattern: &Pattern) -> u64 {
        let number = self.numbers.sockets.next();
        let socket = Socket { outbox: outbox.clone(), pattern: pattern.clone() };
        lock(&self.sockets).insert(number, socket);
        number
    }

    pub(super) fn closed(&self, socket: u64) {
        lock(&self.sockets).remove(&socket);
    }

    /// What goes out on an open WebSocket connection.
    pub(super) fn outbox(&self, socket: u64) -> Option<Arc<Outbox>> {
        lock(&self.sockets).get(&socket).map(|socket| socket.outbox.clone())
    }

    /// Closes the connections on the paths of a pattern.
    pub(super) fn close_sockets(&self, pattern: &Pattern) {
        let sockets = lock(&self.sockets);
        for socket in sockets.values().filter(|socket| socket.pattern.is_same(pattern)) {
            socket.outbox.close();
        }
    }

    /// Whether a WebSocket connection of this number was ever opened on any server of the actor.
    pub(super) fn has_had(&self, socket: u64) -> bool {
        (1..=self.numbers.sockets.last()).contains(&socket)
    }

    fn methods_of(&self, routes: &[&Route]) -> Vec<String> {
        if routes.iter().any(|route| route.method.is_none()) {
            return self.allowed_methods();
        }
        let mut methods: Vec<String> =
            routes.iter().filter_map(|route| route.method.clone()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods.sort();
        methods.dedup();
        methods
    }

    fn allowed_methods(&self) -> Vec<String> {
        let allowed = self.allowed.allowed_methods.iter().flatten();
        allowed.map(|method| method.0.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::actor_id::ActorId;
    use crate::system::WeakSystem;

    fn site(number: u64, allowed: manifest::HttpServer) -> Site {
        let id = ActorId::new(0, [0; 10]);
        let caller = Caller { system: WeakSystem::gone(), id, life: Weak::new() };
        Site::new(number, caller, allowed, Arc::default())
    }

    fn add(site: &Site, pattern: &str, method: &str) -> u64 {
        let mut tables = site.tables_mut();
        let number = tables.routes.len() as u64 + 1;
        let method = (method != "*").then(|| method.to_owned());
        let pattern = pattern.parse().expect("it is a pattern");
        tables.routes.push(Route { number, pattern, method, handler: 10 + number });
        number
    }

    fn found(site: &Site, method: &str, path: &str) -> String {
        match site.route(method, &Path::parse(path).expect("it is a path")) {
            Found::Handler { handler, route } => format!("{handler} by {route:?}"),
            Found::OtherMethods(methods) => methods.join(" "),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn requests_find_the_best_route_with_their_method() {
        let site = site(1, manifest::HttpServer::default());
        assert_eq!(found(&site, "GET", "/"), "nothing");
        add(&site, "/users/{id}", "GET");
        add(&site, "/users/me", "GET");
        add(&site, "/users/{id}", "DELETE");
        add(&site, "/{*rest}", "*");
        add(&site, "/users/{other}/x", "POST");
        assert_eq!(found(&site, "GET", "/users/7"), "11 by Some(1)");
        assert_eq!(found(&site, "GET", "/users/me"), "12 by Some(2)");
        assert_eq!(found(&site, "HEAD", "/users/me"), "12 by Some(2)");
        assert_eq!(found(&site, "DELETE", "/users/me"), "13 by Some(3)");
        assert_eq!(found(&site, "PATCH", "/users/me"), "14 by Some(4)");
        site.tables_mut().routes.remove(3);
        assert_eq!(found(&site, "HEAD", "/users/me"), "12 by Some(2)");
        assert_eq!(found(&site, "PATCH", "/users/me"), "DELETE GET HEAD");
        assert_eq!(found(&site, "GET", "/users/7/x"), "POST");
        assert_eq!(found(&site, "GET", "/other"), "nothing");
    }

    #[test]
    fn no_route_goes_beyond_the_methods_that_are_allowed() {
        let allowed_methods = Some(vec![manifest::Method("GET".to_owned())]);
        let allowed = manifest::HttpServer { allowed_methods, ..Default::default() };
        let own = site(1, allowed.clone());
        add(&own, "/a", "*");
        assert_eq!(found(&own, "GET", "/a"), "11 by Some(1)");
        assert_eq!(found(&own, "HEAD", "/a"), "11 by Some(1)");
        assert_eq!(found(&own, "POST", "/a"), "GET");
        let of_manifest = site(OF_MANIFEST, allowed);
        assert_eq!(found(&of_manifest, "GET", "/any"), "0 by None");
        assert_eq!(found(&of_manifest, "POST", "/any"), "GET");
        add(&of_manifest, "/a", "GET");
        assert_eq!(found(&of_manifest, "GET", "/any"), "nothing");
    }
}
