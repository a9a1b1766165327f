//! What `theater:simple` offers to actors, one file for each interface.

mod message_server;
mod runtime;

use std::sync::Arc;

use theater_record::{ChainId, Value};

use crate::actor::Shared;
use crate::actor_id::ActorId;
use crate::host::Host;
use crate::system::WeakSystem;

/// What every service knows of the actor it serves.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) system: WeakSystem,
    pub(crate) id: ActorId,
    pub(crate) chain: ChainId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) patience: std::time::Duration,
}

/// Has a host offer all of `theater:simple`.
pub(crate) fn serve(host: &mut Host, served: &Served) {
    host.serve("theater:simple/runtime", Box::new(runtime::Runtime(served.clone())));
    let messages = message_server::MessageServer(served.clone());
    host.serve("theater:simple/message-server-host", Box::new(messages));
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
