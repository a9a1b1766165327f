//! `theater:simple/message-server-host`: messages from one actor to another.

use theater_record::{Recorder, Value};

use super::{Served, address, done, given, unknown};
use crate::actor::{lock, request_id};
use crate::actor_id::ActorId;
use crate::channels::Side;
use crate::delivery::{Sender, reply};
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

/// The service for one actor.
pub(super) struct MessageServer(pub(super) Served);

impl Service for MessageServer {
    fn call(&mut self, mut call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut args = std::mem::take(&mut call.args).into_iter();
        let outcome = match (call.function, args.next(), args.next()) {
            ("send", Some(Value::String(to)), Some(Value::Bytes(message))) => {
                let from = sender(&self.0, &call)?;
                done(address(&to).and_then(|to| self.send(to, from, message)))
            }
            ("request", Some(Value::String(to)), Some(Value::Bytes(message))) => {
                let from = sender(&self.0, &call)?;
                let answer = address(&to).and_then(|to| self.request(to, from, message));
                given(answer.map(Value::Bytes))
            }
            ("open-channel", Some(Value::String(to)), Some(Value::Bytes(first))) => {
                let from = sender(&self.0, &call)?;
                let channel = address(&to).and_then(|to| self.open_channel(to, from, first));
                given(channel.map(Value::String))
            }
            ("send-on-channel", Some(Value::String(channel)), Some(Value::Bytes(message))) => {
                let from = sender(&self.0, &call)?;
                done(self.send_on_channel(&channel, from, message))
            }
            ("close-channel", Some(Value::String(channel)), None) => {
                let from = sender(&self.0, &call)?;
                let system = self.0.system.get();
                done(system.and_then(|system| {
                    system.close(&channel, Some(self.0.id), &from).map_err(|e| e.to_string())
                }))
            }
            ("list-outstanding-requests", None, None) => {
                let outstanding = lock(&self.0.shared.outstanding);
                let ids = outstanding.keys().map(|number| Value::String(request_id(*number)));
                Value::List(ids.collect())
            }
            ("respond-to-request", Some(Value::String(id)), Some(Value::Bytes(answer))) => {
                done(self.respond(&id, Ok(answer), call.recorder))
            }
            ("cancel-request", Some(Value::String(id)), None) => {
                let cancelled = Err("the request was cancelled".to_owned());
                done(self.respond(&id, cancelled, call.recorder))
            }
            (function, _, _) => return Err(unknown("message-server-host", function)),
        };
        Ok(vec![outcome])
    }
}

impl MessageServer {
    fn send(&self, to: ActorId, from: Sender, message: Vec<u8>) -> Result<(), String> {
        let served = &self.0;
        let (patience, interrupt) = (served.patience, &served.shared.interrupt);
        let sent = served.system.get()?.deliver(to, from, message, patience, interrupt);
        sent.map_err(|error| error.to_string())
    }

    fn request(&self, to: ActorId, from: Sender, message: Vec<u8>) -> Result<Vec<u8>, String> {
        let served = &self.0;
        if to == served.id {
            return Err("an actor cannot wait for its own answer".to_owned());
        }
        let (patience, interrupt) = (served.patience, &served.shared.interrupt);
        let answer = served.system.get()?.ask(to, from, message, patience, interrupt);
        answer.map_err(|error| error.to_string())
    }

    fn open_channel(&self, to: ActorId, from: Sender, first: Vec<u8>) -> Result<String, String> {
        let served = &self.0;
        let Sender::Actor { id, seq, .. } = &from else {
            return Err("only an actor opens a channel here".to_owned());
        };
        if to == served.id {
            return Err("an actor cannot open a channel to itself".to_owned());
        }
        // The record of this call is unlike any other.
        let channel = format!("channel-{id}-{seq}");
        let (patience, interrupt) = (served.patience, &served.shared.interrupt);
        let (reply, awaited) = reply();
        let opener = (from, Side::Actor(served.id));
        let asked = served.system.get()?.ask_to_open(
            (&channel, to),
            opener,
            first,
            reply,
            patience,
            Some(interrupt),
        );
        asked.map_err(|error| error.to_string())?;
        interrupt.wait_for(awaited, patience).map_err(|error| error.to_string())?;
        Ok(channel)
    }

    fn send_on_channel(&self, channel: &str, from: Sender, message: Vec<u8>) -> Result<(), String> {
        let served = &self.0;
        let (patience, interrupt) = (served.patience, &served.shared.interrupt);
        let here = (channel, served.id);
        let passed = served.system.get()?.pass(here, from, message, patience, interrupt);
        passed.map_err(|error| error.to_string())
    }

    fn respond(
        &self,
        id: &str,
        answer: Result<Vec<u8>, String>,
        recorder: &Recorder,
    ) -> Result<(), String> {
        let shared = &self.0.shared;
        let mut outstanding = lock(&shared.outstanding);
        let number = outstanding.keys().copied().find(|number| request_id(*number) == id);
        let asked = number.and_then(|number| outstanding.remove(&number));
        drop(outstanding);
        let asked = asked.ok_or_else(|| format!("no request {id} waits for an answer"))?;
        shared.answer(asked, answer, recorder);
        Ok(())
    }
}

/// The record of this call is what the receiver's chain refers to.
fn sender(served: &Served, call: &ServiceCall<'_>) -> Result<Sender, Failure> {
    let tip = call.tip().map_err(|error| Failure {
        code: theater_record::TrapCode::HostError,
        detail: error.to_string(),
    })?;
    Ok(Sender::Actor { id: served.id, chain: served.chain, seq: tip.seq, link: tip.hash })
}
