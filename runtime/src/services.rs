//! What `theater:simple` offers to actors, one file for each interface.

mod chain;
mod denied;
mod environment;
mod filesystem;
mod http_client;
mod http_server;
pub(crate) mod http_types;
mod lifecycle;
mod message_server;
mod process;
mod random;
mod runtime;
mod store;
mod supervisor;
mod timing;
mod tls;
#[cfg(test)]
mod trial;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use theater_record::{ChainId, Permission, TrapCode, Value};

use crate::actor::{Shared, lock};
use crate::actor_id::ActorId;
use crate::host::{Host, Reason, Service};
use crate::manifest::Handlers;
use crate::numbers::Numbers;
use crate::system::WeakSystem;
use crate::trap::Failure;

use denied::Denied;
use filesystem::Folder;

/// How much of a subject a decision tells.
const SUBJECT_BYTES_MAX: usize = 4096;

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
    pub(crate) numbers: Arc<Numbers>,
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
    offer("runtime", given.runtime.map(|_| boxed(runtime::Runtime::new(served.clone()))));
    let messages = given.message_server.map(|_| message_server::MessageServer(served.clone()));
    offer("message-server-host", messages.map(boxed));
    // A link makes another actor fall, so it is for those who may look after others.
    let lifecycle = given.supervisor.as_ref().map(|_| lifecycle::Lifecycle(served.clone()));
    offer("lifecycle", lifecycle.map(boxed));
    let supervisor = given.supervisor.as_ref().map(|_| supervisor::Supervisor::new(served.clone()));
    offer("supervisor", supervisor.map(boxed));
    let client = given.http_client.clone();
    let client = client.map(|given| http_client::HttpClient::new(served.clone(), given));
    offer("http-client", client.map(boxed));
    let server = given.http_server.clone().map(|given| {
        let (server, opening) = http_server::HttpServer::new(served.clone(), given);
        *lock(&served.shared.opening) = Some(opening);
        server
    });
    offer("http-server", server.map(boxed));
    let timing = given.timing.as_ref().map(|given| timing::Timing::new(served, given));
    offer("timing", timing.map(boxed));
    let random = given.random.as_ref().map(|given| random::Random::new(served, given));
    offer("random", random.map(boxed));
    let environment = given.environment.as_ref();
    let environment =
        environment.map(|given| environment::Environment::new(given, environment::inherited()));
    offer("environment", environment.map(boxed));
    let folder = given.filesystem.as_ref();
    let folder = folder.map(|given| Arc::new(Folder::open(given, &served.base_dir)));
    offer("filesystem", folder.clone().map(filesystem::Filesystem).map(boxed));
    let process = given.process.as_ref();
    let process = process.map(|given| process::Processes::new(served, given, folder));
    offer("process", process.map(boxed));
    let store = given.store.clone().map(|may| store::Stores::new(served.clone(), may));
    offer("store", store.map(boxed));
}

fn boxed(service: impl Service + 'static) -> Box<dyn Service> {
    Box::new(service)
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

/// What the chain says of a decision. A long subject is cut: the call before it has the whole.
fn decision(reason: Reason, capability: &str, subject: &str, detail: &str) -> Permission {
    let end = subject.floor_char_boundary(SUBJECT_BYTES_MAX);
    reason.permission(capability, &subject[..end], detail)
}

/// The component calls what this version does not have, or by other types.
fn unknown(interface: &str, function: &str) -> Failure {
    let detail = format!("theater:simple/{interface}#{function} is not offered with these types");
    Failure { code: TrapCode::HostError, detail }
}
