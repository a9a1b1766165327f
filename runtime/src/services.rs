//! What `theater:simple` offers to actors, one file for each interface.

mod chain;
mod denied;
mod environment;
mod filesystem;
mod lifecycle;
mod message_server;
mod process;
mod random;
mod runtime;
mod supervisor;
mod timing;
#[cfg(test)]
mod trial;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use theater_record::{ChainId, Permission, TrapCode, Value};

use crate::actor::Shared;
use crate::actor_id::ActorId;
use crate::host::{Host, Reason, Service};
use crate::manifest::Handlers;
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
    /// How long the actor waits for others.
    pub(crate) patience: Duration,
    /// The folder that paths of the manifest start at.
    pub(crate) base_dir: PathBuf,
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
    // Whose end means what is nothing that permissions are about, as nobody can do anything by it but to fall.
    offer("lifecycle", Some(Box::new(lifecycle::Lifecycle::new(served.clone()))));
    let service = |_| -> Box<dyn Service> { Box::new(supervisor::Supervisor(served.clone())) };
    offer("supervisor", given.supervisor.as_ref().map(service));
    let timing = given.timing.as_ref();
    offer("timing", timing.map(|given| boxed(timing::Timing::new(served, given))));
    let random = given.random.as_ref();
    offer("random", random.map(|given| boxed(random::Random::new(served, given))));
    let environment = given
        .environment
        .as_ref()
        .map(|given| boxed(environment::Environment::new(given, std::env::vars_os())));
    offer("environment", environment);
    let filesystem = given.filesystem.as_ref();
    let folder = filesystem.map(|given| Arc::new(Folder::open(given, &served.base_dir)));
    offer("filesystem", folder.clone().map(|folder| boxed(filesystem::Filesystem(folder))));
    let process = given.process.as_ref();
    offer("process", process.map(|given| boxed(process::Processes::new(served, given, folder))));
    for interface in ["http-client", "http-server", "store"] {
        offer(interface, None);
    }
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
