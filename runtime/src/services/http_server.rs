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
mod stall;
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
    pub(super) fn new(served: Served, handler: HttpServerHandler) -> (HttpServer, Option<Opening>) {
        let is_opened = handler.port.is_some();
        let servers = Arc::new(Mutex::new(Servers::new(served, handler)));
        // The service alone keeps the servers alive.
        let to_open = Arc::downgrade(&servers);
        let opening = Opening::new(move || match to_open.upgrade() {
            Some(servers) => lock(&servers).open(),
            None => (Vec::new(), Ok(())),
        });
        (HttpServer(servers), is_opened.then_some(opening))
    }
}

impl Service for HttpServer {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let answer = lock(&self.0).answer(call.function, &call.args, call.decisions)?;
        let answer = answer.ok_or_else(|| unknown("http-server", call.function))?;
        Ok(vec![answer])
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
