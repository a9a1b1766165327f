//! `theater:simple/message-server-host`: messages from one actor to another.

use theater_record::Value;

use super::{Served, done, given, unknown};
use crate::actor::lock;
use crate::actor_id::ActorId;
use crate::delivery::Sender;
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct MessageServer(pub(super) Served);

impl Service for MessageServer {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut args = std::mem::take(&mut call.args).into_iter();
        let served = &self.0;
        match (call.function, args.next(), args.next()) {
            ("send", Some(Value::String(to)), Some(Value::Bytes(message))) => {
                let from = sender(served, &mut call)?;
                let sent = address(&to).and_then(|to| {
                    let system = served.system.get()?;
                    system.deliver(to, from, message, served.patience).map_err(|e| e.to_string())
                });
                Ok(vec![done(sent)])
            }
            ("request", Some(Value::String(to)), Some(Value::Bytes(message))) => {
                let from = sender(served, &mut call)?;
                let answered = address(&to).and_then(|to| {
                    if to == served.id {
                        return Err("an actor cannot wait for its own answer".to_owned());
                    }
                    let system = served.system.get()?;
                    let answer = system.ask(to, from, message, served.patience);
                    answer.map(Value::Bytes).map_err(|e| e.to_string())
                });
                Ok(vec![given(answered)])
            }
            ("list-outstanding-requests", None, None) => {
                let outstanding = lock(&served.shared.outstanding);
                let ids = outstanding.keys().map(|id| Value::String(id.clone())).collect();
                Ok(vec![Value::List(ids)])
            }
            ("respond-to-request", Some(Value::String(id)), Some(Value::Bytes(answer))) => {
                Ok(vec![done(self.respond(&id, Ok(answer)))])
            }
            ("cancel-request", Some(Value::String(id)), None) => {
                let cancelled = Err("the request was cancelled".to_owned());
                Ok(vec![done(self.respond(&id, cancelled))])
            }
            (function, _, _) => Err(unknown("message-server-host", function)),
        }
    }
}

impl MessageServer {
    fn respond(&self, id: &str, answer: Result<Vec<u8>, String>) -> Result<(), String> {
        let reply = lock(&self.0.shared.outstanding).remove(id);
        reply.ok_or_else(|| format!("no request {id} waits for an answer"))?.answer(answer);
        Ok(())
    }
}

/// The record of this call is what the receiver's chain refers to.
fn sender(served: &Served, call: &mut ServiceCall<'_>) -> Result<Sender, Failure> {
    let tip = call.tip().map_err(|error| Failure {
        code: theater_record::TrapCode::HostError,
        detail: error.to_string(),
    })?;
    Ok(Sender::Actor { id: served.id, chain: served.chain, seq: tip.seq, link: tip.hash })
}

fn address(to: &str) -> Result<ActorId, String> {
    to.parse().map_err(|error: crate::actor_id::NotAnActorId| error.to_string())
}
