//! Calls and returns that have to do with messages: what they send, receive and answer.

use theater_record::{Call, Event, Outcome as Ended, ReadError, Record, Return, Value, Values};

use super::role::Role;
use super::{Pending, Scan};
use crate::set::member::{Answer, Handled, Handler, Outcome, Sender, Sent};
use crate::set::payloads::Content;

impl Scan {
    /// Looks at a call or a return of a function that has to do with messages.
    pub(super) fn crossing(&mut self, record: &Record<'_>, event: Event) -> Result<(), ReadError> {
        match event {
            Event::ExportCall(call) => self.export_call(record, &call),
            Event::ExportReturn(end) => self.export_return(record, &end),
            Event::ImportCall(call) => self.import_call(record, &call),
            Event::ImportReturn(end) => self.import_return(&end),
            _ => Ok(()),
        }
    }

    fn export_call(&mut self, record: &Record<'_>, call: &Call) -> Result<(), ReadError> {
        let announced = self.announced.take();
        self.handling = None;
        self.calling = None;
        let Some((Role::Handles(handler), params)) = self.args(call) else { return Ok(()) };
        let mut params = params.into_iter();
        let (_, params) = (params.next(), params.next());
        let Some(params) = params else { return Ok(()) };
        let params = self.params(call, params)?;
        let (first, second) = match handler {
            Handler::Send => (None, params.first()),
            Handler::Request | Handler::ChannelOpen | Handler::ChannelMessage => {
                (params.first(), params.get(1))
            }
            Handler::ChannelClose => (params.first(), None),
        };
        let id = first.map(|id| self.payloads.text(id)).transpose()?.flatten();
        let content = self.content(second)?;
        let index = match announced {
            Some(index) => index,
            // What was not said to come from anybody.
            None if self.member.actor.is_some() && handler != Handler::ChannelClose => {
                self.receive(record, Sender::Nobody)
            }
            None => return Ok(()),
        };
        let mut channel = None;
        if handler == Handler::Request {
            self.requests.extend(id.map(|id| (id, index)));
        } else {
            channel = id.map(|id| self.member.names.name(id));
        }
        let (place, answer) = ((record.seq, record.offset), Answer::Nothing);
        self.member.received[index].handled =
            Some(Handled { handler, place, channel, content, answer });
        self.handling = Some((call.function.0, index));
        Ok(())
    }

    fn export_return(&mut self, record: &Record<'_>, end: &Return) -> Result<(), ReadError> {
        let Some((function, index)) = self.handling.take() else { return Ok(()) };
        self.calling = None;
        if function != end.function.0 {
            return Ok(());
        }
        let Some(Value::Result(Ok(Some(given)))) = self.result(end)? else { return Ok(()) };
        // What a handler gives back besides the state is a tuple of one.
        let Value::Tuple(given) = *given else { return Ok(()) };
        let Some(Value::Tuple(given)) = given.get(1) else { return Ok(()) };
        let answer = match given.first() {
            Some(Value::Option(Some(answer))) => Answer::Given(self.payloads.content(answer)?),
            Some(Value::Record(fields)) => {
                let is_accepted = matches!(fields.first(), Some(Value::Bool(true)));
                if is_accepted {
                    self.accepted(record, index, fields.get(1))?;
                }
                Answer::Accepted(is_accepted)
            }
            _ => return Ok(()),
        };
        self.answer(index, answer);
        Ok(())
    }

    /// Whoever accepts a channel sends a first message on it, if only an empty one.
    fn accepted(
        &mut self,
        record: &Record<'_>,
        index: usize,
        message: Option<&Value>,
    ) -> Result<(), ReadError> {
        let handled = self.member.received[index].handled.as_ref();
        let Some(to) = handled.and_then(|handled| handled.channel) else { return Ok(()) };
        let content = match message {
            Some(Value::Option(Some(message))) => self.payloads.content(message)?,
            _ => self.payloads.content(&Value::Bytes(Vec::new()))?,
        };
        let (seq, offset, link) = (record.seq, record.offset, record.hash());
        let (handler, outcome) = (Handler::ChannelMessage, Outcome::Delivered);
        self.member.sent.push(Sent {
            seq,
            offset,
            link,
            handler,
            to,
            content,
            outcome,
            is_repeated: false,
        });
        Ok(())
    }

    /// The first answer is the one that counts.
    fn answer(&mut self, index: usize, answer: Answer) {
        if let Some(handled) = &mut self.member.received[index].handled
            && handled.answer == Answer::Nothing
        {
            handled.answer = answer;
        }
    }

    fn import_call(&mut self, record: &Record<'_>, call: &Call) -> Result<(), ReadError> {
        self.calling = None;
        let Some((role, args)) = self.args(call) else { return Ok(()) };
        let pending = match role {
            Role::Sends(handler) => {
                let to = args.first().map(|to| self.payloads.text(to)).transpose()?.flatten();
                // Ids of actors may be written in capitals.
                let to = match handler {
                    Handler::Send | Handler::Request | Handler::ChannelOpen => {
                        to.map(|to| to.to_ascii_lowercase())
                    }
                    Handler::ChannelMessage | Handler::ChannelClose => to,
                };
                let to = self.member.names.name(to.unwrap_or_default());
                let content = self.content(args.get(1))?;
                let link = record.hash();
                let (seq, offset, outcome) = (record.seq, record.offset, Outcome::Untold);
                let sent =
                    Sent { seq, offset, link, handler, to, content, outcome, is_repeated: false };
                self.member.sent.push(sent);
                Pending::Sent(self.member.sent.len() - 1)
            }
            Role::Responds => {
                let id = args.first().map(|id| self.payloads.text(id)).transpose()?.flatten();
                Pending::Response(id, Answer::Given(self.content(args.get(1))?))
            }
            Role::Cancels => {
                let id = args.first().map(|id| self.payloads.text(id)).transpose()?.flatten();
                Pending::Response(id, Answer::Refused)
            }
            Role::Spawns => Pending::Spawn,
            Role::Handles(_) => return Ok(()),
        };
        self.calling = Some((call.function.0, pending));
        Ok(())
    }

    fn import_return(&mut self, end: &Return) -> Result<(), ReadError> {
        let Some((function, pending)) = self.calling.take() else { return Ok(()) };
        if function != end.function.0 {
            return Ok(());
        }
        let result = self.result(end)?;
        match pending {
            Pending::Sent(index) => self.told(index, result),
            Pending::Response(id, answer) => {
                // Killed in the middle, it may have been heard.
                let is_given = !matches!(result, Some(Value::Result(Err(_))));
                if is_given && let Some(index) = id.and_then(|id| self.requests.remove(&id)) {
                    self.answer(index, answer);
                }
                Ok(())
            }
            Pending::Spawn => {
                if let Some(Value::Result(Ok(Some(child)))) = result
                    && let Some(child) = self.payloads.text(&child)?
                {
                    self.member.children.push(child);
                }
                Ok(())
            }
        }
    }

    /// What the sender of a message was told.
    fn told(&mut self, index: usize, result: Option<Value>) -> Result<(), ReadError> {
        let (handler, to) = (self.member.sent[index].handler, self.member.sent[index].to);
        let outcome = match result {
            None => Outcome::Untold,
            Some(Value::Result(Ok(None))) => {
                if handler == Handler::ChannelClose {
                    self.member.closed.push(to);
                }
                Outcome::Delivered
            }
            Some(Value::Result(Ok(Some(value)))) if handler == Handler::ChannelOpen => {
                match self.payloads.text(&value)? {
                    Some(channel) => Outcome::Opened(self.member.names.name(channel)),
                    None => Outcome::Delivered,
                }
            }
            Some(Value::Result(Ok(Some(value)))) => {
                Outcome::Answered(self.payloads.content(&value)?)
            }
            Some(_) => Outcome::Failed,
        };
        self.member.sent[index].outcome = outcome;
        Ok(())
    }

    fn args(&self, call: &Call) -> Option<(Role, Vec<Value>)> {
        let (role, function) = self.functions.get(&call.function.0)?;
        let types = function.params.iter().map(|(_, ty)| ty);
        Some((*role, call.args.decode(types, &self.types).ok()?))
    }

    /// What a handler gets besides the state.
    fn params(&self, call: &Call, params: Value) -> Result<Vec<Value>, ReadError> {
        let Some((_, function)) = self.functions.get(&call.function.0) else {
            return Ok(Vec::new());
        };
        let Some((_, ty)) = function.params.get(1) else { return Ok(Vec::new()) };
        Ok(match self.payloads.inline(params, ty, &self.types)? {
            Some(Value::Tuple(params)) => params,
            _ => Vec::new(),
        })
    }

    /// The result of a call, if it has one.
    fn result(&self, end: &Return) -> Result<Option<Value>, ReadError> {
        let Some((_, function)) = self.functions.get(&end.function.0) else { return Ok(None) };
        let (Ended::Returned(values), [ty]) = (&end.outcome, &function.results[..]) else {
            return Ok(None);
        };
        let value = Values::decode(values, [ty].into_iter(), &self.types).ok();
        match value.and_then(|mut values| values.pop()) {
            Some(value) => self.payloads.inline(value, ty, &self.types),
            None => Ok(None),
        }
    }

    fn content(&self, value: Option<&Value>) -> Result<Content, ReadError> {
        value.map_or(Ok(Content::Missing), |value| self.payloads.content(value))
    }
}
