//! What `theater:simple` offers to actors, one file for each interface.

mod chain;
mod denied;
mod http_client;
mod http_server;
pub(crate) mod http_types;
mod lifecycle;
mod message_server;
mod runtime;
mod supervisor;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use theater_record::{ChainId, Permission, TrapCode, Value};

use crate::actor::{Shared, lock};
use crate::actor_id::ActorId;
use crate::host::{Host, Reason, Service};
use crate::manifest::Handlers;
use crate::system::WeakSystem;
use crate::trap::Failure;

use denied::Denied;

/// What every service knows of the actor it serves.
///
/// A service lives as long as an instance of the actor. What it holds (servers, processes) ends when it is
/// dropped, which must not wait for anything.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) system: WeakSystem,
    pub(crate) id: ActorId,
    pub(crate) chain: ChainId,
    pub(crate) shared: Arc<Shared>,
    /// How long the actor waits for others.
    pub(crate) patience: Duration,
    /// The folder that paths of the manifest start at.
    pub(crate) base_dir: PathBuf,
}

/// What is to be started with an actor, once its `init` has returned.
pub(crate) struct Opening(Opens);

type Opens = Box<dyn FnOnce() -> (Vec<Permission>, Result<(), String>) + Send>;

impl Opening {
    fn new(
        opens: impl FnOnce() -> (Vec<Permission>, Result<(), String>) + Send + 'static,
    ) -> Opening {
        Opening(Box::new(opens))
    }

    /// Starts it. Returns what was decided, and why it failed if it did.
    pub(crate) fn open(self) -> (Vec<Permission>, Result<(), String>) {
        (self.0)()
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// Has a host offer `theater:simple`: what the actor is given is served, the rest is denied.
pub(crate) fn serve(host: &mut Host, served: &Served, given: &Handlers) {
    let mut offer = |interface: &'static str, service: Option<Box<dyn Service>>| {
        let service = service.unwrap_or_else(|| Box::new(Denied(interface)));
        host.serve(&format!("theater:simple/{interface}"), service);
    };
    let service = |_| -> Box<dyn Service> { Box::new(runtime::Runtime::new(served.clone())) };
    offer("runtime", given.runtime.map(service));
    let service =
        |_| -> Box<dyn Service> { Box::new(message_server::MessageServer(served.clone())) };
    offer("message-server-host", given.message_server.map(service));
    let service = |given| -> Box<dyn Service> {
        Box::new(http_client::HttpClient::new(served.clone(), given))
    };
    offer("http-client", given.http_client.clone().map(service));
    let service = |given| -> Box<dyn Service> {
        let (service, opening) = http_server::HttpServer::new(served.clone(), given);
        *lock(&served.shared.opening) = Some(opening);
        Box::new(service)
    };
    offer("http-server", given.http_server.clone().map(service));
    // Whose end means what is nothing that permissions are about, as nobody can do anything by it but to fall.
    offer("lifecycle", Some(Box::new(lifecycle::Lifecycle::new(served.clone()))));
    let service = |_| -> Box<dyn Service> { Box::new(supervisor::Supervisor(served.clone())) };
    offer("supervisor", given.supervisor.as_ref().map(service));
    for interface in ["environment", "filesystem", "process", "random", "store", "timing"] {
        offer(interface, None);
    }
}

/// The actor that a component names.
fn address(text: &str) -> Result<ActorId, String> {
    text.parse().map_err(|error: crate::actor_id::NotAnActorId| error.to_string())
}

/// A `result` without a payload where all is well.
fn done(outcome: Result<(), String>) -> Value {
    Value::Result(match outcome {
        Ok(()) => Ok(None),
        Err(error) => Err(Some(Box::new(Value::String(error)))),
    })
}

/// A `result` with a value where all is well.
fn given(outcome: Result<Value, String>) -> Value {
    Value::Result(match outcome {
        Ok(value) => Ok(Some(Box::new(value))),
        Err(error) => Err(Some(Box::new(Value::String(error)))),
    })
}

/// What the chain says of a decision.
fn decision(reason: Reason, capability: &str, subject: &str, detail: &str) -> Permission {
    reason.permission(capability, subject, detail)
}

/// The component calls what this version does not have, or by other types.
fn unknown(interface: &str, function: &str) -> Failure {
    let detail = format!("theater:simple/{interface}#{function} is not offered with these types");
    Failure { code: TrapCode::HostError, detail }
}
