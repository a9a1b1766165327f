//! `theater:simple/http-server`: servers whose requests the actor answers.
//!
//! Servers listen at the edge of the system and know the actor by its id only. What they share with it
//! is a site: where requests go, and which WebSocket connections are open.

mod caller;
mod listener;
mod outbox;
mod path;
mod request;
mod servers;
mod site;
mod websocket;

use std::sync::{Arc, Mutex};

use theater_record::{Permission, Value};

use super::{Opening, Served, done, given, unknown};
use crate::actor::lock;
use crate::host::{Service, ServiceCall};
use crate::manifest::{self, HttpServerHandler, Restriction};
use crate::trap::Failure;

use servers::{NotDone, Servers};

/// The capability that servers need.
const CAPABILITY: &str = manifest::HttpServer::CAPABILITY;

/// The service for one actor. Its servers end with it.
pub(super) struct HttpServer(Arc<Mutex<Servers>>);

impl HttpServer {
    /// The service, and what it starts once the actor is there.
    pub(super) fn new(served: Served, handler: HttpServerHandler) -> (HttpServer, Opening) {
        let servers = Arc::new(Mutex::new(Servers::new(served, handler)));
        // The service alone keeps the servers alive.
        let to_open = Arc::downgrade(&servers);
        let opening = Opening::new(move || match to_open.upgrade() {
            Some(servers) => lock(&servers).open(),
            None => (Vec::new(), Ok(())),
        });
        (HttpServer(servers), opening)
    }
}

impl Service for HttpServer {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let answer = lock(&self.0).answer(call.function, &call.args, call.decisions)?;
        let answer = answer.ok_or_else(|| unknown("http-server", call.function))?;
        Ok(vec![answer])
    }

    fn remember(&mut self, function: &str, args: &[Value], results: &[Value]) {
        if let [Value::Result(Ok(given))] = results {
            lock(&self.0).remember(function, args, given.as_deref());
        }
    }

    fn was_called(&mut self, handler: &str, args: &[Value]) {
        if handler.starts_with("handle-websocket-")
            && let [_state, Value::Tuple(params)] = args
            && let [_handler, Value::U64(socket), ..] = &params[..]
        {
            lock(&self.0).had_socket(*socket);
        }
    }

    fn forget(&mut self) {
        lock(&self.0).forget();
    }
}

impl Servers {
    /// Answers a call. `None` if there is no such function with such arguments.
    fn answer(
        &mut self,
        function: &str,
        args: &[Value],
        decisions: &mut Vec<Permission>,
    ) -> Result<Option<Value>, Failure> {
        use Value::{String as Text, U64};
        let answer = match (function, args) {
            ("create-server", [Value::Record(config)]) => {
                let Some((port, host, tls)) = config_of(config) else { return Ok(None) };
                number(self.create(port, host, tls, decisions))
            }
            ("get-server-info", [U64(server)]) => given(said(self.info(*server))),
            ("start-server", [U64(server)]) => {
                given(said(self.start(*server, decisions).map(Value::U16)))
            }
            ("stop-server", [U64(server)]) => unit(self.stop(*server)?),
            ("destroy-server", [U64(server)]) => unit(self.destroy(*server)?),
            ("register-handler", [Text(_)]) => number(Ok(self.register_handler())),
            ("add-route", [U64(server), Text(path), Text(method), U64(handler)]) => {
                number(self.add_route(*server, path, method, *handler, decisions))
            }
            ("remove-route", [U64(route)]) => unit(self.remove_route(*route)),
            ("add-middleware", [U64(server), Text(path), U64(handler)]) => {
                number(self.add_middleware(*server, path, *handler))
            }
            ("remove-middleware", [U64(number)]) => unit(self.remove_middleware(*number)),
            (
                "enable-websocket",
                [U64(server), Text(path), Value::Option(connect), U64(message), Value::Option(end)],
            ) => {
                let handlers = (number_in(connect), *message, number_in(end));
                unit(self.enable_websocket(*server, path, handlers, decisions))
            }
            ("disable-websocket", [U64(server), Text(path)]) => {
                unit(self.disable_websocket(*server, path))
            }
            ("send-websocket-message", [U64(server), U64(socket), message]) => {
                unit(self.send(*server, *socket, message.clone()))
            }
            ("close-websocket", [U64(server), U64(socket)]) => {
                unit(self.close_websocket(*server, *socket))
            }
            _ => return Ok(None),
        };
        Ok(Some(answer))
    }
}

impl Servers {
    /// Makes again what a call had made in an earlier process, under the number that it was given.
    /// Servers that listened do so again once the actor is back; WebSocket connections are gone.
    fn remember(&mut self, function: &str, args: &[Value], given: Option<&Value>) {
        use Value::{U16, U64};
        let (given, port) = match given {
            Some(U64(number)) => (*number, 0),
            Some(U16(port)) => (0, *port),
            Some(_) | None => (0, 0),
        };
        // The next one gets the number that this one had.
        match function {
            "create-server" => self.counts.servers = given.saturating_sub(1),
            "register-handler" => self.counts.handlers = given.saturating_sub(1),
            "add-route" => self.counts.routes = given.saturating_sub(1),
            "add-middleware" => self.counts.middleware = given.saturating_sub(1),
            _ => {}
        }
        match (function, args) {
            ("start-server", [U64(server)]) => self.was_started(*server, port),
            ("stop-server", [U64(server)]) => self.was_stopped(*server),
            ("destroy-server", [U64(server)]) => self.was_destroyed(*server),
            (
                "create-server" | "register-handler" | "add-route" | "remove-route"
                | "add-middleware" | "remove-middleware" | "enable-websocket" | "disable-websocket",
                args,
            ) => {
                // What is not permitted any more is not made again. None of these waits or fails.
                let _ = self.answer(function, args, &mut Vec::new());
            }
            _ => {}
        }
    }
}

/// Port, host, and the paths of a certificate and its key.
type Config<'a> = (u16, &'a str, Option<(&'a str, &'a str)>);

/// What `server-config` says, with what holds where it does not.
fn config_of(config: &[Value]) -> Option<Config<'_>> {
    let [Value::Option(port), Value::Option(host), Value::Option(tls)] = config else {
        return None;
    };
    let port = match port.as_deref() {
        None => 0,
        Some(Value::U16(port)) => *port,
        Some(_) => return None,
    };
    let host = match host.as_deref() {
        None => "127.0.0.1",
        Some(Value::String(host)) => host,
        Some(_) => return None,
    };
    let tls = match tls.as_deref() {
        None => None,
        Some(Value::Record(tls)) => match &tls[..] {
            [Value::String(cert), Value::String(key)] => Some((&**cert, &**key)),
            _ => return None,
        },
        Some(_) => return None,
    };
    Some((port, host, tls))
}

fn number_in(value: &Option<Box<Value>>) -> Option<u64> {
    match value.as_deref() {
        Some(Value::U64(number)) => Some(*number),
        Some(_) | None => None,
    }
}

fn said<T>(outcome: Result<T, NotDone>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

fn number(outcome: Result<u64, NotDone>) -> Value {
    given(said(outcome.map(Value::U64)))
}

fn unit(outcome: Result<(), NotDone>) -> Value {
    done(said(outcome))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use theater_record::ChainId;

    use super::*;
    use crate::actor_id::ActorId;
    use crate::system::WeakSystem;

    fn servers() -> Servers {
        let served = Served {
            system: WeakSystem::gone(),
            id: ActorId::new(0, [0; 10]),
            chain: ChainId([0; 16]),
            shared: Arc::default(),
            numbers: Arc::default(),
            patience: Duration::ZERO,
            base_dir: PathBuf::new(),
        };
        let restriction = manifest::HttpServer::default();
        let host = "127.0.0.1".to_owned();
        Servers::new(served, HttpServerHandler { port: Some(1), host, tls: None, restriction })
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn call(servers: &mut Servers, function: &str, args: &[Value]) -> Value {
        let answer = servers.answer(function, args, &mut Vec::new());
        answer.expect("nobody kills it").expect("there is such a function")
    }

    fn ok(value: Value) -> Value {
        Value::Result(Ok(Some(Box::new(value))))
    }

    #[test]
    fn what_an_actor_has_made_is_there_when_it_is_brought_back() {
        use Value::U64;
        let config =
            Value::Record(vec![Value::Option(None), Value::Option(None), Value::Option(None)]);
        let calls = [
            ("create-server", vec![config.clone()]),
            ("create-server", vec![config]),
            ("register-handler", vec![text("a")]),
            ("register-handler", vec![text("b")]),
            ("add-route", vec![U64(0), text("/a"), text("GET"), U64(1)]),
            ("add-route", vec![U64(2), text("/b"), text("*"), U64(2)]),
            ("remove-route", vec![U64(1)]),
            ("add-route", vec![U64(0), text("/c"), text("GET"), U64(1)]),
            ("add-middleware", vec![U64(2), text("/"), U64(2)]),
            (
                "enable-websocket",
                vec![U64(2), text("/ws"), Value::Option(None), U64(1), Value::Option(None)],
            ),
            ("destroy-server", vec![U64(1)]),
        ];
        let (mut before, mut after) = (servers(), servers());
        for (function, args) in &calls {
            let answer = call(&mut before, function, args);
            let Value::Result(Ok(given)) = answer else { panic!("{function}: {answer:?}") };
            after.remember(function, args, given.as_deref());
        }
        for server in [0, 1, 2] {
            let info = |servers: &mut Servers| call(servers, "get-server-info", &[U64(server)]);
            assert_eq!(info(&mut before), info(&mut after), "server {server}");
        }
        let next = ("add-route", [U64(0), text("/d"), text("GET"), U64(1)]);
        assert_eq!(call(&mut after, next.0, &next.1), ok(U64(4)), "numbers go on");
        assert_eq!(call(&mut after, "register-handler", &[text("c")]), ok(U64(3)));
        after.forget();
        let first = call(&mut after, "register-handler", &[text("a")]);
        assert_eq!(first, ok(U64(1)), "another life counts anew");
        let routes = call(&mut after, "get-server-info", &[U64(0)]);
        assert_eq!(routes, call(&mut self::servers(), "get-server-info", &[U64(0)]));
    }

    #[test]
    fn what_listened_is_to_listen_again_where_it_did() {
        use Value::U64;
        let mut servers = servers();
        servers.remember("start-server", &[U64(0)], Some(&Value::U16(7)));
        servers.remember("stop-server", &[U64(0)], None);
        let (decisions, outcome) = servers.open();
        assert!(decisions.is_empty() && outcome.is_ok(), "it was stopped");
        servers.remember("start-server", &[U64(0)], Some(&Value::U16(7)));
        let (decisions, outcome) = servers.open();
        assert_eq!(decisions[0].subject, "127.0.0.1:7");
        assert_eq!(outcome, Err("there is no network: the system is shutting down".to_owned()));
    }

    #[test]
    fn calls_with_other_types_are_none() {
        let mut servers = servers();
        let mut answer =
            |function: &str, args: &[Value]| servers.answer(function, args, &mut Vec::new());
        assert_eq!(answer("start-server", &[text("1")]), Ok(None));
        assert_eq!(answer("start-server", &[]), Ok(None));
        assert_eq!(answer("fly", &[]), Ok(None));
        let config = Value::Record(vec![Value::Option(Some(Box::new(text("80"))))]);
        assert_eq!(answer("create-server", &[config]), Ok(None));
    }
}
