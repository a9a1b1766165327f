//! Reads a chain once, from front to back, for what it says of messages.

use std::collections::HashMap;

use theater_record::{
    Call, Decoder, Event, Frame, FrameKind, FunctionType, Header, Kind, LifecycleState,
    Outcome as Ended, Permission, ReadError, Record, Return, TypeTable, Value, Values,
};

use super::member::{
    Answer, Claim, Follows, Handled, Handler, Member, Names, Outcome, Received, Sender, Sent,
    event_in,
};
use super::payloads::{Content, Payloads};
use crate::verified::VerifiedChain;

const SENDS: &str = "theater:simple/message-server-host";
const HANDLES: &str = "theater:simple/message-server-client";
const SUPERVISES: &str = "theater:simple/supervisor";

/// What a chain's header calls the actor's id, the event that ended the life before, and the parent.
const ACTOR: &str = "actor";
const FOLLOWS: &str = "follows";
const PARENT: &str = "parent";

/// The capability of the records that say who has sent a message.
const MESSAGE: &str = "message";
const OUTSIDE: &str = "outside";

/// A function that has to do with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Sends a message that leads to this handler.
    Sends(Handler),
    /// Answers a request later.
    Responds,
    /// Starts a child.
    Spawns,
    /// Receives a message.
    Handles(Handler),
}

/// What a call that has not returned yet is about.
enum Pending {
    /// A message among those sent.
    Sent(usize),
    /// An answer to the request with this id.
    Response(Option<String>, Content),
    /// A child.
    Spawn,
}

struct Scan {
    member: Member,
    payloads: Payloads,
    types: TypeTable,
    /// Functions by their numbers, those that have to do with messages.
    functions: HashMap<u32, (Role, FunctionType)>,
    /// Whether the actor was started already.
    is_started: bool,
    /// Whether the component is at work.
    is_inside: bool,
    /// The record that says who sent what comes next.
    announced: Option<usize>,
    /// The message that is being handled, and by which function.
    handling: Option<(u32, usize)>,
    /// The call out that is under way, and of which function.
    calling: Option<(u32, Pending)>,
    /// Requests that can still be answered, by their ids.
    requests: HashMap<String, usize>,
    /// The last event before the newest checkpoint.
    before_checkpoint: Option<(u64, theater_record::Hash)>,
}

/// Reads what a chain says of messages.
pub(super) fn member(chain: &VerifiedChain, is_whole: bool) -> Result<Member, ReadError> {
    let mut scan = Scan::new(chain, is_whole);
    let mut reader = chain.reader()?;
    while let Some((offset, frame)) = reader.read_frame()? {
        match frame.kind() {
            Some(FrameKind::Blob) => scan.payloads.add(offset, &frame),
            Some(FrameKind::Record { seq, kind }) => {
                if let Some(kind) = Kind::from_number(kind) {
                    scan.record(&Record { offset, seq, kind, frame })?;
                }
            }
            Some(FrameKind::Tombstone) => scan.payloads.add_removed(&frame),
            None => {}
        }
    }
    let head = chain.head();
    scan.member.ends.push((head.seq, head.hash));
    Ok(scan.member)
}

impl Scan {
    fn new(chain: &VerifiedChain, is_whole: bool) -> Scan {
        let header = chain.header();
        let actor = setting(header, ACTOR);
        let follows = setting(header, FOLLOWS).map(|text| match event_in(&text) {
            Some((chain, seq, link)) => Follows::Event { chain, seq, link },
            None => Follows::Garbled,
        });
        let member = Member {
            chain: header.chain_id,
            actor,
            follows,
            parent: setting(header, PARENT),
            children: Vec::new(),
            created: header.created,
            is_whole,
            last_seq: chain.head().seq,
            ends: Vec::new(),
            recovered_at: None,
            restarts: Vec::new(),
            names: Names::default(),
            sent: Vec::new(),
            received: Vec::new(),
            closed: Vec::new(),
        };
        Scan {
            member,
            payloads: Payloads::of(chain.source().clone()),
            types: TypeTable::default(),
            functions: HashMap::new(),
            is_started: false,
            is_inside: false,
            announced: None,
            handling: None,
            calling: None,
            requests: HashMap::new(),
            before_checkpoint: None,
        }
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), ReadError> {
        // The record before, by the hash that this one carries of it.
        let before = (record.seq.saturating_sub(1), record.prev());
        match record.kind {
            Kind::Checkpoint => self.before_checkpoint = Some(before),
            Kind::Close => {
                self.member.ends.extend(self.before_checkpoint);
                self.member.ends.push(before);
            }
            Kind::Recover => {
                self.member.ends.push(before);
                self.member.recovered_at.get_or_insert(record.seq);
                self.is_inside = false;
            }
            kind @ (Kind::ExportCall
            | Kind::ExportReturn
            | Kind::ImportCall
            | Kind::ImportReturn) => {
                self.is_inside = kind != Kind::ExportReturn;
                let function = function_of(&record.frame);
                if self.concerns(record.kind, function) {
                    let event = record.event()?;
                    return self.crossing(record, event);
                }
            }
            Kind::Type | Kind::Function | Kind::Permission | Kind::Lifecycle => {
                let event = record.event()?;
                self.other(record, event);
            }
            Kind::Header | Kind::ResourceDrop => {}
        }
        Ok(())
    }

    /// Whether a call or a return has to be looked at.
    fn concerns(&mut self, kind: Kind, function: Option<u32>) -> bool {
        let known = function.is_some_and(|function| self.functions.contains_key(&function));
        if !known && kind == Kind::ExportCall {
            // What was announced has no handler.
            self.announced = None;
            self.handling = None;
        }
        known
    }

    fn other(&mut self, record: &Record<'_>, event: Event) {
        match event {
            Event::Type(def) => drop(self.types.add(def)),
            Event::Function(function) => {
                if let Some(role) = role(&function) {
                    self.functions.insert(function.id.0, (role, function));
                }
            }
            Event::Permission(decision) => self.permission(record, decision),
            Event::Lifecycle(lifecycle) => {
                self.is_inside = false;
                if lifecycle.state == LifecycleState::Spawned
                    && std::mem::replace(&mut self.is_started, true)
                {
                    self.member.restarts.push(record.seq);
                }
            }
            _ => {}
        }
    }

    fn permission(&mut self, record: &Record<'_>, decision: Permission) {
        let is_message = decision.capability == MESSAGE && decision.allowed;
        // What is decided while the component is at work is about its own calls.
        if !is_message || self.is_inside {
            return;
        }
        let sender = self.sender(decision.subject);
        let (seq, offset) = (record.seq, record.offset);
        self.announced = Some(self.member.received.len());
        self.member.received.push(Received { seq, offset, sender, handled: None });
    }

    fn sender(&mut self, subject: String) -> Sender {
        if subject == OUTSIDE {
            return Sender::Outside;
        }
        let words = subject.split_once(' ').map(|(actor, rest)| (actor, event_in(rest)));
        match words {
            Some((actor, Some((chain, seq, link)))) => {
                let actor = self.member.names.name(actor.to_owned());
                Sender::Actor(Claim { actor, chain, seq, link })
            }
            Some((_, None)) | None => Sender::Garbled(subject),
        }
    }

    fn crossing(&mut self, record: &Record<'_>, event: Event) -> Result<(), ReadError> {
        match event {
            Event::ExportCall(call) => self.export_call(record, &call),
            Event::ExportReturn(end) => self.export_return(&end),
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
                let (seq, offset) = (record.seq, record.offset);
                let sender = Sender::Nobody;
                self.member.received.push(Received { seq, offset, sender, handled: None });
                self.member.received.len() - 1
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

    fn export_return(&mut self, end: &Return) -> Result<(), ReadError> {
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
                Answer::Accepted(matches!(fields.first(), Some(Value::Bool(true))))
            }
            _ => return Ok(()),
        };
        self.answer(index, answer);
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
                let to = self.member.names.name(to.unwrap_or_default());
                let content = self.content(args.get(1))?;
                let link = record.hash();
                let (seq, offset, outcome) = (record.seq, record.offset, Outcome::Untold);
                let sent = Sent { seq, offset, link, handler, to, content, outcome };
                self.member.sent.push(sent);
                Pending::Sent(self.member.sent.len() - 1)
            }
            Role::Responds => {
                let id = args.first().map(|id| self.payloads.text(id)).transpose()?.flatten();
                Pending::Response(id, self.content(args.get(1))?)
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
            Pending::Response(id, content) => {
                // Killed in the middle, it may have been heard.
                let is_given = !matches!(result, Some(Value::Result(Err(_))));
                if is_given && let Some(index) = id.and_then(|id| self.requests.remove(&id)) {
                    self.answer(index, Answer::Given(content));
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

/// What a function has to do with messages, if anything.
fn role(function: &FunctionType) -> Option<Role> {
    let interface = function.interface.split('@').next().unwrap_or_default();
    Some(match (interface, function.name.as_str()) {
        (SENDS, "send") => Role::Sends(Handler::Send),
        (SENDS, "request") => Role::Sends(Handler::Request),
        (SENDS, "open-channel") => Role::Sends(Handler::ChannelOpen),
        (SENDS, "send-on-channel") => Role::Sends(Handler::ChannelMessage),
        (SENDS, "close-channel") => Role::Sends(Handler::ChannelClose),
        (SENDS, "respond-to-request") => Role::Responds,
        (SUPERVISES, "spawn" | "spawn-child") => Role::Spawns,
        (HANDLES, "handle-send") => Role::Handles(Handler::Send),
        (HANDLES, "handle-request") => Role::Handles(Handler::Request),
        (HANDLES, "handle-channel-open") => Role::Handles(Handler::ChannelOpen),
        (HANDLES, "handle-channel-message") => Role::Handles(Handler::ChannelMessage),
        (HANDLES, "handle-channel-close") => Role::Handles(Handler::ChannelClose),
        _ => return None,
    })
}

/// The number of the function that a call or a return is about, without decoding the rest.
fn function_of(frame: &Frame<'_>) -> Option<u32> {
    let mut body = Decoder::new(frame.body());
    body.array().ok()?;
    body.bytes().ok()?;
    body.bytes().ok()?;
    body.uint().ok()?;
    body.uint().ok()?;
    body.uint_as().ok()
}

fn setting(header: &Header, name: &str) -> Option<String> {
    let found = header.settings.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone())
}
